"""Texts that handsets sent to a short code, until they are fetched or purged (SMS documentation, Get SMS)."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from relay.providerkit.simulated import World

_KEPT_UNPOLLED = 30 * 60.0
_NOT_MORE_OFTEN_THAN = 5 * 60.0
_TOLERANCE = 5.0


@dataclass(frozen=True, slots=True)
class Incoming:
    """One text from a handset; `id` is the simulator's own, and never sent."""

    id: str
    sender: str
    text: str
    arrived: datetime

    def facts(self, line: str) -> dict[str, Any]:
        """For the ledger."""
        return {"service": "att-sms", "line": line, "from": self.sender, "text": self.text, "id": self.id}


class Inbox:
    """The inbox of one registration: what is handed out is gone."""

    def __init__(self, world: World, line: str, limit: int = 100_000) -> None:
        self._world = world
        self._line = line
        self._limit = limit
        self._waiting: deque[Incoming] = deque()
        self._last_poll = 0.0
        self._left_pending = False
        self._pollers = 0
        self._timer = False

    def receive(self, incoming: Incoming) -> None:
        """A handset's text comes in; it is lost if nobody polls within thirty minutes, or too many wait."""
        self._waiting.append(incoming)
        if len(self._waiting) > self._limit:
            self._record("purged", self._waiting.popleft())
        if not self._timer:
            self._set_timer()

    def _set_timer(self) -> None:
        self._timer = True
        self._world.agenda.at(self._loss(self._waiting[0]), self._purge)

    def _loss(self, text: Incoming) -> float:
        return max(text.arrived.timestamp(), self._last_poll) + _KEPT_UNPOLLED

    def _purge(self) -> None:
        self._timer = False
        soon = self._world.now() + 1
        while self._waiting and self._loss(self._waiting[0]) <= soon:
            self._record("purged", self._waiting.popleft())
        if self._waiting:
            self._set_timer()

    def _record(self, what: str, text: Incoming) -> None:
        self._world.ledger.record(what, text.facts(self._line))

    @contextmanager
    def polled(self) -> Iterator[None]:
        """While inside, a poll is being answered; a second one beside it is a violation."""
        self._pollers += 1
        if self._pollers > 1:
            self._violation("two polls at the same time lose messages; right is one after the other")
        try:
            yield
        finally:
            self._pollers -= 1

    def take(self, limit: int) -> tuple[Sequence[Incoming], int]:
        """The oldest texts, up to `limit`, and how many are left; those given are deleted."""
        self._check_pace()
        batch = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        self._left_pending = bool(self._waiting)
        return batch, len(self._waiting)

    def _check_pace(self) -> None:
        since = self._world.now() - self._last_poll
        if since < _NOT_MORE_OFTEN_THAN - _TOLERANCE and not self._left_pending:
            self._violation(f"polled after {since:.0f} s with nothing pending; right is every 300 s at most")
        self._last_poll = self._world.now()

    def _violation(self, what: str) -> None:
        self._world.violations.record("att-sms", "inbox", what)
