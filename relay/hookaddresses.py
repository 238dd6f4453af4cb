"""Where a line is called: `/hooks/<line>/<secret>/<event>`, `/consent/<line>/<secret>`; and which secrets are taken.

AT&T signs nothing, so the path is the proof. A secret comes from the settings or is made once and kept in the
journal; after a change the former one is still taken for 72 hours, for that is how long AT&T repeats a hook.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Protocol

from pydantic_core import from_json, to_json

from relay.ids import unguessable

FORMER_FOR = timedelta(hours=72)
SECRETS_BELL = "secrets"  # rings on all nodes when one has begun with its secrets
_KEY = "hooks.secrets"


class Memory(Protocol):
    """A line's small durable memory."""

    async def get(self, key: str) -> bytes | None:
        """What was put under `key`."""

    async def swap(self, key: str, before: bytes | None, value: bytes) -> bytes:
        """Keep `value` under `key` where `before` is there, and only there; gives what is there then."""


@dataclass(frozen=True, slots=True)
class HookSecrets:
    """The secret that addresses are made of, and the former ones that are still taken."""

    current: str = field(repr=False)
    former: Mapping[str, datetime] = field(default_factory=dict, repr=False)  # until when each is taken

    def taken(self, now: datetime) -> tuple[str, ...]:
        """Every secret under which hooks are taken at this time."""
        return (self.current, *(secret for secret, until in self.former.items() if until > now))

    def as_body(self) -> dict[str, Any]:
        """As it is kept."""
        return {"current": self.current, "former": {one: until.isoformat() for one, until in self.former.items()}}


class TakenSecrets:
    """Under which secrets each line's hooks are taken: this node's own, and what other nodes have made of them since.

    While settings are rolled out, the provider calls all nodes under the secret that only the first of them knows.

    Args:
        own: each line's, as this node began with them.
    """

    def __init__(self, own: Mapping[str, HookSecrets]) -> None:
        self._own = own
        self._kept: dict[str, HookSecrets] = {}

    def of(self, line: str, now: datetime) -> Sequence[str] | None:
        """A line's; None where it has none."""
        own = self._own.get(line)
        if own is None:
            return None
        kept = self._kept.get(line, own)
        return tuple(dict.fromkeys((*own.taken(now), *kept.taken(now))))

    async def look(self, memory: Callable[[str], Memory]) -> None:
        """See what is kept by now; `memory` gives a line's."""
        for line in tuple(self._own):
            kept = await memory(line).get(_KEY)
            if kept:
                self._kept[line] = _read(kept)


async def hook_secrets(memory: Memory, configured: str | None, now: datetime) -> HookSecrets:
    """The line's secrets, made at the first call and kept; a change of `configured` retires the one before.

    Nodes that begin at the same moment end with the same secret: the one that was kept first.
    """
    there = await memory.get(_KEY)
    while True:
        found = _following(there, configured, now)
        fresh = to_json(found.as_body())
        if there == fresh:
            return found
        # What another node kept meanwhile is given, and followed in its turn.
        there = await memory.swap(_KEY, there, fresh)


def _following(there: bytes | None, configured: str | None, now: datetime) -> HookSecrets:
    kept = from_json(there or b"{}")
    before: str | None = kept.get("current")
    current = configured or before or unguessable()
    former = {secret: datetime.fromisoformat(until) for secret, until in kept.get("former", {}).items()}
    if before and before != current:
        former[before] = now + FORMER_FOR
    former = {secret: until for secret, until in former.items() if until > now and secret != current}
    return HookSecrets(current, former)


def _read(kept: bytes) -> HookSecrets:
    found = from_json(kept)
    former = {secret: datetime.fromisoformat(until) for secret, until in found.get("former", {}).items()}
    return HookSecrets(found["current"], former)


def opens(offered: str, secrets: Sequence[str] | None) -> bool:
    """Whether a path's secret is one of those that are taken; the time it takes says nothing."""
    given = offered.encode("utf-8", "replace")
    # Every secret is compared, and one even where there is none.
    right = [hmac.compare_digest(given, known.encode()) for known in secrets or ("-",)]
    return bool(secrets) and any(right)


def hook_prefix(public_url: str, line: str) -> str:
    """The beginning of every address that is this line's."""
    return f"{public_url}/hooks/{line}/"


def hook_addresses(
    public_urls: Sequence[str], line: str, secret: str, events: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Each event with its address at each public address; with none of those, with the path alone."""
    prefixes = [hook_prefix(public_url, line) for public_url in public_urls or ("",)]
    return tuple((event, f"{prefix}{secret}/{event}") for event in events for prefix in prefixes)


def consent_address(public_urls: Sequence[str], line: str, secret: str) -> str:
    """Where the provider sends the subscriber's browser back to; without a public address, the path alone."""
    return f"{next(iter(public_urls), '')}/consent/{line}/{secret}"


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask for below a public address, and what only a relay with the same secret answers."""

    path: str = field(repr=False)
    answer: str = field(repr=False)


def question(line: str, secret: str) -> Question:
    """A new question: it shows that whoever asks knows the line's secret, and not the secret itself."""
    nonce = unguessable()
    seal = f"{nonce}.{_sealed(secret, 'asks', nonce)}"
    return Question(f"{hook_prefix('', line)}{seal}/check", _sealed(secret, "answers", nonce))


def proof(seal: str, secrets: Sequence[str] | None) -> str | None:
    """The answer to a question that was sealed with one of the secrets; None to any other."""
    nonce, _, given = seal.partition(".")
    offered = given.encode("utf-8", "replace")
    # Where there is no such line the same is done: the time it takes does not say so.
    right = [
        secret for secret in secrets or ("-",) if hmac.compare_digest(offered, _sealed(secret, "asks", nonce).encode())
    ]
    return _sealed(right[0], "answers", nonce) if secrets and right else None


def _sealed(secret: str, who: str, nonce: str) -> str:
    return hmac.new(secret.encode(), f"relay check {who} {nonce}".encode("utf-8", "replace"), sha256).hexdigest()
