"""bus -> journal: take a command, write it down with its answer, then acknowledge it to the broker.

A command is acknowledged only when it and its answer are on disk; what the broker delivers again is answered
again, from what was written down. While the journal takes nothing new, relay leaves them with the broker.
"""

import asyncio
from functools import partial

import structlog

from relay.boundaries import Boundary, reached
from relay.bus.delivery import Delivery, OnArrival
from relay.bus.mqtt import Bus
from relay.intake import Intake
from relay.journal import Answer, JournalError, JournalShut
from relay.stagekit import Rest, Stage, Window
from relay.turns import BUS

log = structlog.get_logger()

IN_FLIGHT = 64
IN_FLIGHT_BYTES = 256 * 1024  # of commands that are being written down: what they mean takes a hundred times as much
WAIT = 30.0  # seconds: a step that waits for a command ends now and then, to show that it is alive


class Consumer(Stage):
    """Takes commands from the bus."""

    name = "consumer"

    def __init__(self, *, bus: Bus, intake: Intake) -> None:
        self._bus = bus
        self._intake = intake
        self._window = Window(IN_FLIGHT, IN_FLIGHT_BYTES)
        self._next: Delivery | None = None
        self._acknowledged: list[str] = []
        self._unlisten = intake.journal.on_shut(self._listen)
        self._has_ended = False
        self._log = log.bind()
        self._listen()

    async def step(self) -> Rest | None:
        """Take the next command."""
        await self._window.room()
        await self._forget()
        delivery = await self._ready()
        if delivery is not None:
            self._window.start(self._take(delivery), self.name, len(delivery.payload))
            # Others run between two commands, so that a flood of them starves nobody.
            await asyncio.sleep(0)
        return None

    async def drain(self, seconds: float) -> None:
        """Let the commands that are being written down be acknowledged; the others stay with the broker."""
        await self._window.drain(seconds)
        if self._next is not None:
            self._next.leave()
        # The last word on it: where it is another node's turn, that one hears them from now on.
        self._listen()
        self._has_ended = True
        self._unlisten()

    async def _ready(self) -> Delivery | None:
        """The next command, once there is one and room for it; None where that takes long."""
        self._next = self._next or self._bus.command_here()
        if self._next is None or not self._window.bears(len(self._next.payload)):
            try:
                async with asyncio.timeout(WAIT):
                    self._next = self._next or await self._bus.next_command()
                    await self._window.room(len(self._next.payload))
            except TimeoutError:
                return None
        delivery, self._next = self._next, None
        return delivery

    def _listen(self) -> None:
        """Hear commands as long as they can be written down."""
        if not self._has_ended:
            self._bus.hear_commands(wanted=self._intake.journal.shut is None)

    async def _take(self, delivery: Delivery) -> None:
        try:
            reached(Boundary.COMMAND_TAKEN)
            answer = await self._answer(delivery)
            reached(Boundary.COMMAND_KEPT)
            delivery.ack(self._on_arrival(answer))
            reached(Boundary.COMMAND_ACKNOWLEDGED)
        except JournalShut:
            # The journal has said so, once for all commands.
            self._listen()
            delivery.again()
            return
        except (JournalError, asyncio.CancelledError):
            # The broker repeats what was not acknowledged only on a new connection.
            delivery.again()
            raise
        finally:
            # Whatever else went wrong would go wrong each time, and all other commands would wait for ever.
            delivery.ack()
        self._log.info(
            "command.taken",
            line=delivery.line,
            verb=delivery.verb,
            outcome=answer.outcome,
            message_id=answer.message_id,
            replayed=answer.replayed,
        )

    async def _answer(self, delivery: Delivery) -> Answer:
        is_defect = True
        try:
            answer = await self._intake.take(delivery, heard_under=BUS)
            is_defect = False
        except (JournalError, asyncio.CancelledError):
            is_defect = False
            raise
        finally:
            if is_defect:
                await self._intake.give_up(delivery)
        return answer

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
