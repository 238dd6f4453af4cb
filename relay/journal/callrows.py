"""The rows of `call`: where a group of copies that travels together stands on its way.

waiting    to be made when it is due
in_flight  written down as begun, because the request is written next
followed   handed over; the end of some copy is not known
held       nobody knows whether it was handed over; a person or evidence decides
closed     nothing of it is open
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any

import structlog
from sqlalchemy import Row, Update, bindparam, literal, select, update

from relay.domain.errors import ErrorCode, Problem
from relay.domain.states import Fact, State
from relay.domain.waiting import Why
from relay.journal.columns import Words
from relay.journal.copies import Happening, copies_of, copies_of_some, copies_where, happen
from relay.journal.copyrows import Copy
from relay.journal.listing import listed, one_of, unpacked
from relay.journal.outgoing import send_at_of
from relay.journal.schema import call, call_expires, call_is_behind, call_is_waiting, copy
from relay.journal.transaction import Transaction

log = structlog.get_logger()


FOREVER = datetime(9999, 1, 1, tzinfo=UTC)  # when what an operator holds is due
# A text that keeps failing lets the later ones to its number pass after so many tries.
KEPT_IN_ORDER_FOR = 5
ORDER_CHECKED_AFTER = timedelta(minutes=10)  # a call behind another looks again after this long, if nobody wakes it
COPIES_AT_ONCE = 500  # in one transaction, so that nobody waits long for it
CALLS_AT_ONCE = 100  # likewise, where each of them is looked at by itself


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call to be made, with its copies.

    `company` is equal for calls whose copies may travel together; None: nobody joins. `size`: how many copies it has.
    `behind`: the call that has to end first.
    """

    line: str
    message_id: str
    lane: int
    due_at: datetime
    expires_at: datetime | None
    attempts: int = 0
    size: int = 0
    company: str | None = None
    why: Why | None = None
    behind: str | None = None


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
        "size": new.size,
        "company": new.company,
        "why": new.why and new.why.value,
        "behind": new.behind,
    }
    tx.gathered.add_call(row)
    tx.bells.add(f"calls:{new.line}")
    return call_id


def move_copies(
    tx: Transaction,
    old: Row[Any],
    copies: Sequence[Copy],
    due_at: datetime,
    *,
    why: Why | None = None,
    behind: str | None = None,
) -> str:
    """Give `copies` a call of their own, like `old`, which waits until `due_at`; gives its id."""
    # The content is that of a message whose copy it carries: another one may be forgotten first.
    message_id = copies[0].message_id
    like_old = NewCall(
        old.line, message_id, old.lane, due_at, old.expires_at, old.attempts, len(copies), why=why, behind=behind
    )
    call_id = add_call(tx, like_old)
    ids = one_of(copy.c.id, [one.id for one in copies])
    tx.execute(update(copy).where(ids).values(call_id=call_id))
    return call_id


def wait_until(  # noqa: PLR0913 - why and behind what
    tx: Transaction,
    row: Row[Any],
    copies: Sequence[Copy],
    due_at: datetime,
    *,
    why: Why | None,
    behind: str | None = None,
    alone: bool,
) -> None:
    """Let `copies` of a waiting call wait until `due_at`: in their call, where they are `alone` in it, or their own."""
    if alone:
        set_call(tx, row.id, due_at=due_at, why=why and why.value, behind=behind, company=None)
    else:
        move_copies(tx, row, copies, due_at, why=why, behind=behind)


def set_call(tx: Transaction, call_id: str, **values: Any) -> None:
    """Change a call's row."""
    tx.execute(_setting(tuple(values)), {"this": call_id, **values})


def wait_again(tx: Transaction, row: Row[Any], due_at: datetime) -> None:
    """Put a call that was in flight back among those that wait."""
    why = Why.RETRY.value if due_at > tx.now else None
    set_call(tx, row.id, stage="waiting", due_at=due_at, owner=None, recipients=None, why=why)
    tx.bells.add(f"calls:{row.line}")
    if row.attempts >= KEPT_IN_ORDER_FOR:
        wake_behind(tx, row.id)


def wake_behind(tx: Transaction, call_id: str) -> None:
    """Let the calls be looked at again that wait behind this one: in its place, before all that came after it."""
    rows = tx.execute(_BEHIND, {"this": call_id}).all()
    if not rows:
        return
    ahead = tx.execute(_CALL, {"this": call_id}).one_or_none()
    due_at = tx.now if ahead is None else min(ahead.due_at, tx.now)
    for row in rows:
        set_call(tx, row.id, behind=None, due_at=due_at, why=None)
        tx.bells.add(f"calls:{row.line}")


def fenced(tx: Transaction, call_id: str, owner: str) -> Row[Any] | None:
    """The call, if `owner` has it in flight; else None, because somebody else has judged it meanwhile."""
    row = tx.execute(_CALL, {"this": call_id}).one_or_none()
    if row is None or row.stage != "in_flight" or row.owner != owner:
        log.warning("call.fenced", call_id=call_id, owner=owner, stage=row.stage if row else None)
        return None
    return row


def recipients_of(tx: Transaction, row: Row[Any]) -> list[Copy]:
    """The copies that the call in flight carries, in its order; where its row is damaged, those that are being sent."""
    copies = copies_of(tx, row.id)
    by_id = {one.id: one for one in copies}
    ids = ids_in(row.recipients)
    if ids is not None and by_id.keys() >= set(ids):
        return [by_id[copy_id] for copy_id in ids]
    return [one for one in copies if one.state in {State.SENDING, State.UNCERTAIN}]


def are_known(tx: Transaction, row: Row[Any]) -> bool:
    """Whether it is known which copies the call in flight carries, and in which order."""
    ids = ids_in(row.recipients)
    return ids is not None and {one.id for one in copies_of(tx, row.id)} >= set(ids)


def ids_in(recipients: Any) -> list[str] | None:
    """The ids that a call's `recipients` are; None where there are none, or where they are damaged."""
    is_list = isinstance(recipients, list) and all(isinstance(one, str) for one in recipients)
    return recipients if is_list and len(set(recipients)) == len(recipients) else None


def followed_from(tx: Transaction, message_id: str, handed_over_at: datetime) -> datetime:
    """When what was handed over begins to be followed: once the provider sends it."""
    return max(handed_over_at, send_at_of(tx, message_id) or handed_over_at)


def settle(
    tx: Transaction, call_ids: Iterable[str | None], known: Mapping[str, Sequence[Copy]] = MappingProxyType({})
) -> None:
    """Put calls that were handed over where their copies say: followed, held or closed.

    `known`: the copies of some of them, as they are now.
    """
    ids = sorted({call_id for call_id in call_ids if call_id})
    rows = tx.execute(_CALLS, {"some": listed(ids)}).all() if ids else ()
    made = [row for row in rows if row.stage in {"followed", "held"}]
    if made:
        _settle(tx, made, {**_copies_by_call(tx, [row.id for row in made if row.id not in known]), **known})
        ahead = tx.execute(_AHEAD, {"some": listed(row.id for row in made)}).scalars()
        for call_id in sorted(ahead):
            wake_behind(tx, call_id)


def _copies_by_call(tx: Transaction, call_ids: Sequence[str]) -> dict[str, list[Copy]]:
    copies: dict[str, list[Copy]] = {call_id: [] for call_id in call_ids}
    for one in copies_of_some(tx, call_ids) if call_ids else ():
        copies[str(one.call_id)].append(one)
    return copies


def stage_of(copies: Iterable[Copy]) -> str:
    """Where a call stands that was handed over and has these copies: followed, held or closed."""
    known = list(copies)
    if any(one.followed for one in known):
        return "followed"
    return "held" if any(one.state is State.UNCERTAIN for one in known) else "closed"


def in_one_go(rows: Iterable[Row[Any]]) -> list[str]:
    """The ids of the first of these calls (`id`, `size`) that one transaction takes: one, or some with few copies."""
    ids: list[str] = []
    room = COPIES_AT_ONCE
    for row in rows:
        room -= row.size
        if ids and room < 0:
            break
        ids.append(row.id)
    return ids


def expire_calls(tx: Transaction, limit: int) -> int:
    """End waiting calls whose expiry has come: some, up to `limit`; gives how many copies expired."""
    ids = in_one_go(tx.execute(_OVERDUE, {"now": tx.now, "most": limit}))
    return end_expired(tx, ids) if ids else 0


def end_expired(tx: Transaction, ids: Sequence[str]) -> int:
    """End these waiting calls, whose expiry has come; gives how many copies expired."""
    copies = [one for one in copies_where(tx, one_of(copy.c.call_id, ids)) if one.waits]
    restored = {row.id for row in tx.execute(select(call.c.id).where(one_of(call.c.id, ids), _IS_RESTORED))}
    whys = (_PERHAPS_SENT if one.call_id in restored else _expired(one) for one in copies)
    happen(tx, [Happening(one, Fact.EXPIRED, problem=why) for one, why in zip(copies, whys, strict=True)])
    close_waiting(tx, ids)
    return len(copies)


def close_waiting(tx: Transaction, ids: Sequence[str]) -> None:
    """Take calls that have nothing left to send from those that wait; what they handed over earlier is followed."""
    tx.execute(update(call).where(one_of(call.c.id, ids)).values(stage="followed", owner=None))
    settle(tx, ids)


def close_if_sent(tx: Transaction, ids: Sequence[str]) -> None:
    """Take those of these calls that wait with nothing left to send from those that wait.

    Whatever waits behind one of them looks again: some copy of it waits no longer.
    """
    waiting = [row.id for row in tx.execute(_WAITING, {"some": listed(ids)})] if ids else []
    sent = [call_id for call_id in waiting if not any(one.waits for one in copies_of(tx, call_id))]
    if sent:
        close_waiting(tx, sent)
    for call_id in waiting:
        wake_behind(tx, call_id)


def _settle(tx: Transaction, rows: Iterable[Row[Any]], copies: Mapping[str, Sequence[Copy]]) -> None:
    done: list[dict[str, Any]] = []
    for row in rows:
        stage = stage_of(copies[row.id])
        if stage != "followed":
            done.append({"this": row.id, "stage": stage, "look_at": None})
        elif row.stage != "followed" or row.handed_over_at is None:
            # Reports may tell of a call that was never answered: its copies are followed from when it began.
            began_at = row.handed_over_at or row.began_at or tx.now
            set_call(tx, row.id, stage="followed", handed_over_at=followed_from(tx, row.message_id, began_at))
    if done:
        tx.execute(_setting(("stage", "look_at")), done)


@cache
def _setting(columns: tuple[str, ...]) -> Update:
    return update(call).where(call.c.id == bindparam("this")).values({name: bindparam(name) for name in columns})


_CALL = select(call).where(call.c.id == bindparam("this"))
_SOME = select(unpacked(bindparam("some", type_=Words)).c.value)
_CALLS = select(call).where(call.c.id.in_(_SOME)).order_by(call.c.id)
_WAITING = select(call.c.id).where(call_is_waiting, call.c.id.in_(_SOME))
_AHEAD = select(call.c.behind).distinct().where(call_is_behind, call.c.behind.in_(_SOME))
_BEHIND = select(call.c.id, call.c.line).where(call_is_behind, call.c.behind == bindparam("this"))
_OVERDUE = (
    select(call.c.id, call.c.size)
    .where(call_expires, call.c.expires_at <= bindparam("now"))
    .order_by(call.c.expires_at)
    .limit(bindparam("most"))
)


_IS_RESTORED = call.c.why == literal(Why.RESTORED.value)
# Whoever is told that it was not sent may send it once more.
_PERHAPS_SENT = Problem(
    ErrorCode.UNCERTAIN, "it expired while it was held after a restore: it may have been sent before that"
)


def _expired(one: Copy) -> Problem:
    last = f"; the last try: {one.problem.code.value}" if one.problem else ""
    provider = one.problem.provider if one.problem else None
    return Problem(ErrorCode.EXPIRED, f"not handed over before its expiry{last}", provider)
