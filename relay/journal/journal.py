"""The journal, opened: its verbs, grouped by what they are about."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from relay.clock import Clock, SystemClock
from relay.domain.states import State
from relay.ids import Ids
from relay.journal.arrivals import ArrivalVerbs
from relay.journal.bells import Bell, Bells
from relay.journal.calls import CallVerbs
from relay.journal.commands import CommandVerbs
from relay.journal.dead import DeadVerbs
from relay.journal.events import EventVerbs
from relay.journal.failures import JournalUnusable
from relay.journal.leases import LeaseVerbs
from relay.journal.looks import LookVerbs
from relay.journal.mailbox import MailboxVerbs
from relay.journal.media import MediaVerbs
from relay.journal.memory import Memory
from relay.journal.queries import QueryVerbs
from relay.journal.raw import RawVerbs
from relay.journal.reader import Reader
from relay.journal.schema import copy, copy_is_live, event_waits
from relay.journal.sqlite import SqliteStore, judged
from relay.journal.transaction import UNPUBLISHED, WAITING_COPIES, Transaction
from relay.journal.upkeep import UpkeepVerbs
from relay.journal.writer import Store, Writer


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much the journal takes before it says that it is full.

    Attributes:
        queue: operations that wait to be written.
        queue_bytes: what they hold.
        waiting_copies: copies that wait to be sent.
    """

    queue: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    waiting_copies: int = 1_000_000


@dataclass(frozen=True, slots=True)
class _Core:
    """What an open journal stands on."""

    store: SqliteStore
    writer: Writer
    reader: Reader
    bells: Bells


class Journal:
    """An open journal; `Journal.open` opens one. Its promise stands at the top of `relay.journal`.

    Attributes:
        node: the name of the relay that has it open.
    """

    def __init__(self, node: str, core: _Core, limits: JournalLimits, *, clock: Clock, real: Clock) -> None:
        writer, reader = core.writer, core.reader
        self.node = node
        self.raw = RawVerbs(writer, reader)
        self.commands = CommandVerbs(writer, most_waiting=limits.waiting_copies)
        self.calls = CallVerbs(writer, reader)
        self.looks = LookVerbs(writer, reader, clock)
        self.mailbox = MailboxVerbs(writer, reader)
        self.arrivals = ArrivalVerbs(writer, reader, clock)
        self.media = MediaVerbs(writer, reader, clock)
        self.events = EventVerbs(writer, reader)
        self.dead = DeadVerbs(writer, reader)
        self.leases = LeaseVerbs(writer, real)
        self.upkeep = UpkeepVerbs(writer)
        self.queries = QueryVerbs(reader)
        self._core = core
        self._closed = False

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock,
        ids: Ids,
        node: str,
        limits: JournalLimits | None = None,
        real: Clock | None = None,
    ) -> Self:
        """Open the journal at `url`, bring its tables up to date, and lock it.

        Args:
            url: `sqlite:////` and a path.
            clock: relay's time.
            ids: its chance is used; the ids are the journal's own, because they are made on its thread.
            node: this relay's name.
            limits: how much it takes.
            real: real time, for leases; None: the machine's.

        Raises:
            JournalInUse: another process has it open.
            JournalTooNew: a newer relay has written it.
            JournalUnusable: it cannot be opened; the text says why, and what to do.
        """
        limits = limits or JournalLimits()
        store = await asyncio.to_thread(_opened, url)
        bells = Bells()
        reader = Reader(store.reading, judged)
        try:
            counters = await reader.run(_counted)
        except JournalUnusable:
            await reader.aclose()
            await asyncio.to_thread(store.close)
            raise
        own_ids = Ids(clock, ids.chance)

        def begin(connection: Connection, committed: Counter[str]) -> Transaction:
            return Transaction(connection, clock, own_ids, committed)

        writing = Store(store.writing, begin, judged)
        writer = Writer(writing, bells, counters, queue=limits.queue, queue_bytes=limits.queue_bytes)
        return cls(node, _Core(store, writer, reader, bells), limits, clock=clock, real=real or SystemClock())

    async def aclose(self) -> None:
        """Write what was handed in, then close and unlock. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._core.writer.aclose()
        await self._core.reader.aclose()
        await asyncio.to_thread(self._core.store.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def commits(self) -> int:
        """How many transactions were committed since it was opened."""
        return self._core.writer.commits

    def memory(self, owner: str) -> Memory:
        """The small durable memory of `owner`."""
        return Memory(owner, self._core.writer, self._core.reader)

    def bell(self, name: str) -> Bell:
        """What rings after a commit that brought work.

        The names: `events`, `calls:<line>`, `raw:<line>`, `looks:<line>`, `arrivals:<line>`.
        """
        return self._core.bells.bell(name)

    def ring(self, name: str) -> None:
        """Ring a bell, and all that listen to it, for what happened outside of the journal."""
        self._core.bells.ring([name])

    def listen(self, name: str) -> Bell:
        """A bell of one's own that rings with `bell(name)`, for as long as it is kept."""
        return self._core.bells.listen(name)


def _opened(url: str) -> SqliteStore:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise JournalUnusable("journal.url is no address: expected sqlite:////var/lib/relay/relay.db") from None
    if parsed.get_backend_name() != "sqlite":
        raise JournalUnusable("journal.url must begin with sqlite:////")
    return SqliteStore(parsed)


def _counted(connection: Connection) -> Counter[str]:
    waiting = (State.SCHEDULED.key, State.QUEUED.key, State.SENDING.key)
    copies = select(func.count()).where(copy_is_live, copy.c.state.in_(waiting))
    events = select(func.count()).where(event_waits)
    return Counter(
        {
            WAITING_COPIES: connection.execute(copies).scalar() or 0,
            UNPUBLISHED: connection.execute(events).scalar() or 0,
        }
    )
