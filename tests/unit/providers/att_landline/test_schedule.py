"""Scheduled times as Landline Texting takes them: thirteen digits, moved by Pacific Time's offset where that is set."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.providers.att_landline.schedule import PACIFIC, scheduled_date

# The documentation's sample is 14477075270000, with a digit too many.
SAMPLE = datetime(2015, 11, 16, 20, 58, 47, tzinfo=UTC)


def test_the_documented_time_has_thirteen_digits() -> None:
    """Milliseconds since 1970."""
    assert scheduled_date(SAMPLE, "none") == "1447707527000"
    assert scheduled_date(SAMPLE.astimezone(timezone(timedelta(hours=5))), "none") == "1447707527000"


@pytest.mark.parametrize(
    ("time", "hours"), [(datetime(2026, 1, 15, 12, tzinfo=UTC), 8), (datetime(2026, 7, 15, 12, tzinfo=UTC), 7)]
)
def test_the_shift_is_the_offset_at_that_date(time: datetime, hours: int) -> None:
    """Eight hours in winter and seven in summer."""
    assert int(scheduled_date(time, "none")) - int(scheduled_date(time, "pacific")) == hours * 3_600_000


@given(st.datetimes(datetime(2002, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_shifted_time_reads_as_pacific_time(time: datetime) -> None:
    """Whoever takes the milliseconds for UTC sees the clock on the wall in Los Angeles."""
    shown = datetime.fromtimestamp(int(scheduled_date(time, "pacific")) / 1000, UTC).replace(tzinfo=None)
    wall = time.astimezone(ZoneInfo(PACIFIC)).replace(tzinfo=None)
    assert abs(shown - wall) < timedelta(milliseconds=2)
    assert len(scheduled_date(time, "none")) in {12, 13}
