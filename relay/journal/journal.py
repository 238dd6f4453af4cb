"""The journal, opened: its verbs, grouped by what they are about."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from sqlalchemy import Connection

from relay.clock import Clock, SystemClock
from relay.ids import Ids
from relay.journal.acceptance import Room
from relay.journal.arrivals import ArrivalVerbs
from relay.journal.audit import AuditVerbs
from relay.journal.bells import Bell, Bells
from relay.journal.calls import CallVerbs
from relay.journal.commands import CommandVerbs
from relay.journal.dead import DeadVerbs
from relay.journal.events import EventVerbs
from relay.journal.failures import JournalError
from relay.journal.forgetting import ForgetVerbs
from relay.journal.leases import LeaseVerbs
from relay.journal.limits import LimitVerbs
from relay.journal.lives import join
from relay.journal.looks import LookVerbs
from relay.journal.mailbox import MailboxVerbs
from relay.journal.media import MediaVerbs
from relay.journal.memory import Memory
from relay.journal.nodes import LEASE, NodeVerbs
from relay.journal.opening import Opened, counted, kept_counters, kept_peer_key, open_store
from relay.journal.optouts import OptOutVerbs
from relay.journal.postgres import PostgresStore
from relay.journal.queries import QueryVerbs
from relay.journal.raw import RawVerbs
from relay.journal.reader import Reader
from relay.journal.replays import ReplayVerbs
from relay.journal.restored import RestoreVerbs
from relay.journal.space import Shut, Space
from relay.journal.steering import SteeringVerbs
from relay.journal.store import Entered, JournalStore
from relay.journal.transaction import Transaction
from relay.journal.upkeep import UpkeepVerbs
from relay.journal.wakeups import Wakeups
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
class _Joined:
    """A life among nodes: its id, what hears the others' bells, and when it last told that it goes on."""

    life: str
    wakeups: Wakeups
    renewed_at: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _Core:
    """What an open journal stands on."""

    opened: Opened
    writer: Writer
    reader: Reader
    bells: Bells
    standing: "_Rules"
    space: Space
    joined: _Joined | None


@dataclass(slots=True)
class _Rules:
    """The rules of sending, as they are now: set on the event loop, read by transactions."""

    now: Rules = field(default_factory=Rules)


class Journal:
    """An open journal; `Journal.open` opens one. Its promise stands at the top of `relay.journal`.

    Attributes:
        node: the name of the relay that has it open.
        owner: in whose name work is claimed: the node's, or that of its life among other nodes.
        writes: what writes to it.
    """

    writes: type[Writer] = Writer

    def __init__(self, node: str, core: _Core, limits: JournalLimits, *, clock: Clock, lease: float) -> None:
        writer, reader, life = core.writer, core.reader, core.joined.life if core.joined else None
        self.node = node
        self.owner = life or node
        self.raw = RawVerbs(writer, reader, life)
        self.commands = CommandVerbs(
            writer, Room(limits.waiting_copies, limits.waiting_per_line, limits.waiting_per_client), life
        )
        self.calls = CallVerbs(writer, reader, clock, lambda: core.standing.now)
        self.limits = LimitVerbs(writer, reader, clock, lambda: core.standing.now)
        self.looks = LookVerbs(writer, reader, clock, life=life)
        self.mailbox = MailboxVerbs(writer, reader, life)
        self.arrivals = ArrivalVerbs(writer, reader, clock)
        self.media = MediaVerbs(writer, reader, clock)
        self.events = EventVerbs(writer, reader)
        self.replays = ReplayVerbs(writer, reader)
        self.dead = DeadVerbs(writer, reader)
        self.leases = LeaseVerbs(writer)
        renewed_at = core.joined.renewed_at if core.joined else None
        self.nodes = NodeVerbs(writer, reader, life, lease, self.calls.judge, renewed_at=renewed_at)
        self.upkeep = UpkeepVerbs(writer)
        self.optouts = OptOutVerbs(writer, reader)
        self.steering = SteeringVerbs(writer, reader)
        self.restored = RestoreVerbs(writer)
        self.audit = AuditVerbs(writer, reader, clock)
        self.people = ForgetVerbs(writer, reader, self.steering, core.opened.remains)
        self.queries = QueryVerbs(reader, clock, lambda: core.standing.now)
        self._core = core
        self._closed = False

    @classmethod
    async def open(  # noqa: PLR0913 - all but the first four have their usual values
        cls,
        url: str,
        *,
        clock: Clock,
        ids: Ids,
        node: str,
        limits: JournalLimits | None = None,
        real: Clock | None = None,
        password: str | None = None,
        lease: float = LEASE,
    ) -> Self:
        """Open the journal at `url`, bring its tables up to date, and lock it, or join the nodes that work with it.

        Args:
            url: `sqlite:////` and a path, or `postgresql://user@host/database`.
            clock: relay's time.
            ids: its chance is used; the ids are the journal's own, because they are made on its thread.
            node: this relay's name.
            limits: how much it takes.
            real: real time, for leases on SQLite; None: the machine's.
            password: for PostgreSQL.
            lease: seconds that a node lives without a beat, on PostgreSQL.

        Raises:
            JournalInUse: another process has it open, or works with it under this name.
            JournalTooNew: a newer relay has written it.
            JournalUnusable: it cannot be opened; the text says why, and what to do.
        """
        limits = limits or JournalLimits()
        real = real or SystemClock()
        opened = await asyncio.to_thread(open_store, url, password, limits.ballast)
        space = Space(opened.held, real, trouble=opened.store.trouble)
        async with AsyncExitStack() as undone:
            undone.push_async_callback(asyncio.to_thread, opened.store.close)
            bells, reader = Bells(), Reader(opened.store)
            undone.push_async_callback(reader.aclose)
            peer_key = await reader.run(kept_peer_key)
            counters = Counter[str]() if opened.store.is_shared else await reader.run(counted)
            own_ids, standing = Ids(clock, ids.chance), _Rules()

            def begin(connection: Connection, entered: Entered, committed: Mapping[str, int]) -> Transaction:
                counts = opened.store.counters(connection, committed)
                return Transaction(
                    connection, clock, own_ids, counts, standing.now, peer_key, entered=entered, real=real
                )

            shut = await asyncio.to_thread(space.hold)
            if shut is not None:
                space.tell_shut(shut)
            writing = Store(opened.store, begin, space)
            writer = cls.writes(writing, bells, counters, queue=limits.queue, queue_bytes=limits.queue_bytes)
            undone.push_async_callback(writer.aclose)
            joined = await _joined(opened.store, writer, bells, node, lease)
            if joined is not None:
                counters.update(await reader.run(kept_counters))
            undone.pop_all()
        core = _Core(opened, writer, reader, bells, standing, space, joined)
        return cls(node, core, limits, clock=clock, lease=lease)

    def follow(self, rules: Rules) -> None:
        """Send by these rules from now on."""
        self._core.standing.now = rules

    def time_commits(self, took: Callable[[float], None]) -> None:
        """Tell `took`, on the writer's thread, the real seconds of each commit from now on."""
        self._core.writer.took = took

    async def aclose(self) -> None:
        """Write what was handed in, then close and unlock. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._core.joined is not None:
            # Others find out soon, where it cannot be told.
            with suppress(JournalError):
                await self.nodes.leave()
            await asyncio.to_thread(self._core.joined.wakeups.close)
        await self._core.writer.aclose()
        await self._core.reader.aclose()
        await asyncio.to_thread(self._core.opened.store.close)

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

    def on_shut(self, listener: Callable[[], None]) -> Callable[[], object]:
        """Call `listener()` whenever `shut` has changed, until what is given back is called."""
        return self._core.space.on_change(listener)

    def memory(self, owner: str) -> Memory:
        """The small durable memory of `owner`."""
        return Memory(owner, self._core.writer, self._core.reader)

    def bell(self, name: str) -> Bell:
        """What rings after a commit that brought work.

        The names: `events`, `replays`, `calls:<line>`, `raw:<line>`, `looks:<line>`, `arrivals:<line>`, `nodes`.
        """
        return self._core.bells.bell(name)

    def ring(self, name: str) -> None:
        """Ring a bell, and all that listen to it, for what happened outside of the journal; on other nodes, too."""
        self._core.bells.ring([name])
        if self._core.joined is not None:
            self._core.writer.ring_others(name)

    def listen(self, name: str) -> Bell:
        """A bell of one's own that rings with `bell(name)`, for as long as it is kept."""
        return self._core.bells.listen(name)


async def _joined(store: JournalStore, writer: Writer, bells: Bells, node: str, lease: float) -> _Joined | None:
    """Begin a life among the nodes of a shared database."""
    if not isinstance(store, PostgresStore):
        return None
    life = await join(writer, node, lease)
    store.life, store.lease = life, lease
    loop = asyncio.get_running_loop()

    def ring(names: Iterable[str] | None) -> None:
        # The loop may have ended.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(bells.ring_all if names is None else partial(bells.ring, names))

    wakeups = await asyncio.to_thread(Wakeups, store.connect, life, ring)
    return _Joined(life, wakeups, lambda: store.renewed_at)
