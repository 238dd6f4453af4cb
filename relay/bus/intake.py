"""bus -> consumer: hears commands, holds them until they are acknowledged, and holds no more than it may."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog

from relay.bus.config import BusSettings
from relay.bus.delivery import Delivery, OnArrival
from relay.bus.errors import NORMAL, QUOTA_EXCEEDED, BusLost, SubscribeRefused
from relay.bus.link import Link, Received
from relay.bus.payloads import probe
from relay.bus.rights import AGAIN, Rights
from relay.bus.topics import CHECKER, Topics
from relay.bus.trouble import Trouble
from relay.clock import Clock

log = structlog.get_logger()

NAME = "commands"  # of the connection
Turn = int | bool | None

_MOST_RETAINED = 1000  # topics with a retained command that are remembered
_UNHEARD = "commands on these topics are not heard: let relay read them (the broker's ACL)"


class Intake:
    """The commands of some lines, whatever link brings them.

    Args:
        settings: the bus's.
        topics: where they come.
        lines: whose they are.
        rights: is told of the topics that the broker does not let relay hear.
        trouble: is told when they are heard again.
        clock: relay's time.
        may: whether it is for this node to hear them now; where it has turns at that, which one it is.
    """

    def __init__(  # noqa: PLR0913 - the parts of a bus, and who may hear
        self,
        settings: BusSettings,
        topics: Topics,
        lines: Sequence[str],
        rights: Rights,
        trouble: Trouble,
        clock: Clock,
        *,
        may: Callable[[], Turn],
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._rights = rights
        self._trouble = trouble
        self._clock = clock
        self._may = may
        self._filters = topics.subscriptions(lines)
        self._deliveries: asyncio.Queue[tuple[Turn, Delivery]] = asyncio.Queue()
        self._held = 0
        self._held_bytes = 0
        self._paused: Link | None = None
        self._link: Link | None = None
        self._subscribed = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._was_connected = False
        self._retained: dict[str, int] = {}
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

    async def follow(self, lines: Sequence[str]) -> None:
        """Hear the commands of these lines from now on; on return the broker has said so, where there is a link.

        Those of a line that is not among them any more may still come: the broker's session keeps what was subscribed
        to, as it does over a restart, and whoever asks has an answer.
        """
        before, self._filters = set(self._filters), self._topics.subscriptions(lines)
        fresh = [each for each in self._filters if each not in before]
        link = self._link
        if fresh and link is not None:
            with suppress(BusLost):  # the next link hears them all
                denied = await self._try(link, fresh, retained=True)
                if len(denied) == len(self._filters):
                    link.drop("the broker lets relay hear no commands at all")  # the next attempt says so

    def want(self, *, wanted: bool) -> None:
        """Whether commands are to be heard; where not, they stay with the broker."""
        if wanted and self._may():
            self._wanted.set()
            if self._link is None:
                self._subscribed.clear()
            return
        self._unwant()
        if self._link is not None:
            self._link.leave(self._reason)
        if not self._may():
            # Another node hears them from now on, and these as well.
            while not self._deliveries.empty():
                self._deliveries.get_nowait()[1].leave()

    async def wanted(self) -> None:
        """Wait until commands are to be heard, and may be."""
        while True:
            await self._wanted.wait()
            # Asked just before each attempt: a node that stood still must not take the session from another.
            if self._may():
                return
            self._unwant()

    async def next(self) -> Delivery:
        """The next command, oldest first.

        A command of a lost link is given out too: the broker may have lost what it would deliver again. But not one of
        a former turn: another node may have had it since.
        """
        while True:
            heard_in, delivery = await self._deliveries.get()
            if heard_in == self._may():
                return delivery
            delivery.again()

    def here(self) -> Delivery | None:
        """What `next` would give at once; None where it would have to wait."""
        while not self._deliveries.empty():
            heard_in, delivery = self._deliveries.get_nowait()
            if heard_in == self._may():
                return delivery
            delivery.again()
        return None

    async def serve(self, link: Link) -> None:
        """Hear commands on a new link, until it is lost."""
        if self._was_connected and not link.session_present:
            log.warning("bus.session_lost", detail="the broker has forgotten the commands that it held for relay")
        if not self._wanted.is_set() or not self._may():
            self._unwant()
            link.leave(self._reason)
            return
        heard: Sequence[str] | None = None
        while heard is not self._filters:  # lines may have come meanwhile
            heard = self._filters
            await self._subscribe(link, retained=True)
        self._link = link
        self._subscribed.set()
        self._tell()
        level = logging.DEBUG if self._was_connected else logging.INFO
        log.log(level, "bus.listening", subscriptions=len(self._filters))
        self._was_connected = True
        self._trouble.over(NAME)
        try:
            await self._hear(link)
        finally:
            self._forget(link)

    async def confirm(self) -> None:
        """Wait until the broker has confirmed, after this call, that commands are heard."""
        while True:
            await self._subscribed.wait()
            if not self._wanted.is_set():
                return
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
        if self._has_come(link, received) or _is_probe(about.client, received):
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
            properties=received.properties,
            on_ack=partial(self._ack, link, received.mid, received.qos, len(payload)),
            on_again=partial(self._again, link, len(payload)),
            on_leave=partial(self._release, len(payload)),
        )
        self._deliveries.put_nowait((self._may(), delivery))

    @property
    def _reason(self) -> int:
        return QUOTA_EXCEEDED if self._may() else NORMAL

    def _unwant(self) -> None:
        self._wanted.clear()
        if self._link is None:
            self._trouble.left(NAME)
        # Whoever waits until commands are heard would wait as long as they are not wanted.
        self._subscribed.set()

    def _has_come(self, link: Link, received: Received) -> bool:
        """Whether it is retained and was refused before: MQTT 3.1.1 has it come again at every connection."""
        if link.dial.protocol == "5" or not received.retain:
            return False
        before, here = self._retained.get(received.topic), hash(received.payload)
        if len(self._retained) < _MOST_RETAINED:
            self._retained[received.topic] = here
        return before == here

    async def _hear(self, link: Link) -> None:
        """Until the link is lost; now and then what is denied is tried again."""
        while True:
            with suppress(TimeoutError):
                await self._clock.wait(link.lost(), AGAIN)
                return
            if denied := self._rights.denied_to("subscribe"):
                await self._try(link, denied, retained=True)

    async def _subscribe(self, link: Link, *, retained: bool) -> None:
        """Subscribe to everything; some of it may be denied.

        Raises:
            BusLost: the link broke.
            SubscribeRefused: all of it is denied.
        """
        if self._filters:
            denied = await self._try(link, self._filters, retained=retained)
            if len(denied) == len(self._filters):
                raise SubscribeRefused(denied)

    async def _try(self, link: Link, filters: Sequence[str], *, retained: bool) -> Sequence[str]:
        """Subscribe to these; those that are denied."""
        denied: Sequence[str] = ()
        try:
            await link.subscribe(filters, retained=retained)
        except SubscribeRefused as refusal:
            denied = refusal.filters
        if len(denied) < len(self._filters):  # else there is no connection to speak of
            self._rights.judged("subscribe", filters, denied, _UNHEARD)
        return denied

    def _forget(self, link: Link) -> None:
        if self._link is link:
            self._link = None
            if self._wanted.is_set():
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


def _is_probe(client: str | None, received: Received) -> bool:
    """Whether `relay check` has seen by it that commands arrive; nothing is to be done."""
    return client == CHECKER and received.payload == probe(received.topic).payload


def _arrived(link: Link, on_arrival: OnArrival) -> None:
    if link.up:
        on_arrival()
