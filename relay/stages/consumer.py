"""bus -> journal: take a command, write it down with its answer, then acknowledge it to the broker.

A command is acknowledged only when it and its answer are on disk; what the broker delivers again is answered
again, from what was written down.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import structlog

from relay.bus.commands import read_command, unanswered
from relay.bus.delivery import Delivery, OnArrival
from relay.bus.mqtt import Bus
from relay.bus.requests import (
    BadCommand,
    CancelCommand,
    CheckCommand,
    CommandRules,
    LookupCommand,
    SendCommand,
)
from relay.clock import Clock
from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import Plan, SendRequest
from relay.journal import Answer, Journal, JournalError
from relay.providerkit.spec import Line, Sends
from relay.stagekit import Rest, Stage, Window

log = structlog.get_logger()

IN_FLIGHT = 64
WAIT = 30.0  # seconds: a step that waits for a command ends now and then, to show that it is alive
# A copy ends even where nobody set an expiry and its line never comes back: after as long as AT&T itself would try.
UNASKED_TTL = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Intake:
    """Understands commands and writes them down; the bus and the control socket both hand theirs in here."""

    lines: Mapping[str, Line]
    journal: Journal
    clock: Clock
    rules: CommandRules

    async def take(self, delivery: Delivery) -> Answer:
        """The answer to a command; it is on disk, and on its way to the bus, when this returns."""
        commands = self.journal.commands
        match read_command(delivery, self.clock.now(), self.rules):
            case SendCommand() as asked:
                return await self._send(asked)
            case CheckCommand() as asked:
                return await self._check(asked)
            case LookupCommand() as asked:
                return await commands.lookup(asked.line, asked.client, asked.key, asked.ref, asked.reply)
            case CancelCommand() as asked:
                return await commands.cancel(asked.line, asked.client, asked.key, asked.ref, asked.reply)
            case BadCommand() as bad:
                return await self._answer(bad)

    async def give_up(self, delivery: Delivery) -> Answer:
        """Answer a command that relay itself fails at, so that it is not delivered again, to fail again."""
        problem = Problem(ErrorCode.INTERNAL, "relay failed at this command: its log says how")
        return await self._answer(unanswered(delivery, self.clock.now(), problem))

    async def _answer(self, bad: BadCommand) -> Answer:
        return await self.journal.commands.reject(
            bad.line, bad.client, bad.request_id, bad.ref, bad.problem, bad.reply, bad.metadata
        )

    async def _send(self, asked: SendCommand) -> Answer:
        request = _ending(asked.request)
        plan = self._plan(request)
        if isinstance(plan, Problem):
            return await self._reject(request, plan)
        refusals = self._with_own_number(request, asked.refusals)
        return await self.journal.commands.accept(request, plan, refusals, raw_digest=asked.raw_digest)

    async def _check(self, asked: CheckCommand) -> Answer:
        plan = self._plan(asked.request)
        if isinstance(plan, Problem):
            return await self._reject(asked.request, plan)
        refusals = self._with_own_number(asked.request, asked.refusals)
        return await self.journal.commands.checked(asked.request, plan, refusals)

    async def _reject(self, request: SendRequest, problem: Problem) -> Answer:
        return await self.journal.commands.reject(
            request.line, request.client, request.key, request.ref, problem, request.reply, request.metadata
        )

    def _plan(self, request: SendRequest) -> Plan | Problem:
        line = self.lines.get(request.line)
        if line is None:
            return Problem(ErrorCode.UNKNOWN_LINE, "there is no such line here; `relay status` lists the lines")
        if not isinstance(line, Sends):
            return Problem(ErrorCode.UNSUPPORTED, f"the line {request.line!r} does not send")
        try:
            return line.plan(request.text, request.media, request.subject)
        except Refused as refusal:
            return refusal.problem

    def _with_own_number(
        self, request: SendRequest, refusals: tuple[Problem | None, ...]
    ) -> tuple[Problem | None, ...]:
        """A line that texts itself would answer itself: such a copy is refused."""
        own = self.lines[request.line].number
        problem = Problem(ErrorCode.LOOP_SUSPECTED, "this recipient is the line's own number")
        return tuple(
            refusal or (problem if address.value == own else None)
            for address, refusal in zip(request.to, refusals, strict=True)
        )


def _ending(request: SendRequest) -> SendRequest:
    """The request with an expiry, where it has none of its own."""
    if request.expires_at is not None or request.ttl is not None:
        return request
    if request.send_at is not None:
        return replace(request, expires_at=request.send_at + UNASKED_TTL)
    return replace(request, ttl=UNASKED_TTL.total_seconds())


class Consumer(Stage):
    """Takes commands from the bus."""

    name = "consumer"

    def __init__(self, *, bus: Bus, intake: Intake) -> None:
        self._bus = bus
        self._intake = intake
        self._window = Window(IN_FLIGHT)
        self._acknowledged: list[str] = []

    async def step(self) -> Rest | None:
        """Take the next command."""
        await self._window.room()
        await self._forget()
        try:
            async with asyncio.timeout(WAIT):
                delivery = await self._bus.next_command()
        except TimeoutError:
            return None
        self._window.start(self._take(delivery), self.name)
        # Others run between two commands, so that a flood of them starves nobody.
        await asyncio.sleep(0)
        return None

    async def drain(self, seconds: float) -> None:
        """Let the commands that are being written down be acknowledged."""
        await self._window.drain(seconds)

    async def _take(self, delivery: Delivery) -> None:
        try:
            answer = await self._answer(delivery)
            delivery.ack(self._on_arrival(answer))
        except (JournalError, asyncio.CancelledError):
            # The broker repeats what was not acknowledged only on a new connection.
            delivery.again()
            raise
        finally:
            # Whatever else went wrong would go wrong each time, and all other commands would wait for ever.
            delivery.ack()
        log.info(
            "command.taken",
            line=delivery.line,
            verb=delivery.verb,
            outcome=answer.outcome,
            message_id=answer.message_id,
            replayed=answer.replayed,
        )

    async def _answer(self, delivery: Delivery) -> Answer:
        [found] = await asyncio.gather(self._intake.take(delivery), return_exceptions=True)
        if isinstance(found, Answer):
            return found
        if not isinstance(found, JournalError | asyncio.CancelledError):
            await self._intake.give_up(delivery)
        raise found

    def _on_arrival(self, answer: Answer) -> OnArrival | None:
        """What is to be done once the broker has the acknowledgement; nothing where the request has an id."""
        if answer.message_id is None or answer.body["idempotent"]:
            return None
        return partial(self._acknowledged.append, answer.message_id)

    async def _forget(self) -> None:
        """Have the journal forget, as one batch, what it recognises redelivered commands by."""
        if acknowledged := tuple(self._acknowledged):
            await self._intake.journal.commands.acknowledged(acknowledged)
            # Not before: where they could not be written down, the next time has them again.
            del self._acknowledged[: len(acknowledged)]
