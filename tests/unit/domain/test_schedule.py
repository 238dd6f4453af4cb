"""Schedules: bounds that hold for every attempt, every age and every chance."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relay.domain.schedule import (
    RARE_LOOKS_FROM,
    RECONNECT,
    RETRY_SEND,
    STAGE_FAILED,
    TRACKING_HORIZON,
    Backoff,
    calls_share,
    grace_for,
    next_look,
)

chances = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 10**9)
backoffs = st.sampled_from([RETRY_SEND, RECONNECT, STAGE_FAILED]) | st.builds(
    lambda first, factor, times: Backoff(first=first, factor=factor, ceiling=first * times),
    st.floats(0.001, 100),
    st.floats(1.01, 100),
    st.floats(1, 1e6),
)
ages = st.floats(0, TRACKING_HORIZON, exclude_max=True)
MINUTE = 60.0


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (RETRY_SEND, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
        (RECONNECT, [0.5, 1, 2, 4, 8, 16, 30, 30]),
        (STAGE_FAILED, [1, 2, 4, 8, 16, 32, 60, 60]),
    ],
)
def test_waits_double_up_to_the_ceiling(backoff: Backoff, delays: list[float]) -> None:
    """The middle of each wait, with chance right in between."""
    assert [backoff.delay(attempt, 0.5) for attempt in range(1, len(delays) + 1)] == pytest.approx(delays)


@given(backoffs, attempts, chances)
def test_a_wait_is_spread_by_a_fifth_and_bounded(backoff: Backoff, attempt: int, chance: float) -> None:
    """From 80 % of the first wait to 120 % of the ceiling, whatever the attempt."""
    delay = backoff.delay(attempt, chance)
    middle = backoff.delay(attempt, 0.5)
    assert 0.8 * backoff.first <= delay * (1 + 1e-9)
    assert delay <= 1.2 * backoff.ceiling * (1 + 1e-9)
    assert 0.8 * middle <= delay * (1 + 1e-9)
    assert delay <= 1.2 * middle * (1 + 1e-9)


@given(backoffs, attempts, st.integers(0, 1000), chances)
def test_a_later_attempt_never_waits_less(backoff: Backoff, attempt: int, later: int, chance: float) -> None:
    """For the same chance."""
    assert backoff.delay(attempt + later, chance) >= backoff.delay(attempt, chance)


@given(backoffs, attempts, chances, chances)
def test_chance_reaches_the_whole_spread(backoff: Backoff, attempt: int, one: float, other: float) -> None:
    """More chance, more wait: the lowest gives 80 %, the highest all but 120 %."""
    assume(one <= other)
    assert backoff.delay(attempt, one) <= backoff.delay(attempt, other)
    assert backoff.delay(attempt, math.nextafter(1, 0)) == pytest.approx(1.5 * backoff.delay(attempt, 0))


def test_the_thousand_millionth_attempt_waits_as_long_as_the_ceiling() -> None:
    """No power of it is ever taken."""
    assert RETRY_SEND.delay(10**9, 0.5) == 300


@pytest.mark.parametrize(
    ("first", "factor", "ceiling"),
    [(0, 2, 10), (-1, 2, 10), (11, 2, 10), (1, 1, 10), (1, 0.5, 10), (1, 2, math.inf), (math.nan, 2, 10)],
)
def test_a_backoff_that_does_not_grow_to_a_ceiling_is_refused(first: float, factor: float, ceiling: float) -> None:
    """It would try in a tight loop, or never again."""
    with pytest.raises(ValueError, match="expected 0 < first <= ceiling"):
        Backoff(first=first, factor=factor, ceiling=ceiling)


def looks(chance: float) -> list[float]:
    """The ages at which a copy is looked at, from the hand-over to the end."""
    ages_, age = [], 0.0
    while (gap := next_look(age, chance=chance)) is not None:
        age += gap
        ages_.append(age)
    return ages_


def test_the_first_look_comes_after_a_quarter_of_a_minute() -> None:
    """Most texts have arrived by then."""
    assert next_look(0, chance=0.5) == pytest.approx(15)


def test_looks_thin_out() -> None:
    """The first minute has three, the first hour about a dozen, and the three days about two hundred."""
    seen = looks(0.5)
    assert sum(age <= MINUTE for age in seen) == 3
    assert 10 <= sum(age <= 60 * MINUTE for age in seen) <= 16
    assert 180 <= len(seen) <= 260


@given(ages, chances)
def test_no_final_status_can_be_missed(age: float, chance: float) -> None:
    """AT&T deletes it 30 minutes after it became final: no gap is over 25 minutes."""
    gap = next_look(age, chance=chance)
    assert gap is not None
    assert 12 <= gap <= 25 * MINUTE


@given(ages, ages, chances)
def test_an_older_copy_is_never_looked_at_more_often(age: float, older: float, chance: float) -> None:
    """The gap only grows with age."""
    assume(age <= older)
    sooner, later = next_look(age, chance=chance), next_look(older, chance=chance)
    assert sooner is not None
    assert later is not None
    assert sooner <= later


@given(st.floats(TRACKING_HORIZON, 1e12))
def test_after_72_hours_nobody_looks(age: float) -> None:
    """The network has given up by then."""
    assert next_look(age, chance=0.5) is None


@given(chances)
def test_the_looks_end_soon_after_the_horizon_and_not_before(chance: float) -> None:
    """The last look sees what became final in the last minute."""
    assert TRACKING_HORIZON <= looks(chance)[-1] <= TRACKING_HORIZON + 25 * MINUTE


def test_a_clock_that_stepped_back_does_not_stop_the_looks() -> None:
    """A negative age counts as a fresh hand-over."""
    assert next_look(-3600, chance=0.5) == pytest.approx(15)


@given(st.floats(1, 300))
def test_the_grace_for_a_call_leaves_it_its_time(timeout: float) -> None:
    """And something beyond, for telling what it brought."""
    grace = grace_for(timeout)
    assert calls_share(grace) == pytest.approx(timeout)
    assert grace > timeout


@given(ages, chances)
def test_rare_looks_are_as_far_apart_as_a_status_allows(age: float, chance: float) -> None:
    """Whatever the age: never more often than others, and five minutes before AT&T deletes what is final."""
    wait, usual = next_look(age, chance=chance, rarely=True), next_look(age, chance=chance)
    assert wait is not None
    assert usual is not None
    assert usual <= wait <= 25 * MINUTE * (1 + 1e-9)
    assert wait >= RARE_LOOKS_FROM * (1 - 1e-9)


def test_rare_looks_end_as_others_do() -> None:
    """With the horizon."""
    assert next_look(TRACKING_HORIZON, chance=0.5, rarely=True) is None
