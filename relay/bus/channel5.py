"""One connection of MQTT 5: what relay says as packets, and what the broker's packets say to relay."""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mqtt5

from relay.bus import packets5
from relay.bus.channel import NOTHING_BESIDE, Listener, Loss, Received
from relay.bus.delivery import CommandProperties
from relay.bus.dial import Dial, failure, no_answer, refusal
from relay.bus.errors import NORMAL, NoConnection, PublishRefused
from relay.bus.frames import Garbled, NotMqtt, Packet, Unwelcome
from relay.bus.packetids import PacketIds
from relay.bus.payloads import Publication
from relay.bus.wire5 import Wire5

Takers = Mapping[type, Callable[[Any], None]]


class Channel5:
    """One connection, used once; what it can do is told in `Channel`.

    Args:
        dial: what to connect with.
        listener: is told what comes.
    """

    def __init__(self, dial: Dial, listener: Listener) -> None:
        self.session_present = False
        self.granted: mqtt5.ConnAckPacket | None = None
        self._dial = dial
        self._listener = listener
        self._wire = Wire5(self._take, listener.on_room, self._on_end)
        self._answer: asyncio.Future[NoConnection | None] = asyncio.get_running_loop().create_future()
        self._largest = packets5.LARGEST
        self._ids = PacketIds()
        self._takers: Takers = {mqtt5.ConnAckPacket: self._take_connack, Unwelcome: self._take_unwelcome}
        # Used as they are: each saves a call a message.
        self._write, self.pause, self.resume = self._wire.write, self._wire.pause, self._wire.resume
        self.abort, self.ended = self._wire.abort, self._wire.ended

    @property
    def up(self) -> bool:
        """Whether the connection has not ended."""
        return self._wire.up

    @property
    def writable(self) -> bool:
        """Whether the network takes more."""
        return self._wire.writable

    async def open(self) -> None:
        """Connect.

        Raises:
            NoConnection: no connection could be made in time.
        """
        try:
            problem = await self._problem()
        except asyncio.CancelledError:
            await self._wire.close()
            raise
        if problem is not None:
            await self._wire.close()
            raise problem

    async def close(self, *, goodbye: bool) -> None:
        """End the connection. With a goodbye the broker forgets the will; without, it publishes it."""
        if goodbye:
            self.leave(NORMAL)
        await self._wire.close()

    def leave(self, reason: int) -> None:
        """End the connection with a goodbye for this reason."""
        self._wire.leave(packets5.disconnect(reason))

    def publish(self, what: Publication) -> int:
        """Publish at QoS 1; its packet id.

        Raises:
            PublishRefused: it can be no packet, or is too large for the broker.
        """
        number = self._ids.take()
        try:
            packet = packets5.publish(what, number, self._largest)
        except PublishRefused:
            self._ids.give_back(number)
            raise
        self._write(packet)
        return number

    def ack(self, mid: int, qos: int) -> None:
        """Acknowledge a message of this connection."""
        if qos:
            self._write(packets5.acknowledge(mid, qos))

    def subscribe(self, filters: Sequence[str], *, retained: bool) -> int:
        """Subscribe at QoS 1; the packet id, by which the answer comes."""
        number = self._ids.take()
        self._write(packets5.subscribe(filters, number, retained=retained))
        return number

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Hear these no more."""
        self._write(packets5.unsubscribe(filters, self._ids.take()))

    async def _problem(self) -> NoConnection | None:
        """Why there is no connection; None where there is one."""
        tls = self._dial.tls is not None
        try:
            async with asyncio.timeout(self._dial.settings.timeout):
                await self._wire.reach(self._dial.settings.broker, self._dial.tls)
                self._write(packets5.connect(self._dial))
                return await self._answer
        except TimeoutError:
            return no_answer(closed=False, tls=tls) if self._wire.reached else failure(TimeoutError())
        except OSError as error:
            return failure(error)

    def _on_end(self, loss: Loss) -> None:
        if not self._answer.done():
            self._answer.set_result(self._unanswered(loss))
        self._listener.on_end(loss)

    def _unanswered(self, loss: Loss) -> NoConnection:
        """Why the connection ended without a CONNACK."""
        if isinstance(self._wire.broken_by, ssl.SSLError):
            return failure(self._wire.broken_by)
        if loss.ours:
            return NoConnection("not_mqtt", f"{loss.detail}: check that bus.url is MQTT's port")
        return no_answer(closed=True, tls=self._dial.tls is not None)

    def _take(self, packet: Packet) -> None:
        taker = self._takers.get(type(packet))
        if taker is None:
            raise NotMqtt(f"{type(packet).__name__} out of place")
        taker(packet)

    def _take_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        self.session_present, self.granted = packet.session_present, packet
        self._largest = min(packet.max_packet_size or self._largest, self._largest)
        own, brokers = self._dial.settings.keepalive, packet.server_keep_alive
        self._wire.watch(min(own, brokers or own))
        self._takers = self._conversation()
        self._answer.set_result(None)

    def _take_unwelcome(self, packet: Unwelcome) -> None:
        self._answer.set_result(refusal(packet.code))
        self._takers = {}

    def _conversation(self) -> Takers:
        """What may come once relay is let in."""
        return {
            mqtt5.PublishPacket: self._take_publish,
            mqtt5.PubAckPacket: self._take_puback,
            mqtt5.SubAckPacket: self._take_suback,
            mqtt5.UnsubAckPacket: lambda packet: self._ids.give_back(packet.packet_id),
            mqtt5.PubRelPacket: lambda packet: self._write(packets5.complete(packet.packet_id)),
            mqtt5.PingRespPacket: lambda _: self._wire.answered(),
            mqtt5.DisconnectPacket: self._take_disconnect,
            Garbled: self._take_garbled,
        }

    def _take_publish(self, packet: mqtt5.PublishPacket) -> None:
        if not packet.topic:
            raise NotMqtt("a topic alias, which relay has not allowed")
        self._listener.on_message(
            Received(
                packet.packet_id or 0,
                int(packet.qos),
                packet.topic,
                packet.payload,
                packet.retain,
                packet.duplicate,
                _beside(packet),
            )
        )

    def _take_garbled(self, packet: Garbled) -> None:
        self._listener.on_message(Received(packet.packet_id, packet.qos, "", b"", retain=False, dup=False))

    def _take_puback(self, packet: mqtt5.PubAckPacket) -> None:
        number = packet.packet_id
        self._ids.give_back(number)
        self._listener.on_published(number, int(packet.reason_code))

    def _take_suback(self, packet: mqtt5.SubAckPacket) -> None:
        self._ids.give_back(packet.packet_id)
        self._listener.on_subscribed(packet.packet_id, [int(code) for code in packet.reason_codes])

    def _take_disconnect(self, packet: mqtt5.DisconnectPacket) -> None:
        words = packet.reason_code.name.replace("_", " ").capitalize()
        self._wire.abort(Loss(words, int(packet.reason_code)))


def _beside(packet: mqtt5.PublishPacket) -> CommandProperties:
    """What is said beside the payload."""
    users = packet.user_properties
    response, correlation = packet.response_topic, packet.correlation_data
    expiry = packet.message_expiry_interval
    if not users and response is None and correlation is None and expiry is None:
        return NOTHING_BESIDE
    # The first of equal names counts.
    trace = next((value for name, value in users if name == "traceparent"), None)
    return CommandProperties(response, correlation, expiry, trace)
