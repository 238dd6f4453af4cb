"""The rows of `call`: where a group of copies that travels together stands on its way.

waiting    to be made when it is due
in_flight  written down as begun, because the request is written next
followed   handed over; the end of some copy is not known
held       nobody knows whether it was handed over; a person or evidence decides
closed     nothing of it is open
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import structlog
from sqlalchemy import Row, Update, bindparam, insert, select, update

from relay.domain.errors import ErrorCode, Problem
from relay.domain.states import Fact, State
from relay.journal.copies import Copy, Happening, copies_of, copies_where, happen
from relay.journal.outgoing import send_at_of
from relay.journal.schema import call, call_expires, call_is_waiting, copy
from relay.journal.sqlite import one_of
from relay.journal.transaction import Transaction

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call to be made, with its copies."""

    line: str
    message_id: str
    lane: int
    due_at: datetime
    expires_at: datetime | None
    attempts: int = 0


def add_call(tx: Transaction, new: NewCall) -> str:
    """Put a call among those that wait; gives its id. Its copies are to be given to it."""
    call_id = tx.ids.new()
    row = {
        "id": call_id,
        "line": new.line,
        "message_id": new.message_id,
        "lane": new.lane,
        "stage": "waiting",
        "due_at": new.due_at,
        "expires_at": new.expires_at,
        "attempts": new.attempts,
        "looks": 0,
    }
    tx.execute(insert(call), [row])
    tx.bells.add(f"calls:{new.line}")
    return call_id


def move_copies(tx: Transaction, old: Row[Any], copies: Sequence[Copy], due_at: datetime) -> None:
    """Give `copies` a call of their own, like `old`, which waits until `due_at`."""
    like_old = NewCall(old.line, old.message_id, old.lane, due_at, old.expires_at, old.attempts)
    call_id = add_call(tx, like_old)
    ids = one_of(copy.c.id, [one.id for one in copies])
    tx.execute(update(copy).where(ids).values(call_id=call_id))


def set_call(tx: Transaction, call_id: str, **values: Any) -> None:
    """Change a call's row."""
    tx.execute(_setting(tuple(values)), {"this": call_id, **values})


def wait_again(tx: Transaction, row: Row[Any], due_at: datetime) -> None:
    """Put a call that was in flight back among those that wait."""
    set_call(tx, row.id, stage="waiting", due_at=due_at, owner=None, recipients=None)
    tx.bells.add(f"calls:{row.line}")


def fenced(tx: Transaction, call_id: str, owner: str) -> Row[Any] | None:
    """The call, if `owner` has it in flight; else None, because somebody else has judged it meanwhile."""
    row = tx.execute(_CALL, {"this": call_id}).one_or_none()
    if row is None or row.stage != "in_flight" or row.owner != owner:
        log.warning("call.fenced", call_id=call_id, owner=owner, stage=row.stage if row else None)
        return None
    return row


def recipients_of(tx: Transaction, row: Row[Any]) -> list[Copy]:
    """The copies that the call in flight carries, in its order."""
    by_ordinal = {one.ordinal: one for one in copies_of(tx, row.id)}
    return [by_ordinal[ordinal] for ordinal in row.recipients]


def followed_from(tx: Transaction, message_id: str, handed_over_at: datetime) -> datetime:
    """When what was handed over begins to be followed: once the provider sends it."""
    return max(handed_over_at, send_at_of(tx, message_id) or handed_over_at)


def settle(tx: Transaction, call_ids: Iterable[str | None]) -> None:
    """Put calls that were handed over where their copies say: followed, held or closed."""
    for call_id in sorted({call_id for call_id in call_ids if call_id}):
        row = tx.execute(_CALL, {"this": call_id}).one_or_none()
        if row is not None and row.stage in {"followed", "held"}:
            _settle(tx, row, copies_of(tx, call_id))


def expire_calls(tx: Transaction, limit: int, line: str | None = None) -> int:
    """End every waiting call whose expiry has come; gives how many copies expired."""
    overdue = _OVERDUE if line is None else _OVERDUE_HERE
    ids = [row.id for row in tx.execute(overdue, {"now": tx.now, "most": limit, "here": line})]
    if not ids:
        return 0
    copies = [one for one in copies_where(tx, one_of(copy.c.call_id, ids)) if one.waits]
    happen(tx, [Happening(one, Fact.EXPIRED, problem=_expired(one)) for one in copies])
    close_waiting(tx, ids)
    return len(copies)


def close_waiting(tx: Transaction, ids: Sequence[str]) -> None:
    """Take calls that have nothing left to send from those that wait; what they handed over earlier is followed."""
    tx.execute(update(call).where(one_of(call.c.id, ids)).values(stage="followed", owner=None))
    settle(tx, ids)


def close_if_sent(tx: Transaction, ids: Sequence[str]) -> None:
    """Take those of these calls that wait with nothing left to send from those that wait."""
    waiting = [row.id for row in tx.execute(select(call.c.id).where(call_is_waiting, one_of(call.c.id, ids)))]
    sent = [call_id for call_id in waiting if not any(one.waits for one in copies_of(tx, call_id))]
    if sent:
        close_waiting(tx, sent)


def _settle(tx: Transaction, row: Row[Any], copies: Sequence[Copy]) -> None:
    if any(one.followed for one in copies):
        if row.stage != "followed" or row.handed_over_at is None:
            # Reports may tell of a call that was never answered: its copies are followed from when it began.
            began_at = row.handed_over_at or row.began_at or tx.now
            set_call(tx, row.id, stage="followed", handed_over_at=followed_from(tx, row.message_id, began_at))
    elif any(one.state is State.UNCERTAIN for one in copies):
        set_call(tx, row.id, stage="held", look_at=None)
    else:
        set_call(tx, row.id, stage="closed", look_at=None)


@cache
def _setting(columns: tuple[str, ...]) -> Update:
    return update(call).where(call.c.id == bindparam("this")).values({name: bindparam(name) for name in columns})


_CALL = select(call).where(call.c.id == bindparam("this"))
_OVERDUE = (
    select(call.c.id)
    .where(call_expires, call.c.expires_at <= bindparam("now"))
    .order_by(call.c.expires_at)
    .limit(bindparam("most"))
)
_OVERDUE_HERE = _OVERDUE.where(call.c.line == bindparam("here"))


def _expired(one: Copy) -> Problem:
    last = f"; the last try: {one.problem.code.value}" if one.problem else ""
    provider = one.problem.provider if one.problem else None
    return Problem(ErrorCode.EXPIRED, f"not handed over before its expiry{last}", provider)
