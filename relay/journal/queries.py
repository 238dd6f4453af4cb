"""Questions that people and monitors ask. Answers hold no text, no number and no secret."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select

from relay.clock import Clock
from relay.domain.states import State
from relay.journal.callrows import FOREVER
from relay.journal.copyrows import status_of
from relay.journal.dead import set_aside_counts
from relay.journal.mailschema import arrival, segment, sighting
from relay.journal.queuelist import Wanted, listed, shown
from relay.journal.reader import Reader
from relay.journal.schema import (
    call,
    call_is_followed,
    call_is_in_flight,
    call_is_waiting,
    copy,
    copy_is_live,
    event,
    event_waits,
    message,
    parked_waits,
    raw_is_kept,
)
from relay.journal.trace import trace
from relay.rules.line import Rules

_CALLS = {"waiting": call_is_waiting, "in_flight": call_is_in_flight, "followed": call_is_followed}


@dataclass(frozen=True, slots=True)
class Gauges:
    """How much waits.

    Attributes:
        copies: how many each line has of each status, of those that have not ended.
        set_aside: what waits for a person, by kind.
        waits_since: since when each line's oldest copy waits that may be sent, now or later. One that was tried more
            than once waits since it was accepted: each try puts off when it is due.
        unpublished_since: since when the oldest event waits for the bus.
    """

    copies: Mapping[tuple[str, str], int]
    set_aside: Mapping[str, int]
    waits_since: Mapping[str, datetime]
    unpublished_since: datetime | None


class QueryVerbs:
    """What may be asked. Every answer can be written as JSON."""

    def __init__(self, reader: Reader, clock: Clock, rules: Callable[[], Rules]) -> None:
        self._reader = reader
        self._clock = clock
        self._rules = rules

    async def status(self) -> dict[str, Any]:
        """How much waits, by line and in all.

        Returns:
            `lines`: for each line with anything open: `calls` (waiting, in_flight, followed), `oldest_due` of the
            waiting ones, `copies` by status, and `arrivals`, which are still to be fetched; and `unread`,
            `unpublished`, `oldest_unpublished`, `asides`, `set_aside` (the same by kind), `parked`, `sightings` and
            `segments`.
        """
        return await self._reader.run(_status)

    async def gauges(self) -> Gauges:
        """What a monitor asks for again and again: read from indexes, but for copies that are being tried again."""
        return await self._reader.run(_gauges)

    async def unread(self) -> int:
        """How much came that nobody has read yet."""
        return await self._reader.run(lambda connection: _count(connection, raw_is_kept))

    async def trace(self, about: str) -> list[dict[str, Any]]:
        """Everything that is known of a request, message, copy, call, raw or aside id, in the order of time.

        The last steps, `waits`, say in words why what waits does so.
        """
        rules, now = self._rules(), self._clock.now()
        return await self._reader.run(lambda connection: trace(connection, about, rules, now))

    async def queue(self, wanted: Wanted) -> list[dict[str, Any]]:
        """The copies that wait, or wait for a person: those that are wanted."""
        return await self._reader.run(lambda connection: listed(connection, wanted))

    async def shown(self, about: str, line: str | None = None) -> dict[str, Any]:
        """`copies` and `calls` of a request, message, copy or call, each call with why it waits, in words.

        Raises:
            UnknownId: nothing has this id.
            AmbiguousId: several things have it; `line` may tell which is meant.
        """
        rules, now = self._rules(), self._clock.now()
        return await self._reader.run(lambda connection: shown(connection, about, line, rules, now))


def _status(connection: Connection) -> dict[str, Any]:
    lines: defaultdict[str, dict[str, Any]] = defaultdict(
        lambda: {"calls": dict.fromkeys(_CALLS, 0), "oldest_due": None, "copies": {}, "arrivals": 0}
    )
    for stage, part in _CALLS.items():
        for line, count in connection.execute(select(call.c.line, func.count()).where(part).group_by(call.c.line)):
            lines[line]["calls"][stage] = count
    for line, oldest in _oldest_due(connection):
        lines[line]["oldest_due"] = oldest
    for (line, status), count in _live_copies(connection).items():
        lines[line]["copies"][status] = count
    for line, count in connection.execute(select(arrival.c.line, func.count()).group_by(arrival.c.line)):
        lines[line]["arrivals"] = count
    waiting = connection.execute(select(func.count(), func.min(event.c.recorded_at)).where(event_waits)).one()
    set_aside = set_aside_counts(connection)
    return {
        "lines": dict(lines),
        "unread": _count(connection, raw_is_kept),
        "unpublished": waiting[0],
        "oldest_unpublished": waiting[1],
        "asides": sum(set_aside.values()),
        "set_aside": set_aside,
        "parked": _count(connection, parked_waits),
        "sightings": _rows(connection, sighting),
        "segments": _rows(connection, segment),
    }


def _gauges(connection: Connection) -> Gauges:
    unpublished = select(event.c.recorded_at).where(event_waits).order_by(event.c.position).limit(1)
    return Gauges(
        _live_copies(connection),
        set_aside_counts(connection),
        _waits_since(connection),
        connection.execute(unpublished).scalar(),
    )


def _waits_since(connection: Connection) -> dict[str, datetime]:
    tried_again = (
        select(copy.c.line, func.min(message.c.created_at))
        .join(message, message.c.id == copy.c.message_id)
        .where(copy_is_live, copy.c.state == State.SENDING.key, copy.c.attempt > 1)
        .group_by(copy.c.line)
    )
    since: dict[str, datetime] = {}
    for line, at in [*_oldest_due(connection), *connection.execute(tried_again)]:
        since[line] = min(at, since.get(line, at))
    return since


def _oldest_due(connection: Connection) -> Iterator[tuple[str, datetime]]:
    """Each line with calls that wait, and when the first of them is due: a few looks into an index, however many."""
    line: str | None = ""
    while (line := connection.execute(_NEXT_LINE, {"after": line}).scalar()) is not None:
        lane: int | None = _BEFORE_LANES
        found: list[datetime] = []
        while (lane := connection.execute(_NEXT_LANE, {"here": line, "after": lane}).scalar()) is not None:
            found += connection.execute(_FIRST_DUE, {"here": line, "in_lane": lane}).scalars()
        if (oldest := min(found, default=FOREVER)) != FOREVER:
            yield line, oldest


_BEFORE_LANES = -(1 << 62)
_NEXT_LINE = select(func.min(call.c.line)).where(call_is_waiting, call.c.line > bindparam("after"))
_ON_LINE = (call_is_waiting, call.c.line == bindparam("here"))
_NEXT_LANE = select(func.min(call.c.lane)).where(*_ON_LINE, call.c.lane > bindparam("after"))
_FIRST_DUE = select(func.min(call.c.due_at)).where(*_ON_LINE, call.c.lane == bindparam("in_lane"))


def _live_copies(connection: Connection) -> Counter[tuple[str, str]]:
    live = select(copy.c.line, copy.c.state, func.count()).where(copy_is_live).group_by(copy.c.state, copy.c.line)
    counted: Counter[tuple[str, str]] = Counter()
    for line, state, count in connection.execute(live):
        counted[line, status_of(state)] += count
    return counted


def _rows(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar() or 0


def _count(connection: Connection, part: Any) -> int:
    return connection.execute(select(func.count()).where(part)).scalar() or 0
