"""A clock that only moves when a test says so: days pass in the time that the work in them takes."""

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")

_START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
_TURNS = 25  # of the event loop, between two moments: enough for an answer to travel over loopback and be acted on


class ManualClock:
    """A `relay.clock.Clock` for tests; between two calls of `advance` its time stands still.

    Args:
        start: the time it begins with, aware.
        turns: how often the event loop may turn between two moments.
    """

    def __init__(self, start: datetime = _START, turns: int = _TURNS) -> None:
        self._now = start
        self._turns = turns
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self._holders = 0
        self._free = asyncio.Event()

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved on by so many seconds."""
        due = self._now + timedelta(seconds=seconds)
        if due <= self._now:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due, next(self._count), woken))
        await woken

    async def wait(self, awaited: Awaitable[T], seconds: float) -> T:
        """What `awaited` gives; raises TimeoutError when the clock has been moved on by so many seconds."""
        wanted = asyncio.ensure_future(awaited)
        timer = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait((wanted, timer), return_when=asyncio.FIRST_COMPLETED)
            if wanted.done():
                return wanted.result()
        finally:
            await _cancel(timer)
            await _cancel(wanted)
        raise TimeoutError

    @contextmanager
    def held(self) -> Iterator[None]:
        """While inside, `advance` waits: for I/O, which takes real time."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._free.set()

    async def advance(self, seconds: float) -> None:
        """Move on by so many seconds, waking each sleeper at its own moment, and letting the loop run in between."""
        until = self._now + timedelta(seconds=seconds)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._now = self._sleepers[0][0]
            if self._wake_due():
                await self._settle()
        self._now = until
        await self._settle()

    def _wake_due(self) -> bool:
        """Whether anybody was still asleep: those who have been canceled are only dropped."""
        woke = False
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
                woke = True
        return woke

    async def _settle(self) -> None:
        for _ in range(self._turns):
            await asyncio.sleep(0)
        while self._holders:
            self._free.clear()
            await self._free.wait()
            for _ in range(self._turns):
                await asyncio.sleep(0)


async def _cancel(task: asyncio.Future[T]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
