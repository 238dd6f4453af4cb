"""How the node stands, as the bus and `relay status` show it, on a real broker."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from pydantic_core import from_json, to_json
from structlog.testing import capture_logs

from relay import __version__
from relay.bus.config import BusSettings
from relay.bus.mqtt import Bus
from relay.ids import Ids
from relay.journal import Journal
from relay.providers.att_landline import PROVIDER as LANDLINE
from relay.providers.att_sms import PROVIDER as SMS
from relay.rules.line import LineRules, Rules
from relay.settings import Settings, load_settings
from relay.simulator.virtual import ManualClock
from relay.stagekit import Standing
from relay.status import NodeStatus
from relay.telemetry.health import LineBoard, LineState
from relay.telemetry.notify import Notifier
from relay.turns import BUS, Turns, line_turn
from tests import journals
from tests.brokers import Mosquitto
from tests.unit.consenting import Desk

PATIENCE = 5.0


@dataclass
class Node:
    """A node's status, and what it is shown on."""

    status: NodeStatus
    board: LineBoard
    clock: ManualClock
    bus: Bus
    broker: Mosquitto
    journal: Journal

    async def retained(self, topic: str, *, until: Any = None) -> dict[str, Any]:
        """What a newcomer hears on this topic, as soon as its state is the wanted one."""
        async with asyncio.timeout(PATIENCE), aiomqtt.Client("127.0.0.1", self.broker.port) as client:
            await client.subscribe(topic, qos=1)
            async for message in client.messages:
                body: dict[str, Any] = from_json(message.payload)
                if until in (None, body.get("state")):
                    return body
        raise AssertionError(topic)


def the_settings(folder: Path, url: str) -> Settings:
    """Two lines on one node."""
    overrides = {
        "node": {"name": "n1"},
        "bus": {"url": url},
        "journal": {"url": f"sqlite:///{folder}/relay.db"},
        "lines": {
            "alerts": {"provider": "att-sms", "short_code": "12345", "app_key": "key", "app_secret": "secret"},
            "office": {
                "provider": "att-landline",
                "number": "+12065550100",
                "session": "a-session:1",
                "calls_per_day": 100,
            },
        },
    }
    models = {provider.name: provider.settings for provider in (SMS, LANDLINE)}
    return load_settings(path=None, environment={}, line_models=models, overrides=overrides)


@pytest.fixture
async def standing(tmp_path: Path) -> AsyncIterator[Node]:
    """A node on a broker."""
    clock = ManualClock()
    ids = Ids(clock, random.Random(7))  # noqa: S311 - chance that repeats
    with capture_logs():
        async with Mosquitto(tmp_path) as broker:
            settings = await asyncio.to_thread(the_settings, tmp_path, broker.url)
            board = LineBoard(clock, settings.lines)
            await asyncio.to_thread(journals.lay, tmp_path / "relay.db")
            async with (
                await Journal.open(settings.journal.url, clock=clock, ids=ids, node="n1") as journal,
                Bus(BusSettings(url=broker.url, node="n1"), tuple(settings.lines), clock, ids) as bus,
            ):
                turns = Turns(journal, (BUS, *map(line_turn, settings.lines)))
                status = NodeStatus(settings, Standing(journal, board, clock, ids), {"desk": Desk(clock)}, turns=turns)
                status.show_on(bus)
                async with asyncio.timeout(PATIENCE):
                    await bus.wait_connected()
                yield Node(status, board, clock, bus, broker, journal)


async def test_a_node_in_order_is_online(standing: Node) -> None:
    """And says what it is, with no secret."""
    assert await standing.retained("relay/node/n1/status", until="online") == {
        "state": "online",
        "reason": None,
        "since": "2026-11-21T09:00:00.000Z",
        "summary": f"node n1: online since 2026-11-21 09:00:00Z; bus connected (MQTT 5); {__version__}",
    }
    info = await standing.retained("relay/node/n1/info")
    assert info["lines"] == {"alerts": "att-sms", "office": "att-landline"}
    assert not {"secret", "a-session:1"} & set(str(info).split("'"))


async def test_a_line_in_trouble_degrades_the_node_and_is_named(standing: Node) -> None:
    """Until it is out of trouble."""
    await standing.clock.advance(60)
    standing.board.report("office", "send", LineState.UNAUTHORIZED, "unauthorized")
    node = await standing.retained("relay/node/n1/status", until="degraded")
    assert (node["reason"], node["since"]) == ("lines: office", "2026-11-21T09:01:00.000Z")
    line = await standing.retained("relay/line/office/status", until="unauthorized")
    assert line["reason"] == "unauthorized"
    assert (await standing.retained("relay/line/alerts/status"))["state"] == "ready"
    standing.board.report("office", "send", LineState.READY)
    await standing.retained("relay/node/n1/status", until="online")


async def test_a_node_that_does_not_hear_commands_is_degraded(standing: Node) -> None:
    """Somebody takes its command connection; its own stands, and says so until commands are heard again."""
    await standing.retained("relay/node/n1/status", until="online")
    thief = aiomqtt.Client("127.0.0.1", standing.broker.port, identifier="relay-commands")
    async with thief:
        node = await standing.retained("relay/node/n1/status", until="degraded")
    assert node["reason"] == "commands are not heard"
    await standing.clock.advance(60)
    node = await standing.retained("relay/node/n1/status", until="online")
    assert node["reason"] is None


async def test_readiness_says_what_is_not_in_order(standing: Node) -> None:
    """All is well; a line is in trouble."""
    await standing.retained("relay/node/n1/status", until="online")
    assert standing.status.readiness() == {
        "ready": True,
        "state": "online",
        "reason": None,
        "journal": "open",
        "bus": "connected",
        "lines": {"alerts": "ready", "office": "ready"},
    }
    standing.board.report("office", "send", LineState.UNAUTHORIZED, "unauthorized")
    found = standing.status.readiness()
    assert (found["ready"], found["reason"], found["lines"]["office"]) == (False, "lines: office", "unauthorized")


async def test_a_throttled_line_is_no_trouble_of_the_node(standing: Node) -> None:
    """It works, and slowly."""
    standing.board.report("office", "send", LineState.THROTTLED, "throttled")
    await standing.retained("relay/line/office/status", until="throttled")
    assert (await standing.retained("relay/node/n1/status"))["state"] == "online"


async def test_a_second_line_in_trouble_changes_the_reason_and_not_the_time(standing: Node) -> None:
    """The node is degraded since the first."""
    standing.board.report("office", "send", LineState.UNREACHABLE, "unreachable")
    await standing.clock.advance(60)
    standing.board.report("alerts", "inbox", LineState.UNREACHABLE, "unreachable")
    body = await standing.status.as_body()
    assert (body["state"], body["since"]) == ("degraded", "2026-11-21T09:00:00.000Z")
    async with asyncio.timeout(PATIENCE):
        while (node := await standing.retained("relay/node/n1/status"))["reason"] != "lines: alerts, office":
            pass
    assert node["since"] == "2026-11-21T09:00:00.000Z"


async def test_a_node_that_stops_says_so_to_the_end(standing: Node) -> None:
    """What its lines still report while work finishes does not make it online again."""
    standing.status.stopping()
    standing.board.report("office", "send", LineState.UNREACHABLE, "unreachable")
    standing.board.report("office", "send", LineState.READY)
    assert (await standing.status.as_body())["state"] == "stopping"
    await standing.retained("relay/node/n1/status", until="stopping")


async def test_relay_status_shows_the_node_its_lines_its_bus_and_its_journal(standing: Node) -> None:
    """All of which can be written as JSON."""
    body = from_json(to_json(await standing.status.as_body()))
    assert (body["node"], body["state"]) == ("n1", "online")
    assert body["bus"] == {"connected": True, "protocol": "5"}
    assert set(body["lines"]) == {"alerts", "office"}
    assert body["consent"] == {
        "desk": {"given": False, "since": None, "renewable_until": None, "reason": "never_given"}
    }
    assert body["mailboxes"] == {}
    assert (body["journal"]["unread"], body["journal"]["unpublished"]) == (0, 0)


async def test_relay_status_shows_how_each_line_stands_with_its_limits(standing: Node) -> None:
    """What was spent of what, since when an operator holds the line, and when it may call next."""
    rules = {"office": LineRules("office", calls_per_month=1000, calls_per_day=100)}
    standing.journal.follow(Rules(rules))
    for _ in range(99):
        standing.journal.limits.count("office", "inbox")
    await standing.journal.limits.keep()
    lines = from_json(to_json(await standing.status.as_body()))["lines"]
    office = lines["office"]
    assert (office["limits"]["today"], office["limits"]["calls_per_day"]) == (99, 100)
    month = office["limits"]["month"]
    assert (month["limit"], month["spent"], month["left"], month["is_short"]) == (1000, 99, 901, True)
    assert (office["held_at"], office["next_call_at"]) == (None, None)
    assert lines["alerts"]["limits"]["month"] is None
    standing.journal.limits.count("office", "inbox")
    await standing.journal.limits.keep()
    await standing.journal.steering.hold_line("alerts")
    lines = from_json(to_json(await standing.status.as_body()))["lines"]
    assert lines["office"]["next_call_at"].startswith("2026-11-22T00:00:00")
    assert lines["alerts"]["held_at"].startswith("2026-11-21T09:00:00")
    assert lines["alerts"]["next_call_at"] is None


async def test_systemd_is_told_the_sentence_of_the_bus(standing: Node, tmp_path: Path) -> None:
    """At once when it is another, and when the node stops; its retained status has the same."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)  # noqa: FBT003 - the standard library's word
        standing.status.tell(Notifier(str(tmp_path / "notify")))
        standing.board.report("office", "send", LineState.UNAUTHORIZED, "unauthorized")
        told = await asyncio.get_running_loop().sock_recv(heard, 1000)
        node = await standing.retained("relay/node/n1/status", until="degraded")
        assert told.decode() == f"STATUS={node['summary']}" == f"STATUS={standing.status.summary()}"
        standing.status.stopping()
        told = await asyncio.get_running_loop().sock_recv(heard, 1000)
        assert told.startswith(b"STATUS=node n1: stopping since ")
