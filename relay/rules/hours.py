"""The hours in which a line may send, in the recipient's own time (47 CFR 64.1200(c)(1): 8 to 21 o'clock there)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

Interval = tuple[int, int]
"""Minutes of a day: from the first up to, and without, the second."""


@dataclass(frozen=True, slots=True)
class SendingHours:
    """When a line may send: for each day of the week, Monday first, its intervals in order."""

    week: tuple[tuple[Interval, ...], ...]

    @classmethod
    def parse(cls, text: str) -> "SendingHours":
        """The hours that `text` means: "08:00-21:00", or "mon-fri 08:00-12:00, mon-fri 13:00-21:00, sat 09:00-18:00".

        Without days an interval is every day's. Its end belongs no more to it; 24:00 is the end of a day.

        Raises:
            ValueError: it cannot be read so. Says what would be right.
        """
        week: list[list[Interval]] = [[] for _ in _DAYS]
        for part in text.split(","):
            days, interval = _parsed(part)
            for day in days:
                week[day].append(interval)
        return cls(tuple(_joined(day, intervals) for day, intervals in zip(_DAYS, week, strict=True)))

    def opens(self, at: datetime, zones: Sequence[ZoneInfo]) -> datetime | None:
        """The first moment from `at` on that is within the hours in every one of `zones`; in UTC.

        `zones` names at least one. None: there is no such moment within 14 days, because the zones' hours do not meet.
        """
        moment, end = at.astimezone(UTC), at.astimezone(UTC) + _HORIZON
        while moment < end:
            latest = max(self._opens_in(zone, moment, end) for zone in zones)
            if latest == moment:
                return moment
            moment = latest
        return None

    def __str__(self) -> str:
        if len(set(self.week)) == 1:
            return ", ".join(map(_spelled, self.week[0]))
        return ", ".join(f"{days} {_spelled(interval)}" for days, day in self._alike() for interval in day)

    def _alike(self) -> Iterator[tuple[str, tuple[Interval, ...]]]:
        """The days of the week that follow one another with the same hours, and these hours."""
        for hours, days in groupby(range(len(_DAYS)), key=lambda day: self.week[day]):
            first, *_, last = [*days] * 2
            yield (_DAYS[first] if first == last else f"{_DAYS[first]}-{_DAYS[last]}"), hours

    def _opens_in(self, zone: ZoneInfo, moment: datetime, end: datetime) -> datetime:
        """The first moment that is open in this zone; `end` or later if there is none before."""
        while moment < end:
            wait = self._wait(moment.astimezone(zone).replace(tzinfo=None))
            if not wait:
                return moment
            moment = _later(zone, moment, wait)
        return moment

    def _wait(self, wall: datetime) -> timedelta:
        """How long until this wall clock shows an open time: nothing if it does; at most one day."""
        midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
        minute = wall.hour * 60 + wall.minute
        for start, end in self.week[wall.weekday()]:
            if minute < end:
                return max(midnight + timedelta(minutes=start) - wall, timedelta())
        return midnight + timedelta(days=1) - wall


def _later(zone: ZoneInfo, moment: datetime, wait: timedelta) -> datetime:
    """`wait` later, or when the zone's clocks are put forward or back, if that comes first.

    Nobody puts clocks twice within a day, which is the longest wait.
    """
    before, after = moment, moment + wait
    offset = _offset(zone, before)
    if _offset(zone, after) == offset:
        return after
    while step := (after - before) / 2:
        if _offset(zone, before + step) == offset:
            before += step
        else:
            after = before + step
    return after


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


_HORIZON = timedelta(days=14)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_DAY = "|".join(_DAYS)
_TIME = r"([0-9]{1,2}):([0-5][0-9])"
_PART = re.compile(rf"(?:({_DAY})(?: ?- ?({_DAY}))? )?{_TIME} ?- ?{_TIME}", re.ASCII)
_EXPECTED = "expected 08:00-21:00, or days before it such as mon-fri 08:00-21:00, sat 09:00-18:00"


def _parsed(part: str) -> tuple[list[int], Interval]:
    """The days and the interval of what stands between two commas."""
    match = _PART.fullmatch(" ".join(part.lower().split()))
    if not match:
        raise ValueError(f"these are no hours: {_EXPECTED}")
    first, last, *times = match.groups()
    start_hour, start_minute, end_hour, end_minute = map(int, times)
    return _days(first, last), _checked(start_hour * 60 + start_minute, end_hour * 60 + end_minute)


def _days(first: str | None, last: str | None) -> list[int]:
    """From the first to the last; over the week's end if need be."""
    if first is None:
        return [*range(len(_DAYS))]
    start = _DAYS.index(first)
    count = (_DAYS.index(last or first) - start) % len(_DAYS) + 1
    return [(start + step) % len(_DAYS) for step in range(count)]


def _checked(start: int, end: int) -> Interval:
    if end > _DAY_MINUTES:
        raise ValueError("the hours end after the day does: expected 24:00 at the latest")
    if start >= end:
        raise ValueError(
            "the hours end before they begin: expected the earlier time first;"
            " write hours that pass midnight as two, such as 20:00-24:00, 00:00-02:00"
        )
    return start, end


def _joined(day: str, intervals: list[Interval]) -> tuple[Interval, ...]:
    """In order, with those made one that touch."""
    intervals.sort()
    if any(first[1] > second[0] for first, second in pairwise(intervals)):
        raise ValueError(f"the hours of {day} overlap: expected each time of a day to be named once; {_EXPECTED}")
    edges = [edge for interval in intervals for edge in interval]
    kept = [edge for edge in edges if edges.count(edge) == 1]
    return tuple(zip(kept[::2], kept[1::2], strict=True))


def _spelled(interval: Interval) -> str:
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in interval)
