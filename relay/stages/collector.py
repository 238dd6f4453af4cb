"""provider -> journal: fetch what an arrival lacks, a message's text or its attachments, and have it announced whole.

A message is announced even where an attachment cannot be had: it then says why. What cannot be read is kept for a
person.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from relay.domain.errors import (
    ConsentRequired,
    ErrorCode,
    Gone,
    Malformed,
    NotAuthorized,
    NotReady,
    Refused,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.mailbox import Mail
from relay.domain.messages import RawAnswer
from relay.domain.schedule import RETRY_SEND, Backoff
from relay.journal import Arrival
from relay.mediastore import MediaStore
from relay.providerkit.spec import FetchesParts, Line, SyncsMailbox
from relay.stagekit import ConsentGate, Rest, Stage, Standing, Window
from relay.telemetry.health import LineState, state_after

log = structlog.get_logger()

IDLE = 60.0  # seconds between two looks into the journal when no bell rings
UNAUTHORIZED_PAUSE = 60.0
LONGEST_WAIT = 300.0  # whatever the provider asks for
RETRY = Backoff(first=2, ceiling=60)
GONE_TRIES = 6  # of a message that its store shows and does not hand out
TRIES_ENOUGH = 20  # after a restart nobody knows since when a part is missed: then so many tries are enough
LONG_ENOUGH = timedelta(days=1)  # for a message that the provider fails to hand out, while it hands out others
SERVED_LATELY = timedelta(hours=1)
REMEMBERED = 200  # messages that wait for attachments and are not fetched again
_SPARE = 50
_PART = "arrivals"


class CollectedLine(Line, FetchesParts, Protocol):
    """A line whose messages come in pieces."""


class Collector(Stage):
    """Completes one line's arrivals, up to `window` at once.

    Args:
        line: the line.
        standing: what a stage stands on.
        media: fetches and keeps attachments.
        patience: seconds for which an attachment that cannot be had is waited for.
        window: calls in flight at once.
    """

    def __init__(
        self, line: CollectedLine, standing: Standing, *, media: MediaStore, patience: float, window: int
    ) -> None:
        self.name = f"collector/{line.alias}"
        self.line = line.alias
        self._line = line
        self._journal, self._board = standing.journal, standing.board
        self._clock, self._ids = standing.clock, standing.ids
        self._media = media
        self._patience = patience
        self._batch = window + _SPARE
        self._window = Window(window)
        self._gate = ConsentGate(line, _PART, standing)
        self._under_way: set[str] = set()
        self._fetched: dict[str, Mail] = {}  # by arrival: read already, and waiting for attachments
        self._missed_since: dict[str, datetime] = {}  # by arrival: since when attachments of it are waited for
        self._tried: set[str] = set()  # arrivals that this life has tried: none of their attachments was missed before
        self._gone: Counter[str] = Counter()  # by arrival: how often it was shown and not handed out
        self._served_at: datetime | None = None  # when a message was last had whole
        self._pause = 0.0
        self._unreachable = 0  # times in a row that the provider was, those in flight together counted once
        self._log = log.bind(line=line.alias)

    async def step(self) -> Rest | None:
        """Put every arrival that is due in flight."""
        await self._window.room()
        rest = await self._held_back()
        if rest is not None:
            return rest
        busy = set(self._under_way)  # before the journal is asked: what ends meanwhile may still be among its answer
        due = await self._journal.arrivals.due(self._line.alias, self._batch)
        fresh = [arrival for arrival in due if arrival.id not in busy]
        for arrival in fresh:
            await self._window.room()
            if self._pause or self._gate.is_shut:
                break
            self._under_way.add(arrival.id)
            if self._unreachable:
                # However many arrivals wait, one shows whether the provider is there again.
                await self._window.run(self._collect(arrival), self.name)
            else:
                self._window.start(self._collect(arrival), self.name)
        if fresh:
            return None
        return Rest(await self._until_due(), self._journal.bell(f"arrivals:{self._line.alias}"))

    async def drain(self, seconds: float) -> None:
        """Let what is being fetched be written down."""
        await self._window.drain(seconds)

    async def _held_back(self) -> Rest | None:
        if self._pause:
            pause, self._pause = self._pause, 0.0
            return Rest(pause)
        if (shut := self._journal.shut) is not None:
            return Rest(IDLE, shut.over)
        return await self._gate.rest()

    async def _until_due(self) -> float:
        due = await self._journal.arrivals.next_due(self._line.alias)
        if due is None:
            return IDLE
        return min(IDLE, max((due - self._clock.now()).total_seconds(), 1.0))

    async def _collect(self, arrival: Arrival) -> None:
        try:
            mail = arrival.mail or self._fetched.get(arrival.id) or await self._fetch(arrival)
            if mail is not None:
                await self._complete(arrival, mail)
        except RelayError as error:
            self._judge(error)
            await self._failed(arrival, error)
        else:
            self._unreachable = 0
        finally:
            self._under_way.discard(arrival.id)

    async def _fetch(self, arrival: Arrival) -> Mail | None:
        """The message; None where the arrival is settled, because it can never be had."""
        line = self._line
        if not isinstance(line, SyncsMailbox):
            await self._journal.arrivals.aside(arrival, RawAnswer(b""), "the line keeps no messages any more")
            return None
        self._count(1)
        try:
            raw = await line.fetch_mail(arrival.ref)
        except Gone as error:
            # A store may tell of a message before it hands it out.
            self._gone[arrival.id] += 1
            wait = self._wait(arrival, error) if self._gone[arrival.id] <= GONE_TRIES else None
            if await self._journal.arrivals.dropped(arrival, unless_listed=wait):
                self._forget(arrival)
            return None
        except Refused as error:
            await self._set_aside(arrival, RawAnswer(b""), error)
            return None
        try:
            mail = line.read_mail(arrival.ref, raw)
        except Malformed as error:
            await self._set_aside(arrival, raw, error)
            return None
        if not mail.is_whole and len(self._fetched) < REMEMBERED:
            self._fetched[arrival.id] = mail
        return mail

    async def _set_aside(self, arrival: Arrival, raw: RawAnswer, error: RelayError) -> None:
        await self._journal.arrivals.aside(arrival, raw, error.problem.detail)
        self._forget(arrival)

    async def _complete(self, arrival: Arrival, mail: Mail) -> None:
        whole = mail if mail.is_whole else await self._gathered(arrival, mail)
        await self._journal.arrivals.whole(arrival, whole)
        self._forget(arrival)
        self._served_at = self._clock.now()
        self._board.report(self._line.alias, _PART, LineState.READY)
        lost = [part.problem.code.value for part in whole.parts if part.problem]
        self._log.log(
            30 if lost else 20, "arrival.whole", arrival_id=arrival.id, parts=len(whole.parts), lost=sorted(lost)
        )

    async def _gathered(self, arrival: Arrival, mail: Mail) -> Mail:
        self._count(1 if mail.has_parts else sum(part.ref is not None for part in mail.parts))
        try:
            whole = await self._media.gather(self._line, mail, patient=self._is_patient(arrival))
        except TryLater:
            self._missed_since.setdefault(arrival.id, self._clock.now())
            raise
        self._count(len(whole.parts) if mail.has_parts else 0)
        return whole

    def _count(self, calls: int) -> None:
        for _ in range(calls):
            self._journal.limits.count(self._line.alias, "mailbox")

    def _forget(self, arrival: Arrival) -> None:
        self._missed_since.pop(arrival.id, None)
        self._fetched.pop(arrival.id, None)
        self._gone.pop(arrival.id, None)
        self._tried.discard(arrival.id)

    def _is_patient(self, arrival: Arrival) -> bool:
        now = self._clock.now()
        since = self._missed_since.get(arrival.id)
        if since is None:
            is_old = arrival.attempts >= TRIES_ENOUGH and arrival.id not in self._tried
            since = arrival.since if is_old else now
        return (now - since).total_seconds() < self._patience

    async def _failed(self, arrival: Arrival, error: RelayError) -> None:
        """It is tried again: nothing was deleted, and an attachment that is lost says so itself."""
        wait = self._wait(arrival, error)
        self._tried.add(arrival.id)
        if self._is_given_up(arrival, error):
            await self._set_aside(arrival, RawAnswer(b""), error)
            return
        if isinstance(error, ConsentRequired):
            self._gate.shut(error)
        elif isinstance(error, NotAuthorized | Throttled):
            self._pause = max(self._pause, wait)
        if arrival.id not in self._missed_since or isinstance(error, NotAuthorized | Throttled):
            self._board.report(self._line.alias, _PART, state_after(error), error.problem.code)
        await self._journal.arrivals.later(arrival, wait)
        self._log.log(
            20 if isinstance(error, TryLater) else 30,
            "arrival.failed",
            arrival_id=arrival.id,
            attempts=arrival.attempts,
            policy=type(error).__name__,
            code=error.problem.code.value,
        )

    def _judge(self, error: RelayError) -> None:
        """Rest as a line while the provider cannot be reached: that is no single message's trouble."""
        if error.problem.code is not ErrorCode.UNREACHABLE:
            self._unreachable = 0
        elif not self._pause:
            self._unreachable += 1
            self._pause = RETRY_SEND.delay(self._unreachable, self._ids.chance.random())

    def _is_given_up(self, arrival: Arrival, error: RelayError) -> bool:
        """Whether the provider fails for this message alone, since a day: a person is to know of it."""
        if isinstance(error, NotAuthorized | Throttled | NotReady) or arrival.mail is not None:
            return False
        now, served_at = self._clock.now(), self._served_at
        is_served = served_at is not None and now - served_at < SERVED_LATELY
        return is_served and arrival.attempts >= TRIES_ENOUGH and now - arrival.since > LONG_ENOUGH

    def _wait(self, arrival: Arrival, error: RelayError) -> float:
        match error:
            case ConsentRequired():
                return 0.0
            case NotAuthorized():
                return UNAUTHORIZED_PAUSE
            case TryLater() if error.after:
                return min(error.after, LONGEST_WAIT)
        return RETRY.delay(arrival.attempts + 1, self._ids.chance.random())
