"""clock -> journal: see that the machine's clock was put forward or back, say so, and put right what that displaces.

Relay's time is the machine's: a text that is to be sent at nine goes out when its clock says nine. What relay itself
lets wait, a retry or a look at a status, was noted by the clock as it was, and is put back with it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from relay.journal import Journal
from relay.stagekit import Rest, Stage, Standing

log = structlog.get_logger()

LEAST = 60.0  # seconds: the daemons that keep a clock right move it by less, and nothing here is finer
EVERY = 2.0
_NOTED_EVERY = timedelta(minutes=1)
_SEEN = "clock.seen"
_NOBODYS = ""


class Timekeeper(Stage):
    """Watches the clock.

    Args:
        standing: what the stage stands on.
        stepped: the seconds by which the machine's clock was put forward, or back where negative, since the last call.
    """

    name = "timekeeper"

    def __init__(self, standing: Standing, stepped: Callable[[], float]) -> None:
        self._journal: Journal = standing.journal
        self._clock = standing.clock
        self._stepped = stepped
        self._memory = standing.journal.memory(_NOBODYS)
        # Each node has a clock of its own; what waits was noted by all of them, and is put back for none.
        self._is_shared = self._journal.nodes.is_shared
        self._seen = f"{_SEEN}/{self._journal.node}" if self._is_shared else _SEEN
        self._noted: datetime | None = None

    async def step(self) -> Rest | None:
        """Look at the clock."""
        back = await self._since_last_life() if self._noted is None else self._stepped()
        if abs(back) >= LEAST:
            puts_back = back < 0 and not self._is_shared
            moved = await self._journal.upkeep.clock_put_back(timedelta(seconds=-back)) if puts_back else 0
            log.warning("clock.jumped", seconds=round(back), moved=moved)
            self._noted = None
        if self._noted is None or self._clock.now() - self._noted >= _NOTED_EVERY:
            await self._note()
        return Rest(EVERY)

    async def drain(self, seconds: float) -> None:  # noqa: ARG002 - one commit
        """Write down when this life ended."""
        if self._noted is not None:
            await self._note()

    async def _note(self) -> None:
        now = self._clock.now()
        await self._memory.put(self._seen, now.isoformat().encode())
        self._noted = now

    async def _since_last_life(self) -> float:
        """How far the clock is behind what a former life saw last; that it is ahead says nothing."""
        seen = await self._memory.get(self._seen)
        if seen is None:
            return 0.0
        return min((self._clock.now() - datetime.fromisoformat(seen.decode())).total_seconds(), 0.0)
