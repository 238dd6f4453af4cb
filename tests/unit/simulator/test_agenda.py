"""The simulator's agenda."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from relay.providerkit.simulated import Agenda
from relay.simulator.virtual import ManualClock


@pytest.fixture
async def agenda(clock: ManualClock) -> AsyncIterator[Agenda]:
    """An agenda that is being kept."""
    agenda = Agenda(clock)
    task = asyncio.create_task(agenda.run())
    yield agenda
    task.cancel()


async def test_calls_are_made_at_their_times_whatever_the_order_they_came_in(
    agenda: Agenda, clock: ManualClock
) -> None:
    """The earliest first."""
    made: list[tuple[str, float]] = []
    start = agenda.now()

    def note(name: str) -> None:
        made.append((name, round(agenda.now() - start)))

    for name, seconds in (("late", 20), ("early", 10), ("latest", 30)):
        agenda.after(seconds, partial(note, name))
    await clock.advance(60)
    assert made == [("early", 10), ("late", 20), ("latest", 30)]


async def test_an_earlier_call_overtakes_one_that_is_waited_for(agenda: Agenda, clock: ManualClock) -> None:
    """The wait is cut short."""
    made: list[str] = []
    agenda.after(100, lambda: made.append("late"))
    await clock.advance(1)
    agenda.after(5, lambda: made.append("early"))
    await clock.advance(10)
    assert made == ["early"]


async def test_what_is_past_is_done_at_once(agenda: Agenda, clock: ManualClock) -> None:
    """Time does not have to move for it."""
    made: list[str] = []
    agenda.at(agenda.now() - 5, lambda: made.append("now"))
    await clock.advance(0)
    assert made == ["now"]


async def test_calls_for_one_moment_keep_their_order(agenda: Agenda, clock: ManualClock) -> None:
    """First come, first made."""
    made: list[int] = []
    when = agenda.now() + 3.3333333
    for number in range(10):
        agenda.at(when, partial(made.append, number))
    await clock.advance(4)
    assert made == list(range(10))


async def test_a_call_may_put_another_on_the_agenda(agenda: Agenda, clock: ManualClock) -> None:
    """A chain of calls goes on within one advance."""
    made: list[float] = []

    def again() -> None:
        made.append(agenda.now())
        if len(made) < 5:
            agenda.after(7, again)

    agenda.after(7, again)
    await clock.advance(35)
    assert len(made) == 5
