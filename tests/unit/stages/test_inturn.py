"""A stage that runs on one node at a time, over a real PostgreSQL."""

import asyncio
from collections.abc import Iterator

import pytest

from relay.stagekit import Rest, Stage, Window
from relay.stages.inturn import InTurn
from relay.telemetry.health import LineState
from relay.turns import line_turn
from tests.databases import Database, borrowed
from tests.unit.stages.house import ALERTS
from tests.unit.stages.nodes import WITHIN, Node, beating, running

TURN = line_turn(ALERTS)
NAME = "poller/alerts"


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables."""
    with borrowed() as database:
        yield database


class Fetching(Stage):
    """An inner stage: it puts one piece in flight, which ends when the test says so, and then waits in its step."""

    name = NAME

    def __init__(self, node: Node) -> None:
        self.node = node
        self.window = Window(1)
        self.begun, self.may_end, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.was_cut_short = False

    async def step(self) -> Rest | None:
        """Begin, and stay."""
        if not self.begun.is_set():
            self.begun.set()
            self.node.board.report(ALERTS, "inbox", LineState.THROTTLED, "rate_limited")
            self.window.start(self._piece(), self.name)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cut_short = True
            raise
        return None

    async def drain(self, seconds: float) -> None:
        """Let it end."""
        await self.window.drain(seconds)

    async def _piece(self) -> None:
        await self.may_end.wait()
        self.ended.set()


class Workshop:
    """Makes inner stages of one node, and tells of each."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.made: asyncio.Queue[Fetching] = asyncio.Queue()

    def stage(self) -> InTurn:
        """The stage around them."""
        board = self.node.board
        return InTurn(TURN, self.node.turns, self._make, name=NAME, board=board, line=ALERTS, parts=("inbox",))

    async def next(self) -> Fetching:
        """The next that is made, once it has begun."""
        async with asyncio.timeout(WITHIN):
            inner = await self.made.get()
            await inner.begun.wait()
        return inner

    def _make(self) -> Fetching:
        inner = Fetching(self.node)
        self.made.put_nowait(inner)
        return inner


async def test_it_runs_on_one_node_and_the_next_one_goes_on_when_that_leaves(database: Database) -> None:
    """Whoever has the turn; nobody else makes one meanwhile."""
    async with beating(database, "n2", TURN) as second:
        here = Workshop(second)
        async with running(second, here.stage()), beating(database, "n1", TURN) as first:
            there = Workshop(first)
            async with running(first, there.stage()):
                inner = await here.next()
                assert there.made.empty()
                inner.may_end.set()
                second.turns.stop()
                (await there.next()).may_end.set()
                assert inner.ended.is_set()


async def test_a_lost_turn_cuts_the_step_short_and_lets_end_what_is_in_flight(database: Database) -> None:
    """What was fetched can be had only once; and what it showed of the line is shown no more."""
    async with beating(database, "n1", TURN) as node:
        workshop = Workshop(node)
        async with running(node, workshop.stage()):
            inner = await workshop.next()
            assert node.board.of(ALERTS).state is LineState.THROTTLED
            await node.stands_still()
            assert not node.turns.holds(TURN)
            while not inner.was_cut_short:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            assert not inner.ended.is_set()
            assert node.board.of(ALERTS).state is LineState.THROTTLED
            inner.may_end.set()
            async with asyncio.timeout(WITHIN):
                while node.board.of(ALERTS).state is not LineState.READY:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0)
            assert inner.ended.is_set()


async def test_a_turn_that_comes_again_has_the_stage_made_anew(database: Database) -> None:
    """It takes up from the journal, as after a start."""
    async with beating(database, "n1", TURN) as node:
        workshop = Workshop(node)
        async with running(node, workshop.stage()):
            first = await workshop.next()
            first.may_end.set()
            await node.stands_still()
            async with node.turns.running():
                second = await workshop.next()
                second.may_end.set()
                assert second is not first


async def test_a_turn_is_used_until_all_in_flight_has_ended(database: Database) -> None:
    """A node that stops gives it to the other only then."""
    async with beating(database, "n1", TURN) as first:
        workshop = Workshop(first)
        async with running(first, workshop.stage()):
            inner = await workshop.next()
            async with beating(database, "n2", TURN) as second:
                first.turns.stop()
                await first.until(lambda node: not node.turns.held)
                for _ in range(3):
                    await second.journal.nodes.beat([TURN])
                assert not second.turns.holds(TURN)
                inner.may_end.set()
                await second.has(TURN)
                assert inner.ended.is_set()
