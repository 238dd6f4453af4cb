"""provider -> journal: fetch an inbox page, keep its bytes, then understand them.

AT&T deletes what it hands out ("Upon retrieval of a message, the message is removed from the server", SMS
documentation, Get SMS), so the bytes are on disk before anybody reads them, and a fetch is never cut short.
"""

from datetime import datetime, timedelta

import structlog

from relay.clock import Clock
from relay.domain.errors import Malformed, NotAuthorized, OutcomeUnknown, RelayError, Throttled, TryLater
from relay.domain.messages import InboxPage
from relay.domain.schedule import RETRY_SEND
from relay.ids import Ids
from relay.journal import Journal, KeptRaw
from relay.providerkit.spec import FetchesInbox, Line
from relay.stagekit import Rest, Stage, Window
from relay.telemetry.health import LineBoard, LineState

log = structlog.get_logger()

LAST_POLL = "inbox.polled"
LOSS_MARGIN = 300.0  # seconds: however a fetch fails, the next one comes this long before the provider discards


class PolledLine(Line, FetchesInbox):
    """A line whose inbox is polled."""


class Poller(Stage):
    """Empties one line's inbox, every `poll_interval`, and at once while more is pending."""

    def __init__(self, line: PolledLine, *, journal: Journal, board: LineBoard, clock: Clock, ids: Ids) -> None:
        self.name = f"poller/{line.alias}"
        self.line = line.alias
        self._line = line
        self._journal = journal
        self._memory = journal.memory(line.alias)
        self._board = board
        self._clock = clock
        self._ids = ids
        self._window = Window(1)
        self._failures = 0
        self._resumed = False
        self._log = log.bind(line=line.alias)

    async def step(self) -> Rest | None:
        """Fetch one page when it is due."""
        await self._window.room()
        if not self._resumed:
            rest = await self._window.run(self._resume(), self.name)
        else:
            rest = await self._window.run(self._poll(), self.name)
        return rest if isinstance(rest, Rest) else None

    async def drain(self, seconds: float) -> None:
        """Let a fetch that is under way finish: its page is deleted at the provider."""
        await self._window.drain(seconds)

    async def _resume(self) -> Rest | None:
        """Understand what a former life kept and did not read, and keep the provider's interval over restarts."""
        for kept in await self._journal.raw.unread(self._line.alias, source="inbox"):
            await self._understand(kept)
        self._resumed = True
        last = await self._memory.get(LAST_POLL)
        if last is None:
            return None
        polled = datetime.fromisoformat(last.decode())
        self._tell_loss(polled)
        passed = (self._clock.now() - polled).total_seconds()
        wait = self._line.poll_interval - max(passed, 0)
        return Rest(wait) if wait > 0 else None

    async def _poll(self) -> Rest | None:
        try:
            raw = await self._line.fetch_inbox()
        except RelayError as error:
            return await self._failed(error)
        kept = await self._journal.raw.keep(self._line.alias, "inbox", "", "", raw)
        now = self._clock.now()
        await self._memory.put(LAST_POLL, now.isoformat().encode())
        self._failures = 0
        self._board.report(self._line.alias, "inbox", LineState.READY)
        self._tell_loss(now)
        page = await self._understand(kept)
        more = page is not None and page.pending > 0
        return None if more else Rest(self._line.poll_interval)

    def _tell_loss(self, polled: datetime) -> None:
        self._board.loss_at(self._line.alias, polled + timedelta(seconds=self._line.loss_after))

    async def _understand(self, kept: KeptRaw) -> InboxPage | None:
        try:
            page = self._line.read_inbox(kept.raw)
        except Malformed as error:
            await self._journal.raw.set_aside(kept, error.problem.detail)
            return None
        done = await self._journal.raw.understood(kept, messages=page.messages)
        self._log.info("inbox.read", raw_id=kept.id, messages=done.messages, pending=page.pending)
        return page

    async def _failed(self, error: RelayError) -> Rest:
        self._failures += 1
        problem, alias = error.problem, self._line.alias
        rest = RETRY_SEND.delay(self._failures, self._ids.chance.random())
        match error:
            case OutcomeUnknown():
                # The page may have been deleted with the answer lost: say so, for it can never be fetched again.
                await self._journal.events.announce(alias, "loss-suspected", {"reason": problem.detail})
                rest = self._line.poll_interval
            case Throttled():
                rest = max(error.after or 0.0, self._line.poll_interval)
                self._board.report(alias, "inbox", LineState.THROTTLED, problem.code)
            case TryLater():
                rest = error.after or rest
                self._board.report(alias, "inbox", LineState.UNREACHABLE, problem.code)
            case NotAuthorized():
                rest = 60.0
                self._board.report(alias, "inbox", LineState.UNAUTHORIZED, problem.code)
            case _:
                rest = self._line.poll_interval
                self._board.report(alias, "inbox", LineState.SUSPENDED, problem.code)
        self._log.warning("inbox.failed", policy=type(error).__name__, code=problem.code.value, failures=self._failures)
        return Rest(min(rest, self._line.loss_after - LOSS_MARGIN))
