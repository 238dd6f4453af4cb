"""What was found wrong between relay and its broker as every fault of it was tried, each with what must hold."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import structlog

from relay.bus.delivery import Delivery
from relay.bus.errors import NOT_AUTHORIZED, BusLost, PublishRefused
from relay.bus.mqtt import Bus
from tests.battery.brokering import LogWatch
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import PATIENCE, Ear, Logs, announcement, connected, logs, make_bus, next_command
from tests.contract.bus.scripted import CONNECT, PUBLISH, SUBSCRIBE, Peer, Scripted, mid_of

_ = logs  # the fixture
LARGE = announcement(1, body={"text": "x" * 5000})


async def tried(bus: Bus, what: object = LARGE) -> PublishRefused | None:
    """Publish, again after each loss as the publisher does, until it is confirmed or refused."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await bus.wait_connected()
            with suppress(BusLost):
                try:
                    await bus.publish(what)  # type: ignore[arg-type] # an announcement
                except PublishRefused as refusal:
                    return refusal
                return None


async def test_an_event_that_a_broker_of_3_1_1_closes_over_does_not_block_all_others(tmp_path: Path) -> None:
    """It came first on each new connection, which broke at it again, for ever."""
    async with (
        Mosquitto(tmp_path, extra=["max_packet_size 4000"]) as broker,
        make_bus(broker.url, protocol="3.1.1") as bus,
    ):
        await connected(bus)
        refusal, small = await asyncio.gather(tried(bus), tried(bus, announcement(2)))
    assert refusal is not None
    assert refusal.poison
    assert small is None


async def test_an_event_is_not_condemned_for_a_broker_that_fails() -> None:
    """Whatever was on its way as a broker went down is published when it is back, however often that happens."""
    breaks = 5
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        peer.connack()
        peers.append(peer)
        if b"relay-commands" in connect:
            while True:
                peer.suback(await peer.packet(SUBSCRIBE), *[1] * 18)
        while b"relay.result" not in (publish := await peer.packet(PUBLISH)) or len(met) >= breaks:
            peer.puback(mid_of(publish))
        met.append(publish)
        for each in peers:
            each.close()
        peers.clear()

    met: list[bytes] = []
    async with Scripted(script) as broker, make_bus(broker.url) as bus:
        assert await tried(bus, announcement(1)) is None
    assert len(met) == breaks


async def test_a_topic_that_a_broker_closes_over_is_refused_and_its_events_are_not_set_aside() -> None:
    """Some brokers close the connection of whoever publishes without the right to; no event is to blame."""

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        peer.connack()
        if b"relay-commands" in connect:
            while True:
                peer.suback(await peer.packet(SUBSCRIBE), *[1] * 18)
        while b"alerts/result" not in (publish := await peer.packet(PUBLISH)):
            peer.puback(mid_of(publish))
        peer.close()

    async with Scripted(script) as broker, make_bus(broker.url) as bus:
        refusal = await tried(bus, announcement(1))
    assert refusal is not None
    assert (refusal.reason, refusal.poison) == (NOT_AUTHORIZED, False)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_retained_command_is_delivered_once_over_many_connections(
    tmp_path: Path, logs: Logs, protocol: str
) -> None:
    """It was delivered, to be refused, at each new connection."""
    async with Mosquitto(tmp_path, persistent=True) as broker, make_bus(broker.url, protocol=protocol) as bus:
        async with Ear(broker) as ear:
            await logs.until("bus.online")
            await ear.say("relay/line/alerts/send", b'{"id":"old"}', retain=True)
        deliveries = [await taken(bus)]
        await broker.logged("Received PUBACK from relay-commands")
        for number in range(3):
            if protocol != "5" and number == 1:
                deliveries.append(await taken(bus))
                await broker.logged("Received PUBACK from relay-commands")
            await broker.stop()  # and so with what it knew, acknowledgements included
            await broker.start()
            await logs.until("bus.restored")
        async with Ear(broker) as ear:
            await ear.say("relay/line/alerts/send", b'{"id":"new"}')
        while deliveries[-1].payload != b'{"id":"new"}':
            deliveries.append(await taken(bus))
    # On 3.1.1 it looks like any other when it comes live: only the next one is seen to be retained, and refused.
    assert [each.retained for each in deliveries] == ([True, False] if protocol == "5" else [False, True, False])


async def taken(bus: Bus) -> Delivery:
    """The next command, acknowledged."""
    delivery = await next_command(bus)
    delivery.ack()
    return delivery


async def test_a_broker_that_goes_is_told_with_one_line_and_its_return_with_one(tmp_path: Path) -> None:
    """Each of the two connections told of its loss, of its cause and of its return."""
    watch = LogWatch()
    structlog.configure(processors=[watch])
    async with Mosquitto(tmp_path) as broker, make_bus(broker.url, timeout=2.0):
        await watch.until("bus.online")
        before = watch.told()
        await broker.kill()
        await watch.until("bus.lost", 2)
        await broker.start()
        await watch.until("bus.restored")
        await watch.until("bus.online", 2)
    structlog.reset_defaults()
    # A broker without persistence has lost its session too.
    assert watch.told() - before == {"bus.lost": 1, "bus.session_lost": 1, "bus.restored": 1}


async def test_the_attempts_after_a_short_life_do_not_grow_rare(logs: Logs, free_port: Callable[[], int]) -> None:
    """A broker that is restarted every few seconds was waited for up to half a minute."""
    times: list[float] = []

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        peer.connack()
        if b"relay-node" in connect:
            times.append(asyncio.get_running_loop().time())
        peer.close()

    async with Scripted(script) as broker, make_bus(broker.url, speed=20), asyncio.timeout(PATIENCE):
        while len(times) < 8:
            await logs.until("bus.connected")
    gaps = [20 * (later - earlier) for earlier, later in pairwise(times)]
    assert min(gaps) > 0.7  # no storm
    assert max(gaps) < 12  # and no long absence
