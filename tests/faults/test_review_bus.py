"""One refused topic silences nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from relay.clock import LabClock
from relay.stages.publisher import Publisher
from relay.supervisor import Supervisor
from relay.telemetry.health import Pulse
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import Ear, connected, make_bus
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
    publisher = Publisher(house.ground, bus=bus)
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
        async with publishing(house, bus), asyncio.timeout(60):
            await ear.until(RESULT)
