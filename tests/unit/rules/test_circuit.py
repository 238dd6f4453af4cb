"""The circuit of a line, in virtual time: when it opens, when it tries, what it says, and what closes it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.errors import ErrorCode, Problem
from relay.rules.circuit import LONGEST_REST, OPENS_AFTER, PROBES, Circuit, places

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SILENT = Problem(ErrorCode.UNCERTAIN, "the request was written and no full answer came in time")
SPREAD = 0.2


def after(failures: int, at: datetime = NOW, chance: float = 0.5, wish: float | None = None) -> Circuit:
    """A circuit after so many failures, all at once."""
    circuit = Circuit()
    for _ in range(failures):
        circuit = circuit.failed(SILENT, at, chance, wish)
    return circuit


def test_two_failures_leave_it_closed_and_the_third_opens_it() -> None:
    """From then on nothing begins before the first try."""
    assert not after(OPENS_AFTER - 1).is_open
    circuit = after(OPENS_AFTER)
    assert circuit.is_open
    assert (circuit.since, circuit.left(NOW)) == (NOW, PROBES.first)
    assert circuit.left(NOW + timedelta(seconds=PROBES.first)) == 0


def test_what_began_before_it_opened_moves_no_try() -> None:
    """Eight calls that were in flight fail together: that is one trouble, and the first try comes all the same."""
    assert after(8).next_try_at == after(OPENS_AFTER).next_try_at
    assert after(8).failures == 8


def test_tries_come_ever_more_rarely_up_to_five_minutes() -> None:
    """10 s, 20 s, 40 s ..."""
    circuit, now, waits = after(OPENS_AFTER), NOW, []
    for _ in range(8):
        waits.append(circuit.left(now))
        now += timedelta(seconds=circuit.left(now))
        circuit = circuit.failed(SILENT, now, 0.5)
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]
    assert (circuit.since, circuit.tries, circuit.failures) == (NOW, 8, OPENS_AFTER + 8)


@pytest.mark.parametrize(("wish", "rest"), [(None, 10), (3.0, 10), (600.0, 600), (1e9, LONGEST_REST), (-5.0, 10)])
def test_a_wish_of_the_providers_is_heeded_within_bounds(wish: float | None, rest: float) -> None:
    """Never sooner than relay itself would try, and never later than in an hour."""
    assert after(OPENS_AFTER, wish=wish).left(NOW) == rest


def test_a_clock_that_was_put_right_does_not_shut_a_line_up_for_ever() -> None:
    """A try that was noted for next year may begin now."""
    circuit = after(OPENS_AFTER, at=NOW + timedelta(days=365))
    assert circuit.left(NOW) == 0


def test_it_comes_back_as_it_was_kept() -> None:
    """And where nothing was kept it is closed."""
    assert Circuit.read(after(5).written()) == after(5)
    assert not Circuit.read(None).is_open


def test_it_says_in_words_what_is_wrong_and_when_it_tries_again() -> None:
    """On the line's status topic; nothing where it is closed."""
    assert after(1).as_body() is None
    assert after(4).as_body() == {
        "since": "2026-11-22T09:00:00.000Z",
        "next_try_at": "2026-11-22T09:00:10.000Z",
        "reason": "4 calls in a row brought no usable answer; of the last one: the request was written and no full"
        " answer came in time",
        "failures": 4,
    }


def test_a_provider_that_has_come_back_meets_no_herd() -> None:
    """One call at a time while it is open, two after one that passed, and soon all of them."""
    assert [places(8, passed) for passed in (0, 1, 2, 7, 100)] == [1, 2, 3, 8, 8]
    assert places(8) == 8


@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.floats(0, 600), st.floats(0, 1, exclude_max=True)), min_size=1, max_size=60
    )
)
def test_however_calls_end_a_try_comes_within_six_minutes_and_not_sooner_than_in_eight_seconds(
    steps: list[tuple[bool, float, float]],
) -> None:
    """And it is open exactly when the last three failed."""
    circuit, now, failures = Circuit(), NOW, 0
    for failed, seconds, chance in steps:
        now += timedelta(seconds=seconds)
        was_tried = circuit.left(now) == 0
        circuit = circuit.failed(SILENT, now, chance) if failed else Circuit()
        failures = failures + 1 if failed else 0
        assert circuit.is_open == (failures >= OPENS_AFTER)
        assert circuit.left(now) <= PROBES.ceiling * (1 + SPREAD)
        if circuit.is_open and was_tried:
            assert circuit.left(now) >= PROBES.first * (1 - SPREAD)
