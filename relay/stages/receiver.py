"""provider -> journal: take a web hook, keep its bytes, answer 2xx, then understand it.

The listener calls `take`; the 2xx goes out only after the bytes are on disk. AT&T Landline counts an answer after
seven seconds as a failure and sends the hook again for 72 hours (Landline documentation, Retry Logic), so nothing
that could wait stands before the answer, and what comes twice is recognised when it is read.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from relay.domain.errors import Malformed
from relay.domain.messages import RawAnswer
from relay.journal import Journal, KeptRaw
from relay.providerkit.spec import Line, TakesHooks
from relay.stagekit import Rest, Stage
from relay.telemetry.health import LineBoard

log = structlog.get_logger()

BATCH = 200


class HookedLine(Line, TakesHooks, Protocol):
    """A line that the provider calls back."""


class Receiver(Stage):
    """Takes every line's web hooks."""

    name = "receiver"

    def __init__(self, lines: Mapping[str, HookedLine], *, journal: Journal, board: LineBoard) -> None:
        self._lines = lines
        self._journal = journal
        self._board = board
        self._kept: deque[KeptRaw] = deque()
        self._arrived = asyncio.Event()
        self._resumed = False

    def knows(self, line: str, event: str) -> bool:
        """Whether hooks of this name are taken for this line."""
        return line in self._lines and event in self._lines[line].hook_events

    async def take(self, line: str, event: str, raw: RawAnswer) -> None:
        """Keep a hook; it is on disk on return. Raises JournalFull or JournalUnusable where it cannot be kept."""
        kept = await self._journal.raw.keep(line, "hook", event, "", raw)
        self._kept.append(kept)
        self._arrived.set()

    async def step(self) -> Rest | None:
        """Understand what was kept, in the order it came."""
        if not self._resumed:
            await self._resume()
        if not self._kept:
            self._arrived.clear()
            return Rest(bell=self._arrived)
        batch = [self._kept[place] for place in range(min(BATCH, len(self._kept)))]
        ends = await asyncio.gather(*(self._understand(kept) for kept in batch), return_exceptions=True)
        for kept, end in zip(batch, ends, strict=True):
            self._kept.popleft()
            if end is not None:
                # Behind the others, so that a hook that relay fails at holds up none.
                self._kept.append(kept)
        _raise_first(ends)
        return None

    async def _resume(self) -> None:
        """Take up what a former life kept and did not read, before what comes now."""
        fresh = {kept.id for kept in self._kept}
        left = [kept for line in self._lines for kept in await self._left(line) if kept.id not in fresh]
        self._kept.extendleft(reversed(left))
        self._resumed = True

    async def _left(self, line: str) -> list[KeptRaw]:
        left: list[KeptRaw] = []
        while page := await self._journal.raw.unread(line, source="hook", after=left[-1].id if left else ""):
            left.extend(page)
        return left

    async def _understand(self, kept: KeptRaw) -> None:
        try:
            reading = self._lines[kept.line].read_hook(kept.event, kept.raw)
        except Malformed as error:
            await self._journal.raw.set_aside(kept, error.problem.detail)
            return
        done = await self._journal.raw.understood(kept, messages=reading.messages, reports=reading.reports)
        self._board.success(kept.line)
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
