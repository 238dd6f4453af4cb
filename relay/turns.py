"""journal -> stages: which of the work that one node does at a time is this node's turn, as long as it beats in time.

A turn ends by itself before any other node may take it, by a clock that goes on while the process stands still: who
was stopped, or is cut off from the database, begins nothing more under it.
"""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from weakref import WeakSet

import structlog

from relay.journal import Beat, Bell, Journal, JournalError, JournalFenced

log = structlog.get_logger()

BUS = "bus"  # hears the commands, and publishes what no line's turn does
UPKEEP = "upkeep"
BEATS = 4  # in each lease
DEAF = 0.5  # of a lease without the bus
SURE = 0.8  # of a lease: afterwards a turn counts as lost, some time before others may take it


def line_turn(line: str) -> str:
    """The turn of a line: who reads what comes in on it, and publishes what happens on it."""
    return f"line:{line}"


def line_of(turn: str) -> str | None:
    """The line whose turn this is; None for another turn."""
    kind, _, line = turn.partition(":")
    return line if kind == "line" else None


class Turns:
    """This node's turns. On a journal of one's own it has all of them, always.

    Whoever works under a turn says so by `enter` and `leave`: one that others should have is given back only when all
    of its work here has ended.

    Args:
        journal: where nodes agree.
        wanted: the names of all turns that this node can take.

    Attributes:
        over: set once this life of the node is over: others have given it up for dead.
    """

    def __init__(self, journal: Journal, wanted: Collection[str]) -> None:
        self.over = asyncio.Event()
        self._journal = journal
        self._nodes = journal.nodes
        self._wanted = frozenset(wanted)
        self._wake = journal.listen("nodes")
        self._held: dict[str, int] = {} if self.is_shared else dict.fromkeys(wanted, 1)  # each with its term
        self._until = -math.inf if self.is_shared else math.inf
        self._watching: asyncio.TimerHandle | None = None
        self._terms = 1
        self._leaving: frozenset[str] = frozenset()  # held, and given back as soon as all work under them has ended
        self._others = 0
        self._hears: Callable[[], bool] = lambda: True
        self._heard_at = -math.inf
        self._is_known = False  # whether the journal has ever told which turns this node has
        self._stops = False
        self._users: Counter[str] = Counter()
        self._bells: defaultdict[str, WeakSet[Bell]] = defaultdict(WeakSet)
        self._listeners: list[Callable[[], None]] = []
        journal.on_shut(self._wake.ring)

    def want(self, wanted: Collection[str]) -> None:
        """Take these from now on; what is held of others is given back as soon as all work under it here has ended."""
        fresh, self._wanted = frozenset(wanted) - self._wanted, frozenset(wanted)
        if self.is_shared:
            self._give_up(self._leaving | (self._held.keys() - self._wanted))
            self._wake.ring()
            return
        self._terms += 1
        lost = [name for name in self._held if name not in self._wanted]
        for name in lost:
            del self._held[name]
        self._held.update(dict.fromkeys(fresh, self._terms))
        self._tell([*lost, *fresh])

    @property
    def is_shared(self) -> bool:
        """Whether other nodes may have turns."""
        return self._nodes.is_shared

    def holds(self, name: str) -> bool:
        """Whether work may be begun under this turn now."""
        return self.term(name) is not None

    def term(self, name: str) -> int | None:
        """Which time it is that this turn is held, if work may be begun under it now: another number each time."""
        if name in self._leaving or self._is_over():
            return None
        return self._held.get(name)

    @property
    def held(self) -> list[str]:
        """The turns under which work may be begun now."""
        return sorted(name for name in self._held if self.holds(name))

    def need(self, hears: Callable[[], bool]) -> None:
        """Leave all turns to others, where there are any, while `hears()` says that the bus has not been heard."""
        self._hears = hears
        self._heard_at = asyncio.get_running_loop().time()

    def changed(self, name: str) -> Bell:
        """A bell of one's own that rings when this turn is gained or lost, for as long as it is kept."""
        bell = Bell()
        self._bells[name].add(bell)
        return bell

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` when the turns are known first, and whenever one was gained or lost."""
        self._listeners.append(listener)

    def enter(self, name: str) -> None:
        """Somebody works under this turn from now on."""
        self._users[name] += 1

    def leave(self, name: str) -> None:
        """Whoever entered it has ended all work under this turn."""
        self._users[name] -= 1
        if name in self._leaving:
            self._wake.ring()

    def stop(self) -> None:
        """The node is about to stop: where there are others, let each have its turns as soon as work here has ended."""
        self._stops = True
        if self._others:
            self._give_up(frozenset(self._held))
        self._wake.ring()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Beat until the block is left. Whoever closes the journal then ends this life, and the others take over."""
        if not self.is_shared:
            yield
            return
        beating = asyncio.create_task(self._beat_on(), name="turns")
        beating.add_done_callback(self._stopped)
        try:
            yield
        finally:
            beating.cancel()
            [ended] = await asyncio.gather(beating, return_exceptions=True)
            self._lose(self._held, "the node has stopped")
        if isinstance(ended, Exception):
            raise ended

    async def _beat_on(self) -> None:
        log.info("node.joined", node=self._journal.node, lease=self._nodes.lease)
        while not self.over.is_set():
            await self._beat()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._nodes.lease / BEATS):
                    await self._wake.wait()

    def _stopped(self, beating: "asyncio.Task[None]") -> None:
        # However it ended: a node that does not beat is dead to all others.
        if not beating.cancelled():
            self.over.set()

    async def _beat(self) -> None:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._nodes.lease):
                beat = await self._nodes.beat(
                    self._wanted | self._held.keys(), stops=self._stops, is_deaf=self._is_deaf(began)
                )
                self._take(beat, began + self._nodes.lease * SURE)
                await self._give_back()
        except JournalFenced:
            self._end()
        except (JournalError, TimeoutError) as error:
            # The journal says what is wrong with it, once for all. Meanwhile the turns end by themselves.
            log.debug("node.unheard", reason=type(error).__name__)

    def _is_deaf(self, now: float) -> bool:
        """Whether the bus was not heard for so long that others should have what needs it."""
        if self._hears():
            self._heard_at = now
        return now - self._heard_at > self._nodes.lease * DEAF

    def _take(self, beat: Beat, until: float) -> None:
        if beat.buried:
            log.warning("node.buried", nodes=list(beat.buried), cut_calls=beat.cut, uncertain=beat.uncertain)
        if self._is_over():
            self._lapse()
        self._others, self._until = beat.others, until
        self._watch()
        self._lose(self._held.keys() - beat.held, "another node has it")
        fresh = beat.held - self._held.keys()
        for name in sorted(fresh):
            self._terms += 1
            self._held[name] = self._terms
            log.info("turn.taken", turn=name)
        is_first, self._is_known = not self._is_known, True
        self._tell(fresh, anyway=is_first)
        unwanted = self._held.keys() - self._wanted
        self._give_up(beat.held if self._stops and beat.others else beat.surplus | unwanted)

    def _give_up(self, names: frozenset[str]) -> None:
        """Begin nothing more under these; and again under what was to be given up, and is to be no more."""
        changed, self._leaving = self._leaving ^ names, names
        self._tell(changed)

    async def _give_back(self) -> None:
        ended = [name for name in self._leaving if not self._users[name] and name in self._held]
        if ended:
            self._lose(ended, "left to another node")
            await self._nodes.release(ended)

    def _sure_until(self) -> float:
        """Until when the turns are certain: whatever is written tells the database that the node lives.

        What was written only after they were certain no more does not bring them back: others may have them.
        """
        renewed_at = self._nodes.renewed_at()
        if renewed_at < self._until:
            self._until = max(self._until, renewed_at + self._nodes.lease * SURE)
        return self._until

    def _is_over(self) -> bool:
        return asyncio.get_running_loop().time() >= self._sure_until()

    def _watch(self) -> None:
        """See whether the turns are over once they may be."""
        if self._watching is not None:
            self._watching.cancel()
        self._watching = asyncio.get_running_loop().call_at(self._sure_until(), self._lapse)

    def _lapse(self) -> None:
        if not self._is_over():
            self._watch()
        elif self._held:
            self._lose(self._held, "the database could not be told in time that the node lives")

    def _end(self) -> None:
        log.error(
            "node.fenced",
            node=self._journal.node,
            detail="other nodes gave this one up for dead: they have its work, and it begins anew",
        )
        self.over.set()
        self._lose(self._held, "the node was given up for dead")

    def _lose(self, names: Iterable[str], reason: str) -> None:
        lost = sorted(names)
        for name in lost:
            del self._held[name]
            log.info("turn.lost", turn=name, reason=reason)
        self._tell(lost)

    def _tell(self, names: Collection[str], *, anyway: bool = False) -> None:
        for name in names:
            for bell in self._bells[name]:
                bell.ring()
        if names or anyway:
            for listener in self._listeners:
                listener()
