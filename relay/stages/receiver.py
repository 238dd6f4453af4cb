"""provider -> journal: take a web hook, keep its bytes, answer 2xx, then understand it.

The listener calls `take`; the 2xx goes out only after the bytes are on disk. AT&T Landline counts an answer after
seven seconds as a failure and sends the hook again for 72 hours (Landline documentation, Retry Logic), so nothing
that could wait stands before the answer, and what comes twice is recognised when it is read.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from typing import Protocol

import structlog

from relay.boundaries import Boundary, reached
from relay.domain.errors import Malformed
from relay.domain.messages import RawAnswer
from relay.heirs import Heirs
from relay.hookkeeping import HookKeeping
from relay.journal import JournalError, JournalUnusable, KeptRaw, Reading, Spool, Understood
from relay.providerkit.spec import Line, TakesHooks
from relay.stagekit import LEFT_OVER, Rest, Stage, Standing
from relay.telemetry.traces import Operation, Span

log = structlog.get_logger()

BATCH = 200
MOST = 5 * BATCH  # hooks in memory; the others wait in the journal


class HookedLine(Line, TakesHooks, Protocol):
    """A line that the provider calls back."""


class Receiver(Stage):
    """Takes every line's web hooks.

    Args:
        lines: those with web hooks, by alias.
        standing: what a stage stands on.
        spool: where hooks are kept while the journal takes none; None: nowhere.
    """

    name = "receiver"

    def __init__(self, lines: Mapping[str, HookedLine], standing: Standing, spool: Spool | None = None) -> None:
        self._lines = lines
        self._keeping = HookKeeping(standing, spool)
        self._journal, self._board, self._traces = standing.journal, standing.board, standing.traces
        self._kept: dict[str, KeptRaw] = {}  # by id, in the order in which they are read
        self._arrived = asyncio.Event()
        self._progress = asyncio.Event()
        self._heirs = Heirs(standing)
        self._behind = False  # the journal may hold some that are not in memory
        self._read_to: dict[str, str] = {}  # by line: the last that was taken up from the journal

    @property
    def waiting(self) -> int:
        """How many hooks are in memory, to be read."""
        return len(self._kept)

    def knows(self, line: str, event: str) -> bool:
        """Whether hooks of this name are taken for this line."""
        return line in self._lines and event in self._lines[line].hook_events

    async def take(self, line: str, event: str, raw: RawAnswer) -> None:
        """Keep a hook; it is on disk on return. Raises JournalFull or JournalUnusable where it cannot be kept."""
        reached(Boundary.HOOK_TAKEN)
        try:
            kept = await self._keeping.keep(line, event, raw)
        except JournalUnusable:
            # It may be on disk all the same: the journal is asked what there is to read.
            self.look_again()
            raise
        reached(Boundary.HOOK_KEPT)
        if line not in self._lines:
            # It has gone meanwhile: what is kept of it is for whoever reads what is left over.
            self._journal.ring(LEFT_OVER)
            return
        if kept is None:
            return  # It is told here when it was folded into the journal.
        if len(self._kept) >= MOST:
            self._behind = True
        if not self._behind:
            self._kept[kept.id] = kept
        self._arrived.set()

    def look_again(self) -> None:
        """There are hooks in the journal that were not taken here, maybe between those that were read from it."""
        self._behind = True
        self._read_to.clear()
        self._arrived.set()

    async def has_read(self, line: str) -> None:
        """Return once nothing that was taken for this line is in memory to be read."""
        while any(kept.line == line for kept in self._kept.values()):
            self._progress.clear()
            await self._progress.wait()

    async def step(self) -> Rest | None:
        """Understand what was kept, in the order it came."""
        if self._heirs.are_called():
            # What a former life left, or a node that has died; also between what this one has read since.
            self._behind = True
            self._read_to.clear()
        if self._behind and len(self._kept) <= MOST - BATCH:
            await self._take_up()
        if not self._kept and not self._behind:
            self._arrived.clear()
            return self._heirs.rest(Rest(bell=self._arrived))
        batch = list(islice(self._kept.values(), BATCH))
        ends = await self._understand(batch)
        for kept, end in zip(batch, ends, strict=True):
            del self._kept[kept.id]
            if end is not None:
                # Behind the others, so that a hook that relay fails at holds up none.
                self._kept[kept.id] = kept
        self._progress.set()
        _raise_first(ends)
        return None

    async def _take_up(self) -> None:
        """Take up the next of those that wait in the journal."""
        self._arrived.clear()
        found = False
        for line in self._lines:
            after = self._read_to.get(line, "")
            left = await self._journal.raw.unread(line, source="hook", after=after, limit=BATCH, own=True)
            if left:
                found, self._read_to[line] = True, left[-1].id
            self._kept.update((kept.id, kept) for kept in left if kept.id not in self._kept)
        # What came while it was read may not be among it.
        self._behind = found or self._arrived.is_set()

    async def _understand(self, batch: Sequence[KeptRaw]) -> Sequence[BaseException | None]:
        """Write down what these mean, together; gives what each failed with.

        Where relay fails at one of them, each is written down alone, so that only that one fails.
        """
        mine = [kept for kept in batch if kept.line in self._lines]
        [end] = await asyncio.gather(self._write_down(mine), return_exceptions=True)
        if end is None or len(batch) == 1 or isinstance(end, JournalError):
            return [end] * len(batch)
        return [(await self._understand([kept]))[0] for kept in batch]

    async def _write_down(self, batch: Sequence[KeptRaw]) -> None:
        with ExitStack() as stack:
            spans = {kept.id: stack.enter_context(self._span(kept)) for kept in batch}
            readings = [one for kept in batch if (one := await self._read(kept, spans[kept.id]))]
            ends = await self._journal.raw.all_understood(readings) if readings else ()
            for reading, done in zip(readings, ends, strict=True):
                self._tell(reading.kept, done, spans[reading.kept.id])
            for line in {reading.kept.line for reading in readings}:
                self._board.success(line)

    def _span(self, kept: KeptRaw) -> AbstractContextManager[Span]:
        return self._traces.span(Operation.PROCESS, kept.line, raw_id=kept.id, hook=kept.event)

    async def _read(self, kept: KeptRaw, span: Span) -> Reading | None:
        """What it means; None where nobody can tell, and it waits for a person, or where its line has gone."""
        line = self._lines.get(kept.line)
        if line is None:
            return None
        try:
            found = line.read_hook(kept.event, kept.raw)
        except Malformed as error:
            span.tell(code=error.problem.code.value)
            await self._journal.raw.set_aside(kept, error.problem.detail)
            return None
        reached(Boundary.HOOK_READ)
        return Reading(kept, found.messages, found.reports, found.sightings, found.changes)

    def _tell(self, kept: KeptRaw, done: Understood, span: Span) -> None:
        span.tell(messages=done.messages, receipts=done.applied)
        log.info(
            "hook.read",
            line=kept.line,
            hook=kept.event,
            raw_id=kept.id,
            messages=done.messages,
            duplicates=done.duplicates,
            applied=done.applied,
            parked=done.parked,
        )


def _raise_first(ends: Sequence[BaseException | None]) -> None:
    """Raise the first of what went wrong."""
    for end in ends:
        if end is not None:
            raise end
