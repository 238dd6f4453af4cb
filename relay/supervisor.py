"""Starts, watches, restarts and stops the stages. The only loops of relay are here.

A stage that fails rests longer each time and is tried again; the others do not notice. What starts later stops
first: `async with running(outflow): async with running(inflow): …`
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from relay.clock import Clock
from relay.domain.schedule import STAGE_FAILED
from relay.ids import Ids
from relay.stagekit import Rest, Stage
from relay.telemetry.health import LineBoard, LineState, Pulse
from relay.telemetry.notify import Notifier

log = structlog.get_logger()

STUCK_AFTER = 1260.0  # real seconds that one step may take: two tokens and two calls of five minutes each fit


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Runs stages.

    Args:
        clock: relay's time, for rests.
        ids: chance, for the rests after failures.
        board: shows the trouble of a line's stage.
        pulse: shows each stage's progress.
        grace: real seconds that work in flight has to finish when a stage stops.
    """

    clock: Clock
    ids: Ids
    board: LineBoard
    pulse: Pulse
    grace: float

    @asynccontextmanager
    async def running(self, stages: Sequence[Stage]) -> AsyncIterator[None]:
        """Run `stages` until the block is left; then end their steps and let what is in flight finish."""
        tasks = [asyncio.create_task(self._repeat(stage), name=stage.name) for stage in stages]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            ends = await asyncio.gather(*(stage.drain(self.grace) for stage in stages), return_exceptions=True)
            for stage, end in zip(stages, ends, strict=True):
                self.pulse.gone(stage.name)
                if isinstance(end, BaseException):
                    log.error("stage.undrained", stage=stage.name, line=stage.line, exc_info=end)

    async def _repeat(self, stage: Stage) -> None:
        failures = 0
        while True:
            self.pulse.busy(stage.name)
            try:
                rest = await stage.step()
            # The one place that catches everything: no stage's trouble may end another, nor end a stage unseen.
            except (Exception, asyncio.CancelledError) as error:
                if _is_to_end():
                    raise
                failures += 1
                rest = self._failed(stage, error, failures)
            else:
                if failures:
                    self._recovered(stage)
                failures = 0
            self.pulse.resting(stage.name)
            if rest is not None:
                await rest.over(self.clock)

    def _failed(self, stage: Stage, error: BaseException, failures: int) -> Rest:
        wait = STAGE_FAILED.delay(failures, self.ids.chance.random())
        log.error("stage.failed", stage=stage.name, line=stage.line, failures=failures, wait=wait, exc_info=error)
        if stage.line:
            self.board.report(stage.line, stage.name, LineState.SUSPENDED, "stage_failing")
        return Rest(wait)

    def _recovered(self, stage: Stage) -> None:
        log.info("stage.recovered", stage=stage.name, line=stage.line)
        if stage.line:
            self.board.report(stage.line, stage.name, LineState.READY)


def _is_to_end() -> bool:
    """Whether this task was asked to end: a step that answers that with another error has to end all the same."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def keep_watchdog(notifier: Notifier, pulse: Pulse) -> None:
    """Tell systemd that relay is alive, for as long as every stage makes progress; for ever.

    It is the stages' progress that is told, not this timer's: a step that takes longer than `STUCK_AFTER`, or an
    event loop that stands still, ends the messages, and systemd restarts relay.
    """
    every = (notifier.watchdog_seconds or 60.0) / 3
    while True:
        stuck = pulse.stuck(STUCK_AFTER)
        if stuck:
            log.critical("stage.stuck", stages=stuck)
        else:
            notifier.alive()
        await asyncio.sleep(every)
