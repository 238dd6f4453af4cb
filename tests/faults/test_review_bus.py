"""One refused topic, or one client's strange wish, silences nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes

from relay.clock import LabClock
from relay.domain.messages import Reply
from relay.stages.publisher import Publisher
from relay.supervisor import Supervisor
from relay.telemetry.health import Pulse
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import Ear, connected, make_bus, next_command, properties_of
from tests.unit.stages.house import ALERTS, OFFICE, House

USER = {"username": "relay", "password": "x"}
ACL = ["user relay", "topic readwrite relay/#", "topic deny relay/line/alerts/result", "user ear", "topic read relay/#"]
RESULT = "relay/line/office/result"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    (tmp_path / "broker").mkdir()
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


@asynccontextmanager
async def publishing(house: House, bus: Any) -> AsyncIterator[None]:
    """A publisher that runs, and rests a thousandth of what it would."""
    hurried = LabClock(1000, datetime.now(UTC), datetime.now(UTC))
    publisher = Publisher(journal=house.journal, bus=bus, board=house.board, clock=house.clock, ids=house.ids)
    async with Supervisor(hurried, house.ids, house.board, Pulse(), 1.0).running([publisher]):
        yield


async def test_a_refused_topic_does_not_hold_up_the_others(house: House, tmp_path: Path) -> None:
    """Sixty events that the broker's ACL denies stand before one that it takes."""
    async with (
        Mosquitto(tmp_path / "broker", users={"relay": "x", "ear": "x"}, acl=ACL) as broker,
        make_bus(broker.url, ALERTS, OFFICE, protocol="5", **USER) as bus,
        Ear(broker, "relay/line/#", username="ear", password="x") as ear,
    ):
        await connected(bus)
        for _ in range(60):
            await house.send(line=ALERTS)
        await house.send(line=OFFICE)
        async with publishing(house, bus), asyncio.timeout(10):
            await ear.until(RESULT)


async def test_one_clients_response_topic_cannot_stop_the_bus(house: House, tmp_path: Path) -> None:
    """The broker passes on a response topic of 251 levels, and closes the connection of whoever publishes to it."""
    async with (
        Mosquitto(tmp_path / "broker") as broker,
        make_bus(broker.url, ALERTS, OFFICE, protocol="5") as bus,
        Ear(broker, "relay/line/#") as ear,
    ):
        await connected(bus)
        await broker.logged("Sending SUBACK to relay-commands")
        deep = properties_of(PacketTypes.PUBLISH, ResponseTopic="reply/" + "/".join("a" * 250))
        await ear.say("relay/line/alerts/send", "{}", properties=deep)
        asked = await next_command(bus)
        await house.send(line=ALERTS, reply=Reply(topic=asked.properties.response_topic))
        await house.send(line=OFFICE)
        async with publishing(house, bus):
            await ear.until(RESULT)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3):
                    await broker.logged("disconnected due to protocol error", times=4)
