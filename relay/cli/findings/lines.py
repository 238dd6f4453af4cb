"""A line: are its credentials good, has its subscriber agreed, and does the provider know where to call?"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from relay.cli.findings import Finding, good, wrong
from relay.cli.findings.certificates import ends_soon
from relay.cli.findings.consent import look_at_consent
from relay.cli.findings.door import Behind, knock, web_door
from relay.cli.findings.journal import is_running
from relay.cli.findings.patience import USUAL, Patience
from relay.clock import Clock, SystemClock
from relay.domain.errors import ConsentRequired, NotAuthorized, RelayError
from relay.hookaddresses import hook_addresses, hook_prefix
from relay.ids import Ids
from relay.providerkit.hooks import TAKEN_METHODS, Wanted, host_of
from relay.providerkit.spec import InstallsHooks, Line, LineContext, NeedsConsent, Provider, TakesHooks
from relay.settings import Settings

_NO_HOOKS = "texts that come in, and receipts, are not told to relay"
_NO_ADDRESS = "set webhooks.public_url to the https address that leads to webhooks.listen"
_NO_WAY = "the line can neither send nor receive as long"
_CA = "put the authority's certificate into /usr/local/share/ca-certificates, and run: update-ca-certificates"
# What a line may be let in by, as its settings name it.
_CREDENTIALS = ("app_key", "app_secret", "scope", "session", "username", "password")
_SECRET = "SECRET"  # noqa: S105 - it stands for one: `relay webhooks list` alone shows addresses


class Prober:
    """Looks at lines. What it learns is kept nowhere.

    Attributes:
        ahead: how far this machine's clock is ahead of each provider's that has answered.
    """

    def __init__(
        self,
        settings: Settings,
        providers: Mapping[str, Provider],
        *,
        patience: Patience = USUAL,
        clock: Clock | None = None,
    ) -> None:
        self.ahead: list[timedelta] = []
        self._settings = settings
        self._providers = providers
        self._patience = patience
        self._clock = clock or SystemClock()
        self._public = settings.webhooks.public_url
        self._behind: dict[str, asyncio.Task[Behind]] = {}

    async def look_at_line(self, alias: str) -> Sequence[Finding]:
        """The way to its provider, the line's credentials and, where it has any, its consent and its web hooks."""
        base_url = self._settings.lines[alias].base_url
        behind = await self._knock(alias, base_url)
        if behind.trouble:
            return [wrong(alias, behind.trouble.what, _NO_WAY, behind.trouble.cure)]
        soon = ends_soon(alias, base_url, behind.expires, self._clock.now(), "relay does not call it from then on")
        return [*await self._in_use(alias), *soon]

    async def _knock(self, alias: str, base_url: str) -> Behind:
        """What is behind a provider's address, looked at once for all of its lines."""
        if base_url not in self._behind:
            self._behind[base_url] = asyncio.create_task(self._first_knock(f"lines.{alias}.base_url", base_url))
        # One look that is given up must not take the others with it.
        return await asyncio.shield(self._behind[base_url])

    async def _first_knock(self, setting: str, base_url: str) -> Behind:
        door = await asyncio.to_thread(web_door, setting, base_url, _CA)
        behind = await knock(door, self._patience.door, self._clock.now())
        self.ahead += [] if behind.ahead is None else [behind.ahead]
        return behind

    async def _in_use(self, alias: str) -> Sequence[Finding]:
        async with self.connected(alias) as line:
            found = await self._credentials(line)
            if isinstance(line, NeedsConsent):
                found.append(await look_at_consent(alias, self._settings))
            if isinstance(line, TakesHooks) and line.hook_events and all(finding.ok for finding in found):
                found.append(await self._hooks(line))
            return found

    @asynccontextmanager
    async def connected(self, alias: str) -> AsyncIterator[Line]:
        """The line, closed with the block. Nobody is called until it is told to."""
        own, clock = self._settings.lines[alias], self._clock
        line = self._providers[own.provider].connect(LineContext(alias, own, _Forgetful(), clock, Ids(clock)))
        try:
            yield line
        finally:
            await line.aclose()

    async def _credentials(self, line: Line) -> list[Finding]:
        try:
            return [good(line.alias, await line.verify())]
        except ConsentRequired:
            return []  # what was kept of it is not looked at here: the running relay is asked
        except RelayError as error:
            return [self._failed(line.alias, error)]

    def _failed(self, alias: str, error: RelayError) -> Finding:
        if isinstance(error, NotAuthorized):
            given = [name for name in _CREDENTIALS if getattr(self._settings.lines[alias], name, None)]
            cure = f"compare {', '.join(given)} of [lines.{alias}] with the credentials on the provider's account page"
            return wrong(alias, _said(error), "the line can neither send nor receive", cure)
        cure = f"check that lines.{alias}.base_url is the provider's own; it may be down: try again in a few minutes"
        return wrong(alias, _said(error), _NO_WAY, cure)

    async def _hooks(self, line: Any) -> Finding:
        alias, events = line.alias, tuple(line.hook_events)
        if not self._public:
            return wrong(alias, "webhooks.public_url is not set", _NO_HOOKS, _NO_ADDRESS)
        if not isinstance(line, InstallsHooks):
            return _by_hand(alias, hook_addresses(self._public, alias, _SECRET, events))
        try:
            installed = await line.list_hooks()
        except RelayError as error:
            return self._failed(alias, error)
        right = Counter(
            (hook.event, public_url)
            for hook in installed
            for public_url in self._public
            if hook.url.startswith(hook_prefix(public_url, alias)) and hook.method in TAKEN_METHODS
        )
        return self._judge(alias, events, right)

    def _judge(self, alias: str, events: tuple[str, ...], right: Counter[tuple[str, str]]) -> Finding:
        wanted = [(event, public_url) for event in events for public_url in self._public]
        missing = self._named(each for each in wanted if not right[each])
        twice = self._named(each for each in wanted if right[each] > 1)
        if not missing and not twice:
            return good(alias, f"web hooks are installed: {self._named(wanted)}")
        if not is_running(self._settings):
            return good(alias, f"web hooks are not all installed ({missing or twice}): relay does it when it starts")
        cure = f"relay mends it within ten minutes, unless they were removed: relay webhooks install {alias}"
        if missing:
            return wrong(alias, f"web hooks are missing: {missing}", _NO_HOOKS, cure)
        return wrong(alias, f"web hooks are installed twice: {twice}", "AT&T calls twice for each text", cure)

    def _named(self, wanted: Any) -> str:
        """Events, with their hosts where there are several."""
        several = len(self._public) > 1
        return ", ".join(f"{event} at {host_of(url)}" if several else event for event, url in wanted)


def _by_hand(alias: str, wanted: Sequence[Wanted]) -> Finding:
    addresses = ", ".join(f"{event}: {url}" for event, url in wanted)
    return good(alias, f"to be registered at the provider by hand: {addresses} (relay webhooks list has the secret)")


def _said(error: RelayError) -> str:
    word = error.problem.provider
    said = ", ".join(str(each) for each in (word.http and f"HTTP {word.http}", word.code) if each) if word else ""
    return f"{error.problem.detail} ({said})" if said else error.problem.detail


class _Forgetful:
    """A line's memory for one look: a token that is tried out is not the running relay's."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        return self._kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        self._kept[key] = value

    async def drop(self, key: str) -> None:
        self._kept.pop(key, None)
