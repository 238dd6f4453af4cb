"""One host's queue of web hooks: retries, giving a host up, and its return (Landline document, Retry Logic).

A delivery that is not answered with a 2xx within seven seconds is tried again after 10 s, then after twice as long
each time, up to 10 min, for 72 h. A host to which everything fails for an hour is down: all waits, a single delivery
is tried every 10 min, and the first that succeeds brings the backlog at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from relay.providerkit.simulated import World
from relay.providers.att_landline.simulator.delivery import Courier, Delivery
from relay.providers.att_landline.simulator.modes import LandlineModes

_FIRST_RETRY = 10.0
_RETRY_CEILING = 600.0
_HORIZON = 72 * 3600.0
_DOWN_AFTER = 3600.0
_PROBE_EVERY = 600.0


class Host:
    """One host that web hooks point at."""

    def __init__(
        self,
        name: str,
        world: World,
        modes: LandlineModes,
        courier: Courier,
        failed: Callable[[Delivery], None],
    ) -> None:
        self._name = name
        self._world = world
        self._modes = modes
        self._courier = courier
        self._tell_of = failed
        self._slots = asyncio.Semaphore(modes.hook_connections)
        self._backlog: deque[Delivery] = deque()
        self._failing_since: float | None = None
        self._down = False

    @property
    def fails(self) -> bool:
        """Whether its last delivery failed."""
        return self._down or self._failing_since is not None

    def take(self, delivery: Delivery) -> asyncio.Task[None] | None:
        """Deliver it, now or later; gives the attempt, if one is made now."""
        if self._down:
            self._keep(delivery)
            return None
        return self._courier.start(self._attempt(delivery))

    def _keep(self, delivery: Delivery) -> None:
        self._backlog.append(delivery)
        if len(self._backlog) > self._modes.hook_backlog:
            self._lose(self._backlog.popleft())

    async def _attempt(self, delivery: Delivery) -> None:
        with self._world.held():
            async with self._slots:
                delivered = await self._courier.try_once(delivery)
            if delivered:
                self._failing_since = None
            else:
                self._failed(delivery)

    def _failed(self, delivery: Delivery) -> None:
        now = self._world.now()
        if self._failing_since is None:
            self._failing_since = now
        if not self._down and now - self._failing_since >= _DOWN_AFTER:
            self._go_down()
        wait = min(_FIRST_RETRY * 2 ** (delivery.attempts - 1), _RETRY_CEILING)
        if now + wait - delivery.since > _HORIZON:
            self._lose(delivery)
        elif self._down:
            self._keep(delivery)
        else:
            self._world.agenda.at(now + wait, lambda: self.take(delivery))
        self._tell_of(delivery)

    def _go_down(self) -> None:
        self._down = True
        self._record("host-down")
        self._world.agenda.after(_PROBE_EVERY, self._probe)

    def _probe(self) -> None:
        """Try a single delivery; a host for which nothing is left to try is taken for up again."""
        now = self._world.now()
        while self._backlog and now - self._backlog[0].since > _HORIZON:
            self._lose(self._backlog.popleft())
        if self._backlog:
            self._courier.start(self._try_single(self._backlog.popleft()))
        else:
            self._come_up()

    async def _try_single(self, delivery: Delivery) -> None:
        with self._world.held():
            if await self._courier.try_once(delivery):
                self._come_up()
                return
            self._backlog.appendleft(delivery)
            self._world.agenda.after(_PROBE_EVERY, self._probe)

    def _come_up(self) -> None:
        self._down, self._failing_since = False, None
        self._record("host-up")
        backlog, self._backlog = self._backlog, deque()
        for delivery in backlog:
            self.take(delivery)

    def _lose(self, delivery: Delivery) -> None:
        self._world.ledger.record("hook-lost", delivery.facts())

    def _record(self, what: str) -> None:
        facts = {"service": "att-landline", "host": self._name, "waiting": len(self._backlog)}
        self._world.ledger.record(what, facts)
