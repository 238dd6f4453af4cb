"""The turns of nodes over one PostgreSQL: taken, shared out, given back, lost in time; and everybody's on SQLite."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from structlog.testing import capture_logs

from relay.clock import SystemClock
from relay.ids import Ids
from relay.journal import Journal
from relay.turns import BUS, UPKEEP, Turns, line_of, line_turn
from tests.databases import Database, borrowed
from tests.nodes.cluster import eventually

LEASE = 20.0  # that nothing lapses while a test is not about that
SHORT = 2.0
WITHIN = 20.0
ALERTS = line_turn("alerts")
LOCK = "hashtextextended('relay.' || current_schema(), 0)"  # by which nodes write in turns


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables."""
    with borrowed() as database:
        yield database


@dataclass
class Node:
    """A node that has joined, and beats while `beating`."""

    journal: Journal
    turns: Turns
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def until(self, *held: str) -> None:
        """Wait until it has just these turns."""
        changed = asyncio.Event()
        self.turns.on_change(changed.set)
        async with asyncio.timeout(WITHIN):
            while self.turns.held != sorted(held):
                await changed.wait()
                changed.clear()


async def joined(database: Database, name: str, *wanted: str, lease: float = LEASE) -> Node:
    """A node."""
    clock = SystemClock()
    ids = Ids(clock, random.Random(name))  # noqa: S311 - chance that repeats
    journal = await Journal.open(database.url, clock=clock, ids=ids, node=name, lease=lease)
    return Node(journal, Turns(journal, wanted))


@asynccontextmanager
async def beating(database: Database, name: str, *wanted: str, lease: float = LEASE) -> AsyncIterator[Node]:
    """A node that beats inside of the block."""
    node = await joined(database, name, *wanted, lease=lease)
    async with node.journal, node.turns.running():
        yield node


def test_the_turn_of_a_line_has_its_name() -> None:
    """And the others have none."""
    assert (line_of(line_turn("alerts")), line_of(BUS), line_of(UPKEEP)) == ("alerts", None, None)


async def test_on_a_journal_of_its_own_a_node_has_every_turn_always(tmp_path: Path) -> None:
    """Nothing is written for it, and no time ends it."""
    clock = SystemClock()
    journal = await Journal.open(f"sqlite:///{tmp_path}/relay.db", clock=clock, ids=Ids(clock), node="n1")
    async with journal:
        turns, before = Turns(journal, (BUS, ALERTS)), journal.commits
        async with turns.running():
            assert turns.held == [BUS, ALERTS]
            turns.stop()
            assert (turns.holds(BUS), turns.holds("another"), turns.is_shared) == (True, False, False)
        assert turns.holds(ALERTS)
        assert journal.commits == before


async def test_a_node_alone_takes_all_turns(database: Database, logs: list[MutableMapping[str, Any]]) -> None:
    """With its first beat, and each is told of once."""
    async with beating(database, "n1", BUS, ALERTS) as node:
        bell = node.turns.changed(BUS)
        await node.until(BUS, ALERTS)
        async with asyncio.timeout(WITHIN):
            await bell.wait()
    told = [(line["event"], line.get("turn")) for line in logs if line["event"].startswith(("turn", "node"))]
    assert told[:3] == [("node.joined", None), ("turn.taken", BUS), ("turn.taken", ALERTS)]


async def test_two_nodes_never_have_the_same_turn_and_share_them_out(database: Database) -> None:
    """The second one comes later: the first gives half of them back."""
    wanted = (BUS, UPKEEP, ALERTS, line_turn("office"))
    async with beating(database, "n1", *wanted) as first:
        await first.until(*wanted)
        async with beating(database, "n2", *wanted) as second:
            changed = asyncio.Event()
            for node in (first, second):
                node.turns.on_change(changed.set)
            async with asyncio.timeout(WITHIN):
                while [len(first.turns.held), len(second.turns.held)] != [2, 2]:
                    await changed.wait()
                    changed.clear()
                    assert not {*first.turns.held} & {*second.turns.held}
        await first.until(*wanted)


async def test_a_surplus_turn_is_given_back_only_when_all_work_under_it_has_ended(database: Database) -> None:
    """Until then nothing more is begun under it, and nobody else has it."""
    wanted = (BUS, ALERTS)
    async with beating(database, "n1", *wanted) as first:
        await first.until(*wanted)
        first.turns.enter(BUS)
        first.turns.enter(ALERTS)
        changed = asyncio.Event()
        first.turns.on_change(changed.set)
        async with beating(database, "n2", *wanted) as second:
            async with asyncio.timeout(WITHIN):
                await changed.wait()
            [kept] = first.turns.held
            [left] = {*wanted} - {kept}
            assert first.turns.term(left) is None
            seen = {one.name: one.turns for one in await second.journal.nodes.living()}
            assert set(seen["n1"]) == set(wanted)
            assert second.turns.held == []
            first.turns.leave(left)
            await second.until(left)
            assert first.turns.held == [kept]


async def test_who_stops_gives_its_turns_to_the_others_as_its_work_ends(database: Database) -> None:
    """One by one, and before it has left."""
    async with beating(database, "n1", BUS, ALERTS) as first:
        await first.until(BUS, ALERTS)
        first.turns.enter(ALERTS)
        first.turns.enter(BUS)
        async with beating(database, "n2", BUS, ALERTS) as second:
            first.turns.stop()
            await first.until()
            first.turns.leave(ALERTS)
            await second.until(ALERTS)
            first.turns.leave(BUS)
            await second.until(BUS, ALERTS)


async def test_who_stops_alone_keeps_its_turns_to_the_end(database: Database) -> None:
    """Nobody else would do what is left to do."""
    async with beating(database, "n1", BUS, ALERTS) as node:
        await node.until(BUS, ALERTS)
        node.turns.stop()
        assert node.turns.held == [BUS, ALERTS]


async def test_a_turn_is_lost_by_itself_when_the_database_stands_still(
    database: Database, logs: list[MutableMapping[str, Any]]
) -> None:
    """Before its lease is over; and it is another term that begins when the database goes on."""
    async with beating(database, "n1", BUS, lease=SHORT) as node:
        await node.until(BUS)
        term, loop = node.turns.term(BUS), asyncio.get_running_loop()
        await asyncio.to_thread(database.server.pause)
        try:
            began = loop.time()
            await node.until()
            assert loop.time() - began < SHORT
            assert not node.turns.over.is_set()
        finally:
            await asyncio.to_thread(database.server.resume)
        await node.until(BUS)
        assert node.turns.term(BUS) not in {term, None}
    assert "could not be told in time" in next(line["reason"] for line in logs if line["event"] == "turn.lost")


async def test_a_turn_that_was_over_is_not_brought_back_by_what_is_written(database: Database) -> None:
    """The process stood still until its time was over: another node may have the turn, whatever is committed now."""
    async with beating(database, "n1", BUS, lease=SHORT) as node:
        await node.until(BUS)
        memory = node.journal.memory("alerts")
        with psycopg.connect(database.url, autocommit=True) as other, psycopg.connect(database.url) as clock:
            other.execute(f"SELECT pg_advisory_lock({LOCK})")
            first = asyncio.ensure_future(memory.put("first", b""))
            await asyncio.to_thread(_until, other, "SELECT count(*) FROM pg_locks WHERE NOT granted")
            second = asyncio.ensure_future(memory.put("second", b""))
            await asyncio.to_thread(str)  # it is handed in meanwhile
            # From here on nothing else runs on the event loop.
            clock.execute(f"SELECT pg_sleep({SHORT})")
            other.execute(f"SELECT pg_advisory_unlock({LOCK})")
            _until(other, "SELECT count(*) FROM memory WHERE key = 'second'")
            assert not node.turns.holds(BUS)
        await asyncio.gather(first, second)
        await node.until(BUS)


def _until(connection: psycopg.Connection[Any], query: LiteralString) -> None:
    """Wait until the query finds something."""
    while not (row := connection.execute(query).fetchone()) or not row[0]:
        pass


async def test_the_turns_of_a_node_that_does_not_beat_are_taken_and_its_life_is_over(
    database: Database, logs: list[MutableMapping[str, Any]]
) -> None:
    """Another node has buried it, and says so; should it go on, it says that it has been."""
    first = await joined(database, "n1", BUS, lease=SHORT)
    async with first.journal:
        async with first.turns.running():
            await first.until(BUS)
        async with beating(database, "n2", BUS, lease=SHORT) as second:
            await second.until(BUS)
            assert await _buried(logs) == [["n1"]]
            async with first.turns.running(), asyncio.timeout(WITHIN):
                await first.turns.over.wait()
            assert first.turns.held == []
            assert second.turns.held == [BUS]
    assert [line["node"] for line in logs if line["event"] == "node.fenced"] == ["n1"]


async def _buried(logs: list[MutableMapping[str, Any]]) -> list[list[str]]:
    """Whoever was buried, once somebody was: a node that was late itself takes turns before it buries anybody."""
    return await eventually(lambda: [line["nodes"] for line in logs if line["event"] == "node.buried"], WITHIN)


async def test_a_turn_that_is_wanted_no_more_by_anybody_else_is_kept(database: Database) -> None:
    """Of an odd number one node has one more, and they go neither to nor fro."""
    wanted = (BUS, UPKEEP, ALERTS)
    async with beating(database, "n1", *wanted) as first, beating(database, "n2", *wanted) as second:
        changed = asyncio.Event()
        for node in (first, second):
            node.turns.on_change(changed.set)
        async with asyncio.timeout(WITHIN):
            while {len(first.turns.held), len(second.turns.held)} != {1, 2}:
                await changed.wait()
                changed.clear()
        terms = [node.turns.term(name) for node in (first, second) for name in wanted]
        for node in (first, second):
            for _ in range(3):
                await node.journal.nodes.beat(wanted)
        assert [node.turns.term(name) for node in (first, second) for name in wanted] == terms
