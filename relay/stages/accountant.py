"""journal -> journal: how each line's budget of calls stands, and an event, once a month, where it will not last."""

from collections.abc import Collection

import structlog

from relay.journal import Limit
from relay.rules.budget import Forecast
from relay.stagekit import Rest, Stage, Standing

log = structlog.get_logger()

EVERY = 60.0  # seconds
SHORT, SPENT = "budget-short", "budget-spent"
_TOLD = ("limit", "spent", "left", "ends_at", "resets_at")


class Accountant(Stage):
    """Tells which budgets run short, and which are spent but for what is kept for reading what comes in.

    A crash between an event and the note of it tells the event once more.

    Args:
        lines: the aliases.
        standing: what a stage stands on.
    """

    name = "accountant"

    def __init__(self, lines: Collection[str], standing: Standing) -> None:
        self._lines = lines
        self._journal = standing.journal

    async def step(self) -> Rest | None:
        """Look at every line."""
        for line in tuple(self._lines):
            standing = await self._journal.limits.standing(line)
            if standing.month is not None:
                await self._judge(line, standing.month, is_stopped=standing.permit.limit is Limit.MONTH)
        return Rest(EVERY)

    async def _judge(self, line: str, month: Forecast, *, is_stopped: bool) -> None:
        if month.is_spent or is_stopped:
            await self._tell(line, SPENT, month)
        elif month.is_short:
            await self._tell(line, SHORT, month)

    async def _tell(self, line: str, name: str, month: Forecast) -> None:
        """Once a month: the journal remembers for which."""
        memory, key = self._journal.memory(line), f"limits.{name}"
        this_month = month.resets_at.isoformat().encode()
        if await memory.get(key) == this_month:
            return
        body = month.as_body()
        await self._journal.events.announce(line, name, {each: body[each] for each in _TOLD})
        await memory.put(key, this_month)
        log.warning("budget.told", line=line, about=name, limit=month.limit, spent=month.spent, ends_at=body["ends_at"])
