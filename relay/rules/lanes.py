"""Lanes: which of a line's waiting texts goes next. High first, and none of them is starved."""

HIGH, NORMAL, BULK = 0, 1, 2


class Lanes:
    """One line's lanes: high, then normal, then bulk; but one in five is normal's and one in ten is bulk's.

    These shares are guaranteed as long as the lane has work: of any five claims that follow one another at least
    one is normal's, of any ten at least one is bulk's.
    """

    def __init__(self) -> None:
        self._passed_over = {NORMAL: 0, BULK: 0}

    def order(self) -> tuple[int, ...]:
        """All lanes, in the order in which to look for work now."""
        owed = [lane for lane, most in _PASSED_OVER_AT_MOST.items() if self._passed_over[lane] >= most]
        return (*owed, *(lane for lane in (HIGH, NORMAL, BULK) if lane not in owed))

    def served(self, lane: int) -> None:
        """A text of this lane was claimed."""
        for other in self._passed_over:
            self._passed_over[other] = 0 if other == lane else self._passed_over[other] + 1


# Bulk's turn comes one claim early: where both are owed one, normal goes first and bulk still gets its tenth.
_PASSED_OVER_AT_MOST = {NORMAL: 4, BULK: 8}
