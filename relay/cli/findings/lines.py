"""A line: are its credentials good, has its subscriber agreed, and does the provider know where to call?"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from relay.cli.findings import Finding, good, wrong
from relay.cli.findings.consent import look_at_consent
from relay.cli.findings.journal import is_running
from relay.clock import SystemClock
from relay.domain.errors import ConsentRequired, NotAuthorized, RelayError
from relay.hookaddresses import hook_addresses, hook_prefix
from relay.ids import Ids
from relay.providerkit.hooks import TAKEN_METHODS, Wanted, host_of
from relay.providerkit.spec import InstallsHooks, Line, LineContext, NeedsConsent, Provider, TakesHooks
from relay.settings import Settings

_NO_HOOKS = "texts that come in, and receipts, are not told to relay"
_NO_ADDRESS = "set webhooks.public_url to the https address that leads to webhooks.listen"
_SECRET = "SECRET"  # noqa: S105 - it stands for one: `relay webhooks list` alone shows addresses


class Prober:
    """Looks at lines. What it learns is kept nowhere."""

    def __init__(self, settings: Settings, providers: Mapping[str, Provider]) -> None:
        self._settings = settings
        self._providers = providers
        self._public = settings.webhooks.public_url

    async def look_at_line(self, alias: str) -> Sequence[Finding]:
        """The line's credentials and, where it has any, its consent and its web hooks."""
        async with self.connected(alias) as line:
            found = await _credentials(line)
            if isinstance(line, NeedsConsent):
                found.append(await look_at_consent(alias, self._settings))
            if isinstance(line, TakesHooks) and line.hook_events and all(finding.ok for finding in found):
                found.append(await self._hooks(line))
            return found

    @asynccontextmanager
    async def connected(self, alias: str) -> AsyncIterator[Line]:
        """The line, closed with the block. Nobody is called until it is told to."""
        own, clock = self._settings.lines[alias], SystemClock()
        line = self._providers[own.provider].connect(LineContext(alias, own, _Forgetful(), clock, Ids(clock)))
        try:
            yield line
        finally:
            await line.aclose()

    async def _hooks(self, line: Any) -> Finding:
        alias, events = line.alias, tuple(line.hook_events)
        if not self._public:
            return wrong(alias, "webhooks.public_url is not set", _NO_HOOKS, _NO_ADDRESS)
        if not isinstance(line, InstallsHooks):
            return _by_hand(alias, hook_addresses(self._public, alias, _SECRET, events))
        try:
            installed = await line.list_hooks()
        except RelayError as error:
            return _failed(alias, error)
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


async def _credentials(line: Line) -> list[Finding]:
    try:
        return [good(line.alias, await line.verify())]
    except ConsentRequired:
        return []  # what was kept of it is not looked at here: the running relay is asked
    except RelayError as error:
        return [_failed(line.alias, error)]


def _failed(alias: str, error: RelayError) -> Finding:
    if isinstance(error, NotAuthorized):
        cure = "compare this line's credentials in the settings with those on the provider's account page"
        return wrong(alias, _said(error), "the line can neither send nor receive", cure)
    cure = "check this line's base_url, the network and any proxy; the provider itself may be down"
    return wrong(alias, _said(error), "the line does not work as long", cure)


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
