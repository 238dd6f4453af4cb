"""The simulator's agenda: what is to happen at which moment of the clock."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from relay.clock import Clock

_SOON = 0.001  # datetimes carry microseconds: what is due within a millisecond is due


class Agenda:
    """A list of calls, each to be made once when its time on the clock has come; `run` makes them, in order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[tuple[float, int, Callable[[], object]]] = []
        self._count = itertools.count()
        self._earlier = asyncio.Event()

    def now(self) -> float:
        """The clock's time, in seconds since 1970."""
        return self._clock.now().timestamp()

    def at(self, when: float, call: Callable[[], object]) -> None:
        """Make `call` at `when` (seconds since 1970), or at once if that has passed."""
        heapq.heappush(self._entries, (when, next(self._count), call))
        if self._entries[0][0] == when:
            self._earlier.set()

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Make `call` in so many seconds of the clock."""
        self.at(self.now() + seconds, call)

    async def run(self) -> None:
        """Make the calls as they fall due, until cancelled."""
        while True:
            self._earlier.clear()
            self._make_due_calls()
            await self._wait_for_next()

    def _make_due_calls(self) -> None:
        while self._entries and self._entries[0][0] <= self.now() + _SOON:
            heapq.heappop(self._entries)[2]()

    async def _wait_for_next(self) -> None:
        if not self._entries:
            await self._earlier.wait()
            return
        try:
            await self._clock.wait(self._earlier.wait(), self._entries[0][0] - self.now())
        except TimeoutError:
            return
