"""Bells: a ring is not lost, and several are one."""

import asyncio
import gc

import pytest

from relay.journal.bells import Bell, Bells


async def _rings(bell: Bell) -> bool:
    try:
        async with asyncio.timeout(0.01):
            await bell.wait()
    except TimeoutError:
        return False
    return True


async def test_a_ring_wakes_the_waiter() -> None:
    """Who waits already."""
    bell = Bell()
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    bell.ring()
    async with asyncio.timeout(5):
        await waiting


async def test_a_ring_before_the_wait_is_not_lost() -> None:
    """Whoever was busy comes for it later."""
    bell = Bell()
    bell.ring()
    assert await _rings(bell)


async def test_several_rings_are_one() -> None:
    """The waiter asks the journal for everything anyway."""
    bell = Bell()
    bell.ring()
    bell.ring()
    assert [await _rings(bell), await _rings(bell)] == [True, False]


async def test_a_wait_that_is_given_up_loses_no_ring() -> None:
    """The next wait has it."""
    bell = Bell()
    assert not await _rings(bell)
    bell.ring()
    assert await _rings(bell)


async def test_bells_ring_by_their_names() -> None:
    """The own bell and every listener of that name, and no other."""
    bells = Bells()
    own, listener, other = bells.bell("events"), bells.listen("events"), bells.bell("raw:alerts")
    bells.ring({"events"})
    assert [await _rings(bell) for bell in (own, listener, other)] == [True, True, False]
    assert bells.bell("events") is own


@pytest.mark.parametrize("listeners", [1, 50])
async def test_a_listener_that_nobody_keeps_is_forgotten(listeners: int) -> None:
    """Who follows events and goes away leaves nothing behind."""
    bells = Bells()
    kept = [bells.listen("events") for _ in range(listeners)]
    kept.clear()
    gc.collect()
    assert len(bells._listening["events"]) == 0
