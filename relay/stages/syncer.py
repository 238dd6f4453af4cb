"""provider -> journal: follow what changes in a subscriber's message store, and compare all of it where that fails.

Reading deletes nothing, and the journal moves the cursor in the same transaction as what it brought: a fall in between
repeats a little and loses nothing.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from relay.boundaries import Boundary, reached
from relay.domain.errors import (
    ConsentRequired,
    CursorInvalid,
    ErrorCode,
    Malformed,
    NotAuthorized,
    NotReady,
    Problem,
    Refused,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.mailbox import MailEntry, MailPage
from relay.domain.messages import RawAnswer
from relay.domain.schedule import RETRY_SEND
from relay.journal import MailboxStanding
from relay.providerkit.spec import Line, NeedsConsent, SyncsMailbox
from relay.stagekit import ConsentGate, Rest, Stage, Standing, Window, rest_ends
from relay.telemetry.health import LineState, state_after
from relay.turns import line_turn

log = structlog.get_logger()

PAGE = 500  # messages: as many as AT&T lists at once (In-App Messaging, Get Message List)
MOST_PAGES = 400
TORN_TRIES = 5  # so often is a store listed that changes meanwhile; then it rests
ROUNDS_AT_ONCE = 100  # changes that are fetched without a rest, however many more there seem to be
UNREADY_FOR = timedelta(minutes=10)  # how long a store may be made ready before the line shows it
UNAUTHORIZED_PAUSE = 60.0
LONGEST_WAIT = 3600.0  # whatever the provider asks for
_PART = "mailbox"


class SyncedLine(Line, SyncsMailbox, Protocol):
    """A line whose provider keeps the subscriber's messages."""


class Syncer(Stage):
    """Keeps the journal's picture of one line's message store right, every `sync_interval`."""

    def __init__(self, line: SyncedLine, standing: Standing) -> None:
        self.name = f"syncer/{line.alias}"
        self.line = line.alias
        self._line = line
        self._journal, self._board = standing.journal, standing.board
        self._clock, self._ids = standing.clock, standing.ids
        self._window = Window(1)
        self._gate = ConsentGate(line, _PART, standing)
        self._is_prepared = False
        self._starts_over = False
        self._passed: set[str] = set()  # cursors since the last rest
        self._failures = 0
        self._restarts = 0  # comparisons of everything since changes could last be followed
        self._unready_since: datetime | None = None
        self._log = log.bind(line=line.alias)

    async def step(self) -> Rest | None:
        """Take what changed since the last step, or compare everything."""
        await self._window.room()
        # In flight, so that a stop does not cut short the renewal of a token.
        rest = await self._window.run(self._next(), self.name)
        self._board.polls_at(self._line.alias, rest_ends(rest, self._clock.now()))
        return rest if isinstance(rest, Rest) else None

    async def drain(self, seconds: float) -> None:
        """Let what is being fetched be written down."""
        await self._window.drain(seconds)
        self._board.polls_at(self._line.alias, None)

    async def _next(self) -> Rest | None:
        rest = await self._gate.rest()
        if rest is not None:
            return rest
        if (shut := self._journal.shut) is not None:
            return Rest(self._line.sync_interval, shut.over)
        try:
            more = await self._sync()
        except RelayError as error:
            return await self._failed(error)
        self._unready_since = None
        self._board.report(self._line.alias, _PART, LineState.READY)
        return self._after(more=more)

    def _after(self, *, more: bool) -> Rest | None:
        if more and len(self._passed) < ROUNDS_AT_ONCE:
            return None
        self._passed.clear()
        return Rest(self._line.sync_interval)

    async def _sync(self) -> bool:
        """Whether there may be more at once."""
        if not self._is_prepared:
            self._count()
            await self._line.prepare_mailbox()
            # Its subscriber has agreed: a number that was only misspelt forgets nothing.
            await self._journal.mailbox.belongs(self._line.alias, self._line.number)
            self._is_prepared = True
        known = await self._journal.mailbox.standing(self._line.alias)
        if known.cursor is None or self._starts_over:
            can_follow = await self._compare(known)
            self._starts_over = False
            return can_follow
        return await self._follow(known.cursor)

    async def _follow(self, cursor: str) -> bool:
        self._count()
        try:
            changes = await self._line.fetch_changes(cursor)
        except (CursorInvalid, Malformed) as error:
            return await self._start_over(error)
        reached(Boundary.CHANGES_FETCHED)
        done = await self._journal.mailbox.changed(self._line.alias, changes, under=line_turn(self._line.alias))
        reached(Boundary.CHANGES_KEPT)
        if self._failures:
            self._log.info("mailbox.recovered", failures=self._failures)
        self._failures = self._restarts = 0
        found = bool(changes.added or changes.updated or changes.deleted)
        self._log.log(
            20 if found else 10, "mailbox.followed", added=done.added, updated=done.updated, deleted=done.deleted
        )
        self._passed.add(cursor)
        # A cursor that comes around again would go on for ever.
        return found and changes.cursor not in self._passed

    async def _start_over(self, error: CursorInvalid | Malformed) -> bool:
        """What the changes would have told is found by comparing everything: at once, but for a second time."""
        self._starts_over = True
        self._restarts += 1
        if self._restarts > 1:
            raise error
        await self._note(error)
        return True

    async def _compare(self, known: MailboxStanding) -> bool:
        """Whether changes can be followed from here on."""
        listing = Listing(self._line, self._count)
        await listing.fetch()
        done = await self._journal.mailbox.compared(
            self._line.alias,
            tuple(listing.entries.values()),
            listing.cursor,
            unpublished_before=await self._unpublished_before(known),
            under=line_turn(self._line.alias),
        )
        self._log.info(
            "mailbox.compared",
            listed=len(listing.entries),
            added=done.added,
            updated=done.updated,
            deleted=done.deleted,
        )
        return listing.cursor is not None

    def _count(self) -> None:
        self._journal.limits.count(self._line.alias, "mailbox")

    async def _unpublished_before(self, known: MailboxStanding) -> datetime | None:
        """Older messages are the subscriber's own affair: those from before the consent."""
        if self._line.history:
            return None
        given = (await self._line.consent()).since if isinstance(self._line, NeedsConsent) else None
        # Where consent was given once more, what came since the first time is not hidden by it.
        return min((since for since in (given, known.since) if since), default=self._clock.now())

    async def _failed(self, error: RelayError) -> Rest | None:
        self._failures += 1
        await self._note(error)
        if isinstance(error, ConsentRequired):
            self._gate.shut(error)
            return await self._gate.rest()
        self._report(error)
        return Rest(self._wait(error))

    async def _note(self, error: RelayError) -> None:
        self._log.log(
            20 if isinstance(error, CursorInvalid | NotReady) or self._failures > 1 else 30,
            "mailbox.failed",
            policy=type(error).__name__,
            code=error.problem.code.value,
            failures=self._failures,
        )
        if isinstance(error, Malformed):
            await self._set_aside(error)

    def _report(self, error: RelayError) -> None:
        state = LineState.UNREACHABLE if isinstance(error, Malformed | CursorInvalid) else state_after(error)
        if isinstance(error, NotReady):
            # A store that is made ready is no trouble, unless that takes too long.
            self._is_prepared = False
            self._unready_since = self._unready_since or self._clock.now()
            if self._clock.now() - self._unready_since < UNREADY_FOR:
                return
            state = LineState.STALE
        self._board.report(self._line.alias, _PART, state, error.problem.code)

    def _wait(self, error: RelayError) -> float:
        backoff = RETRY_SEND.delay(self._failures, self._ids.chance.random())
        match error:
            case Throttled():
                wait = max(error.after or 0.0, self._line.sync_interval)
            case TryLater():
                wait = error.after or backoff
            case NotAuthorized():
                wait = UNAUTHORIZED_PAUSE
            case _:
                wait = max(backoff, self._line.sync_interval)
        return min(wait, LONGEST_WAIT)

    async def _set_aside(self, error: Malformed) -> None:
        """Keep one answer that cannot be read for a person; as long as it waits, others are like it."""
        await self._journal.raw.sample(self._line.alias, "changes", RawAnswer(error.raw), error.problem.detail)


class Listing:
    """Every message of a store, page by page, newest first.

    A store may change while it is listed. What comes meanwhile is told from the first page's cursor; what goes moves
    the rest up, so that a message could be missed between two pages: each page begins with the last one's end, and
    where it does not, all begins again.

    Args:
        line: whose store.
        count: is called for each page that is asked for.

    Attributes:
        entries: by ref.
        cursor: from where on changes are to be followed.
    """

    def __init__(self, line: SyncedLine, count: Callable[[], None]) -> None:
        self.entries: dict[str, MailEntry] = {}
        self.cursor: str | None = None
        self._line = line
        self._count = count

    async def fetch(self) -> None:
        """Fetch all.

        Raises:
            TryLater: it changes faster than it can be listed.
            Refused: it is too large.
        """
        for _ in range(TORN_TRIES):
            if await self._is_fetched():
                return
        raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, "the message store changes faster than it can be listed"))

    async def _is_fetched(self) -> bool:
        self.entries.clear()
        end = 0
        for _ in range(MOST_PAGES):
            start = max(end - 1, 0)
            self._count()
            page = await self._line.list_mail(start, PAGE)
            if self._is_torn(page, start):
                return False
            if not start:
                self.cursor = page.cursor
            self.entries = {entry.ref: entry for entry in page.entries} | self.entries
            before, end = end, start + len(page.entries)
            if end <= before or (end >= page.total and len(page.entries) < PAGE):
                return True
        raise Refused(Problem(ErrorCode.TOO_LARGE, f"the message store has more than {MOST_PAGES * PAGE} messages"))

    def _is_torn(self, page: MailPage, start: int) -> bool:
        """Whether the store has moved under the listing; a page of nothing, where something is, is none either."""
        if not page.entries:
            return start > 0 or page.total > 0
        return start > 0 and page.entries[0].ref not in self.entries
