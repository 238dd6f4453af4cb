"""Stop it under load, freeze it, block its event loop: it ends in time, or systemd ends it, and nothing is lost."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from relay.boundaries import Boundary
from tests.battery.crashing import FallingRelay
from tests.battery.table import Row
from tests.battery.traffic import ALL_LINES, Traffic
from tests.system.world import START_WITHIN, World, notifications, world

SEED = 4
GRACE = 20.0  # the setting in the world
WATCHDOG = 2.0  # seconds, as `WatchdogSec` in a service's file
pytestmark = pytest.mark.timeout(600)


async def test_a_stop_under_load_ends_in_time_and_loses_nothing(
    tmp_path: Path, free_port: Callable[[], int], long: bool, found: Callable[[Row], None]
) -> None:
    """SIGTERM in the middle of traffic: exit 0 within the grace, `offline` because `stopped`, nothing uncertain."""
    chance = random.Random(SEED)  # noqa: S311 - a failure must repeat
    stops, slowest, recovered = 20 if long else 2, 0.0, 0.0
    async with world(tmp_path, free_port, speed=60, lines=ALL_LINES) as made:
        traffic = Traffic(made, chance)
        await made.relay.start()
        await traffic.prepare()
        for _ in range(stops):
            flowing = asyncio.create_task(traffic.round(requests=12))
            await made.relay.lives_for(chance.uniform(0.05, 0.4))
            began = time.monotonic()
            assert await made.relay.stop() == 0
            slowest = max(slowest, time.monotonic() - began)
            await made.ears.until(lambda: _node(made) == ("offline", "stopped"), what="it says that it has stopped")
            await flowing
            recovered = max(recovered, await _started(made))
        findings = await traffic.settled()

    assert findings.is_clean, findings
    assert slowest < GRACE
    assert (findings.uncertain, findings.told_losses) == (0, 0)
    note = f"stopped within {slowest:.1f} s, {traffic.requests} requests: {findings}"
    found(Row("P4", "SIGTERM under load", stops, findings.lost, findings.twice, recovered, note))


async def test_a_second_signal_ends_it_at_once_and_what_was_in_flight_is_uncertain(
    tmp_path: Path, free_port: Callable[[], int], found: Callable[[Row], None]
) -> None:
    """A call that hangs holds the stop up; whoever does not want to wait says so again."""
    async with world(tmp_path, free_port, lines=ALL_LINES) as made:
        traffic = Traffic(made, random.Random(SEED))  # noqa: S311 - a failure must repeat
        await made.relay.start()
        await traffic.prepare()
        made.fault("delay", "send", processed=True, seconds=60.0, real=True)
        await made.publish("relay/line/alerts/send", {"id": "hangs", "to": "+13125550001", "text": "hangs"})
        await made.until_att(lambda: made.accepted("hangs"))
        made.relay.process.send_signal(signal.SIGTERM)
        await made.ears.until(lambda: _node(made)[0] == "stopping", what="it says that it stops")
        began = time.monotonic()
        assert await made.relay.stop() == 1
        took = time.monotonic() - began
        recovered = await _started(made)
        await traffic.round()
        findings = await traffic.settled()

    assert findings.is_clean, findings
    assert took < GRACE / 4
    assert findings.uncertain == 1
    note = f"ended within {took:.1f} s: {findings}"
    found(Row("P4", "a second SIGTERM while a call hangs", 1, findings.lost, findings.twice, recovered, note))


async def _frozen(made: World) -> None:
    made.relay.process.send_signal(signal.SIGSTOP)


async def _blocked(made: World) -> None:
    assert isinstance(made.relay, FallingRelay)
    made.relay.arm(Boundary.CALL_ANSWERED, fall="block")
    await made.publish("relay/line/alerts/send", {"id": "blocks", "to": "+13125550001", "text": "blocks"})
    async with asyncio.timeout(START_WITHIN):
        await made.until_att(lambda: made.accepted("blocks"))


@pytest.mark.parametrize(
    ("fault", "words"), [(_frozen, "SIGSTOP"), (_blocked, "an event loop that stands still")], ids=["frozen", "blocked"]
)
async def test_a_relay_that_stands_still_says_nothing_more_and_is_started_again(
    tmp_path: Path,
    free_port: Callable[[], int],
    fault: Callable[[World], Awaitable[None]],
    words: str,
    found: Callable[[Row], None],
) -> None:
    """The test is systemd: it hears that relay lives, and then no more, kills it, and starts it again."""
    async with world(tmp_path, free_port, speed=60, lines=ALL_LINES, relay=FallingRelay) as made:
        traffic = Traffic(made, random.Random(SEED))  # noqa: S311 - a failure must repeat
        systemd = Systemd(made)
        async with systemd:
            await systemd.start()
            await traffic.prepare()
            await systemd.hears_life()
            await fault(made)
            began = time.monotonic()
            flowing = asyncio.create_task(traffic.round())
            await systemd.hears_nothing()
            noticed = time.monotonic() - began
            await made.relay.kill()
            await systemd.start()
            recovered = time.monotonic() - began
            await flowing
            findings = await traffic.settled()

    assert findings.is_clean, findings
    assert noticed < 2 * WATCHDOG + 1
    note = f"noticed after {noticed:.1f} s: {findings}"
    found(Row("P5", f"{words}, watchdog of {WATCHDOG:.0f} s", 1, findings.lost, findings.twice, recovered, note))


class Systemd:
    """What systemd does with a service of `Type=notify` that has a watchdog."""

    def __init__(self, made: World) -> None:
        self._made = made
        self._path = made.relay.directory / "systemd"
        self._context = notifications(self._path)

    async def __aenter__(self) -> None:
        self._socket = self._context.__enter__()

    async def __aexit__(self, *ended: object) -> None:
        self._socket.close()

    async def start(self) -> None:
        """Start relay, until it says that it is ready."""
        environment = {"NOTIFY_SOCKET": str(self._path), "WATCHDOG_USEC": str(int(WATCHDOG * 1_000_000))}
        await self._made.relay.launch(**environment)
        async with asyncio.timeout(START_WITHIN):
            while b"READY=1" not in await self._said():
                pass

    async def hears_life(self) -> None:
        """Wait for two signs of life."""
        async with asyncio.timeout(START_WITHIN):
            for _ in range(2):
                while b"WATCHDOG=1" not in await self._said():
                    pass

    async def hears_nothing(self) -> None:
        """Wait until the last sign of life is older than the watchdog allows."""
        try:
            while True:
                async with asyncio.timeout(WATCHDOG):
                    while b"WATCHDOG=1" not in await self._said():
                        pass
        except TimeoutError:
            return

    async def _said(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, 4096)


async def _started(made: World) -> float:
    began = time.monotonic()
    await made.relay.start()
    return time.monotonic() - began


def _node(made: World) -> tuple[str, str]:
    """What relay's own topic said last."""
    said = [event for topic, event in made.ears.heard if topic == "relay/node/relay-1/status"]
    return (said[-1]["state"], said[-1].get("reason", "")) if said else ("", "")
