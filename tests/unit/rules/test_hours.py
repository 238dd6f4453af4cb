"""Sending hours: what the words mean, and when they open, compared with clocks that are read minute by minute."""

import pickle
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relay.rules.hours import SendingHours

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE = timedelta(minutes=1)

# Daylight saving time, none, half hours, a date line, and the one zone that puts its clocks by 30 minutes.
ZONES = (
    "America/Los_Angeles",
    "America/New_York",
    "America/Phoenix",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Pacific/Auckland",
    "Pacific/Pago_Pago",
    "Australia/Lord_Howe",
)

Week = list[list[tuple[int, int]]]


@st.composite
def intervals(draw: st.DrawFn) -> list[tuple[int, int]]:
    """The intervals of one day, in minutes: in order, none touching the next."""
    edges = sorted(draw(st.sets(st.integers(0, 1440), max_size=6)))
    return list(zip(edges[::2], edges[1::2], strict=False))


weeks = st.lists(intervals(), min_size=7, max_size=7).filter(any)
# Of the ordinary kind: a day's work, so that several zones have time in common.
plain_weeks = st.lists(
    st.tuples(st.integers(0, 11 * 60), st.integers(12 * 60, 1440)).map(lambda pair: [pair]), min_size=7, max_size=7
)
zones = st.lists(st.sampled_from(ZONES).map(ZoneInfo), min_size=1, max_size=4)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001 - Hypothesis wants bounds without zones
# Around the nights on which American clocks are put: 2026-03-08 and 2026-11-01.
changes = st.builds(
    lambda night, minutes, micros: night + timedelta(minutes=minutes, microseconds=micros),
    st.sampled_from([datetime(2026, 3, 8, 6, tzinfo=UTC), datetime(2026, 11, 1, 4, tzinfo=UTC)]),
    st.integers(-600, 900),
    st.sampled_from([0, 1, 59_999_999]),
)


def _text(week: Week) -> str:
    def clock(minute: int) -> str:
        return f"{minute // 60:02}:{minute % 60:02}"

    return ", ".join(
        f"{DAYS[day]} {clock(start)}-{clock(end)}" for day in range(7) for start, end in reversed(week[day])
    )


def _is_open(week: Week, at: datetime, where: list[ZoneInfo]) -> bool:
    """The oracle: looks at the clock on the wall of each zone, and at nothing else."""
    walls = [at.astimezone(zone) for zone in where]
    return all(
        any(start <= wall.hour * 60 + wall.minute < end for start, end in week[wall.isoweekday() - 1]) for wall in walls
    )


def _first_open(week: Week, at: datetime, where: list[ZoneInfo], days: int = 14) -> datetime | None:
    """The oracle: minute after minute."""
    if _is_open(week, at, where):
        return at
    minute = at.replace(second=0, microsecond=0) + MINUTE
    while minute < at + timedelta(days=days):
        if _is_open(week, minute, where):
            return minute
        minute += MINUTE
    return None


@given(plain_weeks, st.one_of(moments, changes), zones)
def test_it_opens_when_the_clocks_on_the_walls_say_so(week: Week, at: datetime, where: list[ZoneInfo]) -> None:
    """Open in every zone at that moment, and at no minute before it."""
    assert SendingHours.parse(_text(week)).opens(at, where) == _first_open(week, at, where)


@given(weeks, changes, st.sampled_from(ZONES).map(ZoneInfo))
def test_no_clock_that_is_put_hides_or_makes_an_opening(week: Week, at: datetime, zone: ZoneInfo) -> None:
    """Any hours, those of the night among them, when clocks jump over them or show them twice."""
    first = _first_open(week, at, [zone], days=2)
    opens = SendingHours.parse(_text(week)).opens(at, [zone])
    assert opens == first if first else opens is None or opens >= at + timedelta(days=2)


@given(weeks, moments, st.timedeltas(timedelta(), timedelta(days=20)), zones)
def test_whoever_asks_later_gets_nothing_earlier(
    week: Week, at: datetime, later: timedelta, where: list[ZoneInfo]
) -> None:
    """The opening never goes back while time goes on."""
    hours = SendingHours.parse(_text(week))
    first, second = hours.opens(at, where), hours.opens(at + later, where)
    assume(first is not None and second is not None)
    assert first is not None
    assert second is not None
    assert first <= second


@given(weeks, moments, zones)
def test_what_opens_is_open(week: Week, at: datetime, where: list[ZoneInfo]) -> None:
    """Asked again at that moment, it is that moment; and every zone's clock agrees."""
    hours = SendingHours.parse(_text(week))
    opens = hours.opens(at, where)
    if opens is not None:
        assert opens >= at
        assert _is_open(week, opens, where)
        assert hours.opens(opens, where) == opens


@given(weeks)
def test_hours_are_spelled_as_they_are_read(week: Week) -> None:
    """The canonical text means the same hours, and is its own canonical text."""
    hours = SendingHours.parse(_text(week))
    assert SendingHours.parse(str(hours)) == hours
    assert pickle.loads(pickle.dumps(hours)) == hours  # noqa: S301 - our own bytes
    assert [list(day) for day in hours.week] == week


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("08:00-21:00", "08:00-21:00"),
        (" 8:00 - 21:00 ", "08:00-21:00"),
        ("Mon-Fri 08:00-21:00,Sat 09:00-18:00", "mon-fri 08:00-21:00, sat 09:00-18:00"),
        ("sat - sun 00:00-24:00", "sat-sun 00:00-24:00"),
        ("fri-mon 09:00-12:00", "mon 09:00-12:00, fri-sun 09:00-12:00"),
        ("13:00-18:00, 08:00-12:00", "08:00-12:00, 13:00-18:00"),
        ("08:00-12:00, 12:00-13:00", "08:00-13:00"),
        ("mon 08:00-12:00, mon 13:00-18:00, tue 08:00-12:00, tue 13:00-18:00",) * 1
        + ("mon-tue 08:00-12:00, mon-tue 13:00-18:00",),
        ("mon-sun 00:00-24:00", "00:00-24:00"),
    ],
)
def test_one_spelling_stands_for_all(text: str, canonical: str) -> None:
    """Case, blanks and order do not matter; touching intervals are one."""
    assert str(SendingHours.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no hours"),
        ("mon", "no hours"),
        ("8-21", "no hours"),
        ("08:00-21:00,", "no hours"),
        ("08:60-21:00", "no hours"),
        ("\u0661\u0662:00-21:00", "no hours"),
        ("monday 08:00-21:00", "no hours"),
        ("mon-fri-sat 08:00-21:00", "no hours"),
        ("08:00-24:01", "24:00 at the latest"),
        ("25:00-26:00", "24:00 at the latest"),
        ("21:00-08:00", "write hours that pass midnight as two"),
        ("08:00-08:00", "the earlier time first"),
        ("08:00-21:00, sat 09:00-18:00", "the hours of sat overlap"),
        ("mon 08:00-10:00, mon 08:00-10:00", "the hours of mon overlap"),
    ],
)
def test_what_is_no_hours_is_refused_with_what_would_be_right(text: str, what: str) -> None:
    """Nobody has to guess; hours that overlap would be kept to nobody's wish."""
    with pytest.raises(ValueError, match=what):
        SendingHours.parse(text)


@given(st.text(st.sampled_from("mon-fri 0123456789:,")))
def test_any_text_is_read_or_refused(text: str) -> None:
    """With ValueError and nothing else."""
    try:
        hours = SendingHours.parse(text)
    except ValueError as refused:
        assert "expected" in str(refused)  # noqa: PT017 - either way is right
    else:
        assert SendingHours.parse(str(hours)) == hours


@pytest.mark.parametrize(
    ("hours", "zone", "at", "opens"),
    [
        # The first moment belongs to the hours, the last does not.
        ("08:00-21:00", "America/Phoenix", "2026-07-01T15:00:00", "2026-07-01T15:00:00"),
        ("08:00-21:00", "America/Phoenix", "2026-07-02T03:59:59.999999", "2026-07-02T03:59:59.999999"),
        ("08:00-21:00", "America/Phoenix", "2026-07-02T04:00:00", "2026-07-02T15:00:00"),
        # The night on which New York loses 02:00 to 03:00: half past two is there at no moment, three is.
        ("02:30-04:00", "America/New_York", "2026-03-08T06:00:00", "2026-03-08T07:00:00"),
        ("02:00-03:00", "America/New_York", "2026-03-08T06:00:00", "2026-03-09T06:00:00"),
        # The night on which it has 01:00 to 02:00 twice: the hour opens twice.
        ("01:00-01:30", "America/New_York", "2026-11-01T05:30:00", "2026-11-01T06:00:00"),
        ("01:00-01:30", "America/New_York", "2026-11-01T06:30:00", "2026-11-02T06:00:00"),
        # Honolulu and Puerto Rico have no such nights: always ten hours and four behind UTC.
        ("08:00-21:00", "Pacific/Honolulu", "2026-03-08T12:00:00", "2026-03-08T18:00:00"),
        ("08:00-21:00", "America/Puerto_Rico", "2026-03-08T07:00:00", "2026-03-08T12:00:00"),
        # Over a weekend.
        ("mon-fri 08:00-21:00", "America/Los_Angeles", "2026-10-31T04:00:00", "2026-11-02T16:00:00"),
    ],
)
def test_known_nights(hours: str, zone: str, at: str, opens: str) -> None:
    """Moments that can be looked up; all in UTC."""
    found = SendingHours.parse(hours).opens(datetime.fromisoformat(at).replace(tzinfo=UTC), [ZoneInfo(zone)])
    assert found == datetime.fromisoformat(opens).replace(tzinfo=UTC)
    assert found.tzinfo is UTC


def test_a_moment_of_any_zone_is_answered_in_utc() -> None:
    """The same moment, however it is written."""
    here = datetime(2026, 7, 1, 9, 0, tzinfo=ZoneInfo("America/New_York"))
    opens = SendingHours.parse("08:00-21:00").opens(here, [ZoneInfo("America/New_York")])
    assert opens == here
    assert opens.tzinfo is UTC


def test_hours_that_never_meet_never_open() -> None:
    """One hour in the morning, at the two ends of the country: no moment is in both."""
    hours = SendingHours.parse("08:00-09:00")
    ends = [ZoneInfo("America/New_York"), ZoneInfo("Pacific/Honolulu")]
    assert hours.opens(datetime(2026, 7, 1, tzinfo=UTC), ends) is None


def test_the_usual_hours_open_for_a_number_that_may_be_in_any_state() -> None:
    """8 to 21 o'clock from Maine to Hawaii: there are hours for all of them every day."""
    hours = SendingHours.parse("08:00-21:00")
    states = [ZoneInfo(name) for name in ("America/New_York", "America/Adak", "Pacific/Honolulu")]
    for month in range(1, 13):
        at = datetime(2026, month, 1, tzinfo=UTC)
        opens = hours.opens(at, states)
        assert opens is not None
        assert opens - at < timedelta(days=1)
