"""The replayer against a real broker: the same events again, beside what is new, and whatever happens to the broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from relay.journal import Wish
from relay.stages.replayer import LOST, Replayer
from tests.brokers import Mosquitto
from tests.unit.stages.house import ALERTS, GRACE, House, seconds
from tests.unit.stages.test_publisher import TOPIC, Ear, publishing


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A broker."""
    (tmp_path / "broker").mkdir()
    async with Mosquitto(tmp_path / "broker") as broker:
        yield broker


@asynccontextmanager
async def replaying(house: House, broker: Mosquitto) -> AsyncIterator[Replayer]:
    """A replayer whose bus is connected."""
    async with publishing(house, broker) as publisher:
        async with asyncio.timeout(GRACE):
            await publisher._bus.wait_connected()
        yield Replayer(house.ground, bus=publisher._bus)


async def _published(house: House, count: int) -> list[str]:
    for place in range(count):
        await house.journal.events.announce(ALERTS, "read", {"place": place})
    ids = [event.id for _, event in await house.journal.events.follow(0, 1000)]
    await house.journal.events.published(ids)
    return ids


def _all(house: House) -> Wish:
    return Wish(house.clock.now() - timedelta(hours=1), house.clock.now() + timedelta(hours=1))


async def test_events_are_published_again_in_order_under_their_ids(house: House, broker: Mosquitto) -> None:
    """Once each, and then the stage rests until somebody asks again."""
    ids, ear = await _published(house, 25), Ear(broker)
    async with replaying(house, broker) as replayer, ear.listening():
        begun = await house.journal.replays.begin(_all(house))
        while (rest := await replayer.step()) is None:
            pass
        assert [event["id"] for event in await ear.more(25)] == ids
        assert rest.bell is not None
        over = await house.journal.replays.of(begun.id)
        assert over is not None
        assert (over.told, over.refused) == (25, 0)
        await house.journal.replays.begin(_all(house))
        async with asyncio.timeout(GRACE):
            await rest.bell.wait()


async def test_without_a_broker_it_waits(house: House, broker: Mosquitto) -> None:
    """And goes on once there is one, from the events that nobody confirmed."""
    ids = await _published(house, 3)
    async with replaying(house, broker) as replayer:
        await house.journal.replays.begin(_all(house))
        await broker.kill()
        assert seconds(await replayer.step() or pytest.fail("it does not wait")) == LOST
        await broker.start()
        ear = Ear(broker)
        async with ear.listening(), asyncio.timeout(GRACE):
            await replayer._bus.wait_connected()
            while await replayer.step() is None:
                pass
            assert [event["id"] for event in await ear.more(3)] == ids


async def test_what_the_broker_refuses_is_counted_and_left(house: House, tmp_path: Path) -> None:
    """The others are published."""
    (tmp_path / "strict").mkdir()
    denied = TOPIC.replace("read", "deleted")
    rights = ["topic readwrite #", f"topic deny {denied}"]
    async with Mosquitto(tmp_path / "strict", acl=rights) as strict, replaying(house, strict) as replayer:
        await house.journal.events.announce(ALERTS, "deleted", {})
        await _published(house, 2)
        begun = await house.journal.replays.begin(_all(house))
        while await replayer.step() is None:
            pass
        over = await house.journal.replays.of(begun.id)
        assert over is not None
        assert (over.events, over.told, over.refused) == (3, 2, 1)
