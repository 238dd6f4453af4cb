"""The clock that everything in relay is handed: the system's, or a faster one for the lab."""

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Relay's time. Seconds here are relay's seconds; socket time-outs and leases are not measured with it."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait for so many of this clock's seconds."""

    async def wait(self, awaited: Awaitable[T], seconds: float) -> T:
        """What `awaited` gives; raises TimeoutError after so many of this clock's seconds."""


class SystemClock:
    """The machine's own time, and how it was put forward or back while this process runs."""

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def stepped(self) -> float:
        """Seconds by which the machine's clock was put forward, or back where negative, since this was last asked."""
        ahead = time.time() - time.monotonic()
        stepped, self._ahead = ahead - self._ahead, ahead
        return stepped

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        await asyncio.sleep(seconds)

    async def wait(self, awaited: Awaitable[T], seconds: float) -> T:
        """What `awaited` gives; raises TimeoutError after so many seconds."""
        return await _within(awaited, seconds)


class LabClock:
    """Time that runs `speed` times as fast, counted from an anchor: `anchor_lab` was at `anchor_real`.

    The anchor is kept in the journal, so that the lab's time never runs backwards over restarts and is one for
    all nodes (contract, Fine points, Lab).
    """

    def __init__(self, speed: float, anchor_real: datetime, anchor_lab: datetime) -> None:
        self._speed = speed
        self._anchor_lab = anchor_lab
        # Wall time is read once; from there the monotonic clock leads, so that a clock step is not multiplied.
        self._ahead = timedelta(seconds=(datetime.now(UTC) - anchor_real).total_seconds())
        self._started = time.monotonic()

    def now(self) -> datetime:
        """The lab's time, aware, in UTC."""
        real = self._ahead + timedelta(seconds=time.monotonic() - self._started)
        return self._anchor_lab + real * self._speed

    async def sleep(self, seconds: float) -> None:
        """Wait for so many of the lab's seconds."""
        await asyncio.sleep(seconds / self._speed)

    async def wait(self, awaited: Awaitable[T], seconds: float) -> T:
        """What `awaited` gives; raises TimeoutError after so many of the lab's seconds."""
        return await _within(awaited, seconds / self._speed)


async def _within(awaited: Awaitable[T], seconds: float) -> T:
    # Not asyncio.wait_for: on Python 3.11 it swallows a cancellation that comes just after what it waits for is done.
    async with asyncio.timeout(seconds):
        return await awaited
