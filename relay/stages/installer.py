"""journal -> provider: the web hooks that a line needs, installed and kept right at the provider."""

import structlog

from relay.domain.errors import NotAuthorized, RelayError, TryLater
from relay.domain.schedule import STAGE_FAILED
from relay.stagekit import Rest, Stage, Standing
from relay.telemetry.health import LineState
from relay.webhooks import HookKeeper, told

log = structlog.get_logger()

LOOK_AGAIN = 600.0  # seconds: drift is looked for every ten minutes (contract, Fine points, Web hooks)


class Installer(Stage):
    """Keeps one line's web hooks right, and tells the bus what had to be mended.

    Args:
        hooks: the line's.
    """

    def __init__(self, hooks: HookKeeper, standing: Standing) -> None:
        alias = hooks.line.alias
        self.name = f"installer/{alias}"
        self.line = self._alias = alias
        self._hooks = hooks
        self._journal = standing.journal
        self._board = standing.board
        self._ids = standing.ids
        self._failures = 0
        self._were_right = False

    async def step(self) -> Rest | None:
        """Compare what is installed with what is wanted, and mend the difference."""
        try:
            changes = await self._hooks.mend()
        except RelayError as error:
            return self._failed(error)
        if self._failures:
            log.info("hooks.recovered", line=self._alias, failures=self._failures)
        self._failures = 0
        self._board.report(self._alias, "hooks", LineState.READY)
        if changes is not None:
            log.log(20 if changes else 10, "hooks.checked", line=self._alias, changes=len(changes))
        if changes and self._were_right:
            await self._journal.events.announce(self._alias, "webhook-drift", {"repaired": told(changes)})
        # Those that were removed on purpose, or that another node is at, are no drift when they come back.
        self._were_right = changes is not None
        return Rest(LOOK_AGAIN, self._journal.bell(f"hooks:{self._alias}"))

    def _failed(self, error: RelayError) -> Rest:
        self._failures += 1
        state = LineState.UNAUTHORIZED if isinstance(error, NotAuthorized) else LineState.UNREACHABLE
        self._board.report(self._alias, "hooks", state, error.problem.code)
        level, code = 30 if self._failures == 1 else 20, error.problem.code.value
        log.log(level, "hooks.failed", line=self._alias, policy=type(error).__name__, code=code)
        asked_for = error.after if isinstance(error, TryLater) else None
        return Rest(max(asked_for or 0.0, STAGE_FAILED.delay(self._failures, self._ids.chance.random())))
