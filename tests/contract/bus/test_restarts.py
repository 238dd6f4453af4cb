"""What survives when relay, the broker, or both are stopped, killed, frozen or confused."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from pydantic_core import from_json

from relay.bus.errors import BusLost
from relay.bus.mqtt import Bus
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import PATIENCE, Ear, Logs, announcement, connected, make_bus, next_command
from tests.contract.bus.scripted import CONNECT, PUBLISH, Peer, Scripted

ROOT = Path(__file__).parents[3]
STATUS = "relay/node/n1/status"
SEND = "relay/line/alerts/send"


async def test_a_killed_relay_leaves_its_will_and_its_command(broker: Mosquitto) -> None:
    """After SIGKILL the broker says `lost`, and delivers the command that was not acknowledged once more."""
    async with Ear(broker, STATUS) as ear:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            Path(__file__).with_name("node_process.py"),
            broker.url,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
        )
        await ear.until(STATUS, lambda body: body["state"] == "online")
        await ear.say(SEND, b"kept")
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while await process.stdout.readline() != b"taken\n":
                pass  # log lines
        process.kill()
        await process.communicate()  # to the end of what it said, or its pipe would outlive the test
        said = from_json((await ear.until(STATUS))[-1].payload)
    assert said == {"state": "offline", "reason": "lost", "since": None}
    async with make_bus(broker.url) as bus:
        delivery = await next_command(bus)
        delivery.ack()
    assert (delivery.payload, delivery.redelivered) == (b"kept", True)


async def test_a_restarted_broker_that_kept_its_state_loses_no_command(broker: Mosquitto, logs: Logs) -> None:
    """A broker that keeps its state hands out after its restart what it had accepted before."""
    async with make_bus(broker.url) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        await ear.say(SEND, b"1")
        assert (await next_command(bus)).payload == b"1"
        await broker.stop()
        await logs.until("bus.lost")
        await broker.start()
        delivery = await next_command(bus)
        delivery.ack()
        await logs.until("bus.online")
        assert "bus.session_lost" not in logs.rest()
    assert (delivery.payload, delivery.redelivered) == (b"1", True)


async def test_a_broker_that_forgot_everything_is_told_everything_again(broker: Mosquitto, logs: Logs) -> None:
    """The lost session is logged loudly, commands are heard again, and every state is back."""
    bus = make_bus(broker.url)
    bus.set_retained("line_status", "alerts", {"state": "ready"})
    async with bus:
        await logs.until("bus.online")
        await broker.kill()
        await broker.start(forget=True)
        lost = await logs.until("bus.session_lost")
        await logs.until("bus.online")
        async with Ear(broker, "relay/line/alerts/status") as ear:
            status = await ear.next()
            await ear.say(SEND, b"heard")
            delivery = await next_command(bus)
            delivery.ack()
    assert lost["level"] == "warning"
    assert (status.retain, from_json(status.payload)) == (True, {"state": "ready"})
    assert delivery.payload == b"heard"


async def test_the_first_connection_of_a_process_misses_no_session(broker: Mosquitto, logs: Logs) -> None:
    """A new relay at a new broker is nothing to warn about."""
    async with make_bus(broker.url):
        await logs.until("bus.online")
    assert "bus.session_lost" not in logs.rest()


async def test_a_publisher_gets_everything_through_a_restart(broker: Mosquitto, logs: Logs) -> None:
    """Publishing again after `BusLost` ends with every announcement confirmed."""
    async with make_bus(broker.url) as bus:
        await connected(bus)
        publishing = asyncio.gather(*(_publish_until_confirmed(bus, number) for number in range(100)))
        await broker.logged("Received PUBLISH from relay-node-n1", times=20)
        await broker.kill()
        await logs.until("bus.lost")
        await broker.start()
        async with asyncio.timeout(PATIENCE):
            await publishing


async def test_a_frozen_broker_is_noticed(broker: Mosquitto, logs: Logs) -> None:
    """A broker that is there and does nothing is given up, and used again when it wakes."""
    async with make_bus(broker.url, keepalive=1, timeout=1.5) as bus:
        await connected(bus)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(logs.until("bus.lost"), _fails(bus))
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        await connected(bus)
        await bus.publish(announcement())


async def test_two_relays_with_one_client_id_are_noticed(broker: Mosquitto, logs: Logs) -> None:
    """Relays that take the session from one another say which setting to look at, though mosquitto does not say why."""
    async with make_bus(broker.url), make_bus(broker.url, node="n2"):
        taken = await logs.until("bus.client_id_taken")
    assert taken["client_id"] == "relay-commands"
    assert "bus.commands_id" in taken["cure"]


async def test_a_broker_that_says_that_the_session_was_taken_over_is_believed(logs: Logs) -> None:
    """After the third time in two minutes it is no reconnection of our own: relay says so once, and gives way."""

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        peer.connack()
        if b"relay-commands" in connect:
            connects.append(asyncio.get_running_loop().time())
            peer.disconnect(0x8E)
        await peer.gone()

    connects: list[float] = []
    async with Scripted(script) as broker, make_bus(broker.url):
        lost = [await logs.until("bus.lost") for _ in range(3)]
        taken = await logs.until("bus.client_id_taken")
        seen = len(connects)
        assert [each["code"] for each in lost] == [0x8E] * 3
        assert "another relay uses the client id relay-commands" in taken["detail"]
        await logs.until("bus.lost")
        assert "bus.client_id_taken" not in logs.rest()
    assert (seen, connects[3] - connects[2] > 0.9) == (3, True)  # a minute, at this clock's speed


async def test_waiting_for_a_connection_outlasts_a_loss_that_is_not_cleared_away_yet(logs: Logs) -> None:
    """`wait_connected` right after `BusLost` waits for the next link, and lets the loop run meanwhile."""

    async def script(peer: Peer) -> None:
        await peer.packet(CONNECT)
        peer.connack()
        await peer.packet(PUBLISH)
        peer.close()

    async with Scripted(script) as broker, make_bus(broker.url) as bus, asyncio.timeout(PATIENCE):
        for _ in range(3):
            await bus.wait_connected()
            assert bus.connected
            await _fails(bus)


async def _publish_until_confirmed(bus: Bus, number: int) -> None:
    while True:
        try:
            await bus.publish(announcement(number))
        except BusLost:
            await bus.wait_connected()
        else:
            return


async def _fails(bus: Bus) -> None:
    try:
        await bus.publish(announcement())
    except BusLost:
        return
    raise AssertionError("a broker that is gone confirmed a message")
