"""The topics that the broker refuses: since which event, and when each is to be tried again."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.clock import Clock
from relay.domain.schedule import STAGE_FAILED


@dataclass(slots=True)
class Refused:
    """A refused topic: its line, and the position of its first event. `retry_at` is None while that is being tried."""

    line: str | None
    first: int
    failures: int
    retry_at: datetime | None


class Refusals:
    """Which topics are refused now. Their events wait, oldest first; all other events go past them.

    Args:
        clock: relay's time.
        chance: gives the spread of the waits, in [0, 1).
    """

    def __init__(self, clock: Clock, chance: Callable[[], float]) -> None:
        self._clock = clock
        self._chance = chance
        self._topics: dict[str, Refused] = {}

    def hold(self, topic: str, position: int) -> bool:
        """Whether the event at this position of the journal has to wait, because its topic is refused."""
        refused = self._topics.get(topic)
        if refused is not None:
            refused.first = min(refused.first, position)
        return refused is not None

    def refused(self, topic: str, line: str | None, position: int) -> bool:
        """The broker has refused the event at this position; whether that is news of its topic."""
        known = self._topics.get(topic)
        if known is None:
            self._topics[topic] = Refused(line, position, 1, self._later(1))
            return True
        known.first = min(known.first, position)
        # Those that were under way together are one failure: only the one that was tried counts.
        if known.retry_at is None and known.first == position:
            known.failures += 1
            known.retry_at = self._later(known.failures)
        return False

    def passed(self, topic: str, position: int) -> Refused | None:
        """The event at this position is settled; its topic, if it is no longer refused because of that."""
        refused = self._topics.get(topic)
        return self._topics.pop(topic) if refused is not None and refused.first == position else None

    def due(self) -> list[tuple[str, int]]:
        """The topics to be tried now, each with the position of its first event."""
        now = self._clock.now()
        # What lies further ahead than it was ever put was noted by a clock that has been put back since.
        far = now + timedelta(seconds=2 * STAGE_FAILED.ceiling)
        topics = [(topic, each) for topic, each in self._topics.items() if each.retry_at]
        return [(topic, each.first) for topic, each in topics if each.retry_at and not now < each.retry_at <= far]

    def tries(self, topic: str) -> None:
        """The first event of this topic is being tried."""
        self._topics[topic].retry_at = None

    def wait(self) -> float:
        """Seconds until the next topic is to be tried; infinite where none is."""
        now = self._clock.now()
        waits = [(each.retry_at - now).total_seconds() for each in self._topics.values() if each.retry_at]
        return max(min(waits, default=math.inf), 0)

    def nothing_under_way(self) -> None:
        """What was being tried has come to no end: it is to be tried again."""
        for each in self._topics.values():
            each.retry_at = each.retry_at or self._clock.now()

    def touches(self, line: str | None) -> bool:
        """Whether a topic of this line is refused."""
        return any(each.line == line for each in self._topics.values())

    def _later(self, failures: int) -> datetime:
        return self._clock.now() + timedelta(seconds=STAGE_FAILED.delay(failures, self._chance()))
