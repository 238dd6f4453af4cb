"""What a node has kept and not read is read by another, over a real PostgreSQL; on SQLite it is looked for once."""

import asyncio
from collections.abc import Iterator

import pytest

from relay.domain.messages import RawAnswer
from relay.heirs import EVERY, Heirs
from relay.providerkit.spec import LineContext
from relay.providers.att_landline import PROVIDER as LANDLINE
from relay.stagekit import Rest
from relay.stages.receiver import Receiver
from tests.databases import Database, borrowed
from tests.unit.stages.house import GRACE, OFFICE, House
from tests.unit.stages.nodes import WITHIN, Node, beating, running


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables."""
    with borrowed() as database:
        yield database


async def test_on_a_journal_of_ones_own_it_is_looked_once(house: House) -> None:
    """And no rest is any shorter."""
    heirs = Heirs(house.ground)
    assert heirs.are_called()
    await house.clock.advance(10 * EVERY)
    house.journal.ring("nodes")
    assert not heirs.are_called()
    rest = Rest(3600.0)
    assert heirs.rest(rest) is rest


async def test_among_nodes_it_is_looked_when_one_comes_or_goes(database: Database) -> None:
    """Whoever rests is woken for it."""
    async with beating(database, "n1") as node:
        heirs = Heirs(node.standing)
        assert heirs.are_called()
        rest = heirs.rest(Rest(bell=asyncio.Event()))
        assert rest.seconds == EVERY
        async with beating(database, "n2"), asyncio.timeout(GRACE):
            await rest.over(node.standing.clock)
        assert heirs.are_called()


def receiver(node: Node) -> Receiver:
    """A receiver of the landline's web hooks."""
    least = {"base_url": "http://127.0.0.1:1", "number": "+12065550100", "session": "a:1"}
    clock, ids = node.standing.clock, node.standing.ids
    line = LANDLINE.connect(
        LineContext(OFFICE, LANDLINE.settings.model_validate(least), node.journal.memory(OFFICE), clock, ids)
    )
    node.stack.push_async_callback(line.aclose)
    return Receiver({OFFICE: line}, node.standing)  # type: ignore[dict-item] # as the settings make it


async def test_web_hooks_that_a_dead_node_has_kept_are_read_by_another(database: Database) -> None:
    """Also those that are older than what that one has read since."""
    async with beating(database, "n2") as second:
        stage = receiver(second)
        event = next(iter(stage._lines[OFFICE].hook_events))
        async with running(second, stage):
            async with beating(database, "n1") as first:
                await first.journal.raw.keep(OFFICE, "hook", event, "", RawAnswer(b"left by the first"))
                await stage.take(OFFICE, event, RawAnswer(b"taken by the second"))
            async with asyncio.timeout(WITHIN):
                bell = second.journal.listen("events")
                while (await second.journal.queries.status())["unread"]:
                    await bell.wait()
