"""A call that is due -> written down as begun, with those of its copies that the rules allow at this moment."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, select

from relay.domain.messages import OutboundCall, Recipient
from relay.domain.states import Fact
from relay.journal.callrows import COPIES_AT_ONCE, close_waiting, end_expired, expire_calls, set_call
from relay.journal.copies import Copy, Happening, copies_of, happen
from relay.journal.damagedcopies import give_up_damaged
from relay.journal.limitrows import permit, spend
from relay.journal.outgoing import Echo, content_of, echo_of, sums_of
from relay.journal.schema import call, call_is_waiting
from relay.journal.terms import ready
from relay.journal.transaction import Transaction

EXPIRED_AT_ONCE = 20  # calls, whosever they are
LOOKED_AT_AT_ONCE = 50  # calls of which nothing may be sent now; nobody waits for more than that, or their copies


def claim(tx: Transaction, line: str, owner: str, lanes: Sequence[int], *, unseen: bool) -> OutboundCall | None:
    """The next call of a line that may be made now, begun by `owner`; None where there is none.

    Args:
        tx: where to.
        line: whose.
        owner: who will make it.
        lanes: the lanes to look in, in this order.
        unseen: the provider will show what it was given.
    """
    # Whosever they are: to look for those of one line would go through all that wait on it.
    expire_calls(tx, EXPIRED_AT_ONCE)
    rules = tx.rules.of(line)
    if permit(tx, rules, tx.now).limit is not None:
        return None
    looked_at = copies = 0
    while looked_at < LOOKED_AT_AT_ONCE and copies < COPIES_AT_ONCE:
        row = _first_due(tx, line, lanes)
        if row is None:
            return None
        begun = _begun(tx, row, owner, unseen=unseen)
        if begun is not None:
            spend(tx, rules)
            return begun
        looked_at, copies = looked_at + 1, copies + row.size
    tx.bells.add(f"calls:{line}")
    return None


def _first_due(tx: Transaction, line: str, lanes: Sequence[int]) -> Row[Any] | None:
    """The first by lane, then by time: one look into the index for each lane, however many wait for later."""
    for lane in lanes:
        row = tx.execute(_FIRST_DUE, {"here": line, "in_lane": lane, "now": tx.now}).first()
        if row is not None:
            return row
    return None


def _begun(tx: Transaction, row: Row[Any], owner: str, *, unseen: bool) -> OutboundCall | None:
    """The call with those of its copies that may be sent; None where none may, and then it waits for nothing now."""
    if row.expires_at is not None and row.expires_at <= tx.now:
        # More may have expired than is ended at one claim: none of them is sent.
        end_expired(tx, [row.id])
        return None
    waiting, content = _whole(tx, row, [one for one in copies_of(tx, row.id) if one.waits])
    if content is None:
        close_waiting(tx, [row.id])
        return None
    echo = echo_of(tx, waiting[0].message_id)
    free = ready(tx, row, waiting, group=content["group"], what=echo.message_class, send_at=echo.send_at)
    if free:
        return _begin(tx, row, owner, free, content, echo, unseen=unseen)
    if not any(one.waits for one in copies_of(tx, row.id)):
        close_waiting(tx, [row.id])
    return None


def _whole(tx: Transaction, row: Row[Any], waiting: Sequence[Copy]) -> tuple[list[Copy], dict[str, Any] | None]:
    """The copies of a call that may be sent, and what they say; what is damaged is set aside, and fails.

    What is said is what a copy's own message says: a call's row has no checksum. All messages of a call say the same;
    a copy whose message does not belongs elsewhere.
    """
    whole = [one for one in waiting if one.may_be_sent and one.line == row.line]
    # First the one whose words were found whole before, so that damage is told once.
    message_ids = dict.fromkeys(
        one.message_id for one in sorted(whole, key=lambda one: one.message_id != row.message_id)
    )
    sums = sums_of(tx, message_ids) if len(message_ids) > 1 else {}
    for message_id in message_ids:
        content = content_of(tx, message_id)
        if content is not None:
            if message_id != row.message_id:
                set_call(tx, row.id, message_id=message_id)
            # The first is the one whose wishes rule the call.
            alike = [one for one in whole if sums.get(one.message_id) == sums.get(message_id)]
            alike.sort(key=lambda one: one.message_id != message_id)
            give_up_damaged(tx, row.id, _without(waiting, alike))
            return alike, content
    give_up_damaged(tx, row.id, waiting)
    return [], None


def _without(copies: Sequence[Copy], taken: Sequence[Copy]) -> list[Copy]:
    ids = {one.id for one in taken}
    return [one for one in copies if one.id not in ids]


def _begin(  # noqa: PLR0913 - what is begun, by whom, and with what
    tx: Transaction,
    row: Row[Any],
    owner: str,
    free: Sequence[Copy],
    content: dict[str, Any],
    echo: Echo,
    *,
    unseen: bool,
) -> OutboundCall:
    copies = happen(tx, [Happening(one, Fact.CLAIMED, problem=one.problem, attempts=1) for one in free])
    set_call(
        tx,
        row.id,
        stage="in_flight",
        owner=owner,
        attempts=row.attempts + 1,
        began_at=tx.now,
        recipients=[one.id for one in copies],
        unseen=int(unseen),
        company=None,
        why=None,
    )
    return OutboundCall(
        call_id=row.id,
        message_id=free[0].message_id,
        line=row.line,
        attempt=row.attempts + 1,
        recipients=tuple(Recipient(one.id, one.address) for one in copies),
        text=content["text"],
        subject=content["subject"],
        media=content["media"],
        group=content["group"],
        receipts=echo.receipts,
        send_at=echo.send_at if echo.send_at is not None and echo.send_at > tx.now else None,
        expires_at=row.expires_at,
        lane=row.lane,
        trace=echo.reply.traceparent,
    )


_FIRST_DUE = (
    select(call)
    .where(
        call_is_waiting,
        call.c.line == bindparam("here"),
        call.c.lane == bindparam("in_lane"),
        call.c.due_at <= bindparam("now"),
    )
    .order_by(call.c.due_at, call.c.id)
    .limit(1)
    # Whoever has one locked, such as an administrator's session, is not waited for.
    .with_for_update(skip_locked=True)
)
