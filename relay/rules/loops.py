"""The loop breaker: the same text to the same number again and again is a program that answers itself."""

from collections import Counter, deque
from datetime import datetime
from typing import NamedTuple


class LoopBreaker:
    """Remembers what was accepted lately, and tells when a text would be one too many.

    It keeps nothing but numbers: a text's address and content cannot be read from it.

    Args:
        limit: the same text to the same number on one line at most so often; 0: no limit.
        within: seconds in which they are counted.
        most: texts that are remembered; the oldest are forgotten first, so that a flood of different texts makes it
            forget earlier and not grow.
    """

    def __init__(self, limit: int, within: float, most: int = 65_536) -> None:
        self._limit = limit
        self._within = within
        self._most = most
        self._seen: deque[_Seen] = deque()
        self._times: Counter[int] = Counter()

    def suspects(
        self, line: str, address_value: str, text_digest: str | bytes, now: datetime, *, under_way: int = 0
    ) -> bool:
        """Whether this text would be one more than the limit, with those `under_way` that are not noted yet."""
        if not self._limit:
            return False
        self._forget(now.timestamp())
        return self._times[hash((line, address_value, text_digest))] + under_way >= self._limit

    def note(self, line: str, address_value: str, text_digest: str | bytes, now: datetime) -> None:
        """This text was accepted."""
        if not self._limit:
            return
        what = hash((line, address_value, text_digest))
        self._seen.append(_Seen(now.timestamp(), what))
        self._times[what] += 1
        self._forget(now.timestamp())

    def _forget(self, now: float) -> None:
        """What is too old or too much; and what lies ahead, because the clock was put back."""
        while self._seen and (len(self._seen) > self._most or not 0 <= now - self._seen[0].at < self._within):
            what = self._seen.popleft().what
            self._times[what] -= 1
            if not self._times[what]:
                del self._times[what]


class _Seen(NamedTuple):
    at: float
    what: int
