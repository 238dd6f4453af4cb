"""journal -> provider: claim a call, make it, write down how it ended.

A call is written down as begun before a byte of it leaves, because AT&T has no idempotency key: what is found begun
and not ended, after whatever happened, is uncertain and never simply made again.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from relay.domain.errors import (
    ConsentRequired,
    ErrorCode,
    NotAuthorized,
    OutcomeUnknown,
    Problem,
    Refused,
    RefusedAsGroup,
    RefusedForNow,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.messages import CallAnswer, OutboundCall
from relay.domain.schedule import RETRY_SEND, next_look
from relay.journal import Bell, JournalError, JournalUnusable
from relay.providerkit.spec import AsksStatus, Line, Sends, SyncsMailbox
from relay.stagekit import Bell as StageBell
from relay.stagekit import ConsentGate, Rest, Stage, Standing, Window
from relay.telemetry.health import LineState, state_after

log = structlog.get_logger()

UNAUTHORIZED_PAUSE = 60.0  # seconds between two tries of a line whose credentials were refused
UNKEPT_PAUSE = 30.0  # seconds between two tries of a line whose new token cannot be kept
IDLE = 30.0  # seconds between two looks into the journal when no bell rings
SYNCS_FOR_EVIDENCE = 3  # comparisons of a mailbox within which what was sent shows in it ...
EVIDENCE_MARGIN = 60.0  # ... and the seconds that they may take
HOOKS_WITHIN = 60.0  # seconds at a start for web hooks to stand: what is sent before them, nothing is heard of

_BLOCK = "send.block"  # what the journal remembers of a provider that refuses everything for a time

End = Callable[[], Awaitable[object]]  # writes down how a call ended, or what is told of it


class SendingLine(Line, Sends, Protocol):
    """A line that can send."""


class Sender(Stage):
    """Sends one line's calls.

    Args:
        line: whose.
        standing: what the stage stands on.
        owner: in whose name they are claimed.
        window: how many at once.
        hooks: rings once the web hooks stand by which relay hears what becomes of the texts.
    """

    def __init__(
        self, line: SendingLine, standing: Standing, *, owner: str, window: int, hooks: StageBell | None = None
    ) -> None:
        self.name = f"sender/{line.alias}"
        self.line = line.alias
        self._line = line
        self._journal, self._board = standing.journal, standing.board
        self._clock, self._ids = standing.clock, standing.ids
        self._memory = self._journal.memory(line.alias)
        self._owner = owner
        self._hooks = hooks
        self._window = Window(window)
        self._gate = ConsentGate(line, _PART, standing)
        # What was sent shows in such a line's mailbox, which settles what is uncertain.
        self._shows_sent = isinstance(line, SyncsMailbox) and line.syncs_mailbox
        self._pause = 0.0
        self._is_blocked = False
        self._probes = False  # calls go out one by one, because the provider may refuse each for what the last did
        self._remembers = False
        self._unwritten: deque[End] = deque()  # what is known of calls, and could not be written down yet
        self._log = log.bind(line=line.alias)

    async def step(self) -> Rest | None:
        """Put one call in flight, once there is room for it."""
        await self._window.room()
        if not self._remembers:
            await self._remember()
        rest = await self._held_back()
        if rest is not None:
            return rest
        await self._catch_up()
        call = await self._journal.calls.claim(self._line.alias, self._owner, unseen=self._shows_sent)
        if call is None:
            return Rest(await self._until_due(), self._bell)
        if self._probes:
            await self._window.run(self._make(call), self.name)
        else:
            self._window.start(self._make(call), self.name)
        return None

    async def drain(self, seconds: float) -> None:
        """Let the calls in flight finish; those that do not become uncertain."""
        await self._window.drain(seconds)
        await self._catch_up()

    async def _remember(self) -> None:
        """Go on resting where a former life was told to."""
        kept = await self._memory.get(_BLOCK)
        if kept is not None:
            until, code = kept.decode().split()
            self._pause = max((datetime.fromisoformat(until) - self._clock.now()).total_seconds(), 0.0)
            self._is_blocked = self._probes = True
            self._board.report(self._line.alias, _PART, LineState.SUSPENDED, ErrorCode(code))
        self._remembers = True

    async def _held_back(self) -> Rest | None:
        """The rest that the provider's last words, or hooks that do not stand yet, ask for, if any."""
        if self._hooks is not None:
            hooks, self._hooks = self._hooks, None
            return Rest(HOOKS_WITHIN, hooks)
        if self._pause:
            pause, self._pause = self._pause, 0.0
            return Rest(pause)
        if self._is_blocked:
            # Whether it is over shows only when something is sent.
            self._is_blocked = False
            self._board.clear(self._line.alias, _PART)
        return await self._gate.rest()

    @property
    def _bell(self) -> Bell:
        return self._journal.bell(f"calls:{self._line.alias}")

    async def _catch_up(self) -> None:
        while self._unwritten:
            await self._unwritten[0]()
            self._unwritten.popleft()

    async def _until_due(self) -> float:
        due = await self._journal.calls.next_due(self._line.alias)
        return IDLE if due is None else min(IDLE, (due - self._clock.now()).total_seconds())

    async def _make(self, call: OutboundCall) -> None:
        ended = False
        try:
            ended = await self._write_down(await self._send(call))
        finally:
            # Cancelled, or surprised by a defect: either way nobody knows whether the provider took it.
            if not ended:
                problem = Problem(ErrorCode.UNCERTAIN, "relay was stopped before the provider's answer came")
                await self._write_down([self._unanswered(call, problem)])

    async def _write_down(self, ends: Sequence[End]) -> bool:
        """Write down how a call ended; what cannot be written now is tried again before the next call begins."""
        for end in ends:
            try:
                await end()
            except JournalUnusable:
                self._unwritten.append(end)
                self._bell.ring()
        return True

    async def _send(self, call: OutboundCall) -> Sequence[End]:
        self._log.debug("call.begun", call_id=call.call_id, message_id=call.message_id, attempt=call.attempt)
        try:
            answer = await self._line.send(call)
        except RelayError as error:
            self._log_failure(call, error)
            self._report(error)
            return [self._failed(call, error), *self._told(call, error)]
        except JournalError:
            return [self._unmade(call)]
        return [self._answered(call, answer), *self._unblocked()]

    def _unblocked(self) -> Sequence[End]:
        was_blocked, self._probes = self._probes, False
        return (partial(self._memory.drop, _BLOCK),) if was_blocked else ()

    def _answered(self, call: OutboundCall, answer: CallAnswer) -> End:
        follow = answer.ref is not None and isinstance(self._line, AsksStatus) and self._line.asks_status
        first_look = next_look(0.0, chance=self._ids.chance.random()) if follow else None
        self._board.report(self._line.alias, _PART, LineState.READY)
        self._log.info("call.answered", call_id=call.call_id, message_id=call.message_id, copies=len(call.recipients))
        return partial(self._journal.calls.answered, call.call_id, self._owner, answer, first_look=first_look)

    def _unmade(self, call: OutboundCall) -> End:
        """A line uses the journal before the request is written, or after a 401, for its token: nothing was sent."""
        self._pause = max(self._pause, UNKEPT_PAUSE)
        self._log.error("call.unmade", call_id=call.call_id, message_id=call.message_id, wait=UNKEPT_PAUSE)
        return partial(self._journal.calls.release, call.call_id, self._owner, UNKEPT_PAUSE)

    def _failed(self, call: OutboundCall, error: RelayError) -> End:
        """What the error's class says (design, rule 5)."""
        calls, problem, about = self._journal.calls, error.problem, (call.call_id, self._owner)
        match error:
            case RefusedAsGroup() if len(call.recipients) > 1:
                return partial(calls.divide, *about)
            case Refused():
                if isinstance(error, RefusedForNow):
                    self._pause = max(self._pause, error.after)
                    self._is_blocked = self._probes = True
                return partial(calls.refused, *about, problem)
            case TryLater():
                return partial(calls.retry, *about, problem, self._wait(call, error))
            case ConsentRequired():
                self._gate.shut(error)
                return partial(calls.release, *about)
            case NotAuthorized():
                self._pause = max(self._pause, UNAUTHORIZED_PAUSE)
                return partial(calls.release, *about, UNAUTHORIZED_PAUSE)
            case _:
                return self._unanswered(call, problem)

    def _unanswered(self, call: OutboundCall, problem: Problem) -> End:
        evidence_within = None
        if isinstance(self._line, SyncsMailbox) and self._shows_sent:
            evidence_within = SYNCS_FOR_EVIDENCE * self._line.sync_interval + EVIDENCE_MARGIN
        unanswered = self._journal.calls.unanswered
        return partial(unanswered, call.call_id, self._owner, problem, evidence_within=evidence_within)

    def _told(self, call: OutboundCall, error: RelayError) -> Sequence[End]:
        """What the bus is told of a failure besides the receipts."""
        if not isinstance(error, RefusedForNow):
            return ()
        until = (self._clock.now() + timedelta(seconds=error.after)).isoformat(timespec="milliseconds")
        body = {
            "message_id": call.message_id,
            "rests_until": until.replace("+00:00", "Z"),
            "error": error.problem.as_body(),
        }
        return (
            partial(self._memory.put, _BLOCK, f"{until} {error.problem.code.value}".encode()),
            partial(self._journal.events.announce, self._line.alias, "spam-blocked", body),
        )

    def _log_failure(self, call: OutboundCall, error: RelayError) -> None:
        problem = error.problem
        self._log.log(
            _LEVEL.get(type(error), 30),
            "call.failed",
            call_id=call.call_id,
            message_id=call.message_id,
            attempt=call.attempt,
            policy=type(error).__name__,
            code=problem.code.value,
            http=problem.provider.http if problem.provider else None,
            provider_code=problem.provider.code if problem.provider else None,
        )

    def _wait(self, call: OutboundCall, error: TryLater) -> float:
        delay = error.after or RETRY_SEND.delay(call.attempt, self._ids.chance.random())
        if isinstance(error, Throttled):
            self._pause = max(self._pause, delay)
        return delay

    def _report(self, error: RelayError) -> None:
        state = _shown(error)
        if state is not None:
            code = None if state is LineState.READY else error.problem.code
            self._board.report(self._line.alias, _PART, state, code)


def _shown(error: RelayError) -> LineState | None:
    """How the line stands after a call that failed; None where that says nothing about the line."""
    if isinstance(error, NotAuthorized | TryLater | RefusedForNow):
        return state_after(error)
    said = error.problem.provider
    if isinstance(error, Refused):
        # Without a word of the provider's it was refused here.
        return LineState.READY if said else None
    failed = said is None or said.http is None or said.http >= 500  # noqa: PLR2004 - HTTP's own number
    return LineState.UNREACHABLE if failed else None


_PART = "send"
_LEVEL = {RefusedAsGroup: 20, Refused: 20, OutcomeUnknown: 30, NotAuthorized: 40, ConsentRequired: 30}
