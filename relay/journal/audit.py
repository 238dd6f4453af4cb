"""Rows that nobody has a reason to read -> looked at all the same, a few at a time: what is damaged is listed.

Most damage is found by whoever needs the row. This finds what nobody would come upon: a call that no line claims any
more, because its line is no line; an opt-out whose number is not the number that it was noted for; bytes in a state
that is none. It acts only on what cannot be, so that it never takes a row's ordinary life for damage.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, select, update

from relay.clock import Clock
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import Priority
from relay.domain.states import Fact, State
from relay.domain.waiting import Why
from relay.journal.announce import SetAside, set_aside
from relay.journal.copies import Happening, happen, tell_damaged
from relay.journal.copyrows import copy_from
from relay.journal.damagedcommands import is_damaged, whole_command
from relay.journal.damagedcopies import DAMAGED
from relay.journal.optoutrows import is_whole, mend
from relay.journal.orphans import is_report, whole_reports
from relay.journal.reader import Reader
from relay.journal.ruleschema import optout
from relay.journal.schema import call, command, copy, parked, raw
from relay.journal.sums import command_sum, fits
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

AT_ONCE = 500  # rows
_AHEAD = timedelta(days=5 * 365)  # relay itself lets nothing wait that long, and follows nothing that late


@dataclass(frozen=True, slots=True)
class _Look:
    """One table: its rows in the order of a column, what cannot be among them, and what is done about it."""

    rows: Select[Any]
    key: Column[Any]
    is_damaged: Callable[[Row[Any], datetime], bool]
    mend: Callable[[Transaction, Row[Any]], object]


class AuditVerbs:
    """Looks at the rows of a journal, table by table, and begins anew after the last."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._place: tuple[int, str] = (0, "")

    async def look(self, limit: int = AT_ONCE) -> bool:
        """Look at the next rows, and set aside what is damaged; gives False at the end of the last table."""
        now = self._clock.now()
        number, after = self._place
        look = _LOOKS[number]
        some = look.rows.where(look.key > after).order_by(look.key).limit(limit)
        rows = await self._reader.run(lambda connection: _read(connection, some))
        for row in rows:
            if look.is_damaged(row, now):
                await self._writer.run(lambda tx, row=row: _again(tx, look, row))  # type: ignore[misc]
        is_last = len(rows) < limit
        number = (number + 1) % len(_LOOKS) if is_last else number
        self._place = (number, "" if is_last else rows[-1]._mapping[look.key])  # noqa: SLF001 - SQLAlchemy's public name
        return not (is_last and number == 0)


def _read(connection: Connection, some: Select[Any]) -> Sequence[Row[Any]]:
    return connection.execute(some).all()


def _again(tx: Transaction, look: _Look, row: Row[Any]) -> None:
    """Judge the row as it is now: it may have changed since it was read."""
    key = row._mapping[look.key]  # noqa: SLF001 - as above
    for now in tx.execute(look.rows.where(look.key == key)).all():
        if look.is_damaged(now, tx.now):
            look.mend(tx, now)


def _is_bent(row: Row[Any]) -> bool:
    return not is_damaged(row) and not fits(row.sum, command_sum(row._mapping))  # noqa: SLF001 - as above


def _copy_is_damaged(row: Row[Any], now: datetime) -> bool:
    if row.ended:
        return False
    one = copy_from(row)
    return one.damage is not None or (not _is_carried(row, now) and one.state is not State.UNCERTAIN)


def _is_carried(row: Row[Any], now: datetime) -> bool:
    """Whether the call of a copy is one that a stage will come upon."""
    if row.stage not in _STAGES or row.call_line != row.line:
        return False
    # The clock may have been put back since, by years where it has lost its battery.
    known = max(now, row.changed_at)
    if row.stage != "waiting":
        return not _is_far(row.handed_over_at, known)
    is_wished = row.resume_at is not None or row.why == Why.SEND_AT.value  # by a person: be it as late as it may
    return row.lane in _LANES and (is_wished or not _is_far(row.due_at, known))


def _is_far(at: datetime | None, now: datetime) -> bool:
    return at is not None and at > now + _AHEAD


def _mend_copy(tx: Transaction, row: Row[Any]) -> None:
    """List what is damaged, and end what no stage would ever come upon."""
    one = copy_from(row)
    tell_damaged(tx, [one])
    if _is_carried(row, tx.now) or one.state is State.UNCERTAIN:
        return
    set_aside(tx, SetAside("damaged", one.line, "call", _LOST, copy_id=one.id), about=one.id)
    if one.state is State.SENDING:
        happen(tx, [Happening(one, Fact.UNANSWERED, problem=_DOUBT)])
        set_aside(tx, SetAside("uncertain", one.line, "uncertain", _DOUBT.detail, copy_id=one.id), about=one.id)
    elif one.waits:
        happen(tx, [Happening(one, Fact.REFUSED, problem=DAMAGED)])
    else:
        happen(tx, [Happening(one, Fact.FORGOTTEN, problem=one.problem)])


def _mend_raw(tx: Transaction, row: Row[Any]) -> None:
    tx.execute(update(raw).where(raw.c.id == row.id).values(state="aside"))
    why = "the journal's row is damaged: whether it was read is lost"
    set_aside(tx, SetAside("raw", row.line, row.source, why, raw_id=row.id), about=row.id)


_LOST = "the journal's row of its call is damaged or gone: no stage would come upon it again"
_DOUBT = Problem(ErrorCode.UNCERTAIN, "the journal's row of its call is damaged: nobody knows how it ended")
_STAGES = frozenset({"waiting", "in_flight", "followed", "held", "closed"})
_LANES = frozenset(priority.lane for priority in Priority)
_RAW_STATES = frozenset({"kept", "read", "aside"})
_COPIES = select(
    copy,
    call.c.stage,
    call.c.lane,
    call.c.line.label("call_line"),
    call.c.due_at,
    call.c.resume_at,
    call.c.why,
    call.c.handed_over_at,
).outerjoin(call, call.c.id == copy.c.call_id)
_LOOKS = (
    _Look(select(optout), optout.c.id, lambda row, _: not is_whole(row), mend),
    _Look(select(command), command.c.message_id, lambda row, _: _is_bent(row), whole_command),
    _Look(
        select(raw.c.id, raw.c.line, raw.c.source, raw.c.state),
        raw.c.id,
        lambda row, _: row.state not in _RAW_STATES,
        _mend_raw,
    ),
    _Look(select(parked), parked.c.id, lambda row, _: not is_report(row), lambda tx, row: whole_reports(tx, [row])),
    _Look(_COPIES, copy.c.id, _copy_is_damaged, _mend_copy),
)
