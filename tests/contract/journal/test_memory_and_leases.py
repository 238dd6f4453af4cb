"""A small durable memory, leases, and the lab's anchor."""

from datetime import UTC, datetime

from relay.journal import lab_anchor
from tests.contract.journal.conftest import Open
from tests.contract.journal.desk import START, Desk, StillClock
from tests.contract.journal.places import Place

NAME = "bus"


async def test_memory_gives_what_was_put_last(desk: Desk) -> None:
    """To its owner, also after a kill."""
    memory = desk.journal.memory("alerts")
    assert await memory.get("token") is None
    await memory.put("token", b"\x00first")
    await memory.put("token", b"second")
    assert await memory.get("token") == b"second"
    assert await desk.journal.memory("other").get("token") is None
    left = await desk.after_kill()
    assert await left.journal.memory("alerts").get("token") == b"second"
    await left.journal.aclose()


async def test_memory_forgets_what_is_dropped(desk: Desk) -> None:
    """That and nothing else; where there is nothing, nothing happens."""
    memory = desk.journal.memory("alerts")
    await memory.put("token", b"t")
    await memory.put("secret", b"s")
    for _ in range(2):
        await memory.drop("token")
    left = await desk.after_kill()
    assert await left.journal.memory("alerts").get("token") is None
    assert await left.journal.memory("alerts").get("secret") == b"s"
    await left.journal.aclose()


async def test_memory_keeps_what_came_first(desk: Desk) -> None:
    """Whoever comes later is given it."""
    memory = desk.journal.memory("alerts")
    assert await memory.put_first("secret", b"first") == b"first"
    assert await memory.put_first("secret", b"second") == b"first"
    left = await desk.after_kill()
    assert await left.journal.memory("alerts").get("secret") == b"first"
    await left.journal.aclose()


async def test_memory_is_swapped_by_whoever_saw_what_is_there(desk: Desk) -> None:
    """Anybody else is given it, and has changed nothing."""
    memory = desk.journal.memory("alerts")
    assert await memory.swap("token", b"never there", b"one") == b"one"
    assert await memory.swap("token", b"one", b"two") == b"two"
    assert await memory.swap("token", b"one", b"three") == b"two"
    assert await memory.swap("token", None, b"four") == b"two"
    assert await memory.get("token") == b"two"


async def test_a_lease_has_one_holder(desk: Desk) -> None:
    """Until its time is over."""
    held = await desk.journal.leases.acquire(NAME, "relay-1", 8)
    assert held is not None
    assert await desk.journal.leases.acquire(NAME, "relay-2", 8) is None
    assert await desk.journal.leases.acquire("another", "relay-2", 8) is not None
    desk.real_time_passes(4)
    assert await desk.journal.leases.acquire(NAME, "relay-2", 8) is None
    desk.real_time_passes(4)
    taken = await desk.journal.leases.acquire(NAME, "relay-2", 8)
    assert taken is not None
    assert taken.token > held.token
    assert await desk.journal.leases.renew(held, 8) is None


async def test_a_renewed_lease_is_held_on(desk: Desk) -> None:
    """From the time of the renewal; one that is over cannot be renewed."""
    held = await desk.journal.leases.acquire(NAME, "relay-1", 8)
    assert held is not None
    desk.real_time_passes(4)
    renewed = await desk.journal.leases.renew(held, 8)
    assert renewed is not None
    assert renewed.token == held.token
    desk.real_time_passes(5)
    assert await desk.journal.leases.acquire(NAME, "relay-2", 8) is None
    desk.real_time_passes(3)
    assert await desk.journal.leases.renew(renewed, 8) is None


async def test_a_released_lease_is_free_at_once(desk: Desk) -> None:
    """And its former holder does not release the next one's."""
    held = await desk.journal.leases.acquire(NAME, "relay-1", 8)
    assert held is not None
    await desk.journal.leases.release(held)
    taken = await desk.journal.leases.acquire(NAME, "relay-2", 8)
    assert taken is not None
    await desk.journal.leases.release(held)
    assert await desk.journal.leases.renew(taken, 8) is not None


async def test_a_restarted_owner_succeeds_itself(desk: Desk) -> None:
    """It need not wait for its own lease; its former life has lost it."""
    former = await desk.journal.leases.acquire(NAME, "relay-1", 8)
    assert former is not None
    await desk.reopen()
    assert await desk.journal.leases.acquire(NAME, "relay-1", 8) is not None
    assert await desk.journal.leases.renew(former, 8) is None


async def test_the_lab_s_anchor_is_made_once(place: Place) -> None:
    """At the epoch that is given first; restarts and other epochs do not move it."""
    clock, epoch = StillClock(), datetime(2030, 1, 1, tzinfo=UTC)
    assert await lab_anchor(place.url, epoch, real=clock) == (START, epoch)
    clock.pass_(hours=1)
    assert await lab_anchor(place.url, None, real=clock) == (START, epoch)


async def test_the_lab_s_time_begins_now_where_no_epoch_is_given(place: Place, open_journal: Open) -> None:
    """And the journal can be opened afterwards."""
    assert await lab_anchor(place.url, None, real=StillClock()) == (START, START)
    assert await (await open_journal()).events() == []
