"""journal -> provider: claim a call, make it, write down how it ended.

A call is written down as begun before a byte of it leaves, because AT&T has no idempotency key: what is found begun
and not ended, after whatever happened, is uncertain and never simply made again.
"""

import math
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

import structlog

from relay.boundaries import Boundary, reached
from relay.circuit import Breaker
from relay.domain.errors import ErrorCode, Problem, RelayError
from relay.domain.messages import CallAnswer, OutboundCall
from relay.domain.schedule import next_look
from relay.failedcalls import GIVES_WAY, PART, End, FailedCalls, Pause, SendingLine
from relay.journal import Bell, JournalError, JournalUnusable, Limit, Outlook
from relay.providerkit.spec import AsksStatus
from relay.rules.lanes import HIGH, Lanes, Places
from relay.stagekit import Bell as StageBell
from relay.stagekit import ConsentGate, Rest, Stage, Standing, Window
from relay.telemetry.health import LineState
from relay.telemetry.traces import Operation, Span

log = structlog.get_logger()

IDLE = 30.0  # seconds between two looks into the journal when no bell rings
HOOKS_WITHIN = 60.0  # seconds at a start for web hooks to stand: what is sent before them, nothing is heard of

_LOOKED_AT_FIRST = ""  # in the place of a call's id
_LIMITS = "limits"  # the part of the line that the operator's limits stop
_STOPPED = {
    Limit.HELD: (LineState.SUSPENDED, Limit.HELD.value),
    Limit.DAY: (LineState.THROTTLED, ErrorCode.QUOTA_EXCEEDED.value),
    Limit.MONTH: (LineState.THROTTLED, ErrorCode.QUOTA_EXCEEDED.value),
}


class Sender(Stage):
    """Sends one line's calls.

    Of two places or more the last free one is kept for the high lane, so that slow calls of a campaign never hold a
    one-time password up.

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
        self._journal, self._board, self._ids = standing.journal, standing.board, standing.ids
        self._clock, self._traces = standing.clock, standing.traces
        self._owner = owner
        self._hooks = hooks
        self._window = Window(window)
        self._size = window
        self._lanes = Lanes()
        self._ordinary = 0  # calls in flight that are not of the high lane
        self._gate = ConsentGate(line, PART, standing)
        self._pause = Pause(line.alias, standing)
        self._circuit = Breaker(line.alias, standing.journal, standing.board, standing.clock, standing.ids)
        self._failed = FailedCalls(line, standing, owner=owner, gate=self._gate, pause=self._pause)
        self._asks = line if isinstance(line, AsksStatus) else None
        self._remembers = False
        self._unwritten: deque[End] = deque()  # what is known of calls, and could not be written down yet
        self._log = log.bind(line=line.alias)

    async def step(self) -> Rest | None:
        """Put calls in flight, as many as there is room for, once there is any."""
        await self._window.room()
        if not self._remembers:
            await self._pause.recall()
            await self._circuit.recall()
            self._remembers = True
        elif self._pause.has_news:
            await self._pause.recall(GIVES_WAY)
        rest = await self._held_back()
        if rest is not None:
            return rest
        await self._catch_up()
        if (shut := self._journal.shut) is not None:
            return Rest(IDLE, shut.over)
        places = self._places_now()
        if self._circuit.is_open and not await self._may_try(places.open_lanes):
            return None
        claim = self._journal.calls.claim_some
        claimed = await claim(self._line.alias, self._owner, places, unseen=self._failed.shows_sent)
        if claimed.calls:
            self._board.clear(self._line.alias, _LIMITS)
            await self._begin(claimed.calls)
        left = places.free - len(claimed.calls)
        return None if claimed.outlook is None else self._rest(claimed.outlook, left)

    async def drain(self, seconds: float) -> None:
        """Let the calls in flight finish; those that do not become uncertain."""
        await self._window.drain(seconds)
        await self._catch_up()

    async def hand_over(self) -> None:
        """Let the calls in flight end as they do, and leave none that was claimed and not begun."""
        await self.drain(math.inf)
        await self._journal.calls.give_back(self._line.alias, self._owner)

    async def _held_back(self) -> Rest | None:
        """The rest that the provider's last words, or hooks that do not stand yet, ask for, if any."""
        if self._hooks is not None:
            hooks, self._hooks = self._hooks, None
            return Rest(HOOKS_WITHIN, hooks)
        left = max(self._pause.left, self._circuit.left)
        if left:
            return Rest(left)
        self._pause.over()
        if self._window.busy >= self._circuit.places(self._size):
            self._window.when_freed(self._bell.ring)
            return Rest(IDLE, self._bell)
        return await self._gate.rest()

    async def _may_try(self, lanes: Sequence[int]) -> bool:
        """Whether a text is to be tried: not where the provider does not even answer a call that has no effect."""
        due = await self._journal.calls.next_due(self._line.alias, lanes)
        if due is None or due > self._clock.now():
            return True  # there is none
        try:
            await self._line.verify()
        except RelayError as error:
            await self._write_down(self._circuit.failed(_LOOKED_AT_FIRST, error))
        return not self._circuit.left

    def _places_now(self) -> Places:
        """The places that are free now."""
        free, busy = self._window.free, self._window.busy
        most = 1 if self._pause.probes else self._circuit.places(self._size) - busy
        return Places(self._lanes, self._size, free, self._ordinary, min(free, most))

    async def _begin(self, calls: Sequence[OutboundCall]) -> None:
        for call in calls:
            self._lanes.served(call.lane)
        if self._pause.left or self._circuit.left:
            # The provider asked for a rest, or ceased to answer, while these were being claimed.
            await self._journal.calls.release_some([call.call_id for call in calls], self._owner)
            return
        # One that is to show whether the provider takes anything goes alone.
        alone = self._pause.probes
        going, others = (calls[:1], calls[1:]) if alone else (calls, ())
        tasks = [self._window.start(self._make(call), self.name) for call in going]
        self._ordinary += sum(call.lane != HIGH for call in going)
        if others:
            await self._journal.calls.release_some([call.call_id for call in others], self._owner)
        if alone:
            await self._window.over(tasks[0])

    @property
    def _bell(self) -> Bell:
        return self._journal.bell(f"calls:{self._line.alias}")

    async def _catch_up(self) -> None:
        while self._unwritten:
            await self._unwritten[0]()
            self._unwritten.popleft()

    def _rest(self, outlook: Outlook, left: int) -> Rest | None:
        """There is nothing more to begin, though places are `left`; of several the last one is the high lane's."""
        self._show(outlook.limit)
        if left == 1 and self._size > 1:
            if self._window.free > left:
                # Another one is free by now, and that is for all lanes.
                return None
            self._window.when_freed(self._bell.ring)
        seconds = IDLE if outlook.due is None else (outlook.due - self._clock.now()).total_seconds()
        return Rest(min(IDLE, seconds), self._bell)

    def _show(self, limit: Limit | None) -> None:
        """Say on the line's board that an operator, or a limit, keeps it from sending: now, or no longer."""
        stopped = _STOPPED.get(limit) if limit else None
        if stopped is None:
            self._board.clear(self._line.alias, _LIMITS)
        else:
            self._board.report(self._line.alias, _LIMITS, *stopped)

    async def _make(self, call: OutboundCall) -> None:
        ended = False
        try:
            ends = await self._send(call)
            reached(Boundary.CALL_ANSWERED)
            ended = await self._write_down(ends)
            reached(Boundary.CALL_ENDED)
        finally:
            self._ordinary -= call.lane != HIGH
            # Cancelled, or surprised by a defect: either way nobody knows whether the provider took it.
            if not ended:
                problem = Problem(ErrorCode.UNCERTAIN, "relay was stopped before the provider's answer came")
                await self._write_down([self._failed.unanswered(call, problem)])

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
        reached(Boundary.CALL_CLAIMED)
        try:
            with self._traced(call):
                answer = await self._line.send(call)
        except RelayError as error:
            ends = self._failed.ends(call, error, is_probe=self._circuit.is_open)
            return [*ends, *self._circuit.failed(call.call_id, error)]
        except JournalError:
            return [self._failed.unmade(call)]
        return [self._answered(call, answer), *self._pause.passed(), *self._circuit.answered()]

    def _traced(self, call: OutboundCall) -> AbstractContextManager[Span]:
        facts = {"message_id": call.message_id, "call_id": call.call_id}
        counts = {"copies": len(call.recipients), "attempt": call.attempt}
        return self._traces.span(Operation.SEND, call.line, call.trace, **facts, **counts)

    def _answered(self, call: OutboundCall, answer: CallAnswer) -> End:
        follow = answer.ref is not None and self._asks is not None and self._asks.asks_status
        first_look = next_look(0.0, chance=self._ids.chance.random()) if follow else None
        self._board.report(self._line.alias, PART, LineState.READY)
        self._log.info("call.answered", call_id=call.call_id, message_id=call.message_id, copies=len(call.recipients))
        answered, carried = self._journal.calls.answered, call.copy_ids
        return partial(answered, call.call_id, self._owner, answer, first_look=first_look, carried=carried)
