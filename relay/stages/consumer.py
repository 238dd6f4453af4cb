"""bus -> journal: take a command, write it down with its answer, then acknowledge it to the broker.

A command is acknowledged only when it and its answer are on disk; what the broker delivers again is answered
again, from what was written down.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from relay.bus.commands import (
    BadCommand,
    CancelCommand,
    CheckCommand,
    CommandReader,
    LookupCommand,
    SendCommand,
)
from relay.bus.mqtt import Bus, Delivery
from relay.domain.errors import ErrorCode, Problem, Refused
from relay.domain.messages import Plan, SendRequest
from relay.journal import Answer, Journal
from relay.providerkit.spec import Line, Sends
from relay.stagekit import Rest, Stage, Window

log = structlog.get_logger()

IN_FLIGHT = 64


@dataclass(frozen=True, slots=True)
class Intake:
    """Understands commands and writes them down; the bus and the control socket both hand theirs in here."""

    lines: Mapping[str, Line]
    own_numbers: Mapping[str, str]
    journal: Journal
    reader: CommandReader

    async def take(self, delivery: Delivery) -> Answer:
        """The answer to a command; it is on disk, and on its way to the bus, when this returns."""
        match self.reader.read(delivery):
            case SendCommand(request=request, refusals=refusals):
                return await self._send(request, refusals, delivery)
            case CheckCommand(request=request, refusals=refusals):
                return await self._check(request, refusals)
            case LookupCommand() as command:
                return await self.journal.commands.lookup(
                    command.line, command.client, command.key, command.ref, command.reply
                )
            case CancelCommand() as command:
                return await self.journal.commands.cancel(
                    command.line, command.client, command.key, command.ref, command.reply
                )
            case BadCommand() as command:
                return await self.journal.commands.reject(
                    delivery.line,
                    delivery.client,
                    command.request_id,
                    command.ref,
                    command.problem,
                    command.reply,
                    command.metadata,
                )

    async def _send(self, request: SendRequest, refusals: tuple[Problem | None, ...], delivery: Delivery) -> Answer:
        plan = self._plan(request)
        if isinstance(plan, Problem):
            return await self._reject(request, plan)
        return await self.journal.commands.accept(
            request, plan, self._with_own_number(request, refusals), raw_digest=delivery.digest
        )

    async def _check(self, request: SendRequest, refusals: tuple[Problem | None, ...]) -> Answer:
        plan = self._plan(request)
        if isinstance(plan, Problem):
            return await self._reject(request, plan)
        return await self.journal.commands.checked(request, plan, self._with_own_number(request, refusals))

    async def _reject(self, request: SendRequest, problem: Problem) -> Answer:
        return await self.journal.commands.reject(
            request.line, request.client, request.key, request.ref, problem, request.reply, request.metadata
        )

    def _plan(self, request: SendRequest) -> Plan | Problem:
        line = self.lines.get(request.line)
        if line is None:
            return Problem(ErrorCode.UNKNOWN_LINE, f"there is no line {request.line!r} here")
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
        own = self.own_numbers.get(request.line)
        problem = Problem(ErrorCode.LOOP_SUSPECTED, "this recipient is the line's own number")
        return tuple(
            refusal or (problem if address.value == own else None)
            for address, refusal in zip(request.to, refusals, strict=True)
        )


class Consumer(Stage):
    """Takes commands from the bus."""

    name = "consumer"

    def __init__(self, *, bus: Bus, intake: Intake) -> None:
        self._bus = bus
        self._intake = intake
        self._window = Window(IN_FLIGHT)

    async def step(self) -> Rest | None:
        """Take the next command, or rest until there is one."""
        await self._window.room()
        delivery = self._bus.command_waiting()
        if delivery is None:
            return Rest(bell=self._bus.command_bell)
        self._window.start(self._take(delivery), self.name)
        # Others run between two commands, so that a flood of them starves nobody.
        await asyncio.sleep(0)
        return None

    async def drain(self, seconds: float) -> None:
        """Let the commands that are being written down be acknowledged."""
        await self._window.drain(seconds)

    async def _take(self, delivery: Delivery) -> None:
        taken = False
        try:
            answer = await self._intake.take(delivery)
            delivery.ack()
            taken = True
        finally:
            if not taken:
                # The broker repeats what was not acknowledged only on a new connection.
                self._bus.redeliver(delivery)
        log.info(
            "command.taken",
            line=delivery.line,
            verb=delivery.verb,
            outcome=answer.outcome,
            message_id=answer.message_id,
            replayed=answer.replayed,
        )
