"""Pieces of work in flight that need no task: each is begun by a call, and ends by one."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

P = TypeVar("P")


class Flight(Generic[P]):
    """Pieces in flight: no more than so many at once, and together no heavier than that; one that is, flies alone.

    Args:
        size: how many pieces at once.
        most: what they weigh together at most, in whatever unit.
        on_failure: called when dealing with a piece's end has failed; the next `room` raises why.
    """

    def __init__(self, size: int, most: float, on_failure: Callable[[], None]) -> None:
        self._size = size
        self._most = most
        self._on_failure = on_failure
        self._weight = 0.0
        self._weights: dict[P, float] = {}
        self._changed = asyncio.Event()
        self._failed: list[BaseException] = []

    @property
    def busy(self) -> int:
        """How many pieces are in flight."""
        return len(self._weights)

    def has_room(self, weight: float = 0) -> bool:
        """Whether a piece of such a weight may begin."""
        there = len(self._weights)
        return not self._failed and there < self._size and (not there or self._weight + weight <= self._most)

    async def room(self, weight: float = 0) -> None:
        """Return once a piece of such a weight may begin; raises what dealing with an end has failed with."""
        while not self.has_room(weight):
            if self._failed:
                first, *_ = self._failed
                self._failed.clear()
                raise first
            self._changed.clear()
            await self._changed.wait()

    def begin(self, piece: P, weight: float) -> None:
        """A piece is in flight."""
        self._weights[piece] = weight
        self._weight += weight

    def end(self, piece: P) -> None:
        """A piece has ended; a second time changes nothing."""
        self._weight -= self._weights.pop(piece, 0)
        self._changed.set()

    def ending(self, piece: P) -> "_Ending":
        """In this block a piece's end is dealt with; whoever told of the end is not told what goes wrong with that."""
        return _Ending(self, piece)

    def failed(self, error: BaseException) -> None:
        """Dealing with an end has failed."""
        self._failed.append(error)
        self._changed.set()
        self._on_failure()

    async def empty(self, seconds: float) -> list[P]:
        """Wait so many real seconds for all pieces to end; those that have not."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + max(seconds, 0)
        while self._weights and (left := ends - loop.time()) > 0:
            self._changed.clear()
            waiting = asyncio.ensure_future(self._changed.wait())
            await asyncio.wait({waiting}, timeout=left)
            waiting.cancel()
        return list(self._weights)


class _Ending:
    """Frees a place, whatever becomes of the block."""

    __slots__ = ("_flight", "_piece")

    def __init__(self, flight: Flight[P], piece: P) -> None:
        self._flight = flight
        self._piece = piece

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._flight.end(self._piece)
        if not isinstance(error, Exception):
            return False
        self._flight.failed(error)
        return True
