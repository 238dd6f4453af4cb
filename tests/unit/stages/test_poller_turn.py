"""The poller among nodes, over a real PostgreSQL: what deletes at the provider is begun in the turn, or not at all."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest

from relay.domain.messages import InboxPage, RawAnswer
from relay.journal import JournalUnusable
from relay.stages.inturn import InTurn
from relay.stages.poller import Poller
from relay.turns import line_turn
from tests.databases import Database, borrowed
from tests.unit.stages.house import ALERTS, ALICE
from tests.unit.stages.nodes import WITHIN, Node, beating, running

TURN = line_turn(ALERTS)
LOCK = "hashtextextended('relay.' || current_schema(), 0)"  # by which nodes write in turns


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables."""
    with borrowed() as database:
        yield database


class Inbox:
    """A line whose inbox is empty. It notes whether it was a turn of the node's in which it was fetched."""

    alias = ALERTS
    number = ALICE
    poll_interval = 3600.0
    loss_after = 7200.0
    polls_inbox = True

    def __init__(self, node: Node) -> None:
        self.node = node
        self.asked = asyncio.Event()
        self.terms: list[int | None] = []
        self.fails = 0  # so often

    async def fetch_inbox(self) -> RawAnswer:
        """A page with nothing on it."""
        if self.fails:
            self.fails -= 1
            raise JournalUnusable("the token cannot be read")
        self.terms.append(self.node.turns.term(TURN))
        self.asked.set()
        return RawAnswer(b"{}")

    def read_inbox(self, raw: RawAnswer) -> InboxPage:
        """Nothing."""
        del raw
        return InboxPage(())


def poller(node: Node, line: Any) -> Poller:
    """A poller that asks whose turn it is."""
    return Poller(line, node.standing, has_turn=partial(node.turns.holds, TURN))


def in_turn(node: Node, line: Any) -> InTurn:
    """What polls in a node's turn."""
    return InTurn(TURN, node.turns, lambda: poller(node, line), name="poller", board=node.board, line=ALERTS)


async def suspected(node: Node) -> list[Any]:
    """The losses that were announced."""
    events = [event for _, event in await node.journal.events.follow(0, 1000)]
    return [event for event in events if event.kind == "event.loss-suspected"]


async def test_a_poll_whose_beginning_was_written_down_too_late_is_not_made(database: Database) -> None:
    """The journal was locked until the turn was over; in the next turn it is polled, and no loss is told."""
    async with beating(database, "n1", TURN) as node:
        await node.has(TURN)
        line = Inbox(node)
        with psycopg.connect(database.url, autocommit=True) as other:
            other.execute(f"SELECT pg_advisory_lock({LOCK})")
            async with running(node, in_turn(node, line)):
                await node.until(lambda node: not node.turns.holds(TURN))
                other.execute(f"SELECT pg_advisory_unlock({LOCK})")
                await asyncio.wait_for(line.asked.wait(), WITHIN)
        assert len(line.terms) == 1
        assert line.terms[0] is not None
        assert await suspected(node) == []


async def test_a_poll_that_another_node_has_begun_meanwhile_is_left_to_it(database: Database) -> None:
    """What that one has written down stays: should it die, the page that it fetched is missed."""
    async with beating(database, "n1", TURN) as node:
        await node.has(TURN)
        line = Inbox(node)
        first = poller(node, line)
        while await first.step() is None:
            pass
        memory = node.journal.memory(ALERTS)
        await memory.put("inbox.polls", begun := b'{"begun":"another-nodes"}')
        with psycopg.connect(database.url, autocommit=True) as other:
            other.execute(f"SELECT pg_advisory_lock({LOCK})")
            stepping = asyncio.ensure_future(first.step())
            await node.until(lambda node: not node.turns.holds(TURN))
            other.execute(f"SELECT pg_advisory_unlock({LOCK})")
            await asyncio.wait_for(stepping, WITHIN)
        assert len(line.terms) == 1
        assert await memory.get("inbox.polls") == begun


async def test_a_poll_that_was_begun_and_not_made_is_no_loss(database: Database) -> None:
    """The journal failed the line before it asked for anything; the next poll knows that its own mark is there."""
    async with beating(database, "n1", TURN) as node:
        await node.has(TURN)
        line = Inbox(node)
        line.fails = 2
        stage = poller(node, line)
        assert await stage.step() is None
        for _ in range(2):
            with pytest.raises(JournalUnusable):
                await stage.step()
        assert await stage.step() is not None
        assert len(line.terms) == 1
        assert await suspected(node) == []
