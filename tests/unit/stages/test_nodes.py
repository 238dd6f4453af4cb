"""Commands, events and web hooks of nodes over one real PostgreSQL and one real broker: each once, whoever goes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from pydantic_core import from_json, to_json

from relay.bus.mqtt import Bus
from relay.bus.requests import CommandRules
from relay.eventshare import TurnsShare
from relay.intake import Intake
from relay.mediastore import MediaStore
from relay.providerkit.spec import LineContext
from relay.providers.att_sms import PROVIDER as SMS
from relay.stages.consumer import Consumer
from relay.stages.inturn import InTurn
from relay.stages.publisher import Publisher
from relay.turns import BUS, line_turn
from tests.brokers import Mosquitto
from tests.databases import Database, borrowed
from tests.unit.stages.house import ALERTS, OFFICE
from tests.unit.stages.nodes import LINES, WITHIN, Node, beating, running

HERS, HIS = line_turn(ALERTS), line_turn(OFFICE)


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables."""
    with borrowed() as database:
        yield database


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A broker that keeps what it took."""
    folder = tmp_path / "broker"
    folder.mkdir()
    async with Mosquitto(folder, persistent=True) as broker:
        yield broker


class Ear:
    """Hears all of relay's events, from when it is entered."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.heard: list[dict[str, Any]] = []

    @classmethod
    async def at(cls, broker: Mosquitto, stack: AsyncExitStack) -> "Ear":
        """One at this broker."""
        client = await stack.enter_async_context(aiomqtt.Client("127.0.0.1", broker.port))
        await client.subscribe("relay/line/+/event/#", qos=1)
        await client.subscribe("relay/line/+/result/#", qos=1)
        return cls(client)

    async def until(self, count: int) -> list[dict[str, Any]]:
        """So many."""
        async with asyncio.timeout(WITHIN):
            while len(self.heard) < count:
                message = await anext(self._client.messages)
                self.heard.append(from_json(message.payload))
        return self.heard


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Ends what a test begins."""
    async with AsyncExitStack() as stack:
        yield stack


def publisher(node: Node, bus: Bus) -> Publisher:
    """What publishes a node's share."""
    return Publisher(node.standing, bus=bus, share=TurnsShare(node.journal, node.turns, LINES))


def consumer(node: Node, bus: Bus, folder: Path) -> InTurn:
    """What takes commands in a node's turn."""
    clock, ids = node.standing.clock, node.standing.ids
    kept: dict[str, Any] = {"inline_max": 1, "max_part": 1, "lifetime": 1.0, "address": "http://x"}
    least = {"short_code": "12345", "app_key": "demo-key", "app_secret": "demo-secret"}
    settings = SMS.settings.model_validate({"base_url": "http://127.0.0.1:1", **least})
    line = SMS.connect(LineContext(ALERTS, settings, node.journal.memory(ALERTS), clock, ids))
    node.stack.push_async_callback(line.aclose)
    store = MediaStore(folder, node.journal, clock, **kept)
    intake = Intake({ALERTS: line}, node.journal, clock, CommandRules(), store)
    return InTurn(BUS, node.turns, lambda: Consumer(bus=bus, intake=intake), name="consumer", board=node.board)


async def heard(bus: Bus) -> None:
    """Until commands are heard here."""
    changed = asyncio.Event()
    bus.on_listening(changed.set)
    async with asyncio.timeout(WITHIN):
        while not bus.listening:
            await changed.wait()
            changed.clear()


async def say(broker: Mosquitto, *keys: str) -> None:
    """Ask for texts."""
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for key in keys:
            body = {"to": "+12065550001", "text": "Hello", "id": key}
            await client.publish("relay/line/alerts/send", to_json(body), qos=1)


async def accepted(node: Node, count: int) -> list[Any]:
    """Wait for so many results in the journal."""
    bell = node.journal.listen("events")
    async with asyncio.timeout(WITHIN):
        while True:
            found = [event for _, event in await node.journal.events.follow(0, 1000) if event.kind == "result"]
            if len(found) >= count:
                return found
            await bell.wait()


async def test_commands_go_over_to_the_next_node_with_the_brokers_session(
    database: Database, broker: Mosquitto, tmp_path: Path
) -> None:
    """None is lost that comes while nobody hears, and none is answered twice."""
    async with beating(database, "n1", BUS) as first, beating(database, "n2", BUS) as second:
        holder, other = await who_has(BUS, first, second)
        ears = {node.name: await node.bus(broker) for node in (holder, other)}
        async with (
            running(other, consumer(other, ears[other.name], tmp_path)),
            running(holder, consumer(holder, ears[holder.name], tmp_path)),
        ):
            await heard(ears[holder.name])
            assert not ears[other.name].listening
            await say(broker, "one")
            await accepted(holder, 1)
            await holder.stands_still()
            while ears[holder.name].listening:  # noqa: ASYNC110 - it leaves at once
                await asyncio.sleep(0)
            await say(broker, "two", "three")
            await other.has(BUS)
            await heard(ears[other.name])
            assert len(await accepted(other, 3)) == 3
            assert not ears[holder.name].listening


async def who_has(turn: str, *nodes: Node) -> tuple[Node, Node]:
    """The node that has the turn, and the other."""
    changed = asyncio.Event()
    for node in nodes:
        node.turns.on_change(changed.set)
    async with asyncio.timeout(WITHIN):
        while not any(node.turns.holds(turn) for node in nodes):
            await changed.wait()
            changed.clear()
    [holder] = [node for node in nodes if node.turns.holds(turn)]
    [other] = [node for node in nodes if node is not holder]
    return holder, other


async def test_each_node_publishes_the_events_of_its_lines(
    database: Database, broker: Mosquitto, stack: AsyncExitStack
) -> None:
    """And when one goes the other publishes all; each event once, and in its line's order."""
    ear = await Ear.at(broker, stack)
    async with beating(database, "n2", HERS, HIS) as second:
        async with beating(database, "n1", HERS, HIS) as first:
            await who_has(HERS, first, second)
            await who_has(HIS, first, second)
            async with (
                running(first, publisher(first, await first.bus(broker))),
                running(second, publisher(second, await second.bus(broker))),
            ):
                for number in range(20):
                    await first.journal.events.announce(ALERTS, "read", {"number": number})
                    await second.journal.events.announce(OFFICE, "read", {"number": number})
                await ear.until(40)
        await second.has(HERS, HIS)
        async with running(second, publisher(second, await second.bus(broker))):
            for number in range(20, 30):
                await second.journal.events.announce(ALERTS, "read", {"number": number})
                await second.journal.events.announce(OFFICE, "read", {"number": number})
            told = await ear.until(60)
    assert len({event["id"] for event in told}) == 60
    for line in LINES:
        of_line = [event["data"]["number"] for event in told if event["source"].endswith(line)]
        assert of_line == list(range(30))


async def test_events_of_no_line_in_the_settings_are_the_buss(
    database: Database, broker: Mosquitto, stack: AsyncExitStack
) -> None:
    """Who has no turn publishes nothing."""
    ear = await Ear.at(broker, stack)
    async with beating(database, "n1", BUS) as node:
        await node.has(BUS)
        await node.journal.events.announce("gone", "read", {"number": 1})
        await node.journal.events.announce(ALERTS, "read", {"number": 2})
        async with running(node, publisher(node, await node.bus(broker))):
            [told] = await ear.until(1)
        assert told["data"]["number"] == 1
        [(_, left)] = await node.journal.events.pending(0, 10)
        assert left.line == ALERTS
