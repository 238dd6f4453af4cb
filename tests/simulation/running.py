"""A life of relay's in virtual time: everything that `relay run` wires, until it is stopped or killed.

A kill leaves the journal's file as it is on the disk just then. What still runs of the dead life reaches nobody: its
connections are cut, and its writer writes no more.
"""

import asyncio
import contextvars
import itertools
import random
import shutil
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty
from typing import Any, TypeVar

import aiohttp.connector
from sqlalchemy.exc import OperationalError

from relay import boundaries
from relay.boundaries import Boundary
from relay.ids import Ids
from relay.journal import Bell, Journal
from relay.journal.failures import JournalUnusable, JournalUnwritten
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer
from relay.providers import discover
from relay.settings import Settings
from relay.stages import accountant, collector, consumer, installer, janitor, publisher, sender, sweeper, tracker
from relay.telemetry.health import Pulse
from relay.telemetry.notify import Notifier
from relay.web import historian
from relay.web.listening import Listening
from relay.wiring import serving
from relay.wiring.core import Core, core
from relay.wiring.reloading import Again
from tests.journals import lay
from tests.simulation.broker import MemoryBroker, plug
from tests.simulation.loop import VirtualLoop
from tests.simulation.passing import passes

T = TypeVar("T")

BEGINNING = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
LIFE: contextvars.ContextVar[int] = contextvars.ContextVar("LIFE", default=0)
_FILES = ("relay.db", "relay.db-wal")


class VirtualClock:
    """The loop's time as a date; `ahead` is by how much its owner's clock is wrong."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.ahead = 0.0
        self._loop = loop

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return BEGINNING + timedelta(seconds=self._loop.time() + self.ahead)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await passes(max(seconds, 0.0))

    async def wait(self, awaited: Awaitable[T], seconds: float) -> T:
        """What `awaited` gives; raises TimeoutError after so many seconds."""
        async with asyncio.timeout(seconds):
            return await awaited


class InlineWriter(Writer):
    """Writes on the loop's own thread, in its turn: what waited until then is one commit.

    Attributes:
        is_dead: it writes nothing any more, and answers nobody.
        trouble: `refuses`: nothing can be written. `full`: only what the ballast makes room for. `unsure`: what is
            written is told to have failed.
    """

    is_dead = False
    _probes = False
    trouble: str = ""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._queue = _Turns(self._take_turn)  # type: ignore[assignment]
        # The machine's time measures when the disk is looked at again.
        self._space._seconds = asyncio.get_running_loop().time

    def _work(self) -> None:
        """The thread ends at once."""

    def _take_turn(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        if self.is_dead:
            return
        loop.aside(self._write)
        if self._space.wait is not None and not self._probes:
            # The thread would look at the disk by itself.
            self._probes = True
            loop.call_later(max(self._space.wait, 0.001), self._probe)

    def _probe(self) -> None:
        self._probes = False
        self._take_turn()

    def _write(self) -> None:
        ended = False
        while (len(self._queue) or self._space.wait == 0) and not ended:  # type: ignore[arg-type]
            batch, ended = self._next_batch()
            self._settle(batch)
            if self._space.wait == 0 and not ended:
                self._look_for_room()
        if ended:
            self._disconnect()

    def _proved(self) -> bool:
        return not self.trouble and super()._proved()

    def _begin(self) -> Transaction:
        if self.trouble == "refuses":
            raise JournalUnusable("the disk under the journal fails, as it was told to")
        if self.trouble == "full" and self._space.shut is None:
            raise JournalUnwritten("the disk under the journal is full, as it was told to be")
        return super()._begin()

    def _commit(self, transaction: Transaction) -> None:
        super()._commit(transaction)
        if self.trouble == "unsure":
            raise OperationalError("commit", {}, Exception("the disk failed, and what is on it nobody knows"))


class _Turns:
    """The writer's queue: whatever is put in has a turn on the loop."""

    def __init__(self, turn: Callable[[], None]) -> None:
        self._jobs: deque[Any] = deque()
        self._turn = turn
        self._is_called = False

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: Any) -> None:
        """Append."""
        self._jobs.append(job)
        if not self._is_called:
            self._is_called = True
            asyncio.get_running_loop().call_soon(self._go)

    def _go(self) -> None:
        self._is_called = False
        self._turn()

    def get(self, timeout: float | None = None) -> Any:
        """The next; nobody waits."""
        del timeout
        return self.get_nowait()

    def get_nowait(self) -> Any:
        """The next, if there is one."""
        if not self._jobs:
            raise Empty
        return self._jobs.popleft()


class InlineJournal(Journal):
    """The journal, written to in the loop's turn."""

    writes = InlineWriter

    @property
    def writer(self) -> InlineWriter:
        """What writes."""
        writer = self._core.writer
        assert isinstance(writer, InlineWriter)
        return writer


@dataclass
class Relay:
    """Relay over all its lives.

    Args:
        loop: runs everything.
        folder: an empty one; each life has its own below.
        settings: makes the settings of a life, given the folder of its journal.
        broker: what it connects to.
        seed: of its chance.
    """

    loop: VirtualLoop
    folder: Path
    settings: Callable[[Path], Settings]
    broker: MemoryBroker
    seed: int
    life: int = 0
    started_at: list[float] = field(default_factory=list)
    reached: dict[Boundary, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self.loop)
        self.node: serving._Node | None = None
        self.base: Core | None = None
        self.pulse = Pulse(self.loop.time)
        self._tasks: dict[asyncio.Task[Any], int] = {}  # and the life that each belongs to
        self._context = contextvars.Context()
        self._serial = itertools.count(1)
        self._main: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._deadly: tuple[Boundary, int] | None = None
        self._place = self.folder / "0"
        self._dying: asyncio.Task[None] | None = None
        self.loop.set_task_factory(self._made)  # type: ignore[arg-type]

    @property
    def is_up(self) -> bool:
        """Whether it is running."""
        return self._main is not None

    @property
    def journal(self) -> InlineJournal:
        """The open journal."""
        assert self.base is not None
        assert isinstance(self.base.journal, InlineJournal)
        return self.base.journal

    async def start(self) -> None:
        """Begin a life; raises what it fails to start with."""
        await self.buried()
        self.life += 1
        self.started_at.append(self.loop.time())
        self._context = context = contextvars.copy_context()
        context.run(LIFE.set, self.life)
        self._stop = asyncio.Event()
        ready = asyncio.Event()
        boundaries.tell(self._reached)
        self._main = self.loop.create_task(self._live(ready), context=context, name=f"life {self.life}")
        started = asyncio.ensure_future(ready.wait())
        await asyncio.wait({self._main, started}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if not ready.is_set():
            main, self._main = self._main, None
            if not main.cancelled():
                main.result()

    async def stop(self) -> None:
        """As after SIGTERM."""
        if self._main is not None:
            main = self._main
            self._stop.set()
            await asyncio.wait({main})
            if self._main is main:  # it was not killed meanwhile
                self._main = self.node = None
                main.result()

    def kill(self) -> None:
        """As SIGKILL: from now on nothing that it does reaches anybody."""
        if self._main is None:
            return
        if self.base is not None:
            self.journal.writer.is_dead = True
        life, self._main, self.node = self.life, None, None
        self._deadly = None
        grave = self.folder / f"{life}"
        self.loop.aside(self._leave_journal, grave)
        # A context of the dead life is recognised by its number.
        self.broker.cut(lambda context: context.get(LIFE, 0) == life)
        self.loop.network.cut(lambda context: context.get(LIFE, 0) == life)
        dead = [task for task, of in self._tasks.items() if of == life]
        quiet = contextvars.Context()
        self._dying = self.loop.create_task(self._bury(dead, self.base), context=quiet)
        self.base = None

    def kill_at(self, boundary: Boundary, after: int) -> None:
        """Have it killed when it reaches a boundary for the so-manieth time from now on."""
        self._deadly = (boundary, after)

    async def buried(self) -> None:
        """Wait until nothing is left of a life that was killed."""
        if self._dying is not None:
            await self._dying
            self._dying = None

    def _leave_journal(self, grave: Path) -> None:
        grave.mkdir()
        for name in _FILES:
            if (self._place / name).exists():
                shutil.copyfile(self._place / name, grave / name)
        self._place = grave

    async def _bury(self, dead: list[asyncio.Task[Any]], base: Core | None) -> None:
        for _ in range(100):
            left = [task for task in dead if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert all(task.done() for task in dead), [task for task in dead if not task.done()]
        if base is not None:
            assert isinstance(base.journal, InlineJournal)
            core = base.journal._core
            self.loop.aside(core.writer._disconnect)
            self.loop.aside(core.reader._disconnect)
            await base.journal.aclose()
            await asyncio.gather(*(line.aclose() for line in base.lines.values()))

    def _reached(self, boundary: Boundary) -> None:
        if LIFE.get() != self.life or self._main is None:
            return
        self.reached[boundary] = self.reached.get(boundary, 0) + 1
        if self._deadly is not None and self._deadly[0] is boundary:
            left = self._deadly[1] - 1
            self._deadly = (boundary, left)
            if left <= 0:
                self.kill()

    def _made(self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **more: Any) -> Any:
        # The default names are numbered for the whole process: those of two runs would differ.
        more["name"] = more.get("name") or f"task {next(self._serial)}"
        task = asyncio.Task(coro, loop=loop, **more)
        context = more.get("context")
        self._tasks[task] = LIFE.get() if context is None else context.get(LIFE, 0)
        task.add_done_callback(self._ended, context=_NOBODYS)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        del self._tasks[task]

    async def _live(self, ready: asyncio.Event) -> None:
        """What `relay.wiring.serve` does, with chance, time and transports that repeat."""
        settings = self.settings(self._place)
        self._place.mkdir(exist_ok=True)
        self.loop.aside(lay, self._place / "relay.db")
        chance = random.Random(f"{self.seed}/{self.life}")  # noqa: S311 - a failure must repeat
        ids = Ids(self.clock, chance)
        async with core(settings, discover(), clock=self.clock, ids=ids, journals=InlineJournal) as self.base:
            self.pulse = Pulse(self.loop.time)
            silent = Notifier(None)
            outside = serving._Outside(silent, self._stop, Listening(silent), Again(lambda: settings, Bell()))
            node = await serving._claimed(self.base, self.pulse, outside)
            plug(node.bus, self.broker)
            async with serving._running(node):
                self.node = node
                ready.set()
                await self._stop.wait()
                node.supervisor.stop()
                node.status.stopping()

    def do(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Do something in the name of the living relay."""
        assert self._main is not None
        return self.loop.create_task(work, context=self._context)


_NOBODYS = contextvars.Context()
_LOOKS: list[tuple[Any, str, float]] = [
    (sender, "IDLE", 7200.0),
    (tracker, "IDLE", 7200.0),
    (collector, "IDLE", 7200.0),
    (publisher, "IDLE", 7200.0),
    (publisher, "WAIT", 7200.0),
    (consumer, "WAIT", 7200.0),
    (janitor, "EVERY", 7200.0),
    (sweeper, "EVERY", 3600.0),
    (accountant, "EVERY", 21_600.0),
    (installer, "LOOK_AGAIN", 7200.0),
    (historian, "EVERY", 7200.0),
]


@contextmanager
def seldom(loop: VirtualLoop) -> Iterator[None]:
    """Stages that have nothing to do look for work less often: what is due, or rung for, is met as ever.

    And aiohttp, which measures the age of idle connections by the machine's time, measures it by the loop's.
    """
    changes: list[tuple[Any, str, Any]] = [*_LOOKS, (aiohttp.connector, "monotonic", loop.time)]
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    try:
        for module, name, value in changes:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
