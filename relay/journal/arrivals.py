"""Arrivals: messages that the provider has, and of which something is still to be fetched."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, func, select, update

from relay.clock import Clock
from relay.domain.mailbox import Mail
from relay.domain.messages import InboundMessage, RawAnswer
from relay.journal.announce import SetAside, set_aside
from relay.journal.arrivalrows import add_arrivals, drop_arrival
from relay.journal.inbound import take_whole
from relay.journal.mailcodec import mail_of
from relay.journal.mailrows import is_listed, message_of, unlist
from relay.journal.mailschema import arrival, sighting
from relay.journal.media import expire_media
from relay.journal.raw import keep_aside
from relay.journal.rawrows import KeptRaw, leave, settle_asides
from relay.journal.reader import Reader
from relay.journal.seen import Came, first_seen, forget_seen
from relay.journal.segments import is_piece, take_piece
from relay.journal.sightings import take_whole_sighting
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message to be fetched. `mail` is what is known of it; None: only its id, from a mailbox."""

    id: str
    line: str
    ref: str
    mail: Mail | None
    since: datetime
    attempts: int


def _nothing(tx: Transaction) -> None:
    """What is done where nothing has to be."""


class ArrivalVerbs:
    """What may be done with arrivals. Each of them happens once: a second time changes nothing."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock

    async def due(self, line: str, limit: int, *, whenever: bool = False) -> list[Arrival]:
        """The arrivals that are due, or all; those first that wait longest. A damaged one is set aside and left out."""
        asked = {"here": line, "now": _NEVER if whenever else self._clock.now(), "most": limit}
        rows = await self._reader.run(lambda connection: _read(connection, asked))
        whole = []
        for row in rows:
            mail = mail_of(row)
            if mail is None and row.mail is not None:
                await self._writer.run(lambda tx, row=row: _damaged(tx, row))  # type: ignore[misc]
            else:
                whole.append(Arrival(row.id, row.line, row.ref, mail, row.since, row.attempts))
        return whole

    async def next_due(self, line: str) -> datetime | None:
        """When the next arrival is due; None where there is none."""
        first = select(func.min(arrival.c.due_at)).where(arrival.c.line == line)
        return await self._reader.run(lambda connection: connection.execute(first).scalar())

    async def whole(self, arrived: Arrival, mail: Mail) -> None:
        """Everything that can be had of it is here: announce it, or judge whose it is if it went out.

        Where it is waited for no more, as when its people were forgotten, kept attachments that nobody is told of go.
        """
        await self._once(arrived, lambda tx: _take(tx, arrived, mail), lambda tx: _drop_untold(tx, arrived, mail))

    async def later(self, arrived: Arrival, seconds: float) -> None:
        """Try again in so many seconds."""
        await self._writer.run(lambda tx: _postpone(tx, arrived, seconds))

    async def dropped(self, arrived: Arrival, *, unless_listed: float | None = None) -> bool:
        """The provider has it no more: nothing is announced. Should it be there again, it is new.

        Args:
            arrived: what it has no more.
            unless_listed: where its mailbox still shows it, it is tried again in so many seconds; None: it is not.

        Returns:
            whether it was dropped.
        """

        def operation(tx: Transaction) -> bool:
            if unless_listed is not None and is_listed(tx, arrived.line, arrived.ref):
                _postpone(tx, arrived, unless_listed)
                return False
            if drop_arrival(tx, arrived.id):
                forget_seen(tx, arrived.line, "arrival", arrived.ref)
                unlist(tx, arrived.line, [arrived.ref])
                log.info("arrival.dropped", line=arrived.line, arrival_id=arrived.id)
            return True

        return await self._writer.run(operation)

    async def aside(self, arrived: Arrival, answer: RawAnswer, why: str) -> None:
        """Keep the provider's bytes of it, which cannot be understood, for a person. `why` holds no content."""
        await self._once(arrived, lambda tx: _aside(tx, arrived, answer, why))

    async def again(self, kept: KeptRaw) -> None:
        """Fetch the message once more that `kept`, which is nothing but its id, was set aside for."""

        def operation(tx: Transaction) -> None:
            if leave(tx, kept.id, "read"):
                settle_asides(tx, kept.id)
                forget_seen(tx, kept.line, "arrival", kept.event)
                add_arrivals(tx, kept.line, [kept.event])

        await self._writer.run(operation)

    async def lines(self) -> list[str]:
        """The lines of which something is still to be fetched."""
        named = select(arrival.c.line).distinct().order_by(arrival.c.line)
        return await self._reader.run(lambda connection: list(connection.execute(named).scalars()))

    async def _once(
        self, arrived: Arrival, then: Callable[[Transaction], None], too_late: Callable[[Transaction], None] = _nothing
    ) -> None:
        def operation(tx: Transaction) -> None:
            (then if drop_arrival(tx, arrived.id) else too_late)(tx)

        await self._writer.run(operation)


def _read(connection: Connection, asked: dict[str, Any]) -> list[Any]:
    return list(connection.execute(_DUE, asked))


def _postpone(tx: Transaction, arrived: Arrival, seconds: float) -> None:
    tx.execute(_LATER, {"this": arrived.id, "due_at": tx.now + timedelta(seconds=seconds)})
    tx.bells.add(f"arrivals:{arrived.line}")


def _take(tx: Transaction, arrived: Arrival, mail: Mail) -> None:
    line, known = arrived.line, arrived.mail is not None
    if isinstance(mail, InboundMessage):
        if known or mail.dedupe_key is None or first_seen(tx, line, "message", mail.dedupe_key):
            # Everything that arrives has an id at the provider, by which its changes are told.
            one = mail if mail.ref is not None else replace(mail, ref=arrived.ref)
            take_whole(tx, line, [Came(arrived.id, arrived.since, [one])])
    elif known or first_seen(tx, line, "sighting", mail.ref):
        (take_piece if is_piece(mail) else take_whole_sighting)(tx, line, mail)


def _drop_untold(tx: Transaction, arrived: Arrival, mail: Mail) -> None:
    """Let the time of its kept attachments be over, unless it was told before, or waits elsewhere to be."""
    line, ref = arrived.line, arrived.ref
    waits = is_piece(mail) or tx.execute(_WAITS, {"here": line, "by": ref}).first() is not None
    if not waits and message_of(tx, line, ref) is None:
        expire_media(tx, [part.token for part in mail.parts if part.token is not None])


def _aside(tx: Transaction, arrived: Arrival, answer: RawAnswer, why: str) -> None:
    keep_aside(tx, KeptRaw("", arrived.line, "mail", arrived.ref, "", answer, tx.now), why)
    # What is read out of these bytes after all must not be taken for a repetition.
    forget_seen(tx, arrived.line, "arrival", arrived.ref)


def _damaged(tx: Transaction, row: Any) -> None:
    if drop_arrival(tx, row.id):
        thing = SetAside("damaged", row.line, "message", "the journal's row is damaged: a message is lost")
        set_aside(tx, thing)


_NEVER = datetime.max.replace(tzinfo=UTC)  # as far as anybody here waits
_DUE = (
    select(arrival)
    .where(arrival.c.line == bindparam("here"), arrival.c.due_at <= bindparam("now"))
    .order_by(arrival.c.due_at, arrival.c.id)
    .limit(bindparam("most"))
)
_WAITS = select(sighting.c.id).where(sighting.c.line == bindparam("here"), sighting.c.ref == bindparam("by"))
_LATER = (
    update(arrival)
    .where(arrival.c.id == bindparam("this"))
    .values(due_at=bindparam("due_at"), attempts=arrival.c.attempts + 1)
)
