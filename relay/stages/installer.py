"""journal -> provider: the web hooks that a line needs, installed and kept right at the provider.

Adding a hook twice makes the provider deliver twice (wire facts, 4.5), so what is there is listed first, one hook
an event is kept, and hooks of other people are left alone.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from relay.domain.errors import NotAuthorized, RelayError
from relay.domain.schedule import STAGE_FAILED
from relay.ids import Ids
from relay.journal import Journal
from relay.providerkit.hooks import Change, Install, Remove, Update, reconcile
from relay.providerkit.spec import InstallsHooks, Line, TakesHooks
from relay.stagekit import Rest, Stage
from relay.telemetry.health import LineBoard, LineState

log = structlog.get_logger()

LOOK_AGAIN = 600.0  # seconds: drift is looked for every ten minutes (contract, Fine points, Web hooks)


class InstallingLine(Line, TakesHooks, InstallsHooks, Protocol):
    """A line whose web hooks relay installs."""


class Installer(Stage):
    """Keeps one line's web hooks right.

    Args:
        wanted: the address for each event.
        ours: the beginning of every address that is this line's, whatever its secret was.
    """

    def __init__(
        self,
        line: InstallingLine,
        *,
        wanted: Mapping[str, str],
        ours: str,
        journal: Journal,
        board: LineBoard,
        ids: Ids,
    ) -> None:
        self.name = f"installer/{line.alias}"
        self.line = line.alias
        self._line = line
        self._wanted = wanted
        self._ours = ours
        self._journal = journal
        self._board = board
        self._ids = ids
        self._failures = 0
        self._were_right = False

    async def step(self) -> Rest | None:
        """Compare what is installed with what is wanted, and mend the difference."""
        try:
            changes = await self._mend()
        except RelayError as error:
            return self._failed(error)
        self._failures = 0
        self._board.report(self._line.alias, "hooks", LineState.READY)
        log.log(20 if changes else 10, "hooks.checked", line=self._line.alias, changes=len(changes))
        if changes and self._were_right:
            await self._journal.events.announce(self._line.alias, "webhook-drift", {"repaired": _told(changes)})
        self._were_right = True
        return Rest(LOOK_AGAIN)

    async def _mend(self) -> Sequence[Change]:
        installed = await self._line.list_hooks()
        changes = reconcile(installed, self._wanted, lambda url: url.startswith(self._ours))
        for change in changes:
            match change:
                case Install():
                    await self._line.install_hook(change.event, change.url)
                case Update():
                    await self._line.update_hook(change.provider_id, change.url)
                case Remove():
                    await self._line.remove_hook(change.provider_id)
        return changes

    def _failed(self, error: RelayError) -> Rest:
        self._failures += 1
        state = LineState.UNAUTHORIZED if isinstance(error, NotAuthorized) else LineState.UNREACHABLE
        self._board.report(self._line.alias, "hooks", state, error.problem.code)
        log.warning("hooks.failed", line=self._line.alias, policy=type(error).__name__, code=error.problem.code.value)
        return Rest(STAGE_FAILED.delay(self._failures, self._ids.chance.random()))


_REPAIRS = {Install: "installed", Update: "updated", Remove: "removed"}


def _told(changes: Sequence[Change]) -> list[dict[str, str]]:
    """What was repaired, without the addresses: they hold the secret."""
    return [{"hook": change.event, "repair": _REPAIRS[type(change)]} for change in changes]
