"""A subscriber's message index: created, built, ready or failed, and gone after thirty days without use (FAQ)."""

from collections.abc import Callable
from enum import StrEnum

from relay.providerkit.simulated import World
from relay.providers.att_inapp.simulator.modes import InAppModes

_KEPT_UNUSED = 30 * 86_400.0


class Standing(StrEnum):
    """How an index stands, in the words of the kits."""

    MISSING = "NOT_INITIALIZED"
    BUILDING = "INITIALIZING"
    READY = "INITIALIZED"
    FAILED = "ERROR"


class Index:
    """One subscriber's index; how it stands follows from when it is asked.

    Args:
        world: has the time, and the ledger.
        modes: say how long it takes, and what becomes of it.
        number: whose it is.
        gone: is called when it goes: what was told of it is worth nothing for the next.
    """

    def __init__(self, world: World, modes: InAppModes, number: str, gone: Callable[[], None]) -> None:
        self._world = world
        self._modes = modes
        self._number = number
        self._standing = Standing.MISSING
        self._built = 0.0
        self._used = 0.0
        self._gone = gone

    def standing(self) -> Standing:
        """How it stands now."""
        now = self._world.now()
        if self._standing is Standing.BUILDING and now >= self._built:
            self._become(Standing.READY if self._modes.index_ends == "ready" else Standing.FAILED)
            self._used = max(self._used, self._built)
        if self._standing is Standing.READY and now >= self._used + _KEPT_UNUSED:
            self.expire()
        return self._standing

    def create(self) -> None:
        """Begin to build it, also where it is ready: that takes as long."""
        if self.standing() is not Standing.BUILDING:
            self._built = self._world.now() + self._modes.index_seconds
            self._become(Standing.BUILDING)

    def use(self) -> None:
        """Keep it for another thirty days."""
        self._used = self._world.now()

    def expire(self) -> None:
        """Be gone, as after thirty days without use."""
        self._gone()
        self._become(Standing.MISSING)

    def _become(self, standing: Standing) -> None:
        self._standing = standing
        facts = {"service": "att-inapp", "line": self._number, "status": standing}
        self._world.ledger.record("index", facts)
