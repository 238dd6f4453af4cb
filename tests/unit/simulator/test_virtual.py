"""The clock that only moves when a test says so."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from relay.clock import Clock
from relay.simulator.virtual import ManualClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_time_stands_still_until_it_is_advanced() -> None:
    """Nothing but `advance` moves it."""
    clock: Clock = ManualClock(START)
    assert clock.now() == START


async def test_advance_moves_time_by_just_so_much() -> None:
    """Also where nobody sleeps."""
    clock = ManualClock(START)
    await clock.advance(90.5)
    assert clock.now() == START + timedelta(seconds=90.5)


async def test_sleepers_wake_in_order_each_at_its_own_time() -> None:
    """Whoever sleeps shorter wakes first, and reads the time it asked for."""
    clock, woken = ManualClock(START), []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((clock.now() - START).total_seconds())

    async with asyncio.TaskGroup() as group:
        for seconds in (30, 10, 20):
            group.create_task(sleep(seconds))
        await clock.advance(60)
    assert woken == [10, 20, 30]


async def test_a_sleeper_that_sleeps_again_is_woken_again_on_the_way() -> None:
    """A loop of ten-second sleeps makes six turns in a minute."""
    clock, turns = ManualClock(START), 0

    async def work() -> None:
        nonlocal turns
        while True:
            await clock.sleep(10)
            turns += 1

    task = asyncio.create_task(work())
    await clock.advance(60)
    assert turns == 6
    task.cancel()


async def test_nobody_is_woken_before_their_time() -> None:
    """A sleeper of ten seconds still sleeps after nine."""
    clock = ManualClock(START)
    task = asyncio.create_task(clock.sleep(10))
    await clock.advance(9.999)
    assert not task.done()
    await clock.advance(0.001)
    assert task.done()


async def test_sleeping_for_no_time_returns_at_once() -> None:
    """Zero and less are in the past."""
    clock = ManualClock(START)
    async with asyncio.timeout(1):
        await clock.sleep(0)
        await clock.sleep(-1)


async def test_wait_gives_what_comes_in_time() -> None:
    """A result within the time is handed through."""
    clock = ManualClock(START)
    assert await clock.wait(asyncio.sleep(0, "done"), 5) == "done"


async def test_wait_raises_what_the_awaited_raises() -> None:
    """An error is not taken for a time-out."""

    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await ManualClock(START).wait(fail(), 5)


async def test_wait_gives_up_when_the_clock_has_moved_on() -> None:
    """TimeoutError, and what was awaited is cancelled."""
    clock, event = ManualClock(START), asyncio.Event()
    inner = asyncio.ensure_future(event.wait())
    task = asyncio.create_task(clock.wait(inner, 5))
    await clock.advance(5)
    with pytest.raises(TimeoutError):
        await task
    assert inner.cancelled()


async def test_advance_waits_while_the_clock_is_held() -> None:
    """I/O under way keeps time from passing."""
    clock, release = ManualClock(START), asyncio.Event()
    seen: list[datetime] = []

    async def io() -> None:
        await clock.sleep(1)
        with clock.held():
            await release.wait()
            seen.append(clock.now())

    task = asyncio.create_task(io())
    moving = asyncio.create_task(clock.advance(100))
    asyncio.get_running_loop().call_later(0.02, release.set)
    await asyncio.gather(task, moving)
    assert seen == [START + timedelta(seconds=1)]
    assert clock.now() == START + timedelta(seconds=100)


async def test_a_cancelled_sleeper_is_dropped() -> None:
    """It neither holds time up nor breaks it."""
    clock = ManualClock(START)
    task = asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    task.cancel()
    await clock.advance(10)
    assert task.cancelled()
