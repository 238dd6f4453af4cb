"""Refused topics: their events wait in order, each topic has its own next time, and a refusal is news once."""

import math

import pytest

from relay.bus.refusals import Refusals
from relay.simulator.virtual import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """Time that stands still."""
    return ManualClock()


@pytest.fixture
def refusals(clock: ManualClock) -> Refusals:
    """With chance in the middle: waits are 1, 2, 4, … seconds."""
    return Refusals(clock, lambda: 0.5)


def test_events_of_a_refused_topic_wait_and_others_do_not(refusals: Refusals) -> None:
    """From the first refusal on."""
    assert not refusals.hold("a", 1)
    assert refusals.refused("a", "alerts", 1)
    assert refusals.hold("a", 2)
    assert not refusals.hold("b", 3)
    assert refusals.touches("alerts")
    assert not refusals.touches("office")


async def test_the_first_event_is_tried_when_its_time_has_come(refusals: Refusals, clock: ManualClock) -> None:
    """In whatever order the refusals came; while it is being tried it is not due."""
    assert refusals.refused("a", "alerts", 7)
    assert not refusals.refused("a", "alerts", 5)
    assert (refusals.due(), refusals.wait()) == ([], 1.0)
    await clock.advance(1.0)
    assert refusals.due() == [("a", 5)]
    refusals.tries("a")
    assert (refusals.due(), refusals.wait()) == ([], math.inf)


async def test_only_the_tried_event_counts_and_the_waits_grow(refusals: Refusals, clock: ManualClock) -> None:
    """What was under way together is one failure."""
    refusals.refused("a", "alerts", 1)
    for wait in (1.0, 2.0, 4.0):
        assert refusals.wait() == wait
        await clock.advance(wait)
        assert refusals.due() == [("a", 1)]
        refusals.tries("a")
        assert not refusals.refused("a", "alerts", 9)
        assert refusals.wait() == math.inf
        assert not refusals.refused("a", "alerts", 1)


def test_the_topic_passes_with_its_first_event_alone(refusals: Refusals) -> None:
    """Another that was under way says nothing of the order."""
    refusals.refused("a", "alerts", 3)
    assert refusals.passed("a", 4) is None
    assert refusals.passed("b", 3) is None
    assert refusals.passed("a", 3) is not None
    assert not refusals.hold("a", 4)
    assert not refusals.touches("alerts")


async def test_a_try_that_came_to_no_end_is_made_again(refusals: Refusals, clock: ManualClock) -> None:
    """The connection was lost meanwhile."""
    refusals.refused("a", None, 1)
    await clock.advance(1.0)
    refusals.tries("a")
    assert refusals.due() == []
    refusals.nothing_under_way()
    assert refusals.wait() == 0.0
    assert refusals.due() == [("a", 1)]
