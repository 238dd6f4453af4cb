"""The commands are left with the broker while they cannot be written down, and heard again afterwards."""

import asyncio

import pytest

from tests.brokers import Mosquitto
from tests.contract.bus.conftest import PATIENCE, Ear, Logs, announcement, connected, make_bus, next_command
from tests.contract.bus.scripted import CONNECT, DISCONNECT, SUBSCRIBE, Peer, Scripted, protocol_of

SEND = "relay/line/alerts/send"


@pytest.mark.parametrize(("protocol", "said"), [("5", b"\x97"), ("3.1.1", b"")])
async def test_relay_leaves_with_the_reason_that_its_quota_is_exceeded(protocol: str, said: bytes, logs: Logs) -> None:
    """0x97 on MQTT 5; 3.1.1 knows no reasons."""
    left: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        if protocol_of(connect) == 5:
            peer.connack()
        else:
            peer.connack311()
        if b"relay-commands" not in connect:
            await peer.gone()
            return
        asked = await peer.packet(SUBSCRIBE)
        filters = asked.count(b"relay/line/")
        if protocol_of(connect) == 5:
            peer.suback(asked, *[1] * filters)
        else:
            peer.send(0x90, asked[:2] + bytes([1] * filters))
        left.set_result(await peer.packet(DISCONNECT))
        await peer.gone()

    async with Scripted(script) as broker, make_bus(broker.url, protocol=protocol, timeout=2.0) as bus:
        await logs.until("bus.listening")
        bus.hear_commands(wanted=False)
        async with asyncio.timeout(PATIENCE):
            assert (await left)[:1] == said
        await logs.until("bus.left")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_comes_meanwhile_waits_at_the_broker(broker: Mosquitto, logs: Logs, protocol: str) -> None:
    """And what was not acknowledged before; relay goes on saying what it has to say."""
    async with make_bus(broker.url, protocol=protocol) as bus, Ear(broker, "relay/line/+/result/#") as ear:
        await logs.until("bus.online")
        await ear.say(SEND, b"before")
        taken = await next_command(bus)
        bus.hear_commands(wanted=False)
        taken.again()
        await logs.until("bus.left")
        await ear.say(SEND, b"meanwhile")
        await bus.publish(announcement())
        assert (await ear.next()).topic.value.startswith("relay/line/alerts/result")
        assert not bus.listening
        bus.hear_commands(wanted=True)
        found = [await next_command(bus) for _ in range(2)]
        for delivery in found:
            delivery.ack()
        assert [delivery.payload for delivery in found] == [b"before", b"meanwhile"]
        await logs.until("bus.listening")
    assert "bus.lost" not in logs.rest()


async def test_a_node_says_that_it_is_there_while_it_hears_no_commands(broker: Mosquitto, logs: Logs) -> None:
    """It started on a full disk: its states are told all the same, and commands are heard afterwards."""
    bus = make_bus(broker.url)
    bus.hear_commands(wanted=False)
    async with Ear(broker, "relay/node/n1/status") as ear, bus:
        await connected(bus)
        heard = await ear.until("relay/node/n1/status", lambda body: body["state"] == "online")
        assert heard
        assert not bus.listening
        bus.hear_commands(wanted=True)
        await logs.until("bus.listening")
        await ear.say(SEND, b"x")
        delivery = await next_command(bus)
        delivery.ack()
        assert delivery.payload == b"x"
