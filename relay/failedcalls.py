"""A call that failed -> what is written down of it, and how long its line rests: an error's class is its policy."""

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
    TooLate,
    TryLater,
)
from relay.domain.messages import OutboundCall
from relay.domain.schedule import RETRY_SEND
from relay.providerkit.spec import Line, Sends, ShowsSentInHooks, SyncsMailbox
from relay.stagekit import ConsentGate, Standing
from relay.telemetry.health import LineState, state_after

log = structlog.get_logger()

PART = "send"  # the name under which sending reports to the board
UNAUTHORIZED_PAUSE = 60.0  # seconds between two tries of a line whose credentials were refused
LONGEST_PAUSE = 86_400.0  # seconds: nobody asks for more
GIVES_WAY = 30.0  # seconds after the end of a block in which the node that was told of it tries first
UNKEPT_PAUSE = 30.0  # seconds between two tries of a line whose new token cannot be kept
SYNCS_FOR_EVIDENCE = 3  # comparisons of a mailbox within which what was sent shows in it ...
EVIDENCE_MARGIN = 60.0  # ... and the seconds that they may take
# AT&T calls within seconds; a web hook that it cannot deliver comes again 10 s later, then 20 s (wire facts, Landline).
HOOKS_FOR_EVIDENCE = 60.0  # seconds within which web hooks show what was sent

_BLOCK = "send.block"  # what the journal remembers of a provider that refuses everything for a time

End = Callable[[], Awaitable[object]]  # writes down how a call ended, or what is told of it


class SendingLine(Line, Sends, Protocol):
    """A line that can send."""


class Pause:
    """How long a line begins no call, because of what the last ones were answered.

    Over restarts, and over nodes, the journal remembers: a provider that refuses everything here, any other wish of the
    provider's among the line's limits. Where everything was refused, calls go out one by one afterwards until one has
    passed: those of the node that was told so first.

    Args:
        line: whose.
        standing: what the line's stage stands on.
    """

    def __init__(self, line: str, standing: Standing) -> None:
        self.probes = False
        self._line = line
        self._board = standing.board
        self._clock = standing.clock
        self._memory = standing.journal.memory(line)
        self._ring = partial(standing.journal.ring, f"pause:{line}")
        self._news = standing.journal.listen(f"pause:{line}")
        self._has_news = False
        self._until = self._clock.now()
        self._is_blocked = False
        self._own: bytes | None = None  # the last block that was told to this node
        self._known: bytes | None = None  # the last one that the journal knew of

    async def recall(self, gives_way: float = 0.0) -> None:
        """Go on resting where a former life was told to, or another node; and no longer where one of its calls passed.

        `gives_way`: seconds after the end of a block in which whoever was told of it tries first.
        """
        before, self._known = self._known, await self._memory.get(_BLOCK)
        self._has_news = False
        if self._known is not None:
            until, code = self._known.decode().split()
            waits = timedelta(seconds=0.0 if self._known == self._own else gives_way)
            self._until = max(self._until, datetime.fromisoformat(until) + waits)
            self._is_blocked = self.probes = True
            self._board.report(self._line, PART, LineState.SUSPENDED, ErrorCode(code))
        elif before is not None:
            self._until = self._clock.now()
            self.probes = False
            self.over()

    @property
    def has_news(self) -> bool:
        """Whether there may be something to recall."""
        self._has_news = self._news.has_rung() or self._has_news
        return self._has_news

    @property
    def left(self) -> float:
        """Seconds for which no call is to begin; 0 where one may."""
        left = (self._until - self._clock.now()).total_seconds()
        # What lies further ahead than anybody asks for was noted by a clock that has been put back since.
        return left if 0 < left <= LONGEST_PAUSE else 0.0

    def over(self) -> None:
        """Show that the line may send again; whether everything is still refused shows only when something is sent."""
        if self._is_blocked:
            self._is_blocked = False
            self._board.clear(self._line, PART)

    def take(self, seconds: float) -> None:
        """Rest for so long at least."""
        self._until = max(self._until, self._clock.now() + timedelta(seconds=seconds))

    def block(self, error: RefusedForNow) -> End:
        """Rest, and remember it."""
        self.take(error.after)
        self._is_blocked = self.probes = True
        until = (self._clock.now() + timedelta(seconds=error.after)).isoformat()
        self._own = f"{until} {error.problem.code.value}".encode()
        return partial(self._remember, self._own)

    def passed(self) -> Sequence[End]:
        """A call was taken: nothing is refused for what came before it."""
        was_blocked, self.probes = self.probes, False
        return (partial(self._remember, None),) if was_blocked else ()

    async def _remember(self, block: bytes | None) -> None:
        """For all nodes."""
        if block is None:
            await self._memory.drop(_BLOCK)
        else:
            await self._memory.put(_BLOCK, block)
        self._ring()


class FailedCalls:
    """Says what follows from a call that failed.

    Args:
        line: whose calls.
        standing: what the stage stands on that makes them.
        owner: in whose name they were claimed.
        gate: is shut where the subscriber has to agree.
        pause: is taken where the line has to rest.
    """

    def __init__(self, line: SendingLine, standing: Standing, *, owner: str, gate: ConsentGate, pause: Pause) -> None:
        self._line = line
        self._journal, self._board = standing.journal, standing.board
        self._clock, self._ids = standing.clock, standing.ids
        self._owner = owner
        self._gate = gate
        self._pause = pause
        # What was sent shows in such a line's mailbox, which settles what is uncertain.
        self.shows_sent = isinstance(line, SyncsMailbox) and line.syncs_mailbox
        self._log = log.bind(line=line.alias)

    def ends(self, call: OutboundCall, error: RelayError, *, is_probe: bool = False) -> Sequence[End]:
        """What is to be written down, in this order. `is_probe`: it was made to see whether the provider answers."""
        self._log_failure(call, error, is_probe=is_probe)
        self._report(error)
        match error:
            case RefusedForNow():
                blocked, told = self._pause.block(error), self._told(call, error)
                return (self._ended(call, error), blocked, told)
            case Throttled():
                return self._slowed(call, error)
            case TryLater() if is_probe and not isinstance(error, TooLate):
                # The line's trouble is no fault of this text: it keeps its place before the later ones to its number.
                wait, retry = self._wait(call, error), self._journal.calls.retry
                return (partial(retry, call.call_id, self._owner, error.problem, wait, counts=False),)
        return (self._ended(call, error),)

    def unmade(self, call: OutboundCall) -> End:
        """A line uses the journal before the request is written, or after a 401, for its token: nothing was sent."""
        self._pause.take(UNKEPT_PAUSE)
        self._log.error("call.unmade", call_id=call.call_id, message_id=call.message_id, wait=UNKEPT_PAUSE)
        return partial(self._journal.calls.release, call.call_id, self._owner, UNKEPT_PAUSE)

    def unanswered(self, call: OutboundCall, problem: Problem) -> End:
        """Nobody knows whether the provider took it."""
        evidence_within = None
        if isinstance(self._line, ShowsSentInHooks) and self._line.shows_sent_in_hooks:
            evidence_within = HOOKS_FOR_EVIDENCE
        if isinstance(self._line, SyncsMailbox) and self.shows_sent:
            evidence_within = SYNCS_FOR_EVIDENCE * self._line.sync_interval + EVIDENCE_MARGIN
        unanswered = self._journal.calls.unanswered
        return partial(unanswered, call.call_id, self._owner, problem, evidence_within=evidence_within)

    def _ended(self, call: OutboundCall, error: RelayError) -> End:
        """What the error's class says (design, rule 5)."""
        calls, problem, about = self._journal.calls, error.problem, (call.call_id, self._owner)
        match error:
            case RefusedAsGroup() if len(call.recipients) > 1:
                return partial(calls.divide, *about)
            case Refused():
                return partial(calls.refused, *about, problem, carried=call.copy_ids)
            case TooLate():
                # Whoever claims next ends it as expired.
                return partial(calls.release, *about)
            case TryLater():
                return partial(calls.retry, *about, problem, self._wait(call, error))
            case NotAuthorized():
                return partial(calls.release, *about, self._parked(error))
        return self.unanswered(call, problem)

    def _parked(self, error: NotAuthorized) -> float:
        """Hold the line back; gives for how many seconds, where no consent ends it."""
        if isinstance(error, ConsentRequired):
            self._gate.shut(error)
            return 0.0
        self._pause.take(UNAUTHORIZED_PAUSE)
        return UNAUTHORIZED_PAUSE

    def _slowed(self, call: OutboundCall, error: Throttled) -> Sequence[End]:
        """The whole line waits, over restarts as well. In memory too: a claim may be under way just now."""
        wait = self._wait(call, error)
        self._pause.take(wait)
        retry = partial(self._journal.calls.retry, call.call_id, self._owner, error.problem, wait)
        return (partial(self._journal.limits.slow, self._line.alias, wait), retry)

    def _wait(self, call: OutboundCall, error: TryLater) -> float:
        return error.after or RETRY_SEND.delay(call.attempt, self._ids.chance.random())

    def _told(self, call: OutboundCall, error: RefusedForNow) -> End:
        """What the bus is told of it besides the receipts."""
        until = (self._clock.now() + timedelta(seconds=error.after)).isoformat(timespec="milliseconds")
        body = {
            "message_id": call.message_id,
            "rests_until": until.replace("+00:00", "Z"),
            "error": error.problem.as_body(),
        }
        return partial(self._journal.events.announce, self._line.alias, "spam-blocked", body)

    def _log_failure(self, call: OutboundCall, error: RelayError, *, is_probe: bool) -> None:
        problem = error.problem
        # The first try is a warning, and that the circuit opens is one. A text that became uncertain is one each time.
        is_news = not isinstance(error, TryLater) or not (is_probe or call.attempt > 1)
        self._log.log(
            _LEVEL.get(type(error), 30) if is_news else 20,
            "call.failed",
            call_id=call.call_id,
            message_id=call.message_id,
            attempt=call.attempt,
            policy=type(error).__name__,
            code=problem.code.value,
            http=problem.provider.http if problem.provider else None,
            provider_code=problem.provider.code if problem.provider else None,
        )

    def _report(self, error: RelayError) -> None:
        state = _shown(error)
        if state is not None:
            code = None if state is LineState.READY else error.problem.code
            self._board.report(self._line.alias, PART, state, code)


def _shown(error: RelayError) -> LineState | None:
    """How the line stands after a call that failed; None where that says nothing about the line."""
    if isinstance(error, TooLate):
        return None
    if isinstance(error, NotAuthorized | TryLater | RefusedForNow):
        return state_after(error)
    said = error.problem.provider
    if isinstance(error, Refused):
        # Without a word of the provider's it was refused here.
        return LineState.READY if said else None
    failed = said is None or said.http is None or said.http >= 500  # noqa: PLR2004 - HTTP's own number
    return LineState.UNREACHABLE if failed else None


_LEVEL = {RefusedAsGroup: 20, Refused: 20, TooLate: 20, OutcomeUnknown: 30, NotAuthorized: 40, ConsentRequired: 30}
