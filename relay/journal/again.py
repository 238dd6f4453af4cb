"""Copies of which nobody knows whether they were handed over -> calls of their own, due now: a person says so."""

from collections.abc import Sequence

from sqlalchemy import select

from relay.domain.states import Fact
from relay.journal.callrows import move_copies, settle
from relay.journal.copies import Happening, happen
from relay.journal.copyrows import Copy
from relay.journal.listing import one_of
from relay.journal.schema import call
from relay.journal.transaction import Transaction


def send_again(tx: Transaction, copies: Sequence[Copy]) -> list[Copy]:
    """Send uncertain copies again: those of one call together.

    What travelled with them has ended, or waits for a decision of its own.

    Returns:
        the copies as they are now: those that wait are sent.
    """
    after = happen(tx, [Happening(one, Fact.RESENT) for one in copies])
    by_call: dict[str, list[Copy]] = {}
    for one in after:
        if one.waits and one.call_id is not None:
            by_call.setdefault(one.call_id, []).append(one)
    for row in tx.execute(select(call).where(one_of(call.c.id, sorted(by_call)))).all() if by_call else ():
        move_copies(tx, row, by_call[row.id], tx.now)
    settle(tx, sorted(by_call))
    return after
