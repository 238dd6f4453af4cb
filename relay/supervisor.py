"""Starts, watches, restarts and stops the stages. The only loops of relay are here.

A stage that fails rests longer each time and is tried again; the others do not notice. What starts later stops
first: `async with running(outflow): async with running(inflow): …`

A stop has two parts. `stop` ends every step that could begin something new, of all stages at once. Then, as the blocks
are left, what is in flight drains from inside out, against one deadline for all of them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from weakref import WeakSet

import structlog

from relay.clock import Clock
from relay.domain.schedule import STAGE_FAILED, calls_share
from relay.ids import Ids
from relay.journal import JournalDamaged, JournalShut, JournalUnwritten
from relay.stagekit import Rest, Stage
from relay.telemetry.health import LineBoard, LineState, Pulse
from relay.telemetry.notify import Notifier

log = structlog.get_logger()

UNWRITTEN_PAUSE = 15.0  # seconds until what the disk did not take is tried again, if it takes nothing new before
STUCK_AFTER = 1260.0  # real seconds that one step may take: two tokens and two calls of five minutes each fit


@dataclass(slots=True)
class Supervisor:
    """Runs stages.

    Args:
        clock: relay's time, for rests.
        ids: chance, for the rests after failures.
        board: shows the trouble of a line's stage.
        pulse: shows each stage's progress.
        grace: real seconds that a stop may take, all stages together.
    """

    clock: Clock
    ids: Ids
    board: LineBoard
    pulse: Pulse
    grace: float
    _beginning: "set[asyncio.Task[None]]" = field(default_factory=set, init=False)
    _told_to_end: "WeakSet[asyncio.Task[None]]" = field(default_factory=WeakSet, init=False)
    _deadline: float | None = field(default=None, init=False)
    _told_damaged: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Begin nothing new from now on: end the steps of all stages but those that `finishing` runs."""
        self._deadline = self._deadline or asyncio.get_running_loop().time() + self.grace
        self._end(self._beginning)

    @asynccontextmanager
    async def running(self, stages: Sequence[Stage]) -> AsyncIterator[None]:
        """Run `stages` until `stop`, or until the block is left; then let what is in flight finish."""
        tasks = self._started(stages)
        self._beginning.update(tasks)
        try:
            yield
        finally:
            self.stop()
            await self._ended(tasks)
            await self._each(stages, lambda stage: stage.drain(self._left() - self._kept))

    @asynccontextmanager
    async def finishing(self, stages: Sequence[Stage]) -> AsyncIterator[None]:
        """Run `stages`, which work off what others bring, until the block is left; then let them finish that."""
        tasks = self._started(stages)
        try:
            yield
        finally:
            self.stop()
            await self._ended(tasks)
            await self._each(stages, self._finish)

    @asynccontextmanager
    async def changing(self, crew: "Crew", stages: Sequence[Stage]) -> AsyncIterator[None]:
        """Run a crew, with `stages` at first, until `stop`, or until the block is left; then let it finish."""
        crew.begin(stages)
        try:
            yield
        finally:
            self.stop()
            await self._ended(crew.tasks)
            await self._each(crew.stages, lambda stage: stage.drain(self._left() - self._kept))

    def begin(self, stages: Sequence[Stage]) -> "list[asyncio.Task[None]]":
        """Run these until `stop`; after it, none is begun."""
        tasks = [] if self._deadline is not None else self._started(stages)
        self._beginning.update(tasks)
        return tasks

    async def handed_over(self, stages: Sequence[Stage], tasks: "Sequence[asyncio.Task[None]]") -> None:
        """End these, which run in `tasks`, for others to take their work up: calls in flight end as they do."""
        # Whoever is cancelled here cancels no step once more.
        await asyncio.shield(self._ended(tasks))
        self._beginning.difference_update(tasks)
        left = list(stages)
        tries = 0
        while left := await self._unended(left):
            tries += 1
            await self.clock.sleep(STAGE_FAILED.delay(tries, self.ids.chance.random()))

    async def _unended(self, stages: Sequence[Stage]) -> list[Stage]:
        """Those that have something to write down still."""
        for stage in stages:
            self.pulse.busy(stage.name)
        ends = await asyncio.gather(*(stage.hand_over() for stage in stages), return_exceptions=True)
        for stage, error in zip(stages, ends, strict=True):
            self.pulse.gone(stage.name)
            if isinstance(error, BaseException):
                log.error("stage.undrained", stage=stage.name, line=stage.line, exc_info=error)
        return [stage for stage, error in zip(stages, ends, strict=True) if isinstance(error, BaseException)]

    def _end(self, tasks: "Iterable[asyncio.Task[None]]") -> None:
        """Once only: a second time would cut short what a step does because of the first."""
        # `task.cancelling()` does not tell: it also counts a time-out of the task's own in the moment it expires.
        for task in set(tasks) - set(self._told_to_end):
            self._told_to_end.add(task)
            task.cancel()

    async def _ended(self, tasks: "Sequence[asyncio.Task[None]]") -> None:
        self._end(tasks)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _is_to_end(self) -> bool:
        """Whether this task was asked to end: a step that answers that with another error has to end all the same."""
        task = asyncio.current_task()
        return task is not None and (task in self._told_to_end or task.cancelling() > 0)

    def _started(self, stages: Sequence[Stage]) -> "list[asyncio.Task[None]]":
        return [asyncio.create_task(self._repeat(stage), name=stage.name) for stage in stages]

    async def _each(self, stages: Sequence[Stage], end: Callable[[Stage], Awaitable[None]]) -> None:
        ends = await asyncio.gather(*(end(stage) for stage in stages), return_exceptions=True)
        for stage, error in zip(stages, ends, strict=True):
            self.pulse.gone(stage.name)
            if isinstance(error, BaseException):
                log.error("stage.undrained", stage=stage.name, line=stage.line, exc_info=error)

    async def _finish(self, stage: Stage) -> None:
        """Have a stage do all that there is to do, as long as there is time."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(self._left(), self._kept)):
                    while await stage.step() is None:
                        pass
        finally:
            await stage.drain(self._left())

    @property
    def _kept(self) -> float:
        """Real seconds of the grace that are kept for telling what calls have brought."""
        return self.grace - calls_share(self.grace)

    def _left(self) -> float:
        """Real seconds of the grace that are left."""
        return (self._deadline or 0.0) - asyncio.get_running_loop().time()

    async def _repeat(self, stage: Stage) -> None:
        failures = 0
        while not self._is_to_end():
            self.pulse.busy(stage.name)
            try:
                rest = await stage.step()
            except (JournalShut, JournalUnwritten) as error:
                rest = _rest_of_the_journal(error)
            # The one place that catches everything: no stage's trouble may end another, nor end a stage unseen.
            except (Exception, asyncio.CancelledError) as error:
                if self._is_to_end():
                    raise
                failures += 1
                rest = self._failed(stage, error, failures)
            else:
                if failures:
                    self._recovered(stage)
                failures = 0
            self.pulse.resting(stage.name)
            if rest is not None and not self._is_to_end():
                await rest.over(self.clock)

    def _failed(self, stage: Stage, error: BaseException, failures: int) -> Rest:
        wait = STAGE_FAILED.delay(failures, self.ids.chance.random())
        if isinstance(error, JournalDamaged):
            self._tell_damaged(stage, error)
        else:
            log.error("stage.failed", stage=stage.name, line=stage.line, failures=failures, wait=wait, exc_info=error)
        if stage.line:
            self.board.report(stage.line, stage.name, LineState.SUSPENDED, "stage_failing")
        return Rest(wait)

    def _tell_damaged(self, stage: Stage, error: JournalDamaged) -> None:
        """Once, and with what to do: every stage meets the same damage, again and again, until somebody restores."""
        if not self._told_damaged:
            self._told_damaged = True
            log.critical("journal.damaged", stage=stage.name, reason=str(error))

    def _recovered(self, stage: Stage) -> None:
        log.info("stage.recovered", stage=stage.name, line=stage.line)
        if stage.line:
            self.board.report(stage.line, stage.name, LineState.READY)


class Crew:
    """Stages that come and go while relay runs.

    Args:
        supervisor: runs them.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._running: dict[Stage, asyncio.Task[None]] = {}

    @property
    def stages(self) -> list[Stage]:
        """Those that run, or still have something in flight."""
        return list(self._running)

    @property
    def tasks(self) -> "list[asyncio.Task[None]]":
        """In which they run."""
        return list(self._running.values())

    def begin(self, stages: Sequence[Stage]) -> None:
        """Run these as well; once relay stops, none is begun any more."""
        self._running.update(zip(stages, self._supervisor.begin(stages), strict=False))

    async def hand_over(self, line: str) -> None:
        """End a line's stages, however long their calls in flight take; where relay stops meanwhile, as all others."""
        leaving = {stage: task for stage, task in self._running.items() if stage.line == line}
        await self._supervisor.handed_over(list(leaving), list(leaving.values()))
        for stage in leaving:
            del self._running[stage]


def _rest_of_the_journal(error: JournalShut | JournalUnwritten) -> Rest:
    """Until the disk takes things again: the journal has said, once for all stages, what is wrong with it."""
    return Rest(UNWRITTEN_PAUSE, error.over)


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
