"""One connection of MQTT 3.1.1: made, read, paused and ended, without a way to hang or to leave a socket behind.

aiomqtt makes the connection and keeps it alive. What it hides is taken from paho's public callbacks: the session
flag, the broker's answers, and the end.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Any

import aiomqtt
from mqtt5 import ConnAckPacket
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.client import Client as Paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from relay.bus.channel import CLOSED_BY_RELAY, FIRST_FAILURE, Listener, Loss, Received
from relay.bus.dial import Dial, failure, no_answer, refusal
from relay.bus.errors import TOPIC_NAME_INVALID, NoConnection, PublishRefused
from relay.bus.payloads import Publication

_FAREWELL = 2.0  # seconds that a goodbye may take


class Channel311:
    """One connection, used once; what it can do is told in `Channel`.

    Args:
        dial: what to connect with.
        listener: is told what comes.
    """

    def __init__(self, dial: Dial, listener: Listener) -> None:
        self.session_present = False
        self.granted: ConnAckPacket | None = None  # MQTT 3.1.1 says nothing
        self.writable = True  # paho keeps what the network does not take; the window bounds it
        self._dial = dial
        self._listener = listener
        self._client = _client(dial)
        self._paho: Paho = self._client._client  # noqa: SLF001 - aiomqtt offers no other way to paho's callbacks
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Loss] = self._loop.create_future()
        self._connack: ReasonCode | None = None
        self._open = False
        self._told_aiomqtt = False
        self._abandoned = False
        self._opening = threading.Lock()
        self._paused = False
        self._take_callbacks()
        self._paho.manual_ack_set(True)  # noqa: FBT003 - paho's signature

    @property
    def up(self) -> bool:
        """Whether the connection has not ended."""
        return not self._ended.done()

    async def ended(self) -> Loss:
        """Wait for the end."""
        return await asyncio.shield(self._ended)

    async def open(self) -> None:
        """Connect.

        Raises:
            NoConnection: no connection could be made in time.
        """
        opening = asyncio.ensure_future(self._client.__aenter__())
        # aiomqtt's own patience is longer: it counts from a later moment, and does not say what failed.
        first: set[asyncio.Future[Any]] = {opening, self._ended}
        try:
            await asyncio.wait(first, timeout=self._dial.settings.timeout, return_when=asyncio.FIRST_COMPLETED)
            if self._connack is not None:  # aiomqtt has it too, and needs a moment
                await asyncio.wait({opening}, timeout=_FAREWELL)
        except asyncio.CancelledError:
            await self._abandon(opening)
            raise
        if problem := self._problem(opening):
            await self._abandon(opening)
            raise problem
        self._open = True
        if not self._paused:
            self._listen()

    async def close(self, *, goodbye: bool) -> None:
        """End the connection. With a goodbye the broker forgets the will; without, it publishes it."""
        if goodbye and self.up:
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self._client.__aexit__(None, None, None)
        self.abort(Loss(CLOSED_BY_RELAY, ours=True))
        await self._settle()
        if self._told_aiomqtt:
            with contextlib.suppress(aiomqtt.MqttError):
                # Takes aiomqtt's own word on the end; asyncio would report it as never read otherwise.
                await anext(self._client.messages)

    def abort(self, loss: Loss) -> None:
        """End the connection at once."""
        self._end(loss)
        connection = self._paho.socket()
        if isinstance(connection, socket.socket):
            # Shut, not closed: paho finds the end by reading, and then undoes everything in its own order.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.resume()

    def leave(self, reason: int) -> None:
        """End the connection with a goodbye; this MQTT knows no reasons."""
        del reason
        # Paho reads no end that it has made itself while nothing is read.
        self.resume()
        self._paho.disconnect()

    def pause(self) -> None:
        """Read nothing more: what comes waits in the network's buffers, and then at the broker."""
        connection = self._paho.socket()
        if connection is not None and not self._paused:
            self._paused = True
            self._loop.remove_reader(connection.fileno())

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            self._listen()

    def publish(self, what: Publication) -> int | None:
        """Publish at QoS 1; its packet id, or None where the connection is gone.

        Raises:
            PublishRefused: it can be no packet.
        """
        if "\0" in what.topic:  # paho lets it pass
            raise PublishRefused(TOPIC_NAME_INVALID)
        try:
            sent = self._paho.publish(what.topic, what.payload, 1, what.retain)
        except ValueError:  # of the topic: nothing else of a packet can be wrong here
            raise PublishRefused(TOPIC_NAME_INVALID) from None
        return sent.mid if sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def ack(self, mid: int, qos: int) -> None:
        """Acknowledge a message of this connection."""
        self._paho.ack(mid, qos)

    def subscribe(self, filters: Sequence[str], *, retained: bool) -> int | None:
        """Subscribe at QoS 1; the packet id, or None where the connection is gone."""
        del retained  # they always come
        result, mid = self._paho.subscribe([(each, 1) for each in filters])
        return mid if result == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Hear these no more."""
        self._paho.unsubscribe(list(filters))

    def _problem(self, opening: "asyncio.Future[Any]") -> NoConnection | None:
        if self._connack is not None and self._connack.value >= FIRST_FAILURE:
            return refusal(self._connack.value)
        reached, closed = self._paho.socket() is not None, self._ended.done()
        if not opening.done():
            return no_answer(closed=closed, tls=bool(self._dial.tls)) if reached or closed else failure(TimeoutError())
        error = opening.exception()
        return failure(error.__context__) if error else None  # aiomqtt keeps the reason as text only

    async def _abandon(self, opening: "asyncio.Future[Any]") -> None:
        """Give up a connection that is being made, in whatever thread and state that is."""
        with self._opening:
            self._abandoned = True
        self.abort(Loss("given up"))
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await self._settle()

    async def _settle(self) -> None:
        """Let paho read to the end of what was shut, which closes its socket."""
        for _ in range(1000):
            if self._paho.socket() is None:
                break
            self._paho.loop_read()
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _listen(self) -> None:
        """Read by ourselves from here on, because aiomqtt's reader cannot be paused."""
        connection = self._paho.socket()
        if connection is not None:
            self._loop.add_reader(connection.fileno(), self._read)
            # TLS may hold bytes that are decrypted already: the selector does not see them.
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        more = not self._paused
        while more:
            went_well = self._paho.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
            connection = self._paho.socket()
            buffered = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
            more = went_well and buffered and not self._paused

    def _end(self, loss: Loss) -> None:
        if not self._ended.done():
            self._ended.set_result(loss)
            self._listener.on_end(loss)

    def _take_callbacks(self) -> None:
        """Stand before aiomqtt's own callbacks, which go on to be called."""
        paho = self._paho
        connected, disconnected, opened = paho.on_connect, paho.on_disconnect, paho.on_socket_open

        def on_connect(client: Paho, data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Any) -> None:
            self._connack = reason
            self.session_present = flags.session_present
            connected(client, data, flags, reason, properties)  # type: ignore[misc,call-arg,arg-type]

        def on_disconnect(client: Paho, data: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Any) -> None:
            if self._open:  # aiomqtt stumbles over an end that comes while it is still connecting
                disconnected(client, data, flags, reason, properties)  # type: ignore[misc,call-arg,arg-type]
                self._told_aiomqtt = True
            self._end(Loss("the connection broke"))

        def on_socket_open(client: Paho, data: Any, connection: Any) -> None:
            # This runs in the thread that connects; by then the loop may have lost interest.
            with self._opening:
                if self._abandoned:
                    connection.close()
                    raise ConnectionAbortedError
                opened(client, data, connection)  # type: ignore[misc]

        def on_socket_register_write(client: Paho, data: Any, connection: Any) -> None:  # noqa: ARG001 - paho's
            self._loop.call_soon_threadsafe(self._write_when_ready, connection)

        paho.on_connect, paho.on_disconnect, paho.on_socket_open = on_connect, on_disconnect, on_socket_open
        paho.on_socket_register_write = on_socket_register_write
        paho.on_message, paho.on_publish, paho.on_subscribe = self._on_message, self._on_publish, self._on_subscribe
        paho.on_unsubscribe = None  # aiomqtt's own knows only what was asked for through aiomqtt

    def _on_publish(self, _paho: Paho, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        self._listener.on_published(mid, reason.value)

    def _on_subscribe(self, _paho: Paho, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Any) -> None:
        self._listener.on_subscribed(mid, [reason.value for reason in reasons])

    def _on_message(self, _paho: Paho, _data: Any, message: MQTTMessage) -> None:
        if not self.up:
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # it is nobody's command
        payload = bytes(message.payload)
        received = Received(message.mid, message.qos, topic, payload, retain=message.retain, dup=message.dup)
        self._listener.on_message(received)

    def _write_when_ready(self, connection: Any) -> None:
        # aiomqtt's own does not look whether the socket was closed since, which asyncio reports as an error.
        if connection.fileno() >= 0 and self._paho.want_write():
            self._loop.add_writer(connection.fileno(), self._paho.loop_write)


def _client(dial: Dial) -> aiomqtt.Client:
    """A client that was never connected. Needs the running loop."""
    settings = dial.settings
    will = dial.will
    return aiomqtt.Client(
        settings.broker.host,
        settings.broker.port,
        username=settings.username,
        password=settings.password,
        identifier=dial.client_id,
        protocol=aiomqtt.ProtocolVersion.V311,
        will=aiomqtt.Will(will.topic, will.payload, 1, will.retain) if will else None,
        clean_session=not dial.persistent,
        clean_start=MQTT_CLEAN_START_FIRST_ONLY,  # of MQTT 5, and there the default of paho
        keepalive=settings.keepalive,
        timeout=settings.timeout + 1,
        max_inflight_messages=settings.window,
        tls_context=dial.tls,
    )
