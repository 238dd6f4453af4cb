"""Copies that wait and whose rows, or whose messages' rows, are damaged -> listed, and failed: never sent."""

from collections.abc import Sequence

from sqlalchemy import bindparam, update

from relay.domain.errors import ErrorCode, Problem
from relay.domain.states import Fact, State
from relay.journal.columns import Whole
from relay.journal.copies import Happening, happen, tell_damaged
from relay.journal.copyrows import Copy
from relay.journal.schema import copy, copy_waits
from relay.journal.transaction import Transaction

DAMAGED = Problem(ErrorCode.INTERNAL, "the journal's row of this message is damaged: it was not sent")


def give_up_damaged(tx: Transaction, call_id: str, copies: Sequence[Copy]) -> None:
    """End these copies of a waiting call; each has its final receipt where it can be told whose it is."""
    if not copies:
        return
    happen(tx, [Happening(one, Fact.REFUSED, problem=DAMAGED) for one in copies])
    tell_damaged(tx, copies)
    lost = [one for one in copies if one.damage == "identity"]
    for one in lost:
        # By what the damage may have left: an id that is no text any more finds no row.
        here = {"carrier": call_id, "message": one.message_id, "place": one.ordinal}
        tx.execute(_END, {**here, "failed": State.FAILED.key})


_END = (
    update(copy)
    .where(
        copy_waits,
        copy.c.call_id == bindparam("carrier"),
        copy.c.message_id == bindparam("message"),
        copy.c.ordinal == bindparam("place", type_=Whole),
    )
    .values(state=bindparam("failed"), ended=1, waits=0)
)
