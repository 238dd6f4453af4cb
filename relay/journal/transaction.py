"""One transaction in the making: what the operations of a batch share until it is committed."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Executable, insert

from relay.clock import Clock, SystemClock
from relay.ids import Ids
from relay.journal import schema
from relay.journal.gathering import Gathered
from relay.journal.prepared import Parameters, execute
from relay.journal.store import Entered
from relay.rules.line import Rules

T = TypeVar("T")

STANDS_FOR = "forgotten:"  # how an address begins that stands for somebody who was forgotten
WAITING_COPIES = "waiting copies"
UNPUBLISHED = "unpublished events"


def waiting_here(line: str, client: str | None = None) -> str:
    """The counter of the copies that wait on a line, or of those of one client on it."""
    return f"{WAITING_COPIES}:{line}" if client is None else f"{WAITING_COPIES}:{line}/{client}"


def peer_of(address: str, key: bytes) -> str:
    """A keyed hash, equal for equal addresses.

    Capitals make no other e-mail address: whoever opted out as `Jane@...` did so as `jane@...`, too.
    """
    return blake2b(address.lower().encode(), key=key, digest_size=16).hexdigest()


@dataclass(slots=True)
class Transaction:
    """A batch's transaction.

    An operation may run more than once: it changes nothing but rows, and what is here.

    Attributes:
        now: the time, one for the whole transaction.
        rules: the rules of sending, as they are now.
        bells: what is to ring after the commit.
        counts: what the commit adds to the journal's counters.
        entered: how it began.
        real: the machine's time.
        totals: the counters as the commit leaves them, where the database keeps them for all nodes.
        gathered: rows of requests that are to be written together.
        known: what was read once, and holds for the whole transaction.
    """

    connection: Connection
    clock: Clock
    ids: Ids
    committed: Mapping[str, int]
    rules: Rules = field(default_factory=Rules)
    peer_key: bytes = field(default=b"", repr=False)
    now: datetime = field(init=False)
    bells: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    entered: Entered = field(default_factory=Entered)
    real: Clock = field(default_factory=SystemClock)
    totals: Mapping[str, int] | None = field(default=None, init=False)
    gathered: Gathered = field(default_factory=Gathered, init=False)
    known: dict[str, Any] = field(default_factory=dict, init=False)
    _events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.now = self.clock.now()

    @property
    def real_now(self) -> datetime:
        """Real time: the database's own, which is one for all nodes; where it has none, the machine's."""
        return self.entered.at or self.real.now()

    def execute(self, statement: Executable, rows: Parameters = None) -> CursorResult[Any]:
        """Run a statement: once, with these parameters, or for each of `rows`.

        What runs for every message is a constant with parameters: to build a statement costs as much as to run it.
        """
        if self.gathered.any:
            self.gathered.write(self.beside)
        return execute(self.connection, statement, rows)

    def beside(self, statement: Executable, rows: Parameters = None) -> CursorResult[Any]:
        """Run a statement that has nothing to do with the rows that are gathered, or whose caller asks there, too."""
        return execute(self.connection, statement, rows)

    def write_many(self) -> None:
        """Write the rows that are gathered, if they are many."""
        if self.gathered.is_large:
            self.gathered.write(self.beside)

    def count(self, name: str) -> int:
        """How many there are, with what this transaction has changed so far."""
        return self.committed.get(name, 0) + self.counts[name]

    def count_waiting(self, line: str, client: str | None, change: int) -> None:
        """Count copies that begin to wait to be handed over, or that do so no longer."""
        self.counts[WAITING_COPIES] += change
        self.counts[waiting_here(line)] += change
        self.counts[waiting_here(line, client or "")] += change

    def peer(self, address: str) -> str:
        """What stands for an address where the address itself may be forgotten: see `peer_of`."""
        return peer_of(address, self.peer_key)

    def name_of_forgotten(self, address: str) -> str:
        """What stands for an address in the rows of somebody who was forgotten."""
        return STANDS_FOR + self.peer(address)

    def add_event(self, row: dict[str, Any]) -> None:
        """Announce something: the rows go to the table together, in this order, just before the commit."""
        self._events.append(row)
        self.counts[UNPUBLISHED] += 1
        self.bells.add("events")

    def flush(self) -> None:
        """Write what was gathered."""
        if self.gathered.any:
            self.gathered.write(self.beside)
        if self._events:
            self.execute(_ADD_EVENTS, self._events)
            self._events = []


_ADD_EVENTS = insert(schema.event)
Operation = Callable[[Transaction], T]
