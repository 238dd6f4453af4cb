"""Lanes: which of a line's waiting texts goes next. High first, and none of them is starved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

HIGH, NORMAL, BULK = 0, 1, 2


class Lanes:
    """One line's lanes: high, then normal, then bulk; but one in five is normal's and one in ten is bulk's.

    These shares are guaranteed as long as the lane has work: of any five claims that follow one another at least
    one is normal's, of any ten at least one is bulk's.
    """

    def __init__(self, passed_over: Mapping[int, int] = MappingProxyType({NORMAL: 0, BULK: 0})) -> None:
        self._passed_over = dict(passed_over)

    def copy(self) -> "Lanes":
        """The same, to be tried out."""
        return Lanes(self._passed_over)

    def order(self) -> tuple[int, ...]:
        """All lanes, in the order in which to look for work now."""
        owed = [lane for lane, most in _PASSED_OVER_AT_MOST.items() if self._passed_over[lane] >= most]
        return (*owed, *(lane for lane in (HIGH, NORMAL, BULK) if lane not in owed))

    def served(self, lane: int) -> None:
        """A text of this lane was claimed."""
        for other in self._passed_over:
            self._passed_over[other] = 0 if other == lane else self._passed_over[other] + 1


@dataclass(slots=True)
class Places:
    """A line's free places, and which lanes they are for: of two or more the last free one is the high lane's.

    Attributes:
        lanes: whose turn it is.
        size: how many places there are.
        free: how many of them nobody has.
        ordinary: how many others than the high lane has.
        most: how many may be taken now.
    """

    lanes: Lanes
    size: int
    free: int
    ordinary: int
    most: int

    def copy(self) -> "Places":
        """The same, to be tried out."""
        return replace(self, lanes=self.lanes.copy())

    @property
    def open_lanes(self) -> Sequence[int]:
        """The lanes in which to look for work for the next place, in this order; none where no place may be taken."""
        if self.most <= 0 or self.free <= 0:
            return ()
        order = self.lanes.order()
        if self.size == 1 or self.free > 1:
            return order
        if self.ordinary < self.size - 1:
            # A high call has one of the other places: a lane that is owed its share gets it all the same.
            return order[: order.index(HIGH) + 1]
        return (HIGH,)

    def take(self, lane: int) -> None:
        """A text of this lane takes a place."""
        self.lanes.served(lane)
        self.most -= 1
        self.free -= 1
        self.ordinary += lane != HIGH


# Bulk's turn comes one claim early: where both are owed one, normal goes first and bulk still gets its tenth.
_PASSED_OVER_AT_MOST = {NORMAL: 4, BULK: 8}
