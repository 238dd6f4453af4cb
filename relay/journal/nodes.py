"""Nodes: who lives, who holds which turn, and what becomes of the work of a node that has died.

A node lives as long as it beats in time. One that does not is given up for dead by another: its calls in flight are
uncertain, its turns are free, and should it wake up, it may begin nothing more under that life. All times are the
database's own. On a database of one's own there is one node, which holds everything.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, or_, select, update

from relay.journal.columns import Moment
from relay.journal.failures import JournalFenced
from relay.journal.listing import one_of
from relay.journal.nodeschema import node
from relay.journal.reader import Reader
from relay.journal.schema import lease
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

LEASE = 8.0  # seconds that a life lasts without a beat
BELL = "nodes"  # rings when a turn is free, or a node came or left
_KNOWN_FOR = timedelta(days=7)  # a life that has ended
_MOST_APART = 1  # turns that a node may have more than another, which is as even as it gets
_LINES = "line:%"  # the names of lines' turns
_UNWANTED_AFTER = timedelta(seconds=2)  # a turn that nobody with fewer turns has taken for so long is anybody's


Judge = Callable[[Transaction, Collection[str]], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Beat:
    """How a node stands.

    Attributes:
        held: the turns that it has until the next beat is late.
        surplus: those among them that others should have: to be finished with, and released.
        others: how many other nodes live that take turns.
        buried: the names of those that were given up for dead just now.
        cut: how many calls they left in flight.
        uncertain: how many copies of those are uncertain now.
    """

    held: frozenset[str]
    surplus: frozenset[str] = frozenset()
    others: int = 0
    buried: tuple[str, ...] = ()
    cut: int = 0
    uncertain: int = 0


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A living node."""

    name: str
    version: str
    since: datetime
    until: datetime
    turns: tuple[str, ...]


class NodeVerbs:
    """What may be done as a node.

    Args:
        writer: where to.
        reader: where from.
        life: of this node; None: nobody else writes here.
        seconds: how long a life lasts without a beat.
        judge: judges the calls that these lives have left in flight; gives how many, and how many copies are uncertain.
        renewed_at: when anything that was written has last told that this life goes on, by the monotonic clock.
    """

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        life: str | None,
        seconds: float,
        judge: Judge,
        *,
        renewed_at: Callable[[], float] | None = None,
    ) -> None:
        self.lease = seconds
        self.renewed_at = renewed_at or (lambda: -math.inf)
        self._writer = writer
        self._reader = reader
        self._life = life
        self._judge = judge
        # A node that could not beat itself says nothing about others: the database may have been away from all.
        self._steady_since: datetime | None = None
        self._until: datetime | None = None
        # Turns that nobody with fewer has taken, and until when nobody with fewer is given them.
        self._adopted: dict[str, datetime] = {}

    @property
    def is_shared(self) -> bool:
        """Whether other nodes may work with the same journal."""
        return self._life is not None

    async def beat(self, wanted: Collection[str], *, stops: bool = False, is_deaf: bool = False) -> Beat:
        """Live on, with every turn that is held; take free ones of `wanted`; give up for dead who has not beaten.

        To be called some times in each `lease`.

        Args:
            wanted: the turns that this node can take.
            stops: it is about to leave, and takes none any more; the others share among themselves.
            is_deaf: it does not hear the bus: others that do are to have all turns, where there are any.

        Raises:
            JournalFenced: others have given this node up for dead.
        """
        if self._life is None:
            return Beat(frozenset(wanted))
        beat, self._until, self._steady_since = await self._writer.run(
            lambda tx: self._beat(tx, sorted(wanted), stops=stops, is_deaf=is_deaf)
        )
        return beat

    async def release(self, names: Collection[str]) -> None:
        """Give these turns back at once, if they are held."""
        if self._life is not None and names:
            await self._writer.run(lambda tx: _free(tx, _turns_of(self._life), one_of(lease.c.name, names)))

    async def leave(self) -> None:
        """End this life: whatever it holds is free, and what it has in flight is judged."""
        life = self._life
        if life is None:
            return

        def operation(tx: Transaction) -> None:
            end_lives(tx, [life], self._judge)
            # What stands behind this in the same transaction begins nothing either.
            tx.entered = replace(tx.entered, is_fenced=True)

        await self._writer.run(operation)

    async def living(self) -> list[NodeSeen]:
        """The nodes that live, by name."""
        lives = select(node).where(node.c.ended_at.is_(None)).order_by(node.c.name)
        rows, turns = await self._reader.run(
            lambda connection: (
                connection.execute(lives).all(),
                connection.execute(select(lease).order_by(lease.c.name)).all(),
            )
        )
        return [
            NodeSeen(row.name, row.version, row.since, row.until, tuple(one.name for one in turns if _holds(row, one)))
            for row in rows
        ]

    def _beat(
        self, tx: Transaction, wanted: Sequence[str], *, stops: bool, is_deaf: bool
    ) -> tuple[Beat, datetime, datetime]:
        now, until = tx.real_now, tx.real_now + timedelta(seconds=self.lease)
        if tx.entered.is_fenced:
            raise JournalFenced
        was_late = self._until is None or self._until < now
        steady = now if was_late or self._steady_since is None else self._steady_since
        tx.execute(update(node).where(node.c.id == self._life).values(until=until))
        if stops or is_deaf:
            tx.execute(_STOPS, {"life": self._life, "now": now})
        else:
            tx.execute(_GOES_ON, {"life": self._life})
        tx.execute(update(lease).where(_turns_of(self._life), lease.c.until > now).values(until=until))
        dead: Sequence[Row[Any]] = ()
        if now - steady >= timedelta(seconds=self.lease):
            dead = tx.execute(select(node.c.id, node.c.name).where(node.c.ended_at.is_(None), node.c.until < now)).all()
        cut, uncertain = end_lives(tx, [row.id for row in dead], self._judge) if dead else (0, 0)
        tx.execute(_FORGET, {"before": now - _KNOWN_FOR})
        sharing = _Sharing(tx, str(self._life), wanted, self._adopted, stops=stops, is_deaf=is_deaf)
        held, surplus, others = sharing.take(now, until)
        return Beat(held, surplus, others, tuple(row.name for row in dead), cut, uncertain), until, steady


class _Sharing:
    """Which turns this life has, may take, and has too many of."""

    def __init__(
        self,
        tx: Transaction,
        life: str,
        wanted: Sequence[str],
        adopted: dict[str, datetime],
        *,
        stops: bool,
        is_deaf: bool,
    ) -> None:
        self._tx = tx
        self._life = life
        self._wanted = wanted
        self._adopted = adopted
        takers = select(node.c.id).where(node.c.ended_at.is_(None), node.c.stops_at.is_(None), node.c.id != life)
        self._others = tx.execute(takers).scalars().all()
        # Where nobody hears the bus, somebody has to read what comes in all the same.
        self._leaves = is_deaf and bool(self._others)
        self._takes_none = stops or self._leaves
        # Also the turns of lines that only others know, while settings are rolled out: they are work as well.
        known = or_(one_of(lease.c.name, wanted), lease.c.name.like(_LINES))
        self._rows = {row.name: row for row in tx.execute(select(lease).where(known))}
        self._share = 0

    def take(self, now: datetime, until: datetime) -> tuple[frozenset[str], frozenset[str], int]:
        """What is held from now on, what of it is too much, and how many others live."""
        taken = {name: row.owner for name, row in self._rows.items() if row.until > now}
        self._share = -(-len({*self._wanted, *taken}) // (len(self._others) + 1))
        for name in self._wanted:
            if name not in taken and self._may_take(name, taken, now, until):
                self._take(name, until)
                taken[name] = self._life
        # Also a line's that is wanted no more, and could not be given back: each beat renews it.
        held = sorted(name for name, owner in taken.items() if owner == self._life)
        spare = [name for name in held if self._adopted.get(name, now) <= now]
        surplus = held if self._leaves else spare[: self._excess(taken)]
        return frozenset(held), frozenset(surplus), len(self._others)

    def _may_take(self, name: str, taken: dict[str, str], now: datetime, until: datetime) -> bool:
        if self._takes_none:
            return False
        mine = self._count(taken, self._life)
        # One that would be too much at once is left to whoever has fewer.
        if mine < self._share and mine + 1 - self._fewest(taken, mine) <= _MOST_APART:
            return True
        row = self._rows.get(name)
        if row is None:
            # From now on it is seen how long nobody takes it: a line's, perhaps, that nobody else knows yet.
            self._tx.execute(insert(lease), [{"name": name, "owner": self._life, "until": now, "token": 0}])
            return False
        if now - row.until <= _UNWANTED_AFTER:
            return False
        # Whoever has fewer does not take it, and may not be able to: it does not go to and fro meanwhile.
        self._adopted[name] = until
        return True

    def _take(self, name: str, until: datetime) -> None:
        row = self._rows.get(name)
        if row is None:
            self._tx.execute(insert(lease), [{"name": name, "owner": self._life, "until": until, "token": 1}])
            return
        values = {"owner": self._life, "until": until, "token": row.token + 1}
        self._tx.execute(update(lease).where(lease.c.name == name).values(values))

    def _excess(self, taken: dict[str, str]) -> int:
        """How many turns are to go to others: only where one of them has two less, so that none goes to and fro."""
        mine = self._count(taken, self._life)
        return 1 if mine - self._fewest(taken, mine) > _MOST_APART else 0

    def _fewest(self, taken: dict[str, str], mine: int) -> int:
        """How many the one of the others has that has fewest; so many as this one where there are no others."""
        return min((self._count(taken, life) for life in self._others), default=mine)

    @staticmethod
    def _count(taken: dict[str, str], life: str) -> int:
        return sum(owner == life for owner in taken.values())


_GOES_ON = update(node).where(node.c.id == bindparam("life"), node.c.stops_at.is_not(None)).values(stops_at=None)
_LATER = node.alias()
_FORGET = delete(node).where(
    node.c.ended_at < bindparam("before", type_=Moment),
    # The last of a name stays, so that the token goes on rising.
    select(_LATER.c.id).where(_LATER.c.name == node.c.name, _LATER.c.token > node.c.token).exists(),
)
_STOPS = (
    update(node)
    .where(node.c.id == bindparam("life"), node.c.stops_at.is_(None))
    .values(stops_at=bindparam("now", type_=Moment))
)


def end_lives(tx: Transaction, lives: Sequence[str], judge: Judge | None = None) -> tuple[int, int]:
    """End these lives; gives how many calls they left in flight, and how many copies are uncertain now.

    Args:
        tx: where to.
        lives: of whom.
        judge: judges those calls; None: that is done later.
    """
    tx.execute(update(node).where(one_of(node.c.id, lives), node.c.ended_at.is_(None)).values(ended_at=tx.real_now))
    _free(tx, one_of(lease.c.owner, lives))
    return judge(tx, lives) if judge is not None else (0, 0)


def _free(tx: Transaction, *which: Any) -> None:
    # The row stays, so that the token goes on rising.
    tx.execute(update(lease).where(*which, lease.c.until > tx.real_now).values(until=tx.real_now))
    tx.bells.add(BELL)


def is_anothers(tx: Transaction, turn: str, life: str | None) -> bool:
    """Whether another life has had this turn since `life` had it last; never where nobody else writes."""
    if life is None:
        return False
    owner = tx.beside(_OWNER, {"turn": turn}).scalar()
    return owner is not None and owner != life


_OWNER = select(lease.c.owner).where(lease.c.name == bindparam("turn"))


def _turns_of(life: str | None) -> Any:
    return lease.c.owner == life


def _holds(life: Row[Any], turn: Row[Any]) -> bool:
    return bool(turn.owner == life.id and turn.until >= life.until)
