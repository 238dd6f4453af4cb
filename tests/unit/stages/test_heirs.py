"""What a node has kept and not read is read by another, over a real PostgreSQL; on SQLite it is looked for once."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from relay.domain.messages import HookReading, RawAnswer
from relay.heirs import Heirs
from relay.journal import HookDelivery
from relay.providerkit.spec import LineContext
from relay.providers.att_landline import PROVIDER as LANDLINE
from relay.stagekit import Rest
from relay.stages.receiver import Receiver
from tests.databases import Database, borrowed
from tests.unit.stages.house import GRACE, OFFICE, House
from tests.unit.stages.nodes import WITHIN, Node, beating, running

HOOKS = 50


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables."""
    with borrowed() as database:
        yield database


async def test_on_a_journal_of_ones_own_it_is_looked_once(house: House) -> None:
    """And no rest is any shorter."""
    heirs = Heirs(house.ground)
    assert heirs.are_called()
    await house.clock.advance(86_400)
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
        assert rest.seconds is None
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


async def test_however_fast_time_goes_it_is_not_looked_more_often(database: Database) -> None:
    """A rest is as long as it was: only a node that comes or goes ends it."""
    async with beating(database, "n1") as node:
        heirs = Heirs(node.standing)
        assert heirs.are_called()
        assert heirs.rest(Rest(3600.0)).seconds == 3600.0


async def test_web_hooks_that_a_living_node_has_taken_are_left_to_it(database: Database) -> None:
    """However often another looks, and however long they wait; once it has left they are the other's."""
    async with beating(database, "n2") as second:
        stage = receiver(second)
        event = next(iter(stage._lines[OFFICE].hook_events))
        async with beating(database, "n1") as first:
            taken = [await first.journal.raw.keep(OFFICE, "hook", event, "", RawAnswer(b"%d" % n)) for n in range(3)]
            delivery = HookDelivery("d-1", OFFICE, event, RawAnswer(b"spooled"), first.standing.clock.now())
            taken += await first.journal.raw.keep_deliveries([delivery])
            mine = await second.journal.raw.keep(OFFICE, "hook", event, "", RawAnswer(b"a former step's"))
            async with asyncio.timeout(WITHIN):
                for _ in range(3):
                    stage.look_again()
                    while await stage.step() is None:
                        pass
            left = await second.journal.raw.unread(OFFICE, source="hook")
            assert [kept.id for kept in left] == [kept.id for kept in taken]
            assert mine.id not in {kept.id for kept in left}
        found = await second.journal.raw.unread(OFFICE, source="hook", own=True)
        assert [kept.id for kept in found] == [kept.id for kept in taken]


async def test_a_hook_is_read_once_by_one_of_two_nodes(database: Database) -> None:
    """Both look all the time, as if nodes came and went without end; each hook is handed in to be read just once."""
    reads: Counter[bytes] = Counter()
    async with beating(database, "n1") as first, beating(database, "n2") as second:
        line: Any = Counting(reads)
        nodes = [(node, Receiver({OFFICE: line}, node.standing)) for node in (first, second)]
        ringing = asyncio.create_task(come_and_go(first, second))
        async with running(*nodes[0]), running(*nodes[1]):
            for number in range(HOOKS):
                body = RawAnswer(b"%d" % number)
                await asyncio.gather(*(stage.take(OFFICE, "receive", body) for _, stage in nodes))
            async with asyncio.timeout(WITHIN):
                while (await first.journal.queries.status())["unread"]:
                    pass
        ringing.cancel()
    assert reads == Counter({b"%d" % number: 2 for number in range(HOOKS)})  # each came to both


async def come_and_go(*nodes: Node) -> None:
    """Ring as if nodes came and went, again and again."""
    while True:
        for node in nodes:
            node.journal.ring("nodes")
            await node.journal.queries.status()


class Counting:
    """A line that reads nothing in its hooks, and counts how often it is asked to."""

    alias = OFFICE
    hook_events = ("receive",)

    def __init__(self, reads: Counter[bytes]) -> None:
        self._reads = reads

    def read_hook(self, event: str, raw: RawAnswer) -> HookReading:
        """Nothing."""
        assert event == "receive"
        self._reads[raw.body] += 1
        return HookReading()


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
