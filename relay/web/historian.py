"""journal -> minutes: what was announced is counted, and what waits is measured, for the charts. It writes nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

import structlog

from relay.clock import Clock
from relay.domain.announcements import Announcement
from relay.domain.states import Status
from relay.journal import Journal, JournalError
from relay.telemetry.minutes import COUNTED_KINDS, Minutes, was_sent

log = structlog.get_logger()

EVERY = 15.0  # real seconds between two looks while nobody watches the page
REST_FACTOR = 20  # the journal is not asked for more than so small a part of the time
_BATCH = 200  # events that are understood at one go: others have their turn in between
_MOST = 50 * _BATCH  # events that one look counts: it is soon over, and the next one goes on
_LOOK_BACK = 1000  # events before this process: the last text of each line may be among them
_WAITING = (Status.SCHEDULED, Status.QUEUED, Status.SENDING)


class Historian:
    """Keeps the charts' hour.

    Args:
        journal: holds the events, and counts what waits.
        clock: relay's time.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._position: int | None = None
        self._looking = asyncio.Lock()
        self._last: dict[str, dict[str, datetime]] = {}
        self.minutes = Minutes(clock.now())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look again and again, until the block ends."""
        task = asyncio.create_task(self._run(), name="historian")
        task.add_done_callback(_tell)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def look(self) -> None:
        """Count what was announced since the last look; raises JournalError."""
        async with self._looking:
            events = self._journal.events
            if self._position is None:
                self._position = max(await events.last_position() - _LOOK_BACK, 0)
            for _ in range(_MOST // _BATCH):
                batch = await events.follow(self._position, _BATCH, kinds=COUNTED_KINDS)
                if not batch:
                    return
                for position, event in batch:
                    self._count(event)
                    self._position = position

    async def last_texts(self) -> Mapping[str, Mapping[str, datetime]]:
        """By line, when a text last came `in` and went `out`, where that is known; raises JournalError."""
        await self.look()
        return self._last

    def _count(self, event: Announcement) -> None:
        if event.recorded_at >= self.minutes.since:
            self.minutes.of_event(event.recorded_at, event.kind, event.body)
        is_in = event.kind == "message"
        if event.line is not None and (is_in or was_sent(event.body)):
            self._last.setdefault(event.line, {})["in" if is_in else "out"] = event.recorded_at

    def saw(self, waiting: Mapping[str, Any]) -> None:
        """Note how much waits: what the journal's `status` gives, as it is or as JSON."""
        now, lines = self._clock.now(), waiting["lines"].values()
        queue = sum(of["copies"].get(status.value, 0) for of in lines for status in _WAITING)
        due = [_read(of["oldest_due"]) for of in lines if of["oldest_due"]]
        oldest = max(((now - at).total_seconds() for at in due), default=0.0)
        self.minutes.gauge(now, queue=queue, oldest=max(oldest, 0.0))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            with suppress(JournalError):
                await self.look()
                self.saw(await self._journal.queries.status())
            await asyncio.sleep(max(EVERY, REST_FACTOR * (loop.time() - began)))


def _tell(task: "asyncio.Task[None]") -> None:
    """The charts are no promise of relay's: where they fail they end, and everything else goes on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("charts.ended", exc_info=error)


def _read(at: datetime | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else at
