"""The journal, opened: its verbs, grouped by what they are about."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, func, literal, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from relay.clock import Clock, SystemClock
from relay.ids import Ids
from relay.journal.acceptance import Room
from relay.journal.arrivals import ArrivalVerbs
from relay.journal.audit import AuditVerbs
from relay.journal.ballast import Ballast
from relay.journal.bells import Bell, Bells
from relay.journal.calls import CallVerbs
from relay.journal.commands import CommandVerbs
from relay.journal.dead import DeadVerbs
from relay.journal.events import EventVerbs
from relay.journal.failures import JournalUnusable, JournalUnwritten
from relay.journal.forgetting import ForgetVerbs
from relay.journal.leases import LeaseVerbs
from relay.journal.limits import LimitVerbs
from relay.journal.looks import LookVerbs
from relay.journal.mailbox import MailboxVerbs
from relay.journal.media import MediaVerbs
from relay.journal.memory import Memory
from relay.journal.optouts import OptOutVerbs
from relay.journal.queries import QueryVerbs
from relay.journal.raw import RawVerbs
from relay.journal.reader import Reader
from relay.journal.replays import ReplayVerbs
from relay.journal.restored import RestoreVerbs
from relay.journal.ruleschema import optout
from relay.journal.schema import copy, copy_waits, event_waits, memory
from relay.journal.space import Shut, Space
from relay.journal.sqlite import SqliteStore, judged
from relay.journal.steering import SteeringVerbs
from relay.journal.transaction import UNPUBLISHED, WAITING_COPIES, Transaction, peer_of, waiting_here
from relay.journal.upkeep import UpkeepVerbs
from relay.journal.writer import Store, Writer
from relay.rules.line import Rules


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much the journal takes before it says that it is full.

    Attributes:
        queue: operations that wait to be written.
        queue_bytes: what they hold.
        waiting_copies: copies that wait to be sent.
        waiting_per_line: those of one line.
        waiting_per_client: those of one client on one line.
        ballast: bytes of the disk that are held back for what is known of work under way.
    """

    queue: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    waiting_copies: int = 2_000_000
    waiting_per_line: int = 2_000_000
    waiting_per_client: int = 2_000_000
    ballast: int = 0


@dataclass(frozen=True, slots=True)
class _Core:
    """What an open journal stands on."""

    store: SqliteStore
    writer: Writer
    reader: Reader
    bells: Bells
    standing: "_Rules"
    space: Space


@dataclass(slots=True)
class _Rules:
    """The rules of sending, as they are now: set on the event loop, read by transactions."""

    now: Rules = field(default_factory=Rules)


class Journal:
    """An open journal; `Journal.open` opens one. Its promise stands at the top of `relay.journal`.

    Attributes:
        node: the name of the relay that has it open.
        writes: what writes to it.
    """

    writes: type[Writer] = Writer

    def __init__(self, node: str, core: _Core, limits: JournalLimits, *, clock: Clock, real: Clock) -> None:
        writer, reader = core.writer, core.reader
        self.node = node
        self.raw = RawVerbs(writer, reader)
        self.commands = CommandVerbs(
            writer, Room(limits.waiting_copies, limits.waiting_per_line, limits.waiting_per_client)
        )
        self.calls = CallVerbs(writer, reader, clock, lambda: core.standing.now)
        self.limits = LimitVerbs(writer, reader, clock, lambda: core.standing.now)
        self.looks = LookVerbs(writer, reader, clock)
        self.mailbox = MailboxVerbs(writer, reader)
        self.arrivals = ArrivalVerbs(writer, reader, clock)
        self.media = MediaVerbs(writer, reader, clock)
        self.events = EventVerbs(writer, reader)
        self.replays = ReplayVerbs(writer, reader)
        self.dead = DeadVerbs(writer, reader)
        self.leases = LeaseVerbs(writer, real)
        self.upkeep = UpkeepVerbs(writer)
        self.optouts = OptOutVerbs(writer, reader)
        self.steering = SteeringVerbs(writer, reader)
        self.restored = RestoreVerbs(writer)
        self.audit = AuditVerbs(writer, reader, clock)
        self.people = ForgetVerbs(writer, reader, self.steering, core.store.remains)
        self.queries = QueryVerbs(reader, clock, lambda: core.standing.now)
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
        real = real or SystemClock()
        store, ballast = await asyncio.to_thread(_opened, url, limits.ballast)
        space = Space(ballast, real)
        bells = Bells()
        reader = Reader(store.reading, judged)
        try:
            counters, peer_key = await reader.run(lambda connection: (_counted(connection), _peer_key(connection)))
        except JournalUnusable:
            await reader.aclose()
            await asyncio.to_thread(store.close)
            raise
        own_ids, standing = Ids(clock, ids.chance), _Rules()

        def begin(connection: Connection, committed: Counter[str]) -> Transaction:
            return Transaction(connection, clock, own_ids, committed, standing.now, peer_key)

        shut = await asyncio.to_thread(space.hold)
        if shut is not None:
            space.tell_shut(shut)
        writing = Store(store.writing, begin, judged, store.prove, space, store.mend)
        writer = cls.writes(writing, bells, counters, queue=limits.queue, queue_bytes=limits.queue_bytes)
        return cls(node, _Core(store, writer, reader, bells, standing, space), limits, clock=clock, real=real)

    def follow(self, rules: Rules) -> None:
        """Send by these rules from now on."""
        self._core.standing.now = rules

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

    @property
    def shut(self) -> Shut | None:
        """Why, and since when, nothing new is taken and nothing may be begun; None while it is."""
        return self._core.space.shut

    def on_shut(self, listener: Callable[[], None]) -> None:
        """Call `listener()` whenever `shut` has changed."""
        self._core.space.on_change(listener)

    def memory(self, owner: str) -> Memory:
        """The small durable memory of `owner`."""
        return Memory(owner, self._core.writer, self._core.reader)

    def bell(self, name: str) -> Bell:
        """What rings after a commit that brought work.

        The names: `events`, `replays`, `calls:<line>`, `raw:<line>`, `looks:<line>`, `arrivals:<line>`.
        """
        return self._core.bells.bell(name)

    def ring(self, name: str) -> None:
        """Ring a bell, and all that listen to it, for what happened outside of the journal."""
        self._core.bells.ring([name])

    def listen(self, name: str) -> Bell:
        """A bell of one's own that rings with `bell(name)`, for as long as it is kept."""
        return self._core.bells.listen(name)


def _opened(url: str, ballast: int) -> tuple[SqliteStore, Ballast]:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise JournalUnusable("journal.url is no address: expected sqlite:////var/lib/relay/relay.db") from None
    if parsed.get_backend_name() != "sqlite":
        raise JournalUnusable("journal.url must begin with sqlite:////")
    held = Ballast(Path(parsed.database or ""), ballast)
    try:
        return SqliteStore(parsed), held
    except JournalUnwritten:
        # A former life may have held room that this one needs to begin at all.
        if not held.give_up():
            raise
        return SqliteStore(parsed), held


def _counted(connection: Connection) -> Counter[str]:
    events = select(func.count()).where(event_waits)
    counted = Counter({UNPUBLISHED: connection.execute(events).scalar() or 0})
    waiting = select(copy.c.line, copy.c.client, func.count()).where(copy_waits).group_by(copy.c.line, copy.c.client)
    for line, client, copies in connection.execute(waiting):
        for name in (WAITING_COPIES, waiting_here(line), waiting_here(line, client or "")):
            counted[name] += copies
    return counted


def _peer_key(connection: Connection) -> bytes:
    """The key under which addresses are hashed, made with the tables; raises JournalUnusable for another one.

    With another key no opt-out would be found, and everybody would be texted again.
    """
    made = select(memory.c.value).where(memory.c.owner == literal(""), memory.c.key == literal("optout.peer_key"))
    key: bytes | None = connection.execute(made).scalar()
    some = connection.execute(select(optout.c.peer, optout.c.address).where(optout.c.address.is_not(None)).limit(1))
    row = some.first()
    if key is None or (row is not None and row.peer != peer_of(row.address, key)):
        raise JournalUnusable("the journal is damaged: the key by which its opt-outs are found; restore a backup")
    return bytes(key)
