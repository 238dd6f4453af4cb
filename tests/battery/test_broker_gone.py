"""B1, B2: a broker that is killed, stopped, cut off or that forgets: nothing is lost, and two lines tell of it."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.bus.config import BusSettings
from relay.bus.mqtt import Bus
from relay.clock import SystemClock
from relay.ids import Ids
from tests.battery.brokering import LogWatch, Wire, post
from tests.battery.table import Row
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import Ear, announcement

Found = Callable[[Row], None]
KEEPALIVE = 1  # second


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


@pytest.mark.timeout(900)  # the long form
async def test_a_broker_that_is_killed_again_and_again_costs_nothing(
    tmp_path: Path, free_port: Callable[[], int], found: Found, logs: LogWatch, *, long: bool
) -> None:
    """Each time what happened meanwhile is published; the attempts are few, and one line tells of the beginning."""
    times = 20 if long else 2
    wires: list[Wire] = []
    recovered, outages, attempts = 0.0, 0.0, 0
    async with post(tmp_path, free_port, logs, wire=wires.append, speed=1.0) as it:
        [wire] = wires
        for number in range(times):
            await it.ask(3)
            came, since = len(wire.came), now()
            await it.made.broker.kill()
            await wire.visited(2)
            attempts, outages = attempts + len(wire.came) - came, outages + now() - since
            await it.made.broker.start()
            began = now()
            await logs.until("bus.restored", number + 1)
            await it.ask()
            await it.made.ears.result(it.asked[-1])
            recovered = max(recovered, now() - began)
        await it.answered()
        lost, doubled = it.lost_and_doubled()
    assert (logs.told()["bus.lost"], logs.told()["bus.restored"]) == (times, times), logs.told()
    assert Counter(logs.troubles()) <= Counter({"bus.lost": times, "bus.unsteady": 1})
    # Two connections, each at most once a second but for the first try, which comes after half of one.
    assert attempts <= 2 * (outages + times) * 1.25
    rate = f"{attempts / 2 / outages:.1f} attempts a second and connection"
    found(Row("B1", "broker killed and started again", times, lost, doubled, recovered, rate))


async def test_a_broker_that_forgets_everything_is_told_again(
    tmp_path: Path, free_port: Callable[[], int], found: Found, logs: LogWatch
) -> None:
    """Its session is lost, which is said; commands are heard again, and the retained topics are right again."""
    async with post(tmp_path, free_port, logs) as it:
        await it.ask(3)
        await it.answered()
        await it.made.broker.kill()
        await logs.until("bus.lost")
        began = now()
        await it.made.broker.start(forget=True)
        await logs.until("bus.restored")
        await it.made.ears.connected.wait()
        await it.ask()
        await it.answered()
        recovered = now() - began
        async with Ear(it.made.broker, "relay/#") as ear:
            heard = {(await ear.next()).topic.value for _ in range(3)}
        lost, doubled = it.lost_and_doubled()
    assert heard == {"relay/node/relay-1/status", "relay/node/relay-1/info", "relay/line/alerts/status"}
    assert sorted(logs.troubles()) == ["bus.lost", "bus.session_lost"]
    found(Row("B1", "broker comes back without its state", 1, lost, doubled, recovered))


@pytest.mark.parametrize("how", ["stopped (SIGSTOP)", "half open"])
async def test_a_silent_broker_is_noticed_within_two_keepalives(
    tmp_path: Path, found: Found, logs: LogWatch, how: str
) -> None:
    """Where relay has nothing to say; a reader that the broker still reaches hears `offline` from the will."""
    clock = SystemClock()
    folder = tmp_path / "broker"
    folder.mkdir()
    async with Mosquitto(folder, persistent=True) as broker, Wire(broker.port) as wire:
        settings = BusSettings(url=f"mqtt://127.0.0.1:{wire.port}", node="n1", keepalive=KEEPALIVE, timeout=2.0)
        async with Bus(settings, ["alerts"], clock, Ids(clock)) as bus:
            await logs.until("bus.online")
            async with Ear(broker, "relay/node/n1/status", keepalive=60) as ear:
                await ear.next()
                began = now()
                if how == "half open":
                    wire.swallow()
                    await ear.until("relay/node/n1/status", lambda body: body["state"] == "offline")
                else:
                    os.kill(broker.pid, signal.SIGSTOP)
                await logs.until("bus.lost")
                noticed = now() - began
                wire.heal()
                os.kill(broker.pid, signal.SIGCONT)
                began = now()
                await logs.until("bus.restored")
                recovered = now() - began
                await bus.publish(announcement())
    assert logs.told()["bus.lost"] == logs.told()["bus.restored"] == 1
    assert logs.troubles() == ["bus.lost"]
    # aiomqtt looks once a second whether it is time.
    assert noticed <= 2 * KEEPALIVE + 1.5, noticed
    found(Row("B2", f"broker {how}", 1, 0, 0, recovered, f"noticed after {noticed / KEEPALIVE:.1f} keepalives"))


@pytest.mark.timeout(900)  # the long form
async def test_a_connection_that_is_cut_in_mid_traffic_costs_nothing(
    tmp_path: Path, free_port: Callable[[], int], found: Found, logs: LogWatch, *, long: bool
) -> None:
    """Again and again, while commands come and events go."""
    times = 100 if long else 8
    wires: list[Wire] = []
    recovered = 0.0
    async with post(tmp_path, free_port, logs, wire=wires.append) as it:
        for number in range(times):
            asking = asyncio.create_task(it.ask(5))
            await it.answers(number * 5)
            await wires[0].cut()
            began = now()
            await asking
            await logs.until("bus.restored", logs.told()["bus.lost"])
            recovered = max(recovered, now() - began)
        await it.answered()
        lost, doubled = it.lost_and_doubled()
    assert logs.told()["bus.lost"] == logs.told()["bus.restored"]
    assert logs.troubles().count("bus.unsteady") <= 1
    assert set(logs.troubles()) <= {"bus.lost", "bus.unsteady"}
    found(Row("B2", "connections cut in mid-traffic", times, lost, doubled, recovered))
