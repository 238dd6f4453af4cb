"""A database that goes away and comes back: what was accepted is there once, and what is new waits or is refused."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from relay.ids import Ids
from relay.journal import Journal, JournalError, JournalShut
from tests.contract.journal.desk import LINE, StillClock
from tests.postgres import Server

WRITES = 120


@pytest.fixture
def server() -> Iterator[Server]:
    """One of the test's own, that may be stopped."""
    with Server() as running:
        yield running


@pytest.fixture
async def journal(server: Server) -> AsyncIterator[Journal]:
    """An open journal there."""
    clock = StillClock()
    url = await asyncio.to_thread(server.create_database, "relay")
    async with await Journal.open(url, clock=clock, ids=Ids(clock), node="a") as opened:
        yield opened


async def _announced(journal: Journal) -> Counter[str]:
    events = await journal.events.follow(0, 100_000)
    return Counter(str(event.body["name"]) for _, event in events)


async def test_a_connection_that_breaks_is_noticed_by_nobody(server: Server, journal: Journal) -> None:
    """Whether a commit that was cut off is there is read back: each thing is written once, and nobody is told."""

    async def write(number: int) -> None:
        await journal.events.announce(LINE, "hi", {"name": f"n{number}"})

    for first in range(0, WRITES, 10):
        cut = asyncio.to_thread(server.cut, "relay")
        await asyncio.gather(cut, *(write(number) for number in range(first, first + 10)))
    assert await _announced(journal) == Counter(f"n{number}" for number in range(WRITES))


async def test_what_was_accepted_survives_a_crash_of_the_database(server: Server, journal: Journal) -> None:
    """What was not accepted is there once, or not at all; new things are taken again without a restart."""
    accepted: set[str] = set()

    async def write(number: int) -> None:
        with suppress(JournalError):
            await journal.events.announce(LINE, "hi", {"name": f"n{number}"})
            accepted.add(f"n{number}")

    writing = [asyncio.create_task(write(number)) for number in range(WRITES)]
    await asyncio.to_thread(server.restart, "immediate")
    await asyncio.gather(*writing)
    await _takes_again(journal)
    await write(WRITES)
    found = await _announced(journal)
    assert accepted >= {f"n{WRITES}"}
    assert accepted <= found.keys()
    assert set(found.values()) == {1}


async def _takes_again(journal: Journal) -> None:
    async with asyncio.timeout(60):
        while (shut := journal.shut) is not None:
            await shut.over.wait()


async def test_while_it_is_away_new_things_are_refused(server: Server, journal: Journal) -> None:
    """With the reason, at once; afterwards they are taken again."""
    changed = asyncio.Event()
    journal.on_shut(changed.set)
    await asyncio.to_thread(server.stop, "immediate")
    with pytest.raises(JournalError):
        await journal.events.announce(LINE, "hi", {})
    async with asyncio.timeout(30):
        await changed.wait()
    assert journal.shut is not None
    assert "PostgreSQL" in journal.shut.why
    with pytest.raises(JournalShut):
        await journal.calls.claim(LINE, journal.owner)
    with pytest.raises(JournalError):
        await journal.queries.status()
    await asyncio.to_thread(server.start)
    await _takes_again(journal)
    assert await journal.calls.claim(LINE, journal.owner) is None
    assert (await journal.queries.status())["unread"] == 0


async def test_bells_ring_again_after_their_connection_broke(server: Server, journal: Journal) -> None:
    """And once for whatever was missed."""
    clock = StillClock()
    async with await Journal.open(server.url("relay"), clock=clock, ids=Ids(clock), node="b") as other:
        bell = other.listen("events")
        await asyncio.to_thread(server.cut, "relay")
        async with asyncio.timeout(30):
            await bell.wait()
            while not await other.events.pending(0, 1):
                await journal.events.announce(LINE, "hi", {})
                await bell.wait()


async def test_a_database_that_stands_still_keeps_no_reader_waiting_for_ever(server: Server, journal: Journal) -> None:
    """Connections stay, and nothing is answered."""
    await asyncio.to_thread(server.pause)
    try:
        with pytest.raises(JournalError, match="does not answer"):
            await journal.queries.status()
    finally:
        await asyncio.to_thread(server.resume)
    assert (await journal.queries.status())["unread"] == 0
