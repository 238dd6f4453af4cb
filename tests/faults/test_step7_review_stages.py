"""What a hostile reading of stages that hand over found: each fact failed once."""

import asyncio
import random
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from relay.ids import Ids
from relay.journal import JournalUnwritten
from relay.simulator.virtual import ManualClock
from relay.stagekit import Rest, Stage
from relay.supervisor import STUCK_AFTER, Crew, Supervisor
from relay.telemetry.health import LineBoard, Pulse

LINE = "alerts"


class Ending(Stage):
    """A stage whose step has something to do still once it is told to end, and a disk that may be full."""

    name, line = f"ends/{LINE}", LINE

    def __init__(self) -> None:
        self.begun, self.told, self.may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.is_full = False
        self.tried = asyncio.Event()
        self.ended = ""

    async def step(self) -> Rest | None:
        """Be under way until told to end; then give back what was begun."""
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.told.set()
            try:
                await self.may_end.wait()
                self.ended = "as itself"
            except asyncio.CancelledError:
                self.ended = "cut"
                raise
        return None

    async def drain(self, seconds: float) -> None:
        """Write down what was fetched."""
        del seconds  # nothing is waited for
        self.tried.set()
        if self.is_full:
            raise JournalUnwritten("full")


class Place:
    """A supervisor with one line's stage."""

    def __init__(self) -> None:
        self.now = 0.0
        self.clock = ManualClock()
        self.pulse = Pulse(lambda: self.now)
        board, ids = LineBoard(self.clock, [LINE]), Ids(self.clock, random.Random(7))  # noqa: S311 - chance that repeats
        self.supervisor = Supervisor(self.clock, ids, board, self.pulse, 5.0)
        self.crew, self.stage = Crew(self.supervisor), Ending()


@pytest.fixture
def place() -> Iterator[Place]:
    """A supervisor."""
    with capture_logs():
        yield Place()


async def test_a_stop_in_the_middle_of_a_hand_over_cuts_no_step_short(place: Place) -> None:
    """The step was told to end by the reload; the stop that cancels the reload must not tell it a second time."""
    async with place.supervisor.changing(place.crew, [place.stage]):
        await place.stage.begun.wait()
        reload = asyncio.create_task(place.crew.hand_over(LINE))
        await place.stage.told.wait()
        place.supervisor.stop()
        reload.cancel()
        await asyncio.wait({reload}, timeout=0.05)
        place.stage.may_end.set()
    assert place.stage.ended == "as itself"
    assert reload.cancelled()


async def test_a_hand_over_that_waits_for_a_full_disk_is_not_stuck(place: Place) -> None:
    """Else the watchdog would end relay after a while, and with it the page that is held until there is room."""
    async with place.supervisor.changing(place.crew, [place.stage]):
        await place.stage.begun.wait()
        place.stage.is_full = True
        place.stage.may_end.set()
        reload = asyncio.create_task(place.crew.hand_over(LINE))
        await place.stage.tried.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        place.now += STUCK_AFTER + 1
        assert place.pulse.stuck(STUCK_AFTER) == []
        place.stage.is_full = False
        await place.clock.advance(60)
        await reload
