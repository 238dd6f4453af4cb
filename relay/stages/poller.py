"""provider -> journal: fetch an inbox page, keep its bytes, then understand them.

AT&T deletes what it hands out ("Upon retrieval of a message, the message is removed from the server", SMS
documentation, Get SMS), so the bytes are on disk before anybody reads them, and a fetch is never cut short.
"""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from pydantic_core import from_json, to_json

from relay.boundaries import Boundary, reached
from relay.domain.errors import Malformed, NotAuthorized, OutcomeUnknown, RelayError, Throttled, TryLater
from relay.domain.messages import InboxPage, RawAnswer
from relay.domain.schedule import RETRY_SEND
from relay.journal import JournalError, JournalShut, KeptRaw, PageMark
from relay.providerkit.spec import FetchesInbox, Line, SalvagesInbox
from relay.stagekit import Rest, Stage, Standing, Window, rest_ends
from relay.telemetry.health import LineState, state_after
from relay.telemetry.traces import Operation

log = structlog.get_logger()

_MARK = "inbox.polls"
LOSS_MARGIN = 300.0  # seconds: however a fetch fails, the next one comes this long before the provider discards


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the journal remembers of a line's polls: when one last brought its page, and which one is under way.

    A poll that was begun and left no page may have deleted one at the provider: that is told, never guessed away. It
    brought nothing either: `tried`, when it was begun, counts for the interval alone.
    """

    polled: datetime | None = None
    begun: str | None = None
    tried: datetime | None = None

    @classmethod
    def read(cls, kept: bytes | None) -> "_Mark":
        found = from_json(kept) if kept else {}
        return cls(_time(found.get("polled")), found.get("begun"), _time(found.get("tried")))

    def written(self) -> bytes:
        times = {"polled": self.polled, "tried": self.tried}
        return to_json({"begun": self.begun, **{name: time.isoformat() for name, time in times.items() if time}})

    @property
    def last(self) -> datetime | None:
        """When the provider was last asked."""
        return max((time for time in (self.polled, self.tried) if time), default=None)


def _time(kept: str | None) -> datetime | None:
    return datetime.fromisoformat(kept) if kept else None


class PolledLine(Line, FetchesInbox, Protocol):
    """A line whose inbox is polled."""


class Poller(Stage):
    """Empties one line's inbox, every `poll_interval`, and at once while more is pending.

    Args:
        line: whose.
        standing: what a stage stands on.
        has_turn: whether it is for this node to poll it, now.
    """

    def __init__(self, line: PolledLine, standing: Standing, *, has_turn: Callable[[], bool] = lambda: True) -> None:
        self.name = f"poller/{line.alias}"
        self.line = line.alias
        self._line = line
        self._has_turn = has_turn
        self._journal, self._board = standing.journal, standing.board
        self._clock, self._ids, self._traces = standing.clock, standing.ids, standing.traces
        self._memory = self._journal.memory(line.alias)
        self._window = Window(1)
        self._reading = Window(2)  # what a page says is written down while the next one is asked for
        self._kept_page: tuple[KeptRaw, InboxPage] | None = None  # that is not being written down yet
        self._failures = 0
        self._mark: _Mark | None = None  # None: the journal knows more than this stage, as at the start
        self._attempts: set[bytes] = set()  # marks of this stage's of which it does not know whether one is kept
        # Fetched under the first mark, and not on disk yet; the other is the one that it is kept with.
        self._unkept: tuple[_Mark, RawAnswer, _Mark] | None = None
        self._log = log.bind(line=line.alias)

    async def step(self) -> Rest | None:
        """Fetch one page; it is due when the last rest is over."""
        await self._window.room()
        rest = await self._window.run(self._next(), self.name)
        self._board.polls_at(self._line.alias, rest_ends(rest, self._clock.now()))
        return rest if isinstance(rest, Rest) else None

    async def drain(self, seconds: float) -> None:
        """Let a fetch that is under way finish: its page is deleted at the provider, and is still to be kept."""
        await self._window.drain(seconds)
        self._begin_reading()
        await self._reading.drain(seconds)
        self._board.polls_at(self._line.alias, None)
        if self._unkept is not None and self._journal.nodes.is_shared:
            # Once its turn is over, this stage has no other time for it.
            await self._keep(*self._unkept)

    async def hand_over(self) -> None:
        """Let a fetch that is under way finish, and keep its page."""
        await self._window.drain(math.inf)
        self._board.polls_at(self._line.alias, None)
        if self._unkept is not None:
            await self._keep(*self._unkept)
        await self._all_read()

    async def _next(self) -> Rest | None:
        if self._unkept is not None:
            return await self._keep(*self._unkept)
        # What goes wrong from here on in a way that nobody foresaw is taken up as a new life would.
        mark, self._mark = self._mark, None
        await self._reading.room()
        if mark is None:
            return await self._resume()
        if self._journal.nodes.is_shared:
            # A node whose turn is over may have kept a page since, and have died before it read it.
            await self._read_left()
        return await self._poll(mark)

    async def _resume(self) -> Rest | None:
        """Understand what was kept and not read, tell a loss, and keep the provider's interval over restarts."""
        unread = await self._read_left()
        mark = _Mark.read(await self._memory.get(_MARK))
        if not self._has_turn():
            return self._leave()
        if mark.begun is not None:
            found = [kept.received_at for kept in unread if kept.about == mark.begun]
            if not found:
                await self._suspect_loss("relay stopped while a page was being fetched")
            else:
                await self._tell_gap(mark, found[0])
            before, mark = mark, _Mark(found[0]) if found else _Mark(mark.polled, tried=mark.tried or self._clock.now())
            await self._remember(mark, instead_of=before)
        self._mark = mark
        if mark.polled is not None:
            self._tell_loss(mark.polled)
        if mark.last is None:
            return None
        passed = (self._clock.now() - mark.last).total_seconds()
        wait = self._line.poll_interval - max(passed, 0)
        return Rest(wait) if wait > 0 else None

    async def _read_left(self) -> list[KeptRaw]:
        unread = await self._journal.raw.unread(self._line.alias, source="inbox")
        for kept in unread:
            await self._understand(kept)
        await self._all_read()
        return unread

    async def _poll(self, mark: _Mark) -> Rest | None:
        begun = _Mark(mark.polled, self._ids.new(), self._clock.now())
        try:
            # A page that is fetched has to be kept: none is asked for while the disk may not take it.
            is_mine = await self._begin(mark, begun)
            reached(Boundary.INBOX_BEGUN)
            # That may have waited for longer than the turn lasted: what another node fetches now is not fetched here.
            if not (is_mine and self._has_turn()):
                await self._remember(mark, instead_of=begun)
                return self._leave()
            self._journal.limits.count(self._line.alias, "inbox")
            raw = await self._line.fetch_inbox()
        except RelayError as error:
            rest = await self._failed(error, mark)
            # All is told, whether or not the journal can forget that this poll had begun.
            self._mark = mark
            await self._remember(mark, instead_of=begun)
            return rest
        except JournalShut as shut:
            self._mark = mark
            return Rest(self._line.poll_interval, shut.over)
        except JournalError:
            # A line uses the journal before the request is written, or after a 401, for its token: nothing was fetched.
            self._mark = mark
            raise
        self._unkept = (begun, raw, _Mark(self._clock.now()))
        return await self._keep(*self._unkept)

    async def _begin(self, mark: _Mark, begun: _Mark) -> bool:
        """Mark a poll as begun; whether nobody else has polled since `mark`."""
        before, written = mark.written(), begun.written()
        earlier = self._attempts.copy()
        self._attempts.add(written)
        self._begin_reading()
        # With what the last page says, in one transaction: a task of its own begins when that one does.
        there = await asyncio.ensure_future(self._memory.swap(_MARK, before, written, begins=True))
        if there in earlier:
            # It could not be known whether it had been kept, and nothing was fetched under it.
            there = await self._memory.swap(_MARK, there, written, begins=True)
        self._attempts = {written}
        return there == written

    def _leave(self) -> Rest | None:
        """Leave it to another node; while it is this one's turn, see what the journal knows."""
        return None if self._has_turn() else Rest(self._line.poll_interval)

    async def _keep(self, begun: _Mark, raw: RawAnswer, mark: _Mark) -> Rest | None:
        """Keep a page; where it cannot be kept, the next step tries that again and fetches nothing."""
        reached(Boundary.INBOX_FETCHED)
        kept, is_marked = await self._kept(begun, raw, mark)
        reached(Boundary.INBOX_KEPT)
        self._unkept = None
        if not is_marked:
            await self._tell_gap(begun, kept.received_at)
            if raw.broken:
                await self._suspect_loss(raw.broken)
            await self._remember(mark, instead_of=begun)
        if self._failures:
            self._log.info("inbox.recovered", failures=self._failures)
        self._failures = 0
        self._board.report(self._line.alias, "inbox", LineState.READY)
        self._tell_loss(kept.received_at)
        page = await self._understand(kept)
        # A page with nothing on it brings nobody further, whatever it says of the next one.
        more = page is not None and page.messages and page.pending > 0
        if not more or self._journal.nodes.is_shared:
            await self._all_read()
        self._mark = mark
        return None if more else Rest(self._line.poll_interval)

    async def _kept(self, begun: _Mark, raw: RawAnswer, mark: _Mark) -> tuple[KeptRaw, bool]:
        """The page, on disk, and whether its mark is set: that is so unless a loss is to be told first."""
        about, keeps = begun.begun or "", self._journal.raw
        if not raw.broken:
            until = (begun.polled or mark.polled or self._clock.now()) + timedelta(seconds=self._line.loss_after)
            # Whatever may be wrong with the mark, the page is to be kept.
            with suppress(JournalError):
                marked = PageMark(_MARK, begun.written(), mark.written(), until)
                return await keeps.keep_page(self._line.alias, about, raw, marked)
        return await keeps.keep(self._line.alias, "inbox", "", about, raw), False

    async def _remember(self, mark: _Mark, *, instead_of: _Mark) -> None:
        # Not over the mark of a node whose turn it is by now; but also while a turn is being given up, or else the
        # next one would take this poll for one that nobody has kept.
        await self._memory.swap(_MARK, instead_of.written(), mark.written())

    async def _tell_gap(self, mark: _Mark, polled: datetime) -> None:
        """Suspect a loss where a poll came too late after the last one: the provider has discarded what was old."""
        if mark.polled and (polled - mark.polled).total_seconds() > self._line.loss_after:
            await self._suspect_loss("no poll for longer than the provider keeps texts")

    async def _suspect_loss(self, reason: str) -> None:
        """Say that a page may have been deleted with nobody to keep it: it can never be fetched again."""
        await self._journal.events.announce(self._line.alias, "loss-suspected", {"reason": reason})
        self._log.log(40 if self._failures <= 1 else 20, "inbox.loss_suspected", reason=reason)

    def _tell_loss(self, polled: datetime) -> None:
        self._board.loss_at(self._line.alias, polled + timedelta(seconds=self._line.loss_after))

    async def _understand(self, kept: KeptRaw) -> InboxPage | None:
        """What a page says. It is written down while the next one is asked for; one page after the other."""
        await self._all_read()
        try:
            page = self._line.read_inbox(kept.raw)
        except Malformed as error:
            with self._traces.span(Operation.PROCESS, self.line, raw_id=kept.id) as span:
                span.tell(code=error.problem.code.value)
                await self._salvage(kept, error.problem.detail)
            return None
        self._kept_page = (kept, page)
        return page

    def _begin_reading(self) -> None:
        page, self._kept_page = self._kept_page, None
        if page is not None:
            self._reading.start(self._write_down(*page), self.name)

    async def _write_down(self, kept: KeptRaw, page: InboxPage) -> None:
        with self._traces.span(Operation.PROCESS, self.line, raw_id=kept.id) as span:
            done = await self._journal.raw.understood(kept, messages=page.messages)
            span.tell(messages=done.messages)
        self._log.info("inbox.read", raw_id=kept.id, messages=done.messages, pending=page.pending)

    async def _all_read(self) -> None:
        """Return once what was kept is written down; raises what that failed with."""
        self._begin_reading()
        await self._reading.drain(math.inf)
        await self._reading.room()

    async def _salvage(self, kept: KeptRaw, why: str) -> None:
        """Tell the messages of a damaged page that can be read; the rest waits for a person."""
        saved = self._line.salvage_inbox(kept.raw) if isinstance(self._line, SalvagesInbox) else None
        if saved is None or not saved.messages:
            await self._journal.raw.set_aside(kept, why)
            return
        done = await self._journal.raw.salvaged(kept, saved.messages, saved.rest, why)
        self._log.warning("inbox.salvaged", raw_id=kept.id, messages=done.messages)

    async def _failed(self, error: RelayError, mark: _Mark) -> Rest:
        self._failures += 1
        problem = error.problem
        rest = RETRY_SEND.delay(self._failures, self._ids.chance.random())
        match error:
            case OutcomeUnknown():
                await self._suspect_loss(problem.detail)
                rest = self._line.poll_interval
            case Throttled():
                rest = max(error.after or 0.0, self._line.poll_interval)
            case TryLater():
                rest = error.after or rest
            case NotAuthorized():
                rest = 60.0
            case _:
                rest = self._line.poll_interval
        if not isinstance(error, OutcomeUnknown):
            self._board.report(self._line.alias, "inbox", state_after(error), problem.code)
        level, failures = 30 if self._failures == 1 else 20, self._failures
        self._log.log(level, "inbox.failed", policy=type(error).__name__, code=problem.code.value, failures=failures)
        return Rest(min(rest, self._before_loss(mark)))

    def _before_loss(self, mark: _Mark) -> float:
        """Seconds until the next poll has to come, however the last one failed."""
        passed = (self._clock.now() - mark.polled).total_seconds() if mark.polled else 0.0
        return max(self._line.loss_after - LOSS_MARGIN - passed, LOSS_MARGIN)
