"""Two nodes over one PostgreSQL, in orders of events that are rare: nothing is forgotten, and nothing hangs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import psycopg
import pytest

from relay.domain.messages import CallAnswer, Handover, OnUncertain
from relay.domain.states import Fact
from relay.ids import Ids
from relay.journal import Journal, JournalFenced
from relay.journal.pgconnect import connecting
from tests.contract.journal.desk import ALICE, BOB, LINE, Desk, StillClock, delivered
from tests.contract.journal.places import PostgresPlace, ground
from tests.postgres import Server

TURNS = ("bus", "line:alerts", "upkeep")
LEASE = 0.4  # real seconds
PATIENCE = 30

Joined = Callable[[str], Awaitable[Journal]]


@pytest.fixture
def place() -> Iterator[PostgresPlace]:
    """A database with relay's tables."""
    with ground("postgresql") as place:
        assert isinstance(place, PostgresPlace)
        yield place


@pytest.fixture
def clock() -> StillClock:
    """The time of all nodes."""
    return StillClock()


@pytest.fixture
async def join(place: PostgresPlace, clock: StillClock) -> AsyncIterator[Joined]:
    """Opens the journal as a node of this name."""
    async with AsyncExitStack() as stack:

        async def joining(name: str) -> Journal:
            journal = await Journal.open(place.url, clock=clock, ids=Ids(clock), node=name, lease=LEASE)
            return await stack.enter_async_context(journal)

        yield joining


async def buried(by: Journal, name: str) -> None:
    """Have a node beat until it has given `name` up for dead."""
    async with asyncio.timeout(PATIENCE):
        while name not in (await by.nodes.beat(TURNS)).buried:
            pass


async def test_what_a_life_left_is_judged_though_the_next_one_of_its_name_gets_nowhere(
    join: Joined, place: PostgresPlace, clock: StillClock
) -> None:
    """A node that is killed, starts again and is killed before it has judged what it found: another node does."""
    other, killed = await join("b"), await join("a")
    desk = Desk(place, killed, clock)
    await desk.send(ALICE)
    await desk.claim(owner=killed.owner)
    await join("a")  # it ends the former life, and goes no further
    await buried(other, "a")
    desk.journal = other
    assert await desk.standing() == ["uncertain"]


async def test_what_a_life_left_is_judged_though_the_next_one_of_its_name_cannot_start(
    join: Joined, place: PostgresPlace, clock: StillClock
) -> None:
    """It leaves at once, because something that it needs is not there."""
    other, killed = await join("b"), await join("a")
    desk = Desk(place, killed, clock)
    await desk.send(ALICE)
    await desk.claim(owner=killed.owner)
    await (await join("a")).aclose()
    desk.journal = other
    assert await desk.standing() == ["uncertain"]


async def test_looks_that_a_former_life_had_taken_are_due_at_the_next_start(
    join: Joined, place: PostgresPlace, clock: StillClock
) -> None:
    """A provider may have the status for half an hour only."""
    first = await join("a")
    desk = Desk(place, first, clock)
    await desk.sent(ALICE)
    clock.pass_(minutes=1)
    assert len(await first.looks.due(LINE, 10)) == 1
    again = await join("a")
    await again.calls.recover()
    assert len(await again.looks.due(LINE, 10)) == 1


async def test_a_life_that_leaves_begins_nothing_behind_that(
    join: Joined, place: PostgresPlace, clock: StillClock
) -> None:
    """Also not in the same commit."""
    first, other = await join("a"), await join("b")
    await Desk(place, first, clock).send(ALICE)
    held = await asyncio.to_thread(connecting(place.url, None).open)
    await asyncio.to_thread(held.execute, _LOCK)
    before = asyncio.ensure_future(first.memory(LINE).put("any", b""))
    await _waiting(place)
    leaving, claiming = (
        asyncio.ensure_future(what) for what in (first.nodes.leave(), first.calls.claim(LINE, first.owner))
    )
    await asyncio.sleep(0)
    await asyncio.to_thread(held.close)
    await asyncio.gather(before, leaving)
    with pytest.raises(JournalFenced):
        await claiming
    assert await other.calls.claim(LINE, other.owner) is not None


async def _waiting(place: PostgresPlace) -> None:
    """Until somebody waits for the lock by which nodes write."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(
            place.read, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ):
            pass


async def test_a_late_answer_takes_along_what_a_person_had_moved(
    join: Joined, place: PostgresPlace, clock: StillClock
) -> None:
    """Reports of the call that was made tell of every copy that it carried."""
    first, second = await join("a"), await join("b")
    desk = Desk(place, first, clock)
    answer = await desk.send(ALICE, BOB, on_uncertain=OnUncertain.HOLD)
    call = await desk.claim(owner=first.owner)
    await buried(second, "a")
    [aside] = [one for one in await second.dead.list(10) if one["copy_id"] == f"{answer.message_id}-1"]
    await second.dead.again(aside["id"])
    taken = CallAnswer("SMS1", tuple(Handover(Fact.SUBMITTED) for _ in call.recipients))
    assert await first.calls.answered(call.call_id, first.owner, taken, first_look=15, carried=call.copy_ids)
    desk.journal = second
    assert await desk.standing() == ["submitted", "submitted"]
    assert await second.calls.claim(LINE, second.owner) is None
    await desk.report(*(delivered("SMS1", address=to) for to in (ALICE, BOB)))
    assert await desk.standing() == ["delivered", "delivered"]


_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('relay.' || current_schema(), 0))"


async def test_two_people_forgotten_on_two_nodes_at_once_are_both_forgotten(
    join: Joined, place: PostgresPlace, clock: StillClock
) -> None:
    """What one node has read before the other one's change is not written back."""
    first, second = await join("a"), await join("b")
    desk = Desk(place, first, clock)
    await desk.sent(ALICE, BOB, group=True)
    await desk.report(*(delivered("SMS1", address=to) for to in (ALICE, BOB)))
    needles = [one.value[1:].encode() for one in (ALICE, BOB)]
    assert place.anywhere(needles) == set(needles)
    is_first = True

    async def meanwhile(_: Sequence[str]) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            await first.people.forget([ALICE], _keeps_none)

    await second.people.forget([BOB], meanwhile)
    assert place.anywhere(needles) == set()


async def _keeps_none(_: Sequence[str]) -> None:
    """There are no files."""


async def test_a_server_that_stands_still_is_given_up(server: Server) -> None:
    """Its machine answers for the network, and nothing else would ever end the wait."""
    url = await asyncio.to_thread(server.create_database, "relay")
    connection = replace(connecting(url, None), silent=5).open()
    await asyncio.to_thread(connection.execute, "SELECT pg_sleep(0.2)")
    await asyncio.to_thread(server.pause)
    try:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(psycopg.OperationalError):
                await asyncio.to_thread(connection.execute, "SELECT 1")
    finally:
        await asyncio.to_thread(server.resume)
    assert connection.closed


async def test_a_name_of_a_life_is_never_given_twice(join: Joined, place: PostgresPlace) -> None:
    """A node that stood still for a week, and wakes up, is not taken for the one that has its name by now."""
    first, other = await join("a"), await join("b")
    await buried(other, "a")
    place.write("UPDATE node SET ended_at = ended_at - :week WHERE name = 'a'", week=8 * 86_400 * 1_000_000)
    await other.nodes.beat(TURNS)
    again = await join("a")
    assert again.owner != first.owner
    with pytest.raises(JournalFenced):
        await first.memory(LINE).put("any", b"", begins=True)


async def test_copies_are_counted_for_a_client_of_any_name(
    join: Joined, place: PostgresPlace, clock: StillClock
) -> None:
    """As on SQLite: no letter is too strange."""
    desk = Desk(place, await join("a"), clock)
    answer = await desk.send(ALICE, client="half a pair \ud800, and \0")
    assert answer.outcome == "accepted"
    await desk.hand_over(await desk.claim())
    assert {row["value"] for row in place.read("SELECT value FROM counter WHERE name LIKE 'waiting%'")} == {0}


async def test_a_node_that_stands_still_in_the_middle_of_a_batch_holds_up_nobody(
    join: Joined, place: PostgresPlace
) -> None:
    """Rows are on their way, and no more come: for PostgreSQL such a session is not idle."""
    other = await join("b")
    stopped = await asyncio.to_thread(connecting(place.url, None).open)
    await asyncio.to_thread(stopped.execute, _LOCK)
    stopped.pgconn.enter_pipeline_mode()
    stopped.pgconn.send_query_params(b"SELECT 1", None)
    stopped.pgconn.flush()
    async with asyncio.timeout(15):
        await other.memory(LINE).put("any", b"")
    await asyncio.to_thread(stopped.close)


@pytest.fixture
def server() -> Iterator[Server]:
    """One of the test's own, that may be stopped."""
    with Server() as running:
        yield running
