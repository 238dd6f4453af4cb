"""A journal that was a backup -> one that sends nothing by itself: nobody knows what was sent since it was made.

What waited then may have been sent meanwhile. It is held until a person lets it go or cancels it. What was under way
is uncertain, as after a crash. What the provider has is followed on, and events are published again under their ids.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, func, or_, select, update

from relay.domain.waiting import Why
from relay.journal.announce import SetAside, set_aside
from relay.journal.callrows import FOREVER
from relay.journal.columns import Moment, Words
from relay.journal.schema import call, call_is_held_back, call_is_waiting, event
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

AT_ONCE = 2_000  # calls in one transaction


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has held: so many copies on each line. `newest`: when the last thing happened that it knows."""

    held: dict[str, int]
    newest: datetime | None


class RestoreVerbs:
    """What is done with a journal that was a backup."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def hold(self) -> Restored:
        """Hold what may have been sent since the backup was made, and list that once for a person.

        What was to wait for a time that is still to come waits for it.
        """
        held: Counter[str] = Counter()
        while some := await self._writer.run(_hold_some):
            held += some
        return await self._writer.run(lambda tx: _tell(tx, held))

    async def release(self, line: str) -> int:
        """Let go what was held on a line because of a restore; gives how many calls."""
        released = 0
        while some := await self._writer.run(lambda tx: tx.execute(_RELEASE, {"here": line, "now": tx.now}).rowcount):
            released += some
            await self._writer.run(lambda tx: tx.bells.add(f"calls:{line}"))
        return released


def _hold_some(tx: Transaction) -> Counter[str]:
    rows = tx.execute(_SENDABLE, {"now": tx.now}).all()
    held: Counter[str] = Counter()
    for row in rows:
        held[row.line] += row.size
    if rows:
        tx.execute(_HOLD, [{"this": row.id, "resume": row.due_at} for row in rows])
    return held


def _tell(tx: Transaction, held: Counter[str]) -> Restored:
    newest: datetime | None = tx.execute(select(func.max(event.c.recorded_at))).scalar()
    copies = held.total()
    why = (
        "restored from a backup: what was accepted, came in, opted out or was canceled after it is not known, and what"
        f" waited then may have been sent since; {copies} copies are held"
    )
    lines = ", ".join(sorted(held))
    how = (
        f"relay queue list --held shows them; relay queue release --line LINE sends them ({lines}), relay queue cancel"
        " --line LINE --yes ends them, and all else that waits on the line"
        if copies
        else "nothing was held: look at what was accepted since the backup was made"
    )
    set_aside(tx, SetAside("damaged", None, "journal", why), how=how, held=dict(sorted(held.items())))
    return Restored(dict(sorted(held.items())), newest)


_TIMED = call.c.why.in_([Why.SEND_AT.value, Why.HOURS.value])
_SENDABLE = (
    select(call.c.id, call.c.line, call.c.size, call.c.due_at)
    .where(
        call_is_waiting,
        call.c.resume_at.is_(None),
        or_(call.c.why.is_(None), ~_TIMED, call.c.due_at <= bindparam("now", type_=Moment)),
    )
    .limit(AT_ONCE)
)
_HOLD = (
    update(call)
    .where(call.c.id == bindparam("this"))
    .values(
        due_at=FOREVER, resume_at=bindparam("resume", type_=Moment), why=Why.RESTORED.value, behind=None, company=None
    )
)
_RESTORED = (
    select(call.c.id)
    .where(call_is_held_back, call.c.line == bindparam("here"), call.c.why == Why.RESTORED.value)
    .limit(AT_ONCE)
)
_NOW = bindparam("now", type_=Moment)
_RELEASE = (
    update(call)
    .where(call.c.id.in_(_RESTORED))
    .values(
        due_at=call.c.resume_at,
        resume_at=None,
        why=case((call.c.resume_at > _NOW, bindparam("retry", Why.RETRY.value, type_=Words)), else_=None),
    )
)
