"""What stages share: what they stand on, a step, a rest between steps, and a window of work in flight that refills."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from relay.clock import Clock
from relay.domain.errors import ConsentRequired
from relay.ids import Ids
from relay.journal import Journal
from relay.providerkit.spec import Line, NeedsConsent
from relay.telemetry.health import LineBoard, state_after
from relay.telemetry.meters import Meters
from relay.telemetry.traces import NoTraces, Traces

LEFT_OVER = "leftovers"  # the bell that rings when a line went, or was changed, and may have left something unread
CONSENT_PAUSE = 60.0  # seconds between two looks whether a consent that is missing has come


@dataclass(frozen=True, slots=True)
class Standing:
    """What a stage stands on.

    Attributes:
        journal: where stages meet.
        board: shows how the lines stand.
        clock: relay's time.
        ids: chance, for waits that are spread.
        meters: count what happens.
        traces: hear of it.
    """

    journal: Journal
    board: LineBoard
    clock: Clock
    ids: Ids
    meters: Meters = field(default_factory=Meters)
    traces: Traces = field(default_factory=NoTraces)


class Bell(Protocol):
    """Something that rings when there may be work."""

    async def wait(self) -> object:
        """Return once it has rung since the last wait."""


@dataclass(frozen=True, slots=True)
class Rest:
    """There is nothing to do until the bell rings or so many of relay's seconds have passed, whichever is first."""

    seconds: float | None = None
    bell: Bell | None = None

    async def over(self, clock: Clock) -> None:
        """Wait for the end of the rest."""
        if self.bell is None:
            await clock.sleep(self.seconds or 0)
        elif self.seconds is None:
            await self.bell.wait()
        else:
            with suppress(TimeoutError):
                await clock.wait(self.bell.wait(), max(self.seconds, 0))


def rest_ends(rest: object, now: datetime) -> datetime | None:
    """When a rest ends at the latest; None where it is none, or has no end of its own."""
    return now + timedelta(seconds=rest.seconds) if isinstance(rest, Rest) and rest.seconds is not None else None


class EitherBell:
    """Rings when one of two does."""

    def __init__(self, first: Bell, second: Bell) -> None:
        self._bells = (first, second)

    async def wait(self) -> None:
        """Return once one of them has rung since the last wait."""
        waits = [asyncio.ensure_future(_rung(bell)) for bell in self._bells]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


async def _rung(bell: Bell) -> None:
    await bell.wait()


class Window:
    """Work in flight, at most `size` pieces at once: a free place is taken at once, none waits for the slowest.

    A piece is not cancelled when the stage stops: `drain` lets it finish first. A piece that fails unexpectedly
    makes the next `room` raise its error, so that the supervisor sees it; what failed together is raised once.

    Args:
        size: how many pieces at once.
        most: what they weigh together at most, in whatever unit; a heavier piece is in flight alone.
    """

    def __init__(self, size: int, most: float = math.inf) -> None:
        self._size = size
        self._most = most
        self._weight = 0.0
        self._weights: dict[asyncio.Task[Any], float] = {}
        self._pieces: set[asyncio.Task[Any]] = set()
        self._changed = asyncio.Event()
        self._failed: list[BaseException] = []
        self._tell: Callable[[], None] | None = None

    @property
    def busy(self) -> int:
        """How many pieces are in flight."""
        return len(self._pieces)

    @property
    def free(self) -> int:
        """How many more there may be."""
        return self._size - len(self._pieces)

    def when_freed(self, tell: Callable[[], None]) -> None:
        """Call `tell` once, when the next piece ends: for who rests although there is room."""
        self._tell = tell

    async def room(self, weight: float = 0) -> None:
        """Return once a place is free, for a piece of such a weight; raises what a piece failed with."""
        while True:
            if self._failed:
                # One trouble is one failure: else the stage would still be failing long after the trouble is over.
                first, *_ = self._failed
                self._failed.clear()
                raise first
            if len(self._pieces) < self._size and self.bears(weight):
                return
            self._changed.clear()
            await self._changed.wait()

    def bears(self, weight: float) -> bool:
        """Whether a piece of such a weight is not too much beside those that are in flight."""
        return not self._pieces or self._weight + weight <= self._most

    def start(self, piece: Coroutine[Any, Any, Any], name: str, weight: float = 0) -> "asyncio.Task[Any]":
        """Put `piece` in flight."""
        task = asyncio.create_task(piece, name=name)
        self._pieces.add(task)
        self._weights[task] = weight
        self._weight += weight
        task.add_done_callback(self._ended)
        return task

    async def run(self, piece: Coroutine[Any, Any, Any], name: str) -> Any:
        """Put `piece` in flight and wait for it; being cancelled meanwhile leaves it in flight, for `drain`."""
        return await self.over(self.start(piece, name))

    async def over(self, task: "asyncio.Task[Any]") -> Any:
        """Wait for a piece that was put in flight; gives what it gives, and raises what it failed with."""
        await asyncio.wait({task})
        if task.cancelled() or task.exception() is None:
            return None if task.cancelled() else task.result()
        await self.room()
        return None

    async def drain(self, seconds: float) -> None:
        """Let what is in flight finish within so many real seconds, then cancel the rest and see it end."""
        if not self._pieces:
            return
        _, late = await asyncio.wait(set(self._pieces), timeout=max(seconds, 0))
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._pieces.discard(task)
        self._weight -= self._weights.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed.append(error)
        self._changed.set()
        tell, self._tell = self._tell, None
        if tell is not None:
            tell()


class Stage:
    """One arrow of the picture. It does one piece of work at a time, when the supervisor says so.

    Attributes:
        name: unique among the running stages, such as `sender/alerts`.
        line: the line whose trouble this stage's trouble is, or None.
    """

    name: str
    line: str | None = None

    async def step(self) -> Rest | None:
        """Do one piece of work; None says that there may be more, a rest that there is none for now."""
        raise TypeError(f"{type(self).__name__} has no step")

    async def drain(self, seconds: float) -> None:
        """Finish what is in flight within so many real seconds, after the last step."""

    async def hand_over(self) -> None:
        """Finish what is in flight, however long it takes, and write all of it down, after the last step.

        Whoever takes this work up begins from the journal. Where it fails, something is to be written down still: then
        it is called again.
        """
        await self.drain(math.inf)


class ConsentGate:
    """Holds one stage of a line back while its subscriber does not agree; nothing is asked of the provider then.

    Whoever takes a consent rings the bell `consent:<line>`.

    Args:
        line: the line.
        part: the name under which the stage reports to the board.
        standing: what the stage stands on.
    """

    def __init__(self, line: Line, part: str, standing: Standing) -> None:
        self._line = line
        self._part = part
        self._board = standing.board
        self._bell = standing.journal.listen(f"consent:{line.alias}")
        self._shut = False
        self._owed = False

    def shut(self, error: ConsentRequired) -> None:
        """The provider, or the line itself, says that there is no consent."""
        self._board.report(self._line.alias, self._part, state_after(error), error.problem.code)
        # One rest at least, whatever the line thinks of its consent: a stage must never spin.
        self._shut = self._owed = True

    @property
    def is_shut(self) -> bool:
        """Whether the stage is held back, as far as it was last told."""
        return self._shut

    async def rest(self) -> Rest | None:
        """The rest that the stage has to take now; None where it may go on."""
        if not self._shut:
            return None
        if not self._owed and await self._is_given():
            self._shut = False
            self._board.clear(self._line.alias, self._part)
            return None
        self._owed = False
        return Rest(CONSENT_PAUSE, self._bell)

    async def _is_given(self) -> bool:
        return not isinstance(self._line, NeedsConsent) or (await self._line.consent()).given
