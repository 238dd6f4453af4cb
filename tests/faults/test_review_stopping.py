"""A stage that is told to end ends, whatever happens at that very moment."""

import asyncio

import pytest

from relay.clock import SystemClock
from relay.ids import Ids
from relay.journal import Bell
from relay.stagekit import Rest, Stage
from relay.supervisor import Supervisor
from relay.telemetry.health import LineBoard, Pulse


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
