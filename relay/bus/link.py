"""One connection with its answers: published and subscribed with the broker's own word, acknowledged by hand."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from paho.mqtt.client import Client as Paho
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from relay.bus.channel import Channel, Loss
from relay.bus.dial import Dial, publish_properties
from relay.bus.errors import PACKET_TOO_LARGE, BusLost, PublishRefused, SubscribeRefused
from relay.bus.payloads import Publication

T = TypeVar("T")

_FIRST_FAILURE = 0x80  # reason codes from here on are failures; 0x10, nobody listens, is a success
# Reasons of a broker that closes the connection which are about the broker itself, and not about what was published
# (MQTT 5, section 3.14.2.1): busy, shutting down, keep alive, taken over, by hand, moved, rates.
_ABOUT_ITSELF = frozenset({0x89, 0x8B, 0x8D, 0x8E, 0x96, 0x98, 0x9C, 0x9D, 0x9F, 0xA0})
_OVERHEAD = 1024  # bytes of a packet beside topic, payload and correlation data: more than ours ever have


@dataclass(frozen=True, slots=True)
class Received:
    """One message from the broker."""

    mid: int
    qos: int
    topic: str
    payload: bytes = field(repr=False)
    retain: bool
    dup: bool
    properties: Properties | None = field(default=None, repr=False)


Receive = Callable[["Link", Received], None]


class Link:
    """One connection to the broker, used once; `async with` makes it.

    Left by an exception it ends without a goodbye, so that the broker publishes the will; unless `leaving` was set.
    `idle`: nothing that was published waited for its confirmation as the link ended.

    Args:
        dial: what to connect with.
        receive: called with each message as it arrives; it must not raise.

    Raises:
        NoConnection: on entering.
    """

    def __init__(self, dial: Dial, receive: Receive) -> None:
        self.dial = dial
        self.leaving = False
        self.idle = True
        self._receive = receive
        self._channel = Channel(dial, self._ended)
        self._loss: Loss | None = None
        self._window = asyncio.Semaphore(dial.settings.window)
        self._publishing: dict[int, asyncio.Future[int]] = {}
        self._sizes: dict[int, int] = {}
        self._subscribing: dict[int, asyncio.Future[list[int]]] = {}
        paho = self._channel.paho
        paho.manual_ack_set(True)  # noqa: FBT003 - paho's signature
        paho.on_message, paho.on_publish, paho.on_subscribe = self._on_message, self._on_publish, self._on_subscribe
        paho.on_unsubscribe = None  # aiomqtt's own knows only what was asked for through aiomqtt

    async def __aenter__(self) -> Self:
        await self._channel.open()
        window = self.dial.settings.window
        self._window = asyncio.Semaphore(min(window, self._channel.receive_maximum or window))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close(goodbye=kind is None or self.leaving)

    async def lost(self) -> Loss:
        """Wait for the end of the link."""
        return await self._channel.ended()

    @property
    def up(self) -> bool:
        """Whether the link can still be used."""
        return self._channel.up

    @property
    def session_present(self) -> bool:
        """Whether the broker still knew this client."""
        return self._channel.session_present

    @property
    def granted(self) -> Properties | None:
        """What the broker said of itself as it let relay in; None on MQTT 3.1.1."""
        return self._channel.granted

    def drop(self, detail: str) -> None:
        """End the link without a goodbye: what was not acknowledged comes again, and the will is published."""
        self._channel.abort(Loss(detail, ours=True))

    def leave(self, reason: int) -> None:
        """End the link with a goodbye that says why, as far as the protocol can: what was not acknowledged stays."""
        self.leaving = True
        if self.up:
            self._channel.leave(reason)

    def pause(self) -> None:
        """Read nothing more, confirmations included."""
        self._channel.pause()

    def resume(self) -> None:
        """Read again."""
        self._channel.resume()

    def ack(self, mid: int, qos: int) -> None:
        """Acknowledge what this very link received; does nothing once it is lost."""
        if self.up:
            self._channel.paho.ack(mid, qos)

    async def publish(self, what: Publication) -> None:
        """Publish at QoS 1; returns when the broker has confirmed.

        Raises:
            BusLost: the link broke before, or the broker kept silent.
            PublishRefused: the broker refused it, or would close the connection over its size.
        """
        size = len(what.payload) + len(what.topic.encode()) + len(what.correlation or b"") + _OVERHEAD
        if size > (self._channel.largest_packet or size):
            raise PublishRefused(PACKET_TOO_LARGE)
        async with self._window:
            code = await self._confirmation(what, size)
        if code >= _FIRST_FAILURE:
            raise PublishRefused(code)

    async def subscribe(self, filters: Sequence[str], *, retained: bool = True) -> None:
        """Subscribe at QoS 1; returns when the broker has granted every filter.

        Args:
            filters: what to hear.
            retained: have the retained messages where the session is new (on MQTT 3.1.1 they always come).

        Raises:
            BusLost: the link broke, or the broker kept silent.
            SubscribeRefused: at least one filter was refused.
        """
        if not self.up:
            raise self._gone()
        result, mid = self._channel.paho.subscribe(self._wishes(filters, retained=retained))
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise self._gone()
        codes = await self._answered(mid, self._subscribing)
        refused = [each for each, code in zip(filters, codes, strict=False) if code != 1]
        if refused or len(codes) != len(filters):
            raise SubscribeRefused(refused or filters)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Hear these no more; what is under way already may still come."""
        if self.up:
            self._channel.paho.unsubscribe(list(filters))

    async def _confirmation(self, what: Publication, size: int) -> int:
        if not self.up:
            raise self._gone()
        properties = publish_properties(what) if self.dial.protocol == "5" else None
        sent = self._channel.paho.publish(what.topic, what.payload, 1, what.retain, properties)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise self._gone()
        self._sizes[sent.mid] = size
        try:
            return await self._answered(sent.mid, self._publishing)
        finally:
            del self._sizes[sent.mid]

    async def _answered(self, mid: int, answers: dict[int, asyncio.Future[T]]) -> T:
        """The broker's answer to a packet; a broker that keeps silent has lost its link."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        answers[mid] = answer
        try:
            async with asyncio.timeout(self.dial.settings.timeout):
                return await answer
        except TimeoutError:
            self.drop("the broker did not answer in time")
            raise self._gone(on_the_way=True) from None
        finally:
            del answers[mid]

    def _wishes(
        self, filters: Sequence[str], *, retained: bool
    ) -> list[tuple[str, int]] | list[tuple[str, SubscribeOptions]]:
        if self.dial.protocol != "5":
            return [(each, 1) for each in filters]
        # Without RetainAsPublished a retained command would look like any other while we are subscribed.
        # Those of a session that goes on have come already: at each connection they would be refused again.
        handling = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB if retained else SubscribeOptions.RETAIN_DO_NOT_SEND
        options = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=handling)
        return [(each, options) for each in filters]

    def _gone(self, *, on_the_way: bool = False) -> BusLost:
        loss = self._loss or Loss("the connection to the broker is lost", ours=True)
        closed = on_the_way and not loss.ours and loss.code not in _ABOUT_ITSELF
        return BusLost(loss.detail, on_the_way=on_the_way, closed=closed)

    def _ended(self, loss: Loss) -> None:
        """Fail whatever waits for an answer, at once."""
        self._loss = loss
        self.idle = not self._publishing
        if loss.code == PACKET_TOO_LARGE and self._publishing:
            # The broker closed the link over one packet: the largest. It would do so again.
            largest = max(self._publishing, key=self._sizes.__getitem__)
            _settle(self._publishing[largest], PACKET_TOO_LARGE)
        waiting: list[asyncio.Future[Any]] = [*self._publishing.values(), *self._subscribing.values()]
        for answer in waiting:
            if not answer.done():
                answer.set_exception(self._gone(on_the_way=True))

    def _on_publish(self, _paho: Paho, _data: Any, mid: int, reason: ReasonCode, _properties: Properties) -> None:
        if mid in self._publishing:
            _settle(self._publishing[mid], reason.value)

    def _on_subscribe(
        self, _paho: Paho, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Properties
    ) -> None:
        if mid in self._subscribing:
            _settle(self._subscribing[mid], [reason.value for reason in reasons])

    def _on_message(self, _paho: Paho, _data: Any, message: MQTTMessage) -> None:
        if not self.up:
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # it is nobody's command
        received = Received(
            mid=message.mid,
            qos=message.qos,
            topic=topic,
            payload=bytes(message.payload),
            retain=message.retain,
            dup=message.dup,
            properties=message.properties,
        )
        self._receive(self, received)


def _settle(answer: asyncio.Future[T], value: T) -> None:
    if not answer.done():
        answer.set_result(value)
