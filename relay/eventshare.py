"""Which of the journal's events this node publishes: all of them, or those of the lines whose turns it has."""

from collections.abc import Collection
from typing import Protocol

from relay.journal import Bell, Journal, Pending
from relay.stagekit import Bell as StageBell
from relay.turns import BUS, Turns, line_turn


class Share(Protocol):
    """A part of the journal's events."""

    @property
    def has_changed(self) -> bool:
        """Whether it is another one than at the last `change`."""

    @property
    def bell(self) -> StageBell:
        """Rings when there may be more of it, or it changes."""

    @property
    def changed(self) -> StageBell:
        """Rings when it changes."""

    async def pending(self, after_position: int, limit: int) -> Pending:
        """The events of it that are to be published, in order, with their positions."""

    def change(self) -> None:
        """Take it as it is now; nothing of what it was is under way."""

    def end(self) -> None:
        """Nothing of it is under way, and nothing will be."""


class Everything:
    """All events, on a journal of one's own."""

    has_changed = False

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._never = Bell()

    @property
    def bell(self) -> StageBell:
        """Rings for every event."""
        return self._journal.bell("events")

    @property
    def changed(self) -> StageBell:
        """It never rings."""
        return self._never

    async def pending(self, after_position: int, limit: int) -> Pending:
        """All that are to be published."""
        return await self._journal.events.pending(after_position, limit)

    def change(self) -> None:
        """It does not."""

    def end(self) -> None:
        """Nobody waits for that."""


class TurnsShare:
    """The events of the lines whose turns this node has; with the bus's turn also those that are no such line's.

    Args:
        journal: holds the events.
        turns: this node's.
        lines: every line there is now.
    """

    def __init__(self, journal: Journal, turns: Turns, lines: Collection[str]) -> None:
        self._journal = journal
        self._turns = turns
        self._served = lines
        self._lines = _by_turn(lines)  # as they were at the last `change`
        self._terms: dict[str, int] = {}
        self._news = Bell()
        turns.on_change(self._tell)

    @property
    def has_changed(self) -> bool:
        """Whether turns were gained or lost, or lines came or went."""
        return self._lines != _by_turn(self._served) or self._terms != self._now()

    @property
    def bell(self) -> Bell:
        """Rings for every event, and when turns change."""
        return self._journal.bell("events")

    @property
    def changed(self) -> StageBell:
        """Rings when turns change."""
        return self._news

    async def pending(self, after_position: int, limit: int) -> Pending:
        """Those of the turns that were held at the last `change`."""
        if not self._terms:
            return Pending()
        lines = [line for turn, line in self._lines.items() if turn in self._terms]
        others = [*self._lines.values()] if BUS in self._terms else None
        return await self._journal.events.pending(after_position, limit, lines=lines, others=others)

    def change(self) -> None:
        """Go over to the turns of now."""
        self._news.has_rung()  # of what is gone over to here
        self._lines = _by_turn(self._served)
        before, self._terms = self._terms, self._now()
        for turn in self._terms:
            self._turns.enter(turn)
        for turn in before:
            self._turns.leave(turn)

    def end(self) -> None:
        """Leave every turn."""
        for turn in self._terms:
            self._turns.leave(turn)
        self._terms = {}

    def _tell(self) -> None:
        self._news.ring()
        self.bell.ring()

    def _now(self) -> dict[str, int]:
        found = {turn: self._turns.term(turn) for turn in (BUS, *self._lines)}
        return {turn: term for turn, term in found.items() if term is not None}


def _by_turn(lines: Collection[str]) -> dict[str, str]:
    return {line_turn(line): line for line in lines}
