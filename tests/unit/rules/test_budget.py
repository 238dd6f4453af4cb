"""The budget of a month, day by day."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.rules.budget import Forecast, forecast

MONTH = date(2026, 6, 1)  # thirty days
NEXT = datetime(2026, 7, 1, tzinfo=UTC)


def _days(*calls: int, first: date = MONTH) -> dict[date, int]:
    return {first + timedelta(days=number): count for number, count in enumerate(calls)}


def _at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=UTC)


def test_nothing_spent_ends_never() -> None:
    """The whole month is left."""
    assert forecast({}, 1_000_000, _at(1)) == Forecast(
        limit=1_000_000, spent=0, left=1_000_000, resets_at=NEXT, ends_at=None, is_short=False, is_spent=False
    )


def test_a_month_that_just_lasts_is_never_short_until_its_end_is_near() -> None:
    """1,000 a day of 30,000, seen every noon: it lasts, and in the last days little is left."""
    for day in range(1, 31):
        seen = forecast(_days(*[1000] * (day - 1), 500), 30_000, _at(day, 12))
        assert seen.spent == 1000 * day - 500
        assert seen.ends_at is None
        assert seen.is_short == (seen.left < 1500)


def test_a_month_that_does_not_last_is_short_from_the_second_day() -> None:
    """1,500 a day of 30,000: used up when the 20th ends, and so it is said on every day from the 2nd to then."""
    for day in range(2, 21):
        seen = forecast(_days(*[1500] * (day - 1), 750), 30_000, _at(day, 12))
        assert seen.is_short
        assert seen.ends_at == datetime(2026, 6, 21, tzinfo=UTC)
        assert seen.ends_at < seen.resets_at


def test_the_last_seven_days_set_the_rate() -> None:
    """Two idle weeks and then a campaign: the idle weeks do not hide it."""
    seen = forecast(_days(*[10] * 14, *[2000] * 6, 1000), 30_000, _at(21, 12))
    assert seen.ends_at == _at(21, 12) + timedelta(days=seen.left / 2000)


def test_a_day_without_calls_counts_as_one() -> None:
    """700 on the first of seven days are 100 a day, not 700."""
    seen = forecast({date(2026, 6, 3): 700, date(2026, 6, 2): 1}, 2_000, _at(10))
    assert seen.ends_at is None
    with_rest = forecast({date(2026, 6, 4): 700, date(2026, 6, 2): 1}, 2_000, _at(10))
    assert with_rest.ends_at == _at(10) + timedelta(days=1299 / (700 / 6))


def test_the_month_before_counts_for_the_rate_alone() -> None:
    """On the first of the month the rate is known already, and nothing is spent of the new budget."""
    before = _days(*[1000] * 7, first=date(2026, 5, 25))
    seen = forecast(before, 10_000, _at(1))
    assert seen.spent == 0
    assert seen.ends_at == _at(1) + timedelta(days=10)
    assert not seen.is_short
    assert forecast(before | {MONTH: 100}, 10_000, _at(1, 2)).is_short


def test_a_busy_minute_after_midnight_is_no_alarm() -> None:
    """The first calls of a new line are taken for a day's."""
    assert not forecast(_days(20_000), 1_000_000, _at(1, 0, 1)).is_short


def test_little_left_is_short_even_if_it_lasts() -> None:
    """Under 5 %: a single campaign would not fit any more."""
    assert forecast(_days(951), 1000, _at(20)).is_short
    assert not forecast(_days(950), 1000, _at(20)).is_short


@pytest.mark.parametrize("spent", [1000, 1001, 5000])
def test_a_spent_budget_is_spent_until_the_month_ends(spent: int) -> None:
    """It ended now; nothing less than nothing is left; a new month has all of it again."""
    seen = forecast(_days(spent), 1000, _at(5))
    assert (seen.left, seen.is_spent, seen.is_short, seen.ends_at) == (0, True, True, None)
    assert not forecast(_days(spent), 1000, NEXT).is_spent
    assert forecast(_days(spent), 1000, NEXT - timedelta(microseconds=1)).is_spent


@pytest.mark.parametrize(
    ("now", "resets"),
    [
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
        (datetime(2026, 6, 30, 22, tzinfo=timezone(timedelta(hours=-7))), datetime(2026, 8, 1, tzinfo=UTC)),
    ],
)
def test_months_are_the_calendar_s_in_utc(now: datetime, resets: datetime) -> None:
    """Whatever their length, and whatever zone the clock is read in."""
    assert forecast({}, 1, now).resets_at == resets


def test_the_body_is_json() -> None:
    """Times as text, to the millisecond."""
    body = forecast(_days(*[1500] * 10), 30_000, _at(11)).as_body()
    assert json.loads(json.dumps(body)) == {
        "limit": 30_000,
        "spent": 15_000,
        "left": 15_000,
        "resets_at": "2026-07-01T00:00:00.000Z",
        "ends_at": "2026-06-21T00:00:00.000Z",
        "is_short": True,
        "is_spent": False,
    }
    assert forecast({}, 1, _at(1)).as_body()["ends_at"] is None


@given(
    st.dictionaries(st.dates(date(2026, 5, 20), date(2026, 7, 10)), st.integers(0, 10_000), max_size=40),
    st.integers(1, 300_000),
    st.integers(0, 60 * 24 * 30 - 1),
)
def test_whatever_was_spent_the_forecast_agrees_with_itself(spent: dict[date, int], limit: int, minute: int) -> None:
    """Spent and left make the limit; an end lies between now and the new month; what is spent is short."""
    now = _at(1) + timedelta(minutes=minute)
    seen = forecast(spent, limit, now)
    assert seen.spent == sum(calls for day, calls in spent.items() if day.month == 6)
    assert seen.left == max(limit - seen.spent, 0)
    assert seen.is_spent == (seen.left == 0)
    assert seen.is_short or not seen.is_spent
    assert seen.ends_at is None or now <= seen.ends_at <= seen.resets_at
