"""Whether the journal's disk takes new things: shut when a commit fails for its sake, open again once there is room.

It is shut and opened on the writer's thread, and told on the event loop.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from relay.clock import Clock

log = structlog.get_logger()

PROBED_EVERY = 1.0  # real seconds
RARELY = 60.0  # real seconds between two probes where the disk was full again soon after each of the last ones
SOON = 3.0  # real seconds
_CRUMBS = 64 * 1024  # bytes: with less than that, whatever SQLite says, the disk is full
_NO_ROOM = "the disk under the journal is full: free some space"
REFUSED = "commands, web hooks and new calls"
AWAY = "journal.away"
REFUSED_WHILE_AWAY = "commands and new calls"  # web hooks are kept in the spool


@dataclass(frozen=True, slots=True, eq=False)
class Shut:
    """The journal takes nothing new. What is known of work under way is written all the same, as long as can be.

    Attributes:
        why: what is wrong with the disk, and what to do.
        since: real time.
        free: bytes that were left then.
        over: set once it takes new things again.
    """

    why: str
    since: datetime
    free: int
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Held(Protocol):
    """What is held back of a disk. It blocks."""

    @property
    def free(self) -> int:
        """The bytes that are left."""

    def make(self, *, spare: bool = False) -> bool:
        """Hold it; whether that is so now."""

    def give_up(self) -> bool:
        """Give it to whoever needs it; whether there was any."""


class ElsewhereKept:
    """A disk that is another machine's affair: nothing is held back of it here, and nobody knows what is free."""

    free = 1 << 62

    def make(self, *, spare: bool = False) -> bool:  # noqa: ARG002 - as a ballast's
        """Nothing is needed."""
        return True

    def give_up(self) -> bool:
        """Nothing is held."""
        return False


class Space:
    """Whether what holds the journal takes new things.

    Args:
        ballast: held while it is open.
        real: real time.
        seconds: real seconds, from whenever.
        trouble: the name under which the log says that it takes nothing new.

    Attributes:
        shut: None while new things are taken.
    """

    def __init__(
        self,
        ballast: Held,
        real: Clock,
        seconds: Callable[[], float] = time.monotonic,
        *,
        trouble: str = "journal.full",
    ) -> None:
        self._trouble = trouble
        self.shut: Shut | None = None
        self._ballast = ballast
        self._real = real
        self._seconds = seconds
        self._is_full = False
        self._every = PROBED_EVERY
        self._opened_at = -SOON
        self._probe_at = 0.0
        self._listeners: dict[object, Callable[[], None]] = {}

    @property
    def wait(self) -> float | None:
        """Seconds until the next probe; None while there is nothing to find out."""
        return max(self._probe_at - self._seconds(), 0.0) if self.shut is not None else None

    def hold(self) -> Shut | None:
        """Have the ballast at the start; how it is shut where there is no room even for that."""
        return None if self._ballast.make() else self.close(_NO_ROOM)

    def close(self, why: str, *, is_full: bool = True) -> Shut | None:
        """Take nothing new from now on; None where that is so already. `is_full`: it needs more room to open again."""
        self._is_full = is_full or (self.shut is not None and self._is_full)
        if self.shut is not None:
            return None
        now = self._seconds()
        self._every = min(self._every * 2, RARELY) if now - self._opened_at < SOON else PROBED_EVERY
        self._probe_at = now + self._every
        # Asked before the ballast is given up, which makes room.
        free = self._ballast.free
        self.shut = Shut(_NO_ROOM if free < _CRUMBS else why, self._real.now(), free)
        return self.shut

    def make_room(self) -> bool:
        """Give up the ballast; whether there was any."""
        return self._ballast.give_up()

    def open(self, prove: Callable[[], bool]) -> Shut | None:
        """Take new things again where there is room to spare for them and `prove` can write; the end of what was."""
        self._probe_at = self._seconds() + self._every
        if not self._ballast.make(spare=self._is_full) or not prove():
            return None
        shut, self.shut = self.shut, None
        self._opened_at = self._seconds()
        return shut

    def on_change(self, listener: Callable[[], None]) -> Callable[[], object]:
        """Call `listener()`, on the event loop, whenever `shut` has changed; what is given back ends that."""
        entry = object()
        self._listeners[entry] = listener
        return partial(self._listeners.pop, entry, None)

    def tell_shut(self, shut: Shut) -> None:
        """Say that nothing new is taken."""
        if self._trouble == AWAY:
            log.error("journal.away", reason=shut.why, refused=REFUSED_WHILE_AWAY)
        else:
            log.error("journal.full", reason=shut.why, refused=REFUSED, free_bytes=shut.free)
        self._tell()

    def tell_open(self, shut: Shut) -> None:
        """Say that new things are taken again."""
        seconds = (self._real.now() - shut.since).total_seconds()
        log.info("journal.takes_again", reason=shut.why, seconds=round(seconds, 1))
        shut.over.set()
        self._tell()

    def _tell(self) -> None:
        for listener in [*self._listeners.values()]:
            listener()
