"""Published events -> to be published again: what was asked for, and how far it has come, over restarts."""

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select

from relay.domain.announcements import Announcement
from relay.journal.announce import announcement
from relay.journal.columns import as_json
from relay.journal.events import AT_ONCE
from relay.journal.failures import TooManyReplays
from relay.journal.memoryrows import put_memory
from relay.journal.reader import Reader
from relay.journal.schema import aside, aside_is_open, event, event_is_published, memory
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

MOST = 16  # replays that wait at once
KINDS = ("result", "receipt", "message", "event", "dead")

_OWNER = "replay"
_COUNTED_AT_ONCE = 10_000  # positions: a longer look would keep other readers waiting
_ANSWERS = ("result", "receipt")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events are to be published again.

    Attributes:
        since: those that were written down then, or later.
        until: and before then.
        line: of this line alone; None: of all.
        kinds: of `KINDS`; none: all of them.
        client: this client's results and receipts alone, beside what is nobody's; None: everybody's.
    """

    since: datetime
    until: datetime
    line: str | None = None
    kinds: tuple[str, ...] = ()
    client: str | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """A wish, and how far it has come.

    Attributes:
        id: in the order in which replays were asked for.
        wish: what is wanted.
        position: of the last event that was looked at.
        last: of the newest event there was when it was asked for.
        events: how many are to be published.
        told: how many were.
        refused: how many the broker did not take.
    """

    id: str
    wish: Wish
    position: int
    last: int
    events: int
    told: int = 0
    refused: int = 0

    @property
    def is_over(self) -> bool:
        """Whether every event was looked at."""
        return self.position >= self.last


class ReplayVerbs:
    """What may be done with replays."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader
        self._ended: deque[Replay] = deque(maxlen=MOST)

    async def begin(self, wish: Wish) -> Replay:
        """Have events published again, oldest first, after the replays that were asked for before.

        Raises:
            TooManyReplays: so many wait already.
            JournalShut: the disk takes no more.
        """
        wanted = await self._found(wish)

        def operation(tx: Transaction) -> Replay:
            if wanted.is_over:
                return replace(wanted, id=tx.ids.new())
            if len(_all(tx.execute(_KEPT))) >= MOST:
                raise TooManyReplays(MOST)
            begun = replace(wanted, id=tx.ids.new())
            tx.execute(insert(memory), [{"owner": _OWNER, "key": begun.id, "value": _written(begun)}])
            tx.bells.add("replays")
            return begun

        begun = await self._writer.run(operation, begins=True)
        if begun.is_over:
            self._ended.append(begun)
        return begun

    async def waiting(self) -> list[Replay]:
        """Those that are not over, oldest first."""
        rows = await self._reader.run(lambda connection: connection.execute(_KEPT).all())
        return _all(rows)

    async def of(self, replay_id: str) -> Replay | None:
        """One of them, or of those that have just ended; None for any other."""
        known = [*self._ended, *await self.waiting()]
        return next((one for one in known if one.id == replay_id), None)

    async def batch(self, one: Replay, limit: int) -> tuple[list[Announcement], Replay]:
        """The next events, and the replay as it is once they are published. A damaged event is left out."""
        # What is wanted may be rare: all that lies between would be looked through at one go.
        end = min(one.position + _COUNTED_AT_ONCE, one.last)
        here = _wanted(one.wish, one.position, end)

        def read(connection: Connection) -> list[Row[Any]]:
            found, size = [], 0
            for row in connection.execute(select(event).where(here).order_by(event.c.position).limit(limit)):
                found.append(row)
                size += len(row.body)
                if size >= AT_ONCE:
                    break
            return found

        rows = await self._reader.run(read)
        reached = rows[-1].position if rows else end
        whole = [found for row in rows if (found := announcement(row)) is not None]
        return whole, replace(one, position=reached)

    async def reached(self, one: Replay) -> None:
        """Write down how far a replay has come; one that is over is forgotten."""

        def operation(tx: Transaction) -> None:
            if one.is_over:
                tx.execute(delete(memory).where(memory.c.owner == _OWNER, memory.c.key == one.id))
            else:
                put_memory(tx, _OWNER, one.id, _written(one))

        await self._writer.run(operation)
        if one.is_over:
            self._ended.append(one)

    async def _found(self, wish: Wish) -> Replay:
        """What is wanted, counted a little at a time. Times may have jumped, and tell no place to begin at."""
        first, last = await self._reader.run(lambda connection: connection.execute(_SPAN).one())
        position, events = last, 0
        for start in range(first - 1, last, _COUNTED_AT_ONCE):
            some = _wanted(wish, start, min(start + _COUNTED_AT_ONCE, last))
            counted, earliest = await self._reader.run(partial(_counted, wanted=some))
            if counted and not events:
                position = earliest - 1
            events += counted
        return Replay("", wish, position, last, events)


def _counted(connection: Connection, wanted: ColumnElement[bool]) -> tuple[int, int]:
    counted, earliest = connection.execute(select(func.count(), func.min(event.c.position)).where(wanted)).one()
    return counted, earliest


def _wanted(wish: Wish, after: int, last: int) -> ColumnElement[bool]:
    conditions = [
        event_is_published,
        ~_WAITS_FOR_A_PERSON,
        event.c.position > after,
        event.c.position <= last,
        event.c.recorded_at >= wish.since,
        event.c.recorded_at < wish.until,
    ]
    if wish.line is not None:
        conditions.append(event.c.line == wish.line)
    if wish.kinds:
        conditions.append(_of_kinds(wish.kinds))
    if wish.client is not None:
        conditions.append(or_(event.c.client == wish.client, event.c.kind.not_in(_ANSWERS)))
    return and_(*conditions)


def _of_kinds(kinds: Sequence[str]) -> ColumnElement[bool]:
    plain = event.c.kind.in_([kind for kind in kinds if kind != "event"])
    return or_(plain, event.c.kind.like("event.%")) if "event" in kinds else plain


# It could not be published: it is marked, so that nothing waits for it, and was never told.
_WAITS_FOR_A_PERSON = select(aside.c.id).where(aside.c.event_id == event.c.id, aside_is_open).exists()
_SPAN = select(func.coalesce(func.min(event.c.position), 1), func.coalesce(func.max(event.c.position), 0))
_KEPT = select(memory.c.key, memory.c.value).where(memory.c.owner == _OWNER).order_by(memory.c.key)


def _written(one: Replay) -> bytes:
    wish = {**asdict(one.wish), "since": one.wish.since.isoformat(), "until": one.wish.until.isoformat()}
    return as_json({**asdict(one), "wish": wish})


def _all(rows: Iterable[Any]) -> list[Replay]:
    """Those that can be read: a damaged one is as if nobody had asked for it."""
    return [one for row in rows if (one := _read(row)) is not None]


def _read(row: Any) -> Replay | None:
    try:
        kept = json.loads(row.value)
        wish = kept.pop("wish")
        times = {name: datetime.fromisoformat(wish[name]) for name in ("since", "until")}
        return Replay(**{**kept, "id": row.key, "wish": Wish(**{**wish, **times, "kinds": tuple(wish["kinds"])})})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
