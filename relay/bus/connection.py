"""Keeps one link up: connects, lets it be used, notices its loss, waits, connects again."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from relay.bus.channel import Loss
from relay.bus.config import BusSettings
from relay.bus.dial import Dial, tls_context
from relay.bus.errors import UNSUPPORTED_PROTOCOL, BusLost, NoConnection, SubscribeRefused
from relay.bus.link import Link, Receive
from relay.bus.trouble import Trouble
from relay.clock import Clock
from relay.domain.schedule import CONTESTED, RECONNECT
from relay.ids import Ids

log = structlog.get_logger()

_STEADY = timedelta(seconds=30)  # a link that lived so long was a good one: the next wait is the shortest again
_SHORT_LIVES = 5  # so many links in a row that were no good ones
_HASTE = 2  # the wait after a link that was no good one is that after so many attempts: no more than one a second
_CALM = 4  # and where they go on, that after so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a connection is for.

    `dial` is asked before each attempt, with the protocol and the TLS context; `serve` uses the link until it is
    lost; `receive` gets what the link hears; `wanted` returns once there is to be a link at all.
    """

    name: str
    dial: Callable[[str, ssl.SSLContext | None], Dial]
    serve: Callable[[Link], Awaitable[None]]
    receive: Receive
    wanted: Callable[[], Awaitable[None]] | None = None


class Connection:
    """One client id at the broker, for as long as `run` is running.

    Attributes:
        link: makes one link of a dial.
    """

    link: Callable[[Dial, Receive], Link] = Link

    def __init__(self, settings: BusSettings, purpose: Purpose, trouble: Trouble, clock: Clock, ids: Ids) -> None:
        self._settings = settings
        self._purpose = purpose
        self._trouble = trouble
        self._clock = clock
        self._ids = ids
        self._protocol = _first_protocol(settings)
        self._settled = settings.protocol != "auto"
        self._attempt = 0
        self._short_lives = 0
        self._contests = 0
        self._spoken: str | None = None

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        while True:
            if self._purpose.wanted is not None:
                await self._purpose.wanted()
            self._attempt += 1
            try:
                await self._live()
            except NoConnection as error:
                if self._try_other_protocol(error):
                    continue
                self._trouble.refused(self._purpose.name, error.cause, error.problem.detail)
            except SubscribeRefused as error:
                self._trouble.refused(self._purpose.name, "subscription", error.problem.detail)
            await self._clock.sleep(RECONNECT.delay(self._attempt, self._ids.chance.random()))
            await self._give_way()

    async def _live(self) -> None:
        tls = await asyncio.to_thread(tls_context, self._settings)
        async with self.link(self._purpose.dial(self._protocol, tls), self._purpose.receive) as link:
            self._connected(link)
            since = self._clock.now()
            loss = await self._hold(link)
        if link.leaving:
            self._left(link)
            return
        self._lost(link, loss, steady=self._clock.now() - since >= _STEADY)

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
        log.log(
            logging.DEBUG if link.dial.protocol == self._spoken else logging.INFO,
            "bus.connected",
            connection=self._purpose.name,
            protocol=link.dial.protocol,
            session_present=link.session_present,
        )
        self._spoken = link.dial.protocol

    def _lost(self, link: Link, loss: Loss, *, steady: bool) -> None:
        self._protocol = self._protocol if self._settled else _first_protocol(self._settings)
        if steady:
            self._short_lives, self._contests, self._attempt = 0, 0, 1
            self._trouble.steady(self._purpose.name)
        else:
            self._short_lives += 1
            self._attempt = _HASTE if self._short_lives < _SHORT_LIVES else _CALM
        self._trouble.lost(self._purpose.name, loss, idle=link.idle)
        if self._short_lives == _SHORT_LIVES and not self._contests:
            self._trouble.unsteady(link.dial.client_id)

    def _left(self, link: Link) -> None:
        """It was relay's own wish: no trouble of the broker's, and nothing to wait long for."""
        self._attempt = 0
        self._trouble.left(self._purpose.name)
        log.info("bus.left", connection=self._purpose.name, protocol=link.dial.protocol)

    async def _give_way(self) -> None:
        """Leave the client id to another that keeps taking it, for longer each time."""
        if self._trouble.contested(self._purpose.name):
            self._contests += 1
            if self._contests == 1:
                self._trouble.taken(self._purpose.dial(self._protocol, None).client_id)
            await self._clock.sleep(CONTESTED.delay(self._contests, self._ids.chance.random()))

    def _try_other_protocol(self, error: NoConnection) -> bool:
        """Turn to the other version of MQTT where this one seems not to be spoken; whether to try it at once."""
        said_so = error.code == UNSUPPORTED_PROTOCOL
        if self._settled or not (said_so or error.cause in ("closed", "silent", "not_mqtt")):
            return False
        at_once = said_so and self._protocol == "5"
        self._protocol = "3.1.1" if self._protocol == "5" else "5"
        return at_once


def _first_protocol(settings: BusSettings) -> str:
    return "3.1.1" if settings.protocol == "3.1.1" else "5"
