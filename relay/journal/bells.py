"""Bells: how a commit wakes whoever waits for what it brought. They ring in the event loop, after the commit."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from weakref import WeakSet


class Bell:
    """Rings when there may be work. A ring is not lost on one who was busy, and several are one. For one waiter."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiter, now or at its next wait."""
        self._rung.set()

    def has_rung(self) -> bool:
        """Whether it has rung since this was last asked or waited for."""
        rung = self._rung.is_set()
        self._rung.clear()
        return rung

    async def wait(self) -> None:
        """Return once it has rung since the last wait."""
        await self._rung.wait()
        self._rung.clear()


class Bells:
    """Every bell, by name: `events`, `calls:<line>`, `raw:<line>`, `looks:<line>`, `arrivals:<line>`."""

    def __init__(self) -> None:
        self._own: defaultdict[str, Bell] = defaultdict(Bell)
        self._listening: defaultdict[str, WeakSet[Bell]] = defaultdict(WeakSet)

    def bell(self, name: str) -> Bell:
        """The one bell of this name, for the stage whose work it announces."""
        return self._own[name]

    def listen(self, name: str) -> Bell:
        """A further bell that rings with it, for as long as somebody keeps it."""
        bell = Bell()
        self._listening[name].add(bell)
        return bell

    def ring(self, names: Iterable[str]) -> None:
        """Ring these."""
        for name in names:
            self._own[name].ring()
            for bell in self._listening[name]:
                bell.ring()

    def ring_all(self) -> None:
        """Ring every bell: something may have happened."""
        self.ring({*self._own, *self._listening})
