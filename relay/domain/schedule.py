"""When to try again and when to look again: pure functions of the attempt or the age, and of chance.

`chance` is a number in [0, 1) that the caller draws (`relay.ids.Ids.chance`). It spreads waits by 20 % either way, so
that what failed together is not tried again together.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that grow from `first` by `factor` up to `ceiling` (seconds, before the spread).

    Raises:
        ValueError: the waits would not grow, or never reach the ceiling.
    """

    first: float
    factor: float = 2
    ceiling: float

    def __post_init__(self) -> None:
        if not (0 < self.first <= self.ceiling < math.inf and 1 < self.factor < math.inf):
            raise ValueError("expected 0 < first <= ceiling, and a factor over 1")

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait after the attempt of this number, counted from 1."""
        steps_to_ceiling = math.ceil(math.log(self.ceiling / self.first, self.factor))
        # Bounded before the power is taken: a float overflows at some thousand attempts.
        steps = min(attempt - 1, steps_to_ceiling)
        return _spread(min(self.first * self.factor**steps, self.ceiling), chance)


RETRY_SEND = Backoff(first=2, ceiling=300)
RECONNECT = Backoff(first=0.5, ceiling=30)
CONTESTED = Backoff(first=60, ceiling=600)  # two that take one client id from one another
STAGE_FAILED = Backoff(first=1, ceiling=60)

_CALLS_SHARE = 0.85

TRACKING_HORIZON = 72 * 3600.0  # the network tries to deliver for 72 hours (SMS documentation)

_FIRST_LOOK = 15.0
_SPREAD = 0.2
# AT&T deletes a final status 30 minutes after it became final (SMS documentation, Get SMS Delivery Status). Every
# gap, its spread included, leaves five minutes for a slow call.
_LONGEST_GAP = 25 * 60 / (1 + _SPREAD)
RARE_LOOKS_FROM = _LONGEST_GAP * (1 - _SPREAD)  # seconds after the hand-over, where looks are rare


def calls_share(grace: float) -> float:
    """Seconds of a stop's grace that calls in flight have; the rest is for telling what they brought."""
    return grace * _CALLS_SHARE


def grace_for(timeout: float) -> float:
    """The least grace in which a call that may take so many seconds has the time to end."""
    return timeout / _CALLS_SHARE


def next_look(age: float, *, chance: float, rarely: bool = False) -> float | None:
    """Seconds until the next look at a copy's delivery status; None once there is nothing more to wait for.

    Quick at first, because most texts arrive within seconds, then half of the age; `rarely`: as seldom as can be
    without missing a status. `age` is in seconds since the hand-over. The last look comes after the horizon, so that a
    status of the last minute is still seen.
    """
    if age >= TRACKING_HORIZON:
        return None
    return _spread(_LONGEST_GAP if rarely else min(max(age / 2, _FIRST_LOOK), _LONGEST_GAP), chance)


def full_second(at: datetime) -> datetime:
    """`at`, or the next full second after it."""
    return at.replace(microsecond=0) + timedelta(seconds=bool(at.microsecond))


def _spread(seconds: float, chance: float) -> float:
    return seconds * (1 - _SPREAD + 2 * _SPREAD * chance)
