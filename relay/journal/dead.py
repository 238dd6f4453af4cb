"""What was set aside for a person: listed, shown, taken up again or given up."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from relay.domain.errors import ErrorCode, Problem
from relay.domain.states import Fact
from relay.journal.again import send_again
from relay.journal.announce import announcement
from relay.journal.answers import standing
from relay.journal.callrows import settle
from relay.journal.codec import report_in
from relay.journal.copies import Happening, copies_where, happen
from relay.journal.copyrows import copy_from
from relay.journal.failures import UnknownAside
from relay.journal.orphans import forget_parked, is_report
from relay.journal.rawrows import KeptRaw, kept_raw
from relay.journal.reader import Reader
from relay.journal.reports import match_parked
from relay.journal.schema import aside, aside_is_open, copy, event, parked, raw
from relay.journal.sums import raw_sum
from relay.journal.transaction import UNPUBLISHED, Transaction
from relay.journal.writer import Writer

ASIDE_KINDS = ("raw", "event", "uncertain", "orphan", "damaged")


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What came of taking something up again.

    Attributes:
        outcome: `read`, where `kept` is to be read; `published` again; `queued` to be sent; `matched`, for a report
            whose copy is known now, or `unmatched`.
        kept: the bytes that are to be read.
    """

    outcome: str
    kept: KeptRaw | None = None


class DeadVerbs:
    """What may be done with what was set aside. Ids that are not open (any more) raise UnknownAside."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def list(
        self, limit: int, after: str = "", *, kind: str | None = None, line: str | None = None
    ) -> list[dict[str, Any]]:
        """What waits for a person, oldest first, beginning after the id `after`; no content.

        Args:
            limit: how many at most.
            after: the last id of the page before.
            kind: only this one of `ASIDE_KINDS`.
            line: only what is about this line.
        """
        here = [column == one for column, one in ((aside.c.kind, kind), (aside.c.line, line)) if one is not None]
        waiting = select(aside).where(aside_is_open, aside.c.id > after, *here).order_by(aside.c.id).limit(limit)

        def read(connection: Connection) -> list[dict[str, Any]]:
            return [dict(row._mapping) for row in connection.execute(waiting)]  # noqa: SLF001 - SQLAlchemy's public name

        return await self._reader.run(read)

    async def show(self, aside_id: str) -> dict[str, Any] | None:
        """One of them with what it is about, content included; None where there is none of this id.

        Returns:
            the fields of `list`, and `raw` (its body in base64), `event` (its body), `copy` (how it stands) or
            `report` (what the provider said, of what, since when it is known).
        """
        return await self._reader.run(lambda connection: _show(connection, aside_id))

    async def counts(self) -> dict[str, int]:
        """How many of each of `ASIDE_KINDS` wait for a person."""
        return await self._reader.run(set_aside_counts)

    async def again(self, aside_id: str) -> TakenUp:
        """Take it up again.

        Bytes are to be read again: they stay listed until they are understood. An event is published again. A copy
        of which nobody knows whether it was sent is sent again. The copy of a report is looked for again.

        Raises:
            UnknownAside: it is not open, or damaged.
        """
        verbs: dict[str, Callable[[Transaction, Any], TakenUp]] = {
            "raw": _read_again,
            "event": _publish_again,
            "uncertain": _send_again,
            "orphan": _match_again,
        }

        def operation(tx: Transaction) -> TakenUp:
            thing = _open(tx, aside_id)
            if thing.kind not in verbs:
                raise UnknownAside("what is damaged cannot be mended: it can only be discarded")
            return verbs[thing.kind](tx, thing)

        return await self._writer.run(operation)

    async def discard(self, aside_id: str) -> None:
        """Give it up: bytes and events are forgotten in time, a report at once, and a copy has failed.

        Raises:
            UnknownAside: it is not open.
        """

        def operation(tx: Transaction) -> None:
            thing = _open(tx, aside_id)
            if thing.raw_id is not None:
                tx.execute(update(raw).where(raw.c.id == thing.raw_id).values(state="read"))
            if thing.kind == "uncertain":
                _give_up(tx, thing)
            if thing.parked_id is not None:
                forget_parked(tx, tx.execute(select(parked).where(parked.c.id == thing.parked_id)).all())
            _settle_aside(tx, aside_id)

        await self._writer.run(operation)


def set_aside_counts(connection: Connection) -> dict[str, int]:
    """How many of each of `ASIDE_KINDS` wait for a person."""
    counted = connection.execute(select(aside.c.kind, func.count()).where(aside_is_open).group_by(aside.c.kind))
    return {**dict.fromkeys(ASIDE_KINDS, 0), **{row[0]: row[1] for row in counted}}


def _show(connection: Connection, aside_id: str) -> dict[str, Any] | None:
    thing = connection.execute(select(aside).where(aside.c.id == aside_id)).first()
    if thing is None:
        return None
    shown = dict(thing._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    row = _row(connection, raw, thing.raw_id)
    if row is not None:
        fields = ("source", "event", "content_type", "received_at")
        body = b64encode(row.body).decode("ascii")
        shown["raw"] = {**{name: row._mapping[name] for name in fields}, "body": body}  # noqa: SLF001 - as above
    row = _row(connection, event, thing.event_id)
    if row is not None:
        whole = announcement(row)
        shown["event"] = whole and dict(whole.body)
    row = _row(connection, copy, thing.copy_id)
    if row is not None:
        shown["copy"] = standing(copy_from(row))
    row = _row(connection, parked, thing.parked_id)
    if row is not None:
        shown["report"] = _as_body(row) if is_report(row) else None
    return shown


def _as_body(row: Any) -> dict[str, Any]:
    report = report_in(row.report)
    return {
        "ref": report.ref,
        "to": report.address.value if report.address else None,
        "position": report.position,
        "fact": report.fact.value,
        "status": report.status,
        "code": report.code,
        "received_at": row.at,
    }


def _row(connection: Connection, table: Table, row_id: str | None) -> Any:
    return None if row_id is None else connection.execute(select(table).where(table.c.id == row_id)).first()


def _open(tx: Transaction, aside_id: str) -> Any:
    thing = tx.execute(select(aside).where(aside_is_open, aside.c.id == aside_id)).first()
    if thing is None:
        raise UnknownAside("nothing of this id waits for a person: it was settled, or never set aside")
    return thing


def _settle_aside(tx: Transaction, aside_id: str) -> None:
    tx.execute(update(aside).where(aside.c.id == aside_id).values(state="settled"))


def _read_again(tx: Transaction, thing: Any) -> TakenUp:
    row = tx.execute(select(raw).where(raw.c.id == thing.raw_id)).first()
    if row is None or raw_sum(dict(row._mapping)) != row.sum:  # noqa: SLF001 - SQLAlchemy's public name
        raise UnknownAside("the journal's row is damaged: it can only be discarded")
    tx.execute(update(raw).where(raw.c.id == thing.raw_id).values(state="kept"))
    return TakenUp("read", kept_raw(row))


def _publish_again(tx: Transaction, thing: Any) -> TakenUp:
    """Under the same id, in a new place at the end: whoever publishes does not look back."""
    row = tx.execute(select(event).where(event.c.id == thing.event_id)).first()
    if row is None or announcement(row) is None:
        raise UnknownAside("the journal's row is damaged: it can only be discarded")
    tx.execute(delete(event).where(event.c.id == thing.event_id))
    values = {name: value for name, value in row._mapping.items() if name != "position"}  # noqa: SLF001 - as above
    tx.execute(insert(event), [{**values, "published_at": None}])
    tx.counts[UNPUBLISHED] += 1
    tx.bells.add("events")
    _settle_aside(tx, thing.id)
    return TakenUp("published")


def _send_again(tx: Transaction, thing: Any) -> TakenUp:
    send_again(tx, copies_where(tx, copy.c.id == thing.copy_id))
    return TakenUp("queued")


def _match_again(tx: Transaction, thing: Any) -> TakenUp:
    return TakenUp("matched" if match_parked(tx, thing.parked_id) else "unmatched")


def _give_up(tx: Transaction, thing: Any) -> None:
    copies = copies_where(tx, copy.c.id == thing.copy_id)
    happen(tx, [Happening(one, Fact.ABANDONED, problem=_GIVEN_UP) for one in copies])
    settle(tx, [one.call_id for one in copies])


_GIVEN_UP = Problem(ErrorCode.UNCERTAIN, "given up by a person: nobody knows whether it was sent")
