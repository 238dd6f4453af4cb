"""What was noted by a clock that has been put back since -> the same, as the clock has it now.

A retry that was to come in two minutes would come in thirty days and two minutes; a status that AT&T deletes after
thirty minutes would be asked for in a month. What a person asked for by the time of day, a `send_at` or the hours of
sending, stays as it is.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import BigInteger, Update, bindparam, or_, type_coerce, update
from sqlalchemy.sql.elements import KeyedColumnElement

from relay.domain.waiting import Why
from relay.journal.columns import Moment
from relay.journal.mailschema import arrival, sighting
from relay.journal.schema import call, call_is_followed, call_is_looked_at, call_is_waiting
from relay.journal.transaction import Transaction

_MICROSECOND = timedelta(microseconds=1)
_OWN = (Why.RETRY, Why.COMPANY, Why.ORDER)  # what relay itself lets a call wait for


def put_back(tx: Transaction, by: timedelta) -> int:
    """Put back what lies ahead by as much as the clock was put back; gives how much that was."""
    step = {"by": by // _MICROSECOND, "now": tx.now}
    moved = sum(tx.execute(statement, step).rowcount for statement in _STEPS)
    tx.bells.update({f"calls:{line}" for line in _lines(tx)} | {f"looks:{line}" for line in _lines(tx)})
    return moved


def _lines(tx: Transaction) -> Sequence[str]:
    return list(tx.execute(call.select().with_only_columns(call.c.line).distinct()).scalars())


def _ahead(column: KeyedColumnElement[object]) -> Update:
    earlier = type_coerce(type_coerce(column, BigInteger) - bindparam("by", type_=BigInteger), Moment)
    return update(column.table).where(column > bindparam("now", type_=Moment)).values({column.name: earlier})


_STEPS = (
    _ahead(call.c.due_at).where(
        call_is_waiting, or_(call.c.why.is_(None), call.c.why.in_([why.value for why in _OWN]))
    ),
    _ahead(call.c.look_at).where(call_is_looked_at),
    _ahead(call.c.handed_over_at).where(call_is_followed),
    _ahead(arrival.c.due_at),
    _ahead(sighting.c.due_at),
)
