"""bus -> consumer: hears commands, holds them until they are acknowledged, and holds no more than it may."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog

from relay.bus.config import BusSettings
from relay.bus.delivery import CommandProperties, Delivery, OnArrival
from relay.bus.errors import BusLost, SubscribeRefused
from relay.bus.link import Link, Received
from relay.bus.topics import Topics

log = structlog.get_logger()


class Intake:
    """The commands of some lines, whatever link brings them."""

    def __init__(self, settings: BusSettings, topics: Topics, lines: Sequence[str]) -> None:
        self._settings = settings
        self._topics = topics
        self._filters = topics.subscriptions(lines)
        self._deliveries: asyncio.Queue[Delivery] = asyncio.Queue()
        self._held = 0
        self._held_bytes = 0
        self._paused: Link | None = None
        self._link: Link | None = None
        self._subscribed = asyncio.Event()
        self._was_connected = False
        self._listeners: list[Callable[[], None]] = []
        # In real seconds. Within one keepalive something follows each packet on the same connection; within another,
        # what followed is answered, or the connection is given up: by the broker, which heard nothing, or by relay.
        self._proven_after = 2 * settings.keepalive + settings.timeout

    @property
    def listening(self) -> bool:
        """Whether the broker has confirmed that commands are heard."""
        return self._link is not None and self._link.up

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` whenever `listening` has changed."""
        self._listeners.append(listener)

    async def next(self) -> Delivery:
        """The next command, oldest first.

        A command of a lost link is given out too: the broker may have lost what it would deliver again.
        """
        return await self._deliveries.get()

    async def serve(self, link: Link) -> None:
        """Hear commands on a new link, until it is lost."""
        if self._was_connected and not link.session_present:
            log.warning("bus.session_lost", detail="the broker has forgotten the commands that it held for relay")
        self._was_connected = True
        await self._subscribe(link, retained=True)
        self._link = link
        self._subscribed.set()
        self._tell()
        log.info("bus.listening", subscriptions=len(self._filters))
        try:
            await link.lost()
        finally:
            self._forget(link)

    async def confirm(self) -> None:
        """Wait until the broker has confirmed, after this call, that commands are heard."""
        while True:
            await self._subscribed.wait()
            link = self._link
            if link is None:
                continue
            try:
                await self._subscribe(link, retained=False)
            except (BusLost, SubscribeRefused) as error:
                self._forget(link)
                link.drop(error.problem.detail)
            else:
                return

    def leave(self) -> None:
        """Let the link end with a goodbye."""
        if self._link is not None:
            self._link.leaving = True

    def receive(self, link: Link, received: Received) -> None:
        """Take one message from a link."""
        about = self._topics.command(received.topic)
        if about is None:
            # A persistent session can bring what an earlier configuration had subscribed to.
            log.warning("bus.stray", detail="a message on a topic that is no command's was acknowledged and left")
            link.ack(received.mid, received.qos)
            return
        oversize = len(received.payload) > self._settings.max_command_bytes
        payload = b"" if oversize else received.payload
        self._hold(link, len(payload))
        delivery = Delivery(
            line=about.line,
            verb=about.verb,
            client=about.client,
            payload=payload,
            retained=received.retain,
            redelivered=received.dup,
            oversize=oversize,
            misnamed=about.misnamed,
            properties=_properties(received.properties),
            on_ack=partial(self._ack, link, received.mid, received.qos, len(payload)),
            on_again=partial(self._again, link, len(payload)),
        )
        self._deliveries.put_nowait(delivery)

    async def _subscribe(self, link: Link, *, retained: bool) -> None:
        if self._filters:
            await link.subscribe(self._filters, retained=retained)

    def _forget(self, link: Link) -> None:
        if self._link is link:
            self._link = None
            self._subscribed.clear()
            self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _ack(self, link: Link, mid: int, qos: int, size: int, on_arrival: OnArrival | None) -> None:
        link.ack(mid, qos)
        self._release(size)
        if on_arrival is not None and link.up:
            asyncio.get_running_loop().call_later(self._proven_after, _arrived, link, on_arrival)

    def _again(self, link: Link, size: int) -> None:
        self._release(size)
        link.drop("a command could not be kept: it is to be delivered again")

    def _hold(self, link: Link, size: int) -> None:
        self._held += 1
        self._held_bytes += size
        # The broker was told of max_held (Receive Maximum). Not every broker keeps to it, and after a reconnection
        # it delivers again what is still held from before.
        if self._held >= 2 * self._settings.max_held or self._held_bytes >= self._settings.max_held_bytes:
            self._paused = link
            link.pause()

    def _release(self, size: int) -> None:
        self._held -= 1
        self._held_bytes -= size
        roomy = self._held <= self._settings.max_held and self._held_bytes <= self._settings.max_held_bytes // 2
        if self._paused is not None and roomy:
            self._paused.resume()
            self._paused = None


def _arrived(link: Link, on_arrival: OnArrival) -> None:
    if link.up:
        on_arrival()


def _properties(properties: Any) -> CommandProperties:
    """What MQTT 5 said beside the payload; nothing on 3.1.1."""
    users = dict(reversed(getattr(properties, "UserProperty", [])))  # the first of equal names counts
    return CommandProperties(
        response_topic=getattr(properties, "ResponseTopic", None),
        correlation=getattr(properties, "CorrelationData", None),
        expiry=getattr(properties, "MessageExpiryInterval", None),
        traceparent=users.get("traceparent"),
    )
