"""What keeps relay from its broker, told once for both of its connections: as it begins, and as it ends."""

import asyncio
import logging
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from relay.bus.channel import Loss
from relay.bus.errors import SESSION_TAKEN_OVER
from relay.clock import Clock

log = structlog.get_logger()

# How a broker that is down shows at the next attempt: that a connection was lost has said as much.
_DOWN = frozenset({"unreachable", "timeout", "silent", "closed", "not_mqtt", "unavailable"})
_TAKEOVERS = 3  # so many within the time below are no reconnection of our own
_TAKEOVER_TIME = timedelta(minutes=2)
_CURE = "stop the other relay, or give one of them another bus.commands_id or node.name"
_TOGETHER = 1.0  # real seconds: a broker that goes takes both connections


@dataclass(frozen=True, slots=True)
class _Taken:
    """A loss that somebody else with our client id may be behind, in relay's time and in the loop's own."""

    at: datetime
    seconds: float
    sure: bool


class Trouble:
    """The connections that are down, and what was said of it.

    Args:
        clock: relay's time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._down: set[str] = set()
        self._away: set[str] = set()  # by relay's own wish
        self._told: set[str] = set()
        self._unsteady = False
        self._since = clock.now()
        self._taken: defaultdict[str, deque[_Taken]] = defaultdict(lambda: deque(maxlen=_TAKEOVERS))
        self._lost_at: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_TAKEOVERS))

    def lost(self, connection: str, loss: Loss, *, idle: bool) -> None:
        """A connection has ended. `idle`: nothing that was on its way can have been why."""
        news = not self._down
        self._begin(connection, "down")
        log.log(
            logging.WARNING if news else logging.DEBUG,
            "bus.lost",
            connection=connection,
            detail=loss.detail,
            code=loss.code,
        )
        now = asyncio.get_running_loop().time()
        # What is not there would have been lost as well.
        for each in {connection} | self._down | self._away:
            self._lost_at[each].append(now)
        sure = loss.code == SESSION_TAKEN_OVER
        if sure or (idle and loss.code is None and not loss.ours):
            self._taken[connection].append(_Taken(self._clock.now(), now, sure))

    def refused(self, connection: str, cause: str, detail: str) -> None:
        """A connection cannot be made, or not be used: said once for each cause, until all are up again."""
        known = "down" if cause in _DOWN else cause
        if known not in self._told:
            log.error("bus.refused", connection=connection, cause=cause, detail=detail)
        self._begin(connection, known)

    def left(self, connection: str) -> None:
        """A connection is no more because relay wants none."""
        self._away.add(connection)
        self._down.discard(connection)
        if not self._down:
            self._told.clear()

    def over(self, connection: str) -> None:
        """A connection can be used."""
        self._away.discard(connection)
        if connection not in self._down:
            return
        self._down.remove(connection)
        if not self._down:
            self._told.clear()
            log.info("bus.restored", seconds=round((self._clock.now() - self._since).total_seconds(), 3))

    def steady(self, connection: str) -> None:
        """A connection has lived for long: nobody else has its client id."""
        self._taken[connection].clear()
        self._unsteady = False

    def contested(self, connection: str) -> bool:
        """Whether somebody else keeps taking this connection's client id.

        Not every broker says so: mosquitto 2.0.11 only closes. Then it is one connection that is closed three times,
        while nothing is on its way, and the other stays.
        """
        taken = self._taken[connection]
        if len(taken) < _TAKEOVERS or taken[-1].at - taken[0].at > _TAKEOVER_TIME:
            return False
        return all(one.sure or self.alone(connection, one.seconds) for one in taken)

    def taken(self, client_id: str) -> None:
        """Say that a connection gives way to another."""
        detail = f"another relay uses the client id {client_id}"
        log.error("bus.client_id_taken", client_id=client_id, detail=detail, cure=_CURE)

    def unsteady(self, client_id: str) -> None:
        """Say that connections do not last: once for both, until one does."""
        if not self._unsteady:
            detail = "connections break soon after they are made: another relay has this client id, or the broker fails"
            log.error("bus.unsteady", client_id=client_id, detail=detail, cure=_CURE)
        self._unsteady = True

    def alone(self, connection: str, seconds: float) -> bool:
        """Whether no other connection was lost about that time of the loop."""
        others = [at for name, losses in self._lost_at.items() if name != connection for at in losses]
        return all(abs(seconds - other) > _TOGETHER for other in others)

    def _begin(self, connection: str, what: str) -> None:
        if not self._down:
            self._since = self._clock.now()
        self._down.add(connection)
        self._told.add(what)
