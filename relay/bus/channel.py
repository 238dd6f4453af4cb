"""The life of one MQTT connection: made, read, paused and ended, without a way to hang or to leave a socket behind.

aiomqtt makes the connection and keeps it alive. What it hides is taken from paho's public callbacks: the session
flag, the CONNACK's properties, and the reason of the end.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import ConnectFlags, DisconnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from relay.bus.dial import Dial, failure, no_answer, refusal
from relay.bus.errors import NoConnection

_FAREWELL = 2.0  # seconds that a goodbye may take
_FIRST_FAILURE = 0x80  # reason codes from here on are failures


@dataclass(frozen=True, slots=True)
class Loss:
    """How a connection ended.

    `code`: the broker's reason for closing it, where it gave one (MQTT 5). `ours`: relay has ended it itself.
    """

    detail: str
    code: int | None = None
    ours: bool = False


class Channel:
    """One connection, used once.

    Args:
        dial: what to connect with.
        on_end: called once, when the connection ends.
    """

    def __init__(self, dial: Dial, on_end: Callable[[Loss], None]) -> None:
        self.session_present = False
        self.receive_maximum: int | None = None
        self.largest_packet: int | None = None
        self.granted: Properties | None = None  # all that the CONNACK says (MQTT 5)
        self._dial = dial
        self._on_end = on_end
        self._client = dial.client()
        self.paho: Paho = self._client._client  # noqa: SLF001 - aiomqtt offers no other way to paho's callbacks
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Loss] = self._loop.create_future()
        self._connack: ReasonCode | None = None
        self._open = False
        self._told_aiomqtt = False
        self._abandoned = False
        self._opening = threading.Lock()
        self._paused = False
        self._take_callbacks()

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
        self.abort(Loss("closed by relay"))
        await self._settle()
        if self._told_aiomqtt:
            with contextlib.suppress(aiomqtt.MqttError):
                # Takes aiomqtt's own word on the end; asyncio would report it as never read otherwise.
                await anext(self._client.messages)

    def abort(self, loss: Loss) -> None:
        """End the connection at once."""
        self._end(loss)
        connection = self.paho.socket()
        if isinstance(connection, socket.socket):
            # Shut, not closed: paho finds the end by reading, and then undoes everything in its own order.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.resume()

    def leave(self, reason: int) -> None:
        """End the connection with a goodbye for this reason."""
        # Paho reads no end that it has made itself while nothing is read.
        self.resume()
        said = ReasonCode(PacketTypes.DISCONNECT, identifier=reason) if self._dial.protocol == "5" else None
        self.paho.disconnect(said)

    def pause(self) -> None:
        """Read nothing more: what comes waits in the network's buffers, and then at the broker."""
        connection = self.paho.socket()
        if connection is not None and not self._paused:
            self._paused = True
            self._loop.remove_reader(connection.fileno())

    def resume(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            self._listen()

    def _problem(self, opening: "asyncio.Future[Any]") -> NoConnection | None:
        if self._connack is not None and self._connack.value >= _FIRST_FAILURE:
            return refusal(self._connack.value)
        reached, closed = self.paho.socket() is not None, self._ended.done()
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
            if self.paho.socket() is None:
                break
            self.paho.loop_read()
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _listen(self) -> None:
        """Read by ourselves from here on, because aiomqtt's reader cannot be paused."""
        connection = self.paho.socket()
        if connection is not None:
            self._loop.add_reader(connection.fileno(), self._read)
            # TLS may hold bytes that are decrypted already: the selector does not see them.
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        more = not self._paused
        while more:
            went_well = self.paho.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
            connection = self.paho.socket()
            buffered = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
            more = went_well and buffered and not self._paused

    def _end(self, loss: Loss) -> None:
        if not self._ended.done():
            self._ended.set_result(loss)
            self._on_end(loss)

    def _take_callbacks(self) -> None:
        """Stand before aiomqtt's own callbacks, which go on to be called."""
        paho = self.paho
        connected, disconnected, opened = paho.on_connect, paho.on_disconnect, paho.on_socket_open

        def on_connect(  # the signature is paho's
            client: Paho, data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
        ) -> None:
            self._connack = reason
            self.session_present = flags.session_present
            self.receive_maximum = getattr(properties, "ReceiveMaximum", None)
            self.largest_packet = getattr(properties, "MaximumPacketSize", None)
            self.granted = properties
            connected(client, data, flags, reason, properties)  # type: ignore[misc,call-arg,arg-type]

        def on_disconnect(  # as above
            client: Paho, data: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
        ) -> None:
            if self._open:  # aiomqtt stumbles over an end that comes while it is still connecting
                disconnected(client, data, flags, reason, properties)  # type: ignore[misc,call-arg,arg-type]
                self._told_aiomqtt = True
            code = reason.value if flags.is_disconnect_packet_from_server else None
            self._end(Loss(str(reason) if code is not None else "the connection broke", code))

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

    def _write_when_ready(self, connection: Any) -> None:
        # aiomqtt's own does not look whether the socket was closed since, which asyncio reports as an error.
        if connection.fileno() >= 0 and self.paho.want_write():
            self._loop.add_writer(connection.fileno(), self.paho.loop_write)
