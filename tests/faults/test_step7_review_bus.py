"""What a hostile reading of lines that come and go found on the bus: each fact failed once."""

import asyncio
import os
import signal
from pathlib import Path

from relay.bus.topics import Topics
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import PATIENCE, Ear, Logs, announcement, logs, make_bus
from tests.contract.bus.scripted import CONNECT, PUBLISH, SUBSCRIBE, Peer, Scripted, mid_of

__all__ = ["logs"]  # a fixture

FILTERS = Topics().subscriptions(["alerts"])
STATUS = "relay/line/alerts/status"


async def test_a_line_that_goes_comes_and_goes_at_once_leaves_the_bus_alive(tmp_path: Path, logs: Logs) -> None:
    """Its state is taken away twice while the broker has not yet confirmed the first time."""
    async with Mosquitto(tmp_path) as broker, make_bus(broker.url) as bus, Ear(broker, STATUS) as ear:
        await logs.until("bus.online")
        bus.set_retained("line_status", "alerts", {"state": "ready"})
        await ear.until(STATUS, lambda body: body is not None)
        await bus.publish(announcement())  # what was said before has been confirmed by then
        os.kill(broker.pid, signal.SIGSTOP)
        bus.clear_retained("line_status", "alerts")
        for _ in range(100):
            await asyncio.sleep(0)  # until it is on its way
        bus.set_retained("line_status", "alerts", {"state": "suspended"})
        bus.clear_retained("line_status", "alerts")
        os.kill(broker.pid, signal.SIGCONT)
        await ear.until(STATUS, lambda body: body is None)
        for number in (2, 3):
            await bus.publish(announcement(number))
        bus.set_retained("line_status", "alerts", {"state": "throttled"})
        await ear.until(STATUS, lambda body: body is not None and body["state"] == "throttled")
        assert bus.connected


async def test_where_all_lines_are_others_and_all_are_denied_relay_does_not_say_that_it_hears(logs: Logs) -> None:
    """The only line is renamed, and the broker's ACL knows the old name alone: commands would wait unheard, unsaid."""

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        peer.connack()
        if b"relay-commands" not in connect:
            while True:
                peer.puback(mid_of(await peer.packet(PUBLISH)))
        while True:
            subscribe = await peer.packet(SUBSCRIBE)
            peer.suback(subscribe, *[0x87 if b"renamed" in subscribe else 0x01] * len(FILTERS))

    async with Scripted(script) as broker, make_bus(broker.url, timeout=0.5) as bus, asyncio.timeout(PATIENCE):
        await logs.until("bus.online")
        assert bus.listening
        await bus.follow(["renamed"])
        assert (await logs.until("bus.refused"))["cause"] == "subscription"
        assert not bus.listening
