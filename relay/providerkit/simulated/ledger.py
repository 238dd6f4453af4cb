"""The simulator's memory for tests: what was accepted and handed out, and what AT&T's documents forbid."""

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from relay.clock import Clock

Line = dict[str, Any]


class Overrun(LookupError):  # noqa: N818 - it says what happened
    """Lines were asked for that are no longer kept."""


class Ledger:
    """What happened, in order: one line an event, numbered from 1, never changed.

    It holds numbers and texts, so that a test can compare it with what relay published. It is no log.

    Args:
        clock: gives each line its `at`.
        keep: how many lines stay in memory; None for all.

    Attributes:
        copy: gets each line as well.
    """

    def __init__(self, clock: Clock, keep: int | None = None) -> None:
        self._clock = clock
        self._lines: deque[Line] = deque(maxlen=keep)
        self._count = 0
        self.copy: Callable[[Line], None] | None = None

    def record(self, what: str, facts: Mapping[str, Any]) -> None:
        """Write a line down."""
        self._count += 1
        at = self._clock.now().isoformat(timespec="milliseconds")
        line = {"n": self._count, "at": at, "what": what, **facts}
        self._lines.append(line)
        if self.copy:
            self.copy(line)

    def lines(self, since: int = 0) -> list[Line]:
        """Every line whose number is above `since`; raises Overrun where the first of them are no longer kept."""
        wanted = self._count - since
        if wanted > len(self._lines):
            raise Overrun(f"only the last {len(self._lines)} of {self._count} lines are kept")
        newest_first = islice(reversed(self._lines), max(wanted, 0))
        return list(newest_first)[::-1]


class Violations:
    """Requests that the provider's documents forbid: recorded, not refused unless the provider would.

    Args:
        clock: gives each line its `at`.
        keep: how many of the latest are kept.
    """

    def __init__(self, clock: Clock, keep: int = 10_000) -> None:
        self._clock = clock
        self._lines: deque[Line] = deque(maxlen=keep)
        self._count = 0

    def record(self, service: str, operation: str, what: str) -> None:
        """Write one down; `what` says what was wrong, and what would be right."""
        self._count += 1
        at = self._clock.now().isoformat(timespec="milliseconds")
        self._lines.append({"n": self._count, "at": at, "service": service, "operation": operation, "what": what})

    def lines(self) -> list[Line]:
        """All that are kept, oldest first."""
        return list(self._lines)

    def clear(self) -> None:
        """Forget them."""
        self._lines.clear()
