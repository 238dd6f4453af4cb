"""B3, B4, B6: a broker that is slow, full, too small for an event, or that another relay takes from this one."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic_core import from_json

from relay.bus.mqtt import Bus
from relay.clock import LabClock
from relay.stages.publisher import Publisher
from relay.supervisor import Supervisor
from relay.telemetry.health import Pulse
from tests.battery.brokering import LogWatch, Wire
from tests.battery.table import Row
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import Ear, connected, make_bus
from tests.unit.stages.house import ALERTS, House

Found = Callable[[Row], None]
READ = f"relay/line/{ALERTS}/event/read"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A journal, and what stands beside it."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


def folder(tmp_path: Path) -> Path:
    """The broker's."""
    made = tmp_path / "broker"
    made.mkdir()
    return made


@asynccontextmanager
async def publishing(house: House, bus: Bus) -> AsyncIterator[None]:
    """A publisher that runs, in hurried time."""
    hurried = LabClock(100, datetime.now(UTC), datetime.now(UTC))
    async with Supervisor(hurried, house.ids, house.board, Pulse(), 1.0).running([Publisher(house.ground, bus=bus)]):
        yield


async def announce(house: House, count: int, text: str = "") -> None:
    """Events of a line, each with its number."""
    for start in range(0, count, 500):
        numbers = range(start, min(start + 500, count))
        bodies = [{"number": number, "text": text} for number in numbers]
        await asyncio.gather(*(house.journal.events.announce(ALERTS, "read", body) for body in bodies))


async def numbers_heard(ear: Ear, count: int) -> list[int]:
    """The numbers of so many events, in the order heard; probes are nobody's."""
    heard: list[int] = []
    seen: set[str] = set()
    while len(heard) < count:
        event = from_json((await ear.next()).payload)
        if event["type"] == "relay.event.read.v1" and event["id"] not in seen:
            seen.add(event["id"])
            heard.append(event["data"]["number"])
    return heard


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_broker_that_takes_one_message_at_a_time_gets_one_at_a_time(
    house: House, tmp_path: Path, found: Found, protocol: str
) -> None:
    """Its Receive Maximum is kept; on 3.1.1, which has none, the window of the settings is."""
    async with (
        Mosquitto(folder(tmp_path), extra=["max_inflight_messages 1", "max_queued_messages 0"]) as broker,
        make_bus(broker.url, ALERTS, protocol=protocol) as bus,
        Ear(broker, READ) as ear,
    ):
        await connected(bus)
        await announce(house, 300)
        async with publishing(house, bus), asyncio.timeout(30):
            heard = await numbers_heard(ear, 300)
    assert sorted(heard) == list(range(300))
    found(Row("B3", f"ReceiveMaximum 1, MQTT {protocol}", 300, 0, 0, note="300 events"))


@pytest.mark.timeout(900)  # the long form
async def test_a_full_window_holds_up_events_in_the_journal_and_not_in_memory(
    house: House, tmp_path: Path, found: Found, logs: LogWatch, *, long: bool
) -> None:
    """The broker reads nothing more while large events wait; then it reads slowly, and has all of them."""
    count, text = (5000 if long else 600), "x" * 20_000
    async with (
        Mosquitto(folder(tmp_path), extra=["max_queued_messages 0"]) as broker,
        Wire(broker.port) as wire,
        make_bus(f"mqtt://127.0.0.1:{wire.port}", ALERTS, timeout=1.5) as bus,
        Ear(broker, READ) as ear,
    ):
        await connected(bus)
        await announce(house, count, text)
        wire.hold(up=True, down=False)
        gc.collect()
        tracemalloc.start()
        async with publishing(house, bus), asyncio.timeout(600):
            await logs.until("bus.lost")
            held, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            wire.heal()
            began = asyncio.get_running_loop().time()
            heard = await numbers_heard(ear, count)
            recovered = asyncio.get_running_loop().time() - began
    assert sorted(heard) == list(range(count))
    weight = count * len(text)
    assert most < 12_000_000, (held, most, weight)  # the publisher's window, as rows, as events and as packets
    note = f"{most / 1e6:.1f} MB at most for {weight / 1e6:.0f} MB"
    found(Row("B3", "broker's window full", 1, count - len(heard), 0, recovered, note))


@pytest.mark.timeout(900)  # the long form
async def test_an_outage_with_many_events_waiting_costs_no_memory(
    house: House, tmp_path: Path, found: Found, logs: LogWatch, *, long: bool
) -> None:
    """They stay in the journal, and all of them come in their order afterwards."""
    count = 50_000 if long else 800
    broker = Mosquitto(folder(tmp_path), extra=["max_queued_messages 0"])
    async with make_bus(broker.url, ALERTS) as bus, publishing(house, bus), asyncio.timeout(800):
        await announce(house, 100)
        gc.collect()
        tracemalloc.start()
        await announce(house, count - 100)
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        began = asyncio.get_running_loop().time()
        await broker.start()
        try:
            async with Ear(broker, READ) as ear:
                heard = await numbers_heard(ear, 1)
                await ear.until(READ, lambda event: event["data"]["number"] == (count - 101))
                recovered = asyncio.get_running_loop().time() - began
        finally:
            await broker.kill()
    assert heard
    assert grown < 3_000_000, grown
    assert logs.told()["bus.refused"] == 1
    found(Row("B2", "outage with events waiting", count, 0, 0, recovered, f"{grown / 1e6:.1f} MB for {count} events"))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_an_event_that_is_too_large_for_the_broker_is_set_aside_and_all_others_pass(
    house: House, tmp_path: Path, found: Found, logs: LogWatch, protocol: str
) -> None:
    """On MQTT 5 the broker says how much it takes; on 3.1.1 it only closes the connection, each time."""
    async with (
        Mosquitto(folder(tmp_path), extra=["max_packet_size 4000"]) as broker,
        make_bus(broker.url, ALERTS, protocol=protocol) as bus,
        Ear(broker, READ) as ear,
        Ear(broker, "relay/dead") as told,
    ):
        await connected(bus)
        await announce(house, 30)
        await house.journal.events.announce(ALERTS, "read", {"number": -1, "text": "x" * 5000})
        await announce(house, 30)
        began = asyncio.get_running_loop().time()
        async with publishing(house, bus), asyncio.timeout(30):
            heard = await numbers_heard(ear, 60)
            await logs.until("publish.set_aside")
            await told.until("relay/dead", lambda event: event["type"] == "relay.dead.v1")
            recovered = asyncio.get_running_loop().time() - began
    assert heard == [*range(30), *range(30)]
    assert len(logs.of("publish.set_aside")) == 1
    assert "bus.client_id_taken" not in logs.troubles()
    found(Row("B6", f"event too large, MQTT {protocol}", 1, 0, 0, recovered, "set aside, 60 others passed"))


async def test_two_relays_with_one_client_id_stop_fighting_over_it(
    tmp_path: Path, found: Found, logs: LogWatch
) -> None:
    """After the third time one says who has it and how that is cured, once, and gives way."""
    async with (
        Mosquitto(folder(tmp_path), persistent=True) as broker,
        make_bus(broker.url, speed=10),
        make_bus(broker.url, speed=10, node="n2"),
    ):
        taken = await logs.until("bus.client_id_taken")
        fought = len(logs.of("bus.lost"))
        connects = broker.said
        await logs.until("bus.restored")
    assert "another relay uses the client id relay-commands" in taken["detail"]
    assert "bus.commands_id" in taken["cure"]
    assert len(logs.of("bus.client_id_taken")) == 1
    found(Row("B6", "session taken over by another relay", 1, 0, 0, note=f"gave way after {fought} losses of both"))
    assert connects
