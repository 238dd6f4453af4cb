"""What a node says of a call after it was given up for dead, and the call judged: evidence, where nobody knew better.

Its copies are uncertain, or wait to be sent again, because nobody had heard of the answer. Now it is known: it is
written down as if it had come in time. A copy that is being sent again just now, or has ended, is left as it is.
"""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import select, update

from relay.domain.messages import CallAnswer, Handover
from relay.domain.receipts import ProviderWord
from relay.domain.states import Fact, State
from relay.journal.callrows import close_if_sent, followed_from, set_call, settle
from relay.journal.copies import Happening, copies_where, happen
from relay.journal.copyrows import Copy
from relay.journal.listing import one_of
from relay.journal.nodeschema import node
from relay.journal.reports import unpark
from relay.journal.schema import call, copy
from relay.journal.sightings import match_answered
from relay.journal.transaction import Transaction

log = structlog.get_logger()


def answered_late(
    tx: Transaction, call_id: str, owner: str, answer: CallAnswer, carried: Sequence[str], first_look: float | None
) -> bool:
    """Whether an answer that came late has said something of its copies.

    Args:
        tx: where to.
        call_id: the call.
        owner: the life that had claimed it.
        answer: one handover for each copy.
        carried: the ids of those copies, in their order.
        first_look: seconds until the call's status is to be asked for; None: never.
    """
    row = tx.execute(select(call).where(call.c.id == call_id)).one_or_none()
    was_given_up = select(node.c.id).where(node.c.id == owner, node.c.ended_at.is_not(None))
    if row is None or row.stage == "in_flight" or not tx.execute(was_given_up).first():
        return False
    by_id = {one.id: one for one in copies_where(tx, one_of(copy.c.id, carried))} if carried else {}
    told = [
        (by_id[copy_id], handover)
        for copy_id, handover in zip(carried, answer.handovers, strict=True)
        if copy_id in by_id and _is_news(by_id[copy_id], handover)
    ]
    if not told:
        return False
    happen(tx, [_happening(one, answer.ref, handover) for one, handover in told])
    # One that was to be sent again may have moved: reports will speak of it as of this call's.
    tx.execute(update(copy).where(one_of(copy.c.id, [one.id for one, _ in told])).values(call_id=row.id))
    if answer.ref is not None and row.remote_ref is None:
        since = followed_from(tx, row.message_id, row.began_at or tx.now)
        look_at = None if first_look is None else tx.now + timedelta(seconds=first_look)
        set_call(tx, row.id, remote_ref=answer.ref, handed_over_at=since, look_at=look_at)
        tx.bells.add(f"looks:{row.line}")
    ids = sorted({row.id, *(one.call_id for one, _ in told if one.call_id)})
    close_if_sent(tx, ids)
    refs = [ref for ref in (answer.ref, *(handover.ref for handover in answer.handovers)) if ref]
    match_answered(tx, row.line, refs)
    unpark(tx, row.line, refs)
    settle(tx, ids)
    log.info("call.late", line=row.line, call_id=call_id, copies=len(told))
    return True


def _is_news(one: Copy, handover: Handover) -> bool:
    if handover.fact is Fact.RETRIED:
        return False
    return one.state is State.UNCERTAIN or (one.waits and handover.fact is not Fact.REFUSED)


def _happening(one: Copy, ref: str | None, handover: Handover) -> Happening:
    said = handover.provider
    known_as = handover.ref or ref
    word = ProviderWord(known_as, said.text if said else None, said.code if said else None)
    # That the provider may show it was noted when the call was judged.
    return Happening(one, handover.fact, word, handover.problem, handover.ref)
