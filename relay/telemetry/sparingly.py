"""What anybody outside can provoke is logged sparingly: a line now and then, with how many it stands for."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

SOURCES = 1_000  # that are told apart; the one that was quiet for longest is forgotten first
LINES = 10  # of one event within the time, from all sources together


@dataclass(slots=True)
class _Event:
    """Since when lines of it are counted, how many were logged since, and how many were not since the last."""

    since: float
    lines: int = 0
    unlogged: int = 0


class Sparingly:
    """Says whether a line may be logged: one for each event and source within a time, and ten of an event in all.

    Args:
        seconds: gives the machine's running seconds.
        every: the time, in seconds.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic, every: float = 10.0) -> None:
        self._seconds = seconds
        self._every = every
        self._sources: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._events: dict[str, _Event] = {}

    def may(self, event: str, source: str = "") -> int | None:
        """How many lines like this one were not logged since the last; None where this one is not to be logged.

        Args:
            event: the line's event; there are few of them.
            source: who provoked it; there may be any number.
        """
        now = self._seconds()
        whole = self._events.setdefault(event, _Event(now))
        if now - whole.since >= self._every:
            whole.since, whole.lines = now, 0
        if self._is_repeated(event, source, now) or whole.lines >= LINES:
            whole.unlogged += 1
            return None
        whole.lines += 1
        self._told(event, source, now)
        unlogged, whole.unlogged = whole.unlogged, 0
        return unlogged

    def _is_repeated(self, event: str, source: str, now: float) -> bool:
        at = self._sources.get((event, source))
        return at is not None and now - at < self._every

    def _told(self, event: str, source: str, now: float) -> None:
        self._sources[event, source] = now
        self._sources.move_to_end((event, source))
        if len(self._sources) > SOURCES:
            self._sources.popitem(last=False)
