"""The publisher against a real broker: every event, in order, with one id however often it has to be said."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from pydantic_core import from_json

from relay.bus.config import BusSettings
from relay.bus.mqtt import Bus
from relay.journal import JournalError
from relay.journal.announce import News
from relay.journal.announce import announce as announce_in
from relay.stages.publisher import IDLE, IN_FLIGHT, Publisher
from tests.brokers import Mosquitto
from tests.unit.stages.house import ALERTS, GRACE, OFFICE, House, seconds

TOPIC = "relay/line/alerts/event/read"


class Ear:
    """Hears what is said about the line."""

    def __init__(self, broker: Mosquitto) -> None:
        self._client = aiomqtt.Client(
            "127.0.0.1", broker.port, identifier="ear", clean_session=False, protocol=aiomqtt.ProtocolVersion.V311
        )
        self.heard: list[dict[str, Any]] = []

    async def until(self, count: int) -> list[dict[str, Any]]:
        """So many events, whatever was heard before."""
        async with asyncio.timeout(GRACE), self._client:
            await self._client.subscribe("relay/line/+/event/#", qos=1)
            async with asyncio.timeout(GRACE):
                while len(self.heard) < count:
                    message = await anext(self._client.messages)
                    self.heard.append(from_json(message.payload))
        return self.heard

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Be there while it is said."""
        async with self._client:
            await self._client.subscribe("relay/line/+/event/#", qos=1)
            yield

    async def more(self, count: int) -> list[dict[str, Any]]:
        """The next so many events, while listening."""
        async with asyncio.timeout(GRACE):
            return [from_json((await anext(self._client.messages)).payload) for _ in range(count)]

    async def subscribe(self) -> None:
        """Leave a session at the broker that collects what is said."""
        async with self._client:
            await self._client.subscribe("relay/line/+/event/#", qos=1)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A broker that keeps what it took."""
    folder = tmp_path / "broker"
    folder.mkdir()
    async with Mosquitto(folder, persistent=True) as broker:
        yield broker


@asynccontextmanager
async def publishing(house: House, broker: Mosquitto, **more: Any) -> AsyncIterator[Publisher]:
    """A publisher with its bus."""
    settings = BusSettings(**{"url": broker.url, "node": "n1", "timeout": 5.0, **more})
    async with Bus(settings, (ALERTS,), Hurried(house.clock), house.ids) as bus:
        yield Publisher(house.ground, bus=bus)


class Hurried:
    """The house's time for what is written down, and none for the waits between attempts to connect."""

    def __init__(self, clock: Any) -> None:
        self.now = clock.now

    async def sleep(self, seconds: float) -> None:
        """A hundredth of it."""
        await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=seconds / 100)

    async def wait(self, awaited: Any, seconds: float) -> Any:
        """What it gives."""
        return await asyncio.wait_for(awaited, seconds)


async def announce(house: House, *numbers: int, **more: Any) -> list[str]:
    """Have events announced; gives their ids in order."""
    for number in numbers:
        await house.journal.events.announce(ALERTS, "read", {"number": number, **more})
    return [event.id for event in await house.events("event.read")]


async def published(house: House, publisher: Publisher) -> None:
    """Step until nothing is left to publish."""
    async with asyncio.timeout(2 * GRACE):
        while house.journal.events.backlog():
            rest = await publisher.step()
            if rest is not None and rest.bell is None:
                await house.clock.advance(seconds(rest))
            await asyncio.sleep(0)


async def test_events_are_published_in_their_order_and_marked(house: House, broker: Mosquitto) -> None:
    """Each once, with the journal's ids."""
    ear = Ear(broker)
    await ear.subscribe()
    ids = await announce(house, *range(300))
    async with publishing(house, broker) as publisher:
        await published(house, publisher)
        assert seconds(await publisher.step() or pytest.fail("no rest")) == IDLE
    heard = await ear.until(300)
    assert [event["id"] for event in heard] == ids
    assert [event["data"]["number"] for event in heard] == list(range(300))


async def test_a_new_event_ends_the_rest(house: House, broker: Mosquitto) -> None:
    """Nobody waits for it."""
    async with publishing(house, broker) as publisher:
        rest = await publisher.step()
        assert rest is not None
        await announce(house, 1)
        await asyncio.wait_for(rest.over(house.clock), GRACE)
        await published(house, publisher)


async def test_nothing_is_lost_while_there_is_no_broker(house: House, broker: Mosquitto) -> None:
    """It waits in the journal, and is published when the broker is there."""
    ear = Ear(broker)
    await ear.subscribe()
    await broker.stop()
    ids = await announce(house, 1, 2, 3)
    async with publishing(house, broker) as publisher:
        stepping = asyncio.create_task(published(house, publisher))
        done, _ = await asyncio.wait({stepping}, timeout=0.05)
        assert not done
        await broker.start()
        await stepping
    assert [event["id"] for event in await ear.until(3)] == ids


async def test_a_broker_that_goes_away_in_the_middle_hears_everything_with_the_same_ids(
    house: House, broker: Mosquitto
) -> None:
    """What it had not confirmed is said again: at least once each, in order, and a repetition can be told.

    It is stopped and not killed: what a killed mosquitto had confirmed may be lost by mosquitto itself.
    """
    ear = Ear(broker)
    await ear.subscribe()
    ids = await announce(house, *range(400))
    async with publishing(house, broker) as publisher:
        for _ in range(2):
            await publisher.step()
        assert house.journal.events.backlog() > 0
        await broker.stop()
        stepping = asyncio.create_task(published(house, publisher))
        await broker.start()
        await stepping
    assert house.journal.events.backlog() == 0
    heard = [event["id"] for event in await _all(ear, set(ids))]
    assert list(dict.fromkeys(heard)) == ids


async def _all(ear: Ear, ids: set[str]) -> list[dict[str, Any]]:
    """Hear until each of these was heard."""
    count = len(ids)
    while ids - {event["id"] for event in await ear.until(count)}:
        count = len(ear.heard) + 1
    return ear.heard


async def test_a_connection_that_breaks_while_the_publisher_rests_wakes_it(house: House, broker: Mosquitto) -> None:
    """What was not confirmed is not left until something else happens."""
    await announce(house, 1)
    await house.journal.bell("events").wait()  # for the announcement itself
    async with publishing(house, broker) as publisher:
        await connected(publisher)
        _freeze(broker)
        rest = await publisher.step()
        assert rest is not None
        assert rest.bell is not None
        resting = asyncio.create_task(rest.over(house.clock))
        await broker.kill()
        await asyncio.wait_for(resting, GRACE)
        await broker.start()
        await published(house, publisher)


async def connected(publisher: Publisher) -> None:
    """Wait until the bus can publish."""
    async with asyncio.timeout(GRACE):
        await publisher._bus.wait_connected()


def _freeze(broker: Mosquitto) -> None:
    """The broker takes nothing any more, and its connections stand."""
    os.kill(broker.pid, signal.SIGSTOP)


async def test_an_event_that_can_never_be_published_is_set_aside_and_holds_up_nothing(
    house: House, tmp_path: Path
) -> None:
    """A person is told; the others are published."""
    folder = tmp_path / "small"
    folder.mkdir()
    async with Mosquitto(folder, extra=["max_packet_size 20000"]) as broker:
        await announce(house, 1)
        await announce(house, 2, filler="x" * 30_000)
        await announce(house, 3)
        async with publishing(house, broker, protocol="5") as publisher:
            await published(house, publisher)
    [dead] = await house.bodies("dead")
    assert dead["what"] == "event.read"
    assert len(await house.journal.dead.list(10)) == 1


ACL = ["topic readwrite relay/node/#", "topic readwrite relay/line/#"]
DENIED = [*ACL, "topic deny relay/line/alerts/event/read"]


async def test_a_refused_topic_waits_in_order_while_the_others_pass(
    house: House, tmp_path: Path, logs: list[MutableMapping[str, Any]]
) -> None:
    """The line says so; when the broker takes the topic again everything follows, once and in order."""
    folder = tmp_path / "strict"
    folder.mkdir()
    async with Mosquitto(folder, acl=DENIED) as broker:
        ids = await announce(house, *range(50))
        await house.journal.events.announce(OFFICE, "read", {"number": -1})
        async with publishing(house, broker, protocol="5") as publisher:
            await until_left(house, publisher, 50)
            assert house.board.of(ALERTS).reason == "publish_refused"
            assert house.board.of(OFFICE).reason is None
            for _ in range(3):
                await tried_again(house, publisher)
            ids += [(await announce(house, 50))[-1]]
            (folder / "acl").write_text("\n".join(ACL) + "\n")
            await _reload(broker)
            ear = Ear(broker)
            async with ear.listening():
                await until_left(house, publisher, 0)
                heard = await ear.more(51)
    assert [event["id"] for event in heard] == ids
    assert house.board.of(ALERTS).state == "ready"
    told = [line["event"] for line in logs if line["event"].startswith("publish.")]
    assert told == ["publish.refused", "publish.passed"]


async def test_a_topic_that_passes_while_others_are_busy_is_published_from_where_it_was_refused(
    house: House, tmp_path: Path, logs: list[MutableMapping[str, Any]]
) -> None:
    """The way back to its first event is not lost in the events of another line."""
    folder = tmp_path / "strict"
    folder.mkdir()
    async with Mosquitto(folder, acl=DENIED) as broker:
        await announce(house, *range(5))
        async with publishing(house, broker, protocol="5") as publisher:
            await until_left(house, publisher, 5)
            (folder / "acl").write_text("\n".join(ACL) + "\n")
            await _reload(broker)
            for number in range(300):
                await house.journal.events.announce(OFFICE, "read", {"number": number})
            await house.clock.advance(60)
            await until_left(house, publisher, 0)
    assert "publish.passed" in [line["event"] for line in logs]


async def until_left(house: House, publisher: Publisher, count: int) -> None:
    """Step until no more than so many events are left to publish, and the stage rests."""
    async with asyncio.timeout(2 * GRACE):
        while True:
            rest = await publisher.step()
            await publisher.drain(GRACE)
            if rest is not None and house.journal.events.backlog() <= count:
                return
            if rest is not None:
                await house.clock.advance(seconds(rest))


async def tried_again(house: House, publisher: Publisher) -> None:
    """Let the time of the next try come, and see it fail."""
    await house.clock.advance(60)
    await until_left(house, publisher, 50)


async def _reload(broker: Mosquitto) -> None:
    """The broker reads its ACL again."""
    os.kill(broker.pid, signal.SIGHUP)
    await broker.logged("Reloading config")


async def test_confirmations_that_cannot_be_marked_are_marked_later(
    house: House, broker: Mosquitto, logs: list[MutableMapping[str, Any]]
) -> None:
    """The journal fails for a while: nothing is forgotten, and nothing waits for a restart."""
    ear = Ear(broker)
    await ear.subscribe()
    ids = await announce(house, 1, 2, 3)
    async with publishing(house, broker) as publisher, asyncio.timeout(2 * GRACE):
        await connected(publisher)
        news = house.journal.bell("events")
        await news.wait()
        with house.broken("event", "update"):
            await publisher.step()
            with suppress(JournalError):
                await publisher.drain(GRACE)
            await news.wait()  # who rests is woken: it is tried again at once, not after the rest
            with pytest.raises(JournalError):
                await publisher.step()
        assert house.journal.events.backlog() == 3
        await published(house, publisher)
    assert set(ids) <= {event["id"] for event in await ear.until(3)}


async def test_events_are_told_while_the_ones_before_are_marked(house: House, broker: Mosquitto) -> None:
    """A commit may take its time: more are told meanwhile than are under way with the broker at once."""
    count = 3 * IN_FLIGHT
    await announce(house, *range(count))
    ear = Ear(broker)
    async with publishing(house, broker) as publisher, ear.listening():
        await connected(publisher)
        with closing(sqlite3.connect(house.folder / "relay.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # relay's own commits wait
            stepping = asyncio.create_task(publisher.step())
            heard = await ear.more(count)
            other.execute("ROLLBACK")
        await stepping
        await publisher.drain(GRACE)
    assert [event["data"]["number"] for event in heard] == list(range(count))
    assert house.journal.events.backlog() == 0


async def test_a_stop_waits_for_the_confirmations_that_are_under_way(house: House, broker: Mosquitto) -> None:
    """Or they would be published again at the next start."""
    await announce(house, *range(50))
    async with publishing(house, broker) as publisher:
        await publisher.step()
        await publisher.drain(GRACE)
    assert house.journal.events.backlog() == 0


async def test_what_a_stop_gave_up_is_published_again_under_its_id(house: House, broker: Mosquitto) -> None:
    """The broker's word was not waited for; it may have the event, and whoever hears it twice can tell."""
    ear = Ear(broker)
    await ear.subscribe()
    ids = await announce(house, 1, 2, 3)
    async with publishing(house, broker) as publisher:
        await connected(publisher)
        _freeze(broker)
        await publisher.step()
        await publisher.drain(0)
        assert house.journal.events.backlog() == 3
        os.kill(broker.pid, signal.SIGCONT)
        await published(house, publisher)
    heard = [event["id"] for event in await _all(ear, set(ids))]
    assert list(dict.fromkeys(heard)) == ids


async def test_what_goes_wrong_with_a_confirmation_is_the_stages_failure_and_not_the_connections(
    house: House, broker: Mosquitto, logs: list[MutableMapping[str, Any]]
) -> None:
    """The supervisor hears of it; nothing else is held up, and nothing is published twice for it."""
    ear = Ear(broker)
    await ear.subscribe()
    await _announce_receipt_without_fields(house)
    ids = await announce(house, 1, 2)
    async with publishing(house, broker) as publisher:
        await connected(publisher)
        await publisher.step()
        with pytest.raises(KeyError, match="final"):
            await _failed(publisher)
        await published(house, publisher)
    assert [event["id"] for event in await ear.until(2)] == ids
    assert "bus.lost" not in [line["event"] for line in logs]


async def _announce_receipt_without_fields(house: House) -> None:
    """None of relay's own: what is told of it cannot be read in it."""
    news = News("receipt", ALERTS, "m-1", {"odd": True})
    await house.journal._core.writer.run(lambda tx: announce_in(tx, news))


async def _failed(publisher: Publisher) -> None:
    """Step until the stage fails."""
    async with asyncio.timeout(GRACE):
        while True:
            await publisher.step()
            await asyncio.sleep(0)


async def test_many_are_marked_with_one_commit(house: House, broker: Mosquitto) -> None:
    """Each commit is work, however little it holds."""
    await announce(house, *range(4 * IN_FLIGHT))
    async with publishing(house, broker) as publisher:
        await connected(publisher)
        before = house.journal.commits
        await publisher.step()
        await publisher.drain(GRACE)
        assert house.journal.commits - before <= 3
    assert house.journal.events.backlog() == 0
