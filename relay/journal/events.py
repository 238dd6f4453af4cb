"""Events: what is to be published, in the order in which it was committed, and what has been."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, Text, bindparam, func, or_, select, update

from relay.domain.announcements import Announcement
from relay.journal.announce import News, SetAside, announce, announcement, set_aside, set_aside_untold
from relay.journal.columns import Moment, Whole
from relay.journal.listing import listed, unpacked
from relay.journal.prepared import execute
from relay.journal.reader import Reader
from relay.journal.schema import event, event_waits
from relay.journal.transaction import UNPUBLISHED, Transaction
from relay.journal.writer import Writer

_FIRST = 32  # events
AT_ONCE = 1024 * 1024  # bytes of events that are read together: a result of 10,000 copies has more than one of them


class Pending(list[tuple[int, Announcement]]):
    """Events to be published, in order, with their positions. `is_all`: when they were read there were no others."""

    def __init__(self, events: Iterable[tuple[int, Announcement]] = (), *, is_all: bool = True) -> None:
        super().__init__(events)
        self.is_all = is_all


class EventVerbs:
    """What may be done with events."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def announce(self, line: str, name: str, body: Mapping[str, Any]) -> None:
        """Put an event of a line, `event.<name>`, on its way to the bus."""
        await self._writer.run(lambda tx: announce(tx, News(f"event.{name}", line, line, body)))

    async def pending(
        self,
        after_position: int,
        limit: int,
        *,
        lines: Collection[str] | None = None,
        others: Collection[str] | None = None,
    ) -> Pending:
        """Events to be published, in order, with their positions. A damaged one is set aside and left out.

        Args:
            after_position: behind which.
            limit: how many at most.
            lines: only those of these lines; None: all.
            others: where only those of some lines are wanted, also those of no line and of every line but these; None:
                not those.
        """
        which, of = _of(lines, others)
        rows, is_all = await self._rows(which, after_position, limit, of)
        found = [(row, announcement(row)) for row in rows]
        for row, one in found:
            if one is None:
                # By its place: its id may be what is damaged.
                await self._set_aside(event.c.position == row.position, "the journal's row is damaged")
        whole = [(row.position, one) for row, one in found if one is not None]
        if rows and not whole and not is_all:
            return await self.pending(rows[-1].position, limit, lines=lines, others=others)
        return Pending(whole, is_all=is_all)

    async def follow(
        self, after_position: int, limit: int, *, kinds: Collection[str] | None = None
    ) -> list[tuple[int, Announcement]]:
        """Events, published or not, in order, with their positions; of some kinds only. A damaged one is left out."""
        which = _NEXT if kinds is None else _NEXT.where(event.c.kind.in_(sorted(kinds)))
        rows, _ = await self._rows(which, after_position, limit, {})
        return _whole(rows)

    async def last_position(self) -> int:
        """The position of the newest event; 0 where there is none."""
        newest = select(func.max(event.c.position))
        return await self._reader.run(lambda connection: connection.execute(newest).scalar()) or 0

    async def published(self, ids: Sequence[str]) -> None:
        """Mark these as published; one that is marked already is left as it is."""

        def operation(tx: Transaction) -> None:
            marked = tx.beside(_MARK, {"ids": listed(ids), "now": tx.now}).rowcount
            tx.counts[UNPUBLISHED] -= marked

        await self._writer.run(operation, marks=True)

    async def set_aside(self, event_id: str, why: str) -> None:
        """Take an event that cannot be published out of the queue, for a person. `why` holds no content."""
        await self._set_aside(event.c.id == event_id, why)

    async def _set_aside(self, which: ColumnElement[bool], why: str) -> None:
        def operation(tx: Transaction) -> None:
            row = tx.execute(select(event.c.id, event.c.kind, event.c.line).where(which, event_waits)).first()
            if row is None:
                return
            _mark(tx, which)
            thing = SetAside("event", row.line, row.kind, why, event_id=row.id)
            if row.kind == "dead":
                # A notice that cannot be published must not make another one.
                set_aside_untold(tx, thing)
            else:
                set_aside(tx, thing, about=row.id)

        await self._writer.run(operation)

    def backlog(self) -> int:
        """How many events wait to be published."""
        return self._writer.counters[UNPUBLISHED]

    async def _rows(self, which: Select[Any], after: int, limit: int, of: Mapping[str, str]) -> tuple[list[Any], bool]:
        return await self._reader.run(lambda connection: _read(connection, which, after, limit, of))


def _read(
    connection: Connection, which: Select[Any], after: int, limit: int, of: Mapping[str, str]
) -> tuple[list[Any], bool]:
    """Rows behind a position, and whether there are no others.

    A few are read at first, then as many as may come to so many bytes, by the size of those.
    """
    found: list[Any] = []
    size, most = 0, min(_FIRST, limit)
    while most > 0:
        rows = execute(connection, which, {"after": after, "most": most, **of}).all()
        for row in rows:
            found.append(row)
            size += len(row.body)
            if size >= AT_ONCE:
                return found, False
        if len(rows) < most:
            return found, True
        after = rows[-1].position
        most = min(limit - len(found), (AT_ONCE - size) * len(found) // max(size, 1) + 1)
    return found, False


def _of(lines: Collection[str] | None, others: Collection[str] | None) -> tuple[Select[Any], Mapping[str, str]]:
    """What finds the events of some lines that wait, and its parameters."""
    if lines is None:
        return _WAITING, {}
    if others is None:
        return _OF_LINES, {"lines": listed(sorted(lines))}
    return _OF_LINES_AND_OTHERS, {"lines": listed(sorted(lines)), "others": listed(sorted(others))}


_NEXT = (
    select(event)
    .where(event.c.position > bindparam("after", type_=Whole))
    .order_by(event.c.position)
    .limit(bindparam("most", type_=Integer))
)
_WAITING = _NEXT.where(event_waits)
_THEIRS = event.c.line.in_(select(unpacked(bindparam("lines", type_=Text)).c.value))
_NOT_OTHERS = event.c.line.not_in(select(unpacked(bindparam("others", type_=Text)).c.value))
_OF_LINES = _WAITING.where(_THEIRS)
_OF_LINES_AND_OTHERS = _WAITING.where(or_(_THEIRS, event.c.line.is_(None), _NOT_OTHERS))
_MARK = (
    update(event)
    .where(event_waits, event.c.id.in_(select(unpacked(bindparam("ids", type_=Text)).c.value)))
    .values(published_at=bindparam("now", type_=Moment))
)


def _whole(rows: Sequence[Any]) -> list[tuple[int, Announcement]]:
    return [(row.position, one) for row in rows if (one := announcement(row)) is not None]


def _mark(tx: Transaction, which: ColumnElement[bool]) -> None:
    marked = tx.execute(update(event).where(event_waits, which).values(published_at=tx.now)).rowcount
    tx.counts[UNPUBLISHED] -= marked
