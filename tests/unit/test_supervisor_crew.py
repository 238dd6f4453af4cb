"""Stages that come and go while others run, and hand over what they were at."""

import asyncio
import random
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.ids import Ids
from relay.journal import JournalUnwritten
from relay.simulator.virtual import ManualClock
from relay.stagekit import Rest, Stage, Window
from relay.supervisor import Crew, Supervisor
from relay.telemetry.health import LineBoard, Pulse

GRACE = 5.0


class Working(Stage):
    """A stage with one piece in flight that ends when a test says so, and a disk that fails so often."""

    def __init__(self, line: str, failures: int = 0) -> None:
        self.name, self.line = f"works/{line}", line
        self.failures = failures
        self.ends = asyncio.Event()
        self.ended: list[str] = []
        self.window = Window(1)
        self.begun = asyncio.Event()

    async def step(self) -> Rest | None:
        """Put the piece in flight, once."""
        if not self.begun.is_set():
            self.window.start(self._piece(), self.name)
            self.begun.set()
        return Rest(3600)

    async def drain(self, seconds: float) -> None:
        """As every stage with a window."""
        await self.window.drain(seconds)
        if self.failures:
            self.failures -= 1
            raise JournalUnwritten("full")

    async def _piece(self) -> None:
        try:
            await self.ends.wait()
            self.ended.append("as itself")
        except asyncio.CancelledError:
            self.ended.append("cut")
            raise


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def clock() -> ManualClock:
    """Time that the test moves."""
    return ManualClock()


@pytest.fixture
def supervisor(clock: ManualClock) -> Supervisor:
    """Who runs the stages."""
    board = LineBoard(clock, ["alerts", "office"])
    return Supervisor(clock, Ids(clock, random.Random(7)), board, Pulse(), GRACE)  # noqa: S311 - chance that repeats


async def test_a_line_s_stages_hand_over_when_their_calls_have_ended_as_themselves(supervisor: Supervisor) -> None:
    """However long that takes; another line's stages do not notice."""
    crew, going, staying = Crew(supervisor), Working("alerts"), Working("office")
    async with supervisor.changing(crew, [going, staying]):
        await going.begun.wait()
        handing_over = asyncio.create_task(crew.hand_over("alerts"))
        done, _ = await asyncio.wait({handing_over}, timeout=GRACE / 50)
        assert not done
        going.ends.set()
        await handing_over
        assert going.ended == ["as itself"]
        assert (crew.stages, staying.ended) == ([staying], [])
        crew.begin([again := Working("alerts")])
        await again.begun.wait()
        for stage in (staying, again):
            stage.ends.set()
    assert [stage.ended for stage in (staying, again)] == [["as itself"], ["as itself"]]


async def test_what_cannot_be_written_down_is_tried_again_until_it_is(
    supervisor: Supervisor, clock: ManualClock, logs: list[MutableMapping[str, Any]]
) -> None:
    """Nobody else knows of it."""
    crew, stage = Crew(supervisor), Working("alerts", failures=3)
    async with supervisor.changing(crew, [stage]):
        await stage.begun.wait()
        stage.ends.set()
        handing_over = asyncio.create_task(crew.hand_over("alerts"))
        while not handing_over.done():
            await clock.advance(10)
        assert (stage.failures, crew.stages) == (0, [])
    assert [line["event"] for line in logs] == ["stage.undrained"] * 3


async def test_a_stop_ends_a_hand_over_as_it_ends_everything(supervisor: Supervisor) -> None:
    """What is in flight has the grace, and not longer."""
    crew, stage = Crew(supervisor), Working("alerts")
    loop = asyncio.get_running_loop()
    supervisor.grace = 0.2
    async with supervisor.changing(crew, [stage]):
        await stage.begun.wait()
        handing_over = asyncio.create_task(crew.hand_over("alerts"))
        await asyncio.sleep(0)
        supervisor.stop()
        handing_over.cancel()
        await asyncio.gather(handing_over, return_exceptions=True)
        assert (stage.ended, crew.stages) == ([], [stage])
        began = loop.time()
    assert stage.ended == ["cut"]
    assert loop.time() - began < GRACE


async def test_after_a_stop_nothing_is_begun(supervisor: Supervisor) -> None:
    """A reload that is under way then leaves its lines as they are."""
    crew, late = Crew(supervisor), Working("alerts")
    async with supervisor.changing(crew, []):
        supervisor.stop()
        crew.begin([late])
        assert crew.stages == []
    assert not late.begun.is_set()
