"""The budget of calls of a calendar month, and when it will be used up."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Forecast:
    """How a month's budget stands.

    Attributes:
        limit: calls in a calendar month, UTC.
        spent: calls made in this one.
        left: calls that may still be made in it.
        resets_at: when the next month begins.
        ends_at: when the budget is used up at the present rate; None: not before `resets_at`, or it is already.
        is_short: somebody should know: it will be used up too early, or less than 5 % is left.
        is_spent: nothing is left.
    """

    limit: int
    spent: int
    left: int
    resets_at: datetime
    ends_at: datetime | None
    is_short: bool
    is_spent: bool

    def as_body(self) -> dict[str, Any]:
        """For JSON; times as text."""
        ends_at = _written(self.ends_at) if self.ends_at else None
        return asdict(self) | {"resets_at": _written(self.resets_at), "ends_at": ends_at}


def forecast(spent_by_day: Mapping[date, int], limit: int, now: datetime) -> Forecast:
    """The month that `now` (aware) lies in; `spent_by_day` has the calls of each day, UTC, a day without any may lack.

    The rate is the mean of the last seven days, today as far as it has gone, or since the first day there is. The
    days of the month before may be given too: they count for the rate alone.
    """
    now = now.astimezone(UTC)
    month = now.date().replace(day=1)
    resets_at = _midnight((month + timedelta(days=31)).replace(day=1))
    spent = sum(calls for day, calls in spent_by_day.items() if month <= day < resets_at.date())
    left = max(limit - spent, 0)
    ends_at = _ends_at(left, _per_day(spent_by_day, now), now, resets_at)
    is_early = ends_at is not None and spent >= limit * _TOO_LITTLE_TO_TELL
    return Forecast(limit, spent, left, resets_at, ends_at, is_early or left < limit * _NEARLY_SPENT, not left)


_RATE_DAYS = 7
_SHORTEST = timedelta(days=1)  # one busy minute after midnight says nothing about a month
_TOO_LITTLE_TO_TELL = 0.01
_NEARLY_SPENT = 0.05


def _per_day(spent_by_day: Mapping[date, int], now: datetime) -> float:
    """Calls a day, lately."""
    since = now.date() - timedelta(days=_RATE_DAYS - 1)
    recent = {day: calls for day, calls in spent_by_day.items() if calls and since <= day <= now.date()}
    if not recent:
        return 0.0
    first = since if any(calls and day < since for day, calls in spent_by_day.items()) else min(recent)
    return sum(recent.values()) / (max(now - _midnight(first), _SHORTEST) / timedelta(days=1))


def _ends_at(left: int, per_day: float, now: datetime, resets_at: datetime) -> datetime | None:
    if not left:
        return None
    enough = per_day * ((resets_at - now) / timedelta(days=1)) <= left
    return None if enough else now + timedelta(days=left / per_day)


def _written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
