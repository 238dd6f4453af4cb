"""Finds the one event over which a broker closes the connection without a word, so that all others pass.

On MQTT 3.1.1 a broker has no other way to refuse what is too large for it. The event would come first on each new
connection, and nothing behind it would ever be published.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial

from relay.bus.confirmations import Forget, Settled
from relay.bus.errors import NOT_AUTHORIZED, PACKET_TOO_LARGE, BusLost, PublishRefused
from relay.bus.payloads import Publication, probe

_BREAKS = 3  # connections that may break at one event, the first of them with others on their way
_PASSED = 100  # events that have passed one at a time: whatever is still suspected comes no more


class Culprits:
    """The events that were on their way when a connection broke.

    Args:
        publish: publishes, and raises BusLost and PublishRefused.
        alone: whether only this connection broke at that time of the loop: a broker that goes breaks all of them.
        send: publishes without waiting.
    """

    def __init__(
        self,
        publish: Callable[[Publication], Awaitable[None]],
        alone: Callable[[float], bool],
        send: Callable[[Publication, Settled], Forget],
    ) -> None:
        self._publish = publish
        self._alone = alone
        self._send = send
        self._breaks: dict[str, list[float]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._passed = 0

    @property
    def any(self) -> bool:
        """Whether any event is suspected: then `send` takes none."""
        return bool(self._breaks)

    def send(self, event_id: str, what: Publication, settled: Settled) -> Forget:
        """Publish an event without waiting, while none is suspected.

        Raises:
            BusLost: there is no connection; `settled` is not called.
            PublishRefused: it cannot be published; likewise.
        """
        return self._send(what, partial(self._heard, event_id, settled))

    async def publish(self, event_id: str, what: Publication) -> None:
        """Publish an event; while any is suspected they go one at a time, so that the harmless are not condemned.

        Raises:
            BusLost: it is to be tried again.
            PublishRefused: the broker refused it, or closed the connection over it each time.
        """
        async with self._one_at_a_time if self._breaks else nullcontext():
            if self._suspected(event_id):
                await self._judge(event_id, what)
            try:
                await self._publish(what)
            except BusLost as lost:
                self._suspect(event_id, lost)
                raise
            self._cleared(event_id)

    def _heard(self, event_id: str, settled: Settled, error: BusLost | PublishRefused | None) -> None:
        if isinstance(error, BusLost):
            self._suspect(event_id, error)
        elif error is None and self._breaks:
            self._cleared(event_id)
        settled(error)

    def _suspect(self, event_id: str, lost: BusLost) -> None:
        if lost.closed:
            self._breaks.setdefault(event_id, []).append(asyncio.get_running_loop().time())

    def _suspected(self, event_id: str) -> bool:
        breaks = self._breaks.get(event_id, [])
        breaks[:] = [at for at in breaks if self._alone(at)]
        return len(breaks) >= _BREAKS

    async def _judge(self, event_id: str, what: Publication) -> None:
        """Whether it is this event, or all that is published on its topic."""
        try:
            await self._publish(probe(what.topic))
        except BusLost as lost:
            if not lost.closed:
                raise
            raise PublishRefused(NOT_AUTHORIZED) from None
        del self._breaks[event_id]
        raise PublishRefused(PACKET_TOO_LARGE)

    def _cleared(self, event_id: str) -> None:
        self._breaks.pop(event_id, None)
        self._passed = self._passed + 1 if self._breaks else 0
        if self._passed >= _PASSED:
            self._breaks.clear()
            self._passed = 0
