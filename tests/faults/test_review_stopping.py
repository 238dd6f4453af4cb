"""A stage that is told to end ends, whatever happens at that very moment."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.ids import Ids
from relay.journal import Bell
from relay.stagekit import Rest, Stage
from relay.supervisor import Supervisor
from relay.telemetry.health import LineBoard, Pulse
from tests.system.world import world

WINDOW = 8  # the default


class Dozer(Stage):
    """Rests until its bell rings, as every stage of relay does."""

    name = "dozer"

    def __init__(self) -> None:
        self.bell = Bell()

    async def step(self) -> Rest | None:
        """Nothing to do."""
        return Rest(30.0, self.bell)


@pytest.mark.parametrize("moments", range(5))
async def test_a_bell_that_rings_as_relay_stops_keeps_no_stage_alive(moments: int) -> None:
    """On Python 3.11 `asyncio.wait_for` swallows a cancellation that comes just after its result."""
    clock, dozer = SystemClock(), Dozer()
    supervisor = Supervisor(clock, Ids(clock), LineBoard(clock, []), Pulse(), 1.0)

    async def live() -> None:
        async with supervisor.running([dozer]):
            for _ in range(3):
                await asyncio.sleep(0)
            dozer.bell.ring()
            for _ in range(moments):
                await asyncio.sleep(0)

    living = asyncio.create_task(live())
    ended, _ = await asyncio.wait({living}, timeout=2.0)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()  # a second one is heard
    assert ended


async def test_no_call_begins_after_sigterm_while_a_poll_drains(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """An inbox that answers slowly holds up the stop, and in the meantime nothing more is sent than was in flight."""
    async with world(tmp_path, free_port) as made:
        settings = tmp_path / "relay.toml"
        alone = settings.read_text().replace('short_code = "12345"', 'short_code = "12345"\nrecipients_per_call = 1')
        await asyncio.to_thread(settings.write_text, alone)
        faults = made.att.world.faults
        faults.add({"match": {"operation": "inbox"}, "do": "delay", "seconds": 900, "times": 0})
        faults.add({"match": {"operation": "send"}, "do": "delay", "seconds": 30, "times": 0})
        await made.relay.start()
        await made.listening()
        to = [f"+1206555{number:04}" for number in range(1, 100)]
        for key in range(4):
            await made.publish("relay/line/alerts/send", {"id": f"r{key}", "to": to, "text": "x"})
        await _until(lambda: len(made.accepted()) > 8)
        polls = len([line for line in made.att.world.ledger.lines() if line.get("operation") == "inbox"])
        await _until(lambda: len([x for x in made.att.world.ledger.lines() if x.get("operation") == "inbox"]) > polls)
        stopping = asyncio.create_task(made.relay.stop())
        before = len(made.accepted())
        assert await stopping == 0
        assert len(made.accepted()) <= before + 2 * WINDOW
        assert before + 2 * WINDOW < 4 * len(to)  # there was more to send


async def _until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not so():  # noqa: ASYNC110 - nobody tells when AT&T has seen something
            await asyncio.sleep(0)
