"""The pace of calls."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from relay.rules.pace import next_call_at

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_calls_are_evenly_spaced() -> None:
    """Five a second: one every 200 ms; one in ten seconds is a pace, too."""
    assert next_call_at(NOON, 5) - NOON == timedelta(milliseconds=200)
    assert next_call_at(NOON, 0.1) - NOON == timedelta(seconds=10)


@given(st.floats(0.001, 10_000), st.integers(1, 200))
def test_the_pace_is_kept_and_never_passed(per_second: float, calls: int) -> None:
    """So many calls take at least as long as they should, and hardly longer."""
    at = NOON
    for _ in range(calls):
        at = next_call_at(at, per_second)
    taken = at - NOON
    exact = timedelta(seconds=calls / per_second)
    assert exact - timedelta(microseconds=1) <= taken <= exact + timedelta(microseconds=calls + 1)


@given(st.integers(1, 1000))
def test_no_second_has_more_calls_than_it_may(per_second: int) -> None:
    """The call after so many begins a whole second after the first."""
    at = NOON
    for _ in range(per_second):
        at = next_call_at(at, per_second)
    assert at - NOON >= timedelta(seconds=1)
