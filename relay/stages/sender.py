"""journal -> provider: claim a call, make it, write down how it ended.

A call is written down as begun before a byte of it leaves, because AT&T has no idempotency key: what is found begun
and not ended, after whatever happened, is uncertain and never simply made again.
"""

import asyncio
from typing import Protocol

import structlog

from relay.clock import Clock
from relay.domain.errors import (
    ErrorCode,
    NotAuthorized,
    OutcomeUnknown,
    Problem,
    Refused,
    RefusedAsGroup,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.messages import CallAnswer, OutboundCall
from relay.domain.schedule import RETRY_SEND, next_look
from relay.ids import Ids
from relay.journal import Journal
from relay.providerkit.spec import AsksStatus, Line, Sends
from relay.stagekit import Rest, Stage, Window
from relay.telemetry.health import LineBoard, LineState

log = structlog.get_logger()

UNAUTHORIZED_PAUSE = 60.0  # seconds between two tries of a line whose credentials were refused
IDLE = 30.0  # seconds between two looks into the journal when no bell rings


class SendingLine(Line, Sends, Protocol):
    """A line that can send."""


class Sender(Stage):
    """Sends one line's calls, up to `window` at once."""

    def __init__(  # noqa: PLR0913 - what a stage stands on
        self, line: SendingLine, *, journal: Journal, board: LineBoard, clock: Clock, ids: Ids, owner: str, window: int
    ) -> None:
        self.name = f"sender/{line.alias}"
        self.line = line.alias
        self._line = line
        self._journal = journal
        self._board = board
        self._clock = clock
        self._ids = ids
        self._owner = owner
        self._window = Window(window)
        self._pause = 0.0
        self._log = log.bind(line=line.alias)

    async def step(self) -> Rest | None:
        """Put one call in flight, once there is room for it."""
        await self._window.room()
        if self._pause:
            pause, self._pause = self._pause, 0.0
            return Rest(pause)
        claimed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._window.start(self._claim_and_make(claimed), self.name)
        if await asyncio.shield(claimed):
            return None
        return Rest(await self._until_due(), self._journal.bell(f"calls:{self._line.alias}"))

    async def drain(self, seconds: float) -> None:
        """Let the calls in flight finish; those that do not become uncertain."""
        await self._window.drain(seconds)

    async def _until_due(self) -> float:
        due = await self._journal.calls.next_due(self._line.alias)
        return IDLE if due is None else min(IDLE, (due - self._clock.now()).total_seconds())

    async def _claim_and_make(self, claimed: "asyncio.Future[bool]") -> None:
        call = None
        try:
            call = await self._journal.calls.claim(self._line.alias, self._owner)
        finally:
            if not claimed.done():
                claimed.set_result(call is not None)
        if call is not None:
            await self._make(call)

    async def _make(self, call: OutboundCall) -> None:
        ended = False
        try:
            ended = await self._make_and_judge(call)
        finally:
            # Cancelled, or surprised by a defect: either way nobody knows whether the provider took it.
            if not ended:
                problem = Problem(ErrorCode.UNCERTAIN, "relay was stopped before the provider's answer came")
                await self._journal.calls.unanswered(call.call_id, self._owner, problem)

    async def _make_and_judge(self, call: OutboundCall) -> bool:
        self._log.debug("call.begun", call_id=call.call_id, message_id=call.message_id, attempt=call.attempt)
        try:
            answer = await self._line.send(call)
        except RelayError as error:
            await self._failed(call, error)
        else:
            await self._answered(call, answer)
        return True

    async def _answered(self, call: OutboundCall, answer: CallAnswer) -> None:
        follow = answer.ref is not None and isinstance(self._line, AsksStatus)
        first_look = next_look(0.0, chance=self._ids.chance.random()) if follow else None
        await self._journal.calls.answered(call.call_id, self._owner, answer, first_look=first_look)
        self._board.report(self._line.alias, "send", LineState.READY)
        self._log.info("call.answered", call_id=call.call_id, message_id=call.message_id, copies=len(call.recipients))

    async def _failed(self, call: OutboundCall, error: RelayError) -> None:
        """Do what the error's class says (design, rule 5)."""
        calls, problem, about = self._journal.calls, error.problem, (call.call_id, self._owner)
        match error:
            case RefusedAsGroup() if len(call.recipients) > 1:
                await calls.divide(*about)
            case Refused():
                await calls.refused(*about, problem)
            case TryLater():
                await self._try_later(call, error)
            case NotAuthorized():
                self._pause = UNAUTHORIZED_PAUSE
                self._board.report(self._line.alias, "send", LineState.UNAUTHORIZED, problem.code)
                await calls.release(*about, UNAUTHORIZED_PAUSE)
            case _:
                await calls.unanswered(*about, problem)
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

    async def _try_later(self, call: OutboundCall, error: TryLater) -> None:
        delay = error.after or RETRY_SEND.delay(call.attempt, self._ids.chance.random())
        if isinstance(error, Throttled):
            self._pause = delay
            self._board.report(self._line.alias, "send", LineState.THROTTLED, error.problem.code)
        elif error.problem.code is ErrorCode.UNREACHABLE:
            self._board.report(self._line.alias, "send", LineState.UNREACHABLE, error.problem.code)
        await self._journal.calls.retry(call.call_id, self._owner, error.problem, delay)


_LEVEL = {RefusedAsGroup: 20, Refused: 20, OutcomeUnknown: 30, NotAuthorized: 40}
