"""Looks: when a call's delivery status is to be asked for again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, select, update

from relay.clock import Clock
from relay.domain.errors import Problem
from relay.domain.receipts import ProviderWord
from relay.domain.states import Fact
from relay.journal.callrows import settle
from relay.journal.columns import Words
from relay.journal.copies import Happening, copies_of, happen
from relay.journal.listing import listed, one_of, unpacked
from relay.journal.reader import Reader
from relay.journal.schema import call, call_is_followed, call_is_looked_at
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

LOOK_AFTER_MALFORMED = 60.0  # seconds
HELD_FOR = timedelta(minutes=10)  # a look that a living node has taken, and has said nothing of, is another's then


@dataclass(frozen=True, slots=True)
class Look:
    """A question that is due: what became of the call that the provider knows as `ref`."""

    call_id: str
    ref: str
    handed_over_at: datetime
    looks: int


class LookVerbs:
    """What may be done with looks."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock, *, life: str | None = None) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._life = life

    async def due(self, line: str, limit: int) -> list[Look]:
        """The looks that are due, those first that wait longest.

        Where other nodes look as well, these are this node's for `HELD_FOR`, while it lives: a final status can be
        asked for once.
        """
        if self._life is None:
            now = self._clock.now()
            return await self._reader.run(lambda connection: _due(connection, line, now, limit))
        # Not even a write, as long as there is nothing to do.
        if (first := await self.next_due(line)) is None or first > self._clock.now():
            return []

        def operation(tx: Transaction) -> list[Look]:
            found = _due(tx.connection, line, tx.now, limit)
            if found:
                taken = one_of(call.c.id, [one.call_id for one in found])
                tx.execute(update(call).where(taken).values(look_at=tx.now + HELD_FOR, owner=self._life))
            return found

        return await self._writer.run(operation, begins=True)

    async def next_due(self, line: str) -> datetime | None:
        """When the next look is due; None where there is none."""
        return await self._reader.run(lambda connection: connection.execute(_FIRST, {"here": line}).scalar())

    async def later(self, call_id: str, delay: float) -> None:
        """Ask again in `delay` seconds, because the question was not answered."""
        await self._writer.run(lambda tx: looked(tx, call_id, delay))

    async def forgotten(self, call_id: str, problem: Problem) -> None:
        """The provider does not know the call any more: what was not final is unknown, for good."""
        await self._writer.run(lambda tx: end_following(tx, [call_id], problem))


def _due(connection: Connection, line: str, now: datetime, limit: int) -> list[Look]:
    return [Look(*row) for row in connection.execute(_OVERDUE, {"here": line, "now": now, "most": limit})]


_IS_HERE = and_(call_is_looked_at, call.c.line == bindparam("here"))
_FIRST = select(func.min(call.c.look_at)).where(_IS_HERE)
_OVERDUE = (
    select(call.c.id, call.c.remote_ref, call.c.handed_over_at, call.c.looks)
    .where(_IS_HERE, call.c.look_at <= bindparam("now"))
    .order_by(call.c.look_at, call.c.id)
    .limit(bindparam("most"))
    # Whoever has one locked, such as an administrator's session, is not waited for.
    .with_for_update(skip_locked=True)
)


def looked(tx: Transaction, call_id: str, delay: float | None) -> None:
    """Note a look, and when the next one is due. None: there is none; time will end the following."""
    all_looked(tx, [(call_id, delay)])


def all_looked(tx: Transaction, looks: Sequence[tuple[str, float | None]]) -> None:
    """As `looked`, of several calls."""
    lines = set(tx.execute(_LINES, {"some": listed(call_id for call_id, _ in looks)}).scalars())
    moments = [None if delay is None else tx.now + timedelta(seconds=delay) for _, delay in looks]
    rows = [{"this": call_id, "look_at": at} for (call_id, _), at in zip(looks, moments, strict=True)]
    tx.execute(_LOOKED, rows)
    tx.bells.update(f"looks:{line}" for line in lines)


_LINES = (
    select(call.c.line)
    .distinct()
    .where(call.c.id.in_(select(unpacked(bindparam("some", type_=Words)).c.value)), call_is_followed)
)
_LOOKED = (
    update(call)
    .where(call.c.id == bindparam("this"), call_is_followed)
    .values(look_at=bindparam("look_at"), looks=call.c.looks + 1, owner=None)
)


def free_looks(tx: Transaction, whose: ColumnElement[bool]) -> None:
    """Let the looks be due that these have taken."""
    theirs = update(call).where(call_is_looked_at, call.c.owner.is_not(None), whose)
    lines = tx.execute(theirs.values(look_at=tx.now, owner=None).returning(call.c.line)).scalars()
    tx.bells.update(f"looks:{line}" for line in set(lines))


def end_following(tx: Transaction, call_ids: list[str], problem: Problem | None) -> int:
    """End the following of these calls' copies; gives how many ended so."""
    ended = 0
    for call_id in call_ids:
        ref = tx.execute(select(call.c.remote_ref).where(call.c.id == call_id)).scalar()
        copies = [one for one in copies_of(tx, call_id) if one.followed]
        happen(
            tx,
            [Happening(one, Fact.FORGOTTEN, ProviderWord(one.remote_ref or ref), problem) for one in copies],
        )
        settle(tx, [call_id])
        ended += len(copies)
    return ended
