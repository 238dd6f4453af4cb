"""A line that needs consent, at a provider that is as the test wants it."""

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urlencode

from relay.clock import Clock
from relay.domain.errors import RelayError
from relay.providerkit.spec import ConsentStanding

DESK = "desk"
SECRET, FORMER = "secret-0123456789", "former-0123456789"


@dataclass
class Desk:
    """A subscriber's number."""

    clock: Clock
    taken: list[tuple[str, str]] = field(default_factory=list)
    trouble: RelayError | None = None
    gate: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    standing: ConsentStanding = field(default_factory=lambda: ConsentStanding(given=False, reason="never_given"))
    alias: str = DESK
    provider: str = "small"
    number: str = "+12065550111"

    async def verify(self) -> str:
        """Nothing to try."""
        return "fine"

    async def aclose(self) -> None:
        """Nothing to close."""

    def consent_url(self, redirect_uri: str, state: str) -> str:
        """The provider's page."""
        query = urlencode({"client_id": "key", "redirect_uri": redirect_uri, "state": state})
        return f"https://provider.example/authorize?{query}"

    async def take_consent(self, code: str, redirect_uri: str) -> str:
        """Take each code as the provider does: once, and when the gate is open."""
        self.taken.append((code, redirect_uri))
        self.asked.set()
        if self.gate:
            await self.gate.wait()
        if self.trouble:
            raise self.trouble
        self.standing = ConsentStanding(given=True, since=self.clock.now())
        return "the subscriber is the line's"

    async def consent(self) -> ConsentStanding:
        """How it stands."""
        return self.standing

    async def revoke_consent(self) -> None:
        """Forget it; then say what went wrong."""
        self.standing = ConsentStanding(given=False, reason="revoked")
        if self.trouble:
            raise self.trouble
