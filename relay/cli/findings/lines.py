"""A line: are its credentials good, and does the provider know where to call?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from relay.cli.findings import Finding, good, wrong
from relay.cli.findings.journal import in_use
from relay.clock import SystemClock
from relay.domain.errors import NotAuthorized, RelayError
from relay.hookaddresses import hook_prefix
from relay.ids import Ids
from relay.providerkit.hooks import TAKEN_METHODS
from relay.providerkit.spec import InstallsHooks, Line, LineContext, Provider, TakesHooks
from relay.settings import Settings

_NO_HOOKS = "texts that come in, and receipts, are not told to relay"


class Prober:
    """Looks at lines. What it learns is kept nowhere."""

    def __init__(self, settings: Settings, providers: Mapping[str, Provider]) -> None:
        self._settings = settings
        self._providers = providers

    async def look_at_line(self, alias: str) -> Sequence[Finding]:
        """The line's credentials and, where it has any, its web hooks."""
        own, clock = self._settings.lines[alias], SystemClock()
        line = self._providers[own.provider].connect(LineContext(alias, own, _Forgetful(), clock, Ids(clock)))
        try:
            found = await _credentials(line)
            if found.ok and isinstance(line, InstallsHooks) and isinstance(line, TakesHooks):
                return [found, await self._hooks(line)]
            return [found]
        finally:
            await line.aclose()

    async def _hooks(self, line: Any) -> Finding:
        urls = self._settings.webhooks.public_url
        if not urls:
            cure = "set webhooks.public_url to the https address that leads to webhooks.listen"
            return wrong(line.alias, "webhooks.public_url is not set", _NO_HOOKS, cure)
        try:
            installed = await line.list_hooks()
        except RelayError as error:
            return _failed(line.alias, error)
        ours = hook_prefix(urls[0], line.alias)
        right = Counter(hook.event for hook in installed if hook.url.startswith(ours) and hook.method in TAKEN_METHODS)
        return self._judge(line.alias, tuple(line.hook_events), right)

    def _judge(self, alias: str, events: tuple[str, ...], right: Counter[str]) -> Finding:
        missing = ", ".join(event for event in events if not right[event])
        twice = ", ".join(event for event in events if right[event] > 1)
        if not missing and not twice:
            return good(alias, f"web hooks are installed: {', '.join(events)}")
        if not in_use(self._settings.journal.path):
            return good(alias, f"web hooks are not all installed ({missing or twice}): relay does it when it starts")
        cure = "relay mends it within ten minutes; if not, its log says why (hooks.failed)"
        if missing:
            return wrong(alias, f"web hooks are missing: {missing}", _NO_HOOKS, cure)
        return wrong(alias, f"web hooks are installed twice: {twice}", "AT&T calls twice for each text", cure)


async def _credentials(line: Line) -> Finding:
    try:
        return good(line.alias, await line.verify())
    except RelayError as error:
        return _failed(line.alias, error)


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
