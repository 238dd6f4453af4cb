"""Keeps one link up: connects, lets it be used, notices its loss, waits, connects again."""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from relay.bus.channel import Loss
from relay.bus.config import BusSettings
from relay.bus.dial import Dial, tls_context
from relay.bus.errors import SESSION_TAKEN_OVER, UNSUPPORTED_PROTOCOL, BusLost, NoConnection, SubscribeRefused
from relay.bus.link import Link, Receive
from relay.clock import Clock
from relay.domain.schedule import RECONNECT
from relay.ids import Ids

log = structlog.get_logger()

_STEADY = timedelta(seconds=30)  # a link that lived so long was a good one: the next wait is the shortest again
_TAKEOVERS = 3  # so many within the time below are no reconnection of our own
_TAKEOVER_TIME = timedelta(minutes=2)
_SHORT_LIVES = 5  # so many links in a row that were no good ones
_CURE = "stop the other relay, or give one of them another bus.commands_id or node.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a connection is for.

    `dial` is asked before each attempt, with the protocol and the TLS context; `serve` uses the link until it is
    lost; `receive` gets what the link hears.
    """

    name: str
    dial: Callable[[str, ssl.SSLContext | None], Dial]
    serve: Callable[[Link], Awaitable[None]]
    receive: Receive


class Connection:
    """One client id at the broker, for as long as `run` is running.

    Attributes:
        link: makes one link of a dial.
    """

    link: Callable[[Dial, Receive], Link] = Link

    def __init__(self, settings: BusSettings, purpose: Purpose, clock: Clock, ids: Ids) -> None:
        self._settings = settings
        self._purpose = purpose
        self._clock = clock
        self._ids = ids
        self._protocol = _first_protocol(settings)
        self._settled = settings.protocol != "auto"
        self._attempt = 0
        self._short_lives = 0
        self._trouble: str | None = None
        self._takeovers: deque[datetime] = deque(maxlen=_TAKEOVERS)

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        while True:
            self._attempt += 1
            try:
                await self._live()
            except NoConnection as error:
                if self._try_other_protocol(error):
                    continue
                self._refused(error.cause, error.problem.detail)
            except SubscribeRefused as error:
                self._refused("subscription", error.problem.detail)
            await self._clock.sleep(self._wait())

    async def _live(self) -> None:
        tls = await asyncio.to_thread(tls_context, self._settings)
        async with self.link(self._purpose.dial(self._protocol, tls), self._purpose.receive) as link:
            self._connected(link)
            since = self._clock.now()
            loss = await self._hold(link)
        steady = self._clock.now() - since >= _STEADY
        self._short_lives = 0 if steady else self._short_lives + 1
        self._attempt = 1 if steady else self._attempt
        self._lost(link, loss)

    async def _hold(self, link: Link) -> Loss:
        serving = asyncio.ensure_future(self._purpose.serve(link))
        ending = asyncio.ensure_future(link.lost())
        both: set[asyncio.Future[object]] = {serving, ending}  # type: ignore[arg-type] # Future is invariant
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            results = await asyncio.gather(serving, ending, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, BusLost):
                raise result
        return await link.lost()

    def _connected(self, link: Link) -> None:
        # A broker that spoke 5 once is never spoken to in less: that would hide its refusals.
        self._settled = self._settled or link.dial.protocol == "5"
        if self._trouble != "subscription":
            log.info(
                "bus.connected",
                connection=self._purpose.name,
                protocol=link.dial.protocol,
                session_present=link.session_present,
            )

    def _refused(self, cause: str, detail: str) -> None:
        """Say why there is no connection: once, until the cause is another one."""
        if cause != self._trouble:
            log.error("bus.refused", connection=self._purpose.name, cause=cause, detail=detail)
        self._trouble = cause

    def _lost(self, link: Link, loss: Loss) -> None:
        self._trouble = None
        self._protocol = self._protocol if self._settled else _first_protocol(self._settings)
        log.warning("bus.lost", connection=self._purpose.name, detail=loss.detail, code=loss.code)
        if loss.code == SESSION_TAKEN_OVER:
            self._takeovers.append(self._clock.now())
            if self._contested():
                log.error("bus.client_id_taken", client_id=link.dial.client_id, cure=_CURE)
        elif self._short_lives == _SHORT_LIVES:
            # Not every broker says why it closes: mosquitto 2.0.11 only closes when another takes the client id.
            detail = "connections break soon after they are made: another relay has this client id, or the broker fails"
            log.error("bus.unsteady", client_id=link.dial.client_id, detail=detail, cure=_CURE)

    def _contested(self) -> bool:
        """Whether somebody else keeps taking our client id."""
        many = len(self._takeovers) == _TAKEOVERS
        return many and self._clock.now() - self._takeovers[0] <= _TAKEOVER_TIME

    def _wait(self) -> float:
        # Two that take one client id from one another would otherwise do so several times a second.
        attempt = 100 if self._contested() else self._attempt
        return RECONNECT.delay(attempt, self._ids.chance.random())

    def _try_other_protocol(self, error: NoConnection) -> bool:
        """Turn to the other version of MQTT where this one seems not to be spoken; whether to try it at once."""
        said_so = error.code == UNSUPPORTED_PROTOCOL
        if self._settled or not (said_so or error.cause in ("closed", "silent")):
            return False
        at_once = said_so and self._protocol == "5"
        self._protocol = "3.1.1" if self._protocol == "5" else "5"
        return at_once


def _first_protocol(settings: BusSettings) -> str:
    return "3.1.1" if settings.protocol == "3.1.1" else "5"
