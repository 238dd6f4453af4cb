"""packets of MQTT 5 <-> a socket: gathered into few writes, read no faster than wanted, and watched for its end."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from typing import cast

from relay.bus.channel import CLOSED_BY_RELAY, Loss
from relay.bus.config import Broker
from relay.bus.frames import Frames, NotMqtt, Packet
from relay.bus.keepalive import Keepalive
from relay.bus.packets5 import PING
from relay.bus.reach import reach

_FAREWELL = 2.0  # seconds that a goodbye may take
_GATHERED = 64 * 1024  # bytes: more is not held back until the end of the loop's turn


class Wire5(asyncio.Protocol):
    """One connection, used once.

    Args:
        take: is given each packet; it may raise NotMqtt, which ends the connection.
        on_room: called when the network takes more after it did not.
        on_end: called once, when the connection ends.

    Attributes:
        up: whether it has not ended.
        writable: whether the network takes more.
        broken_by: what the network, or TLS, said as the connection ended.
    """

    def __init__(
        self, take: Callable[[Packet], None], on_room: Callable[[], None], on_end: Callable[[Loss], None]
    ) -> None:
        self.up = True
        self.writable = True
        self.broken_by: Exception | None = None
        self._give, self._on_room, self._on_end = take, on_room, on_end
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._ended: asyncio.Future[Loss] = self._loop.create_future()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._keepalive = Keepalive(lambda: self.write(PING), self._silent)
        self._frames = Frames()
        self._paused = False
        self._chunks: list[bytes] = []
        self._gathered = 0

    @property
    def reached(self) -> bool:
        """Whether there is a connection, or was one."""
        return self._transport is not None

    async def reach(self, broker: Broker, tls: ssl.SSLContext | None) -> None:
        """Connect.

        Raises:
            OSError: it cannot be reached, or TLS fails.
        """
        with ExitStack() as stack:
            connection = stack.enter_context(await reach(broker))
            name = broker.host if tls else None
            try:
                await self._loop.create_connection(lambda: self, sock=connection, ssl=tls, server_hostname=name)
            except ConnectionError as error:
                if error.errno:
                    raise
                raise ssl.SSLEOFError from None  # asyncio's word for an end in mid-handshake has no number
            stack.pop_all()

    async def ended(self) -> Loss:
        """Wait for the end."""
        return await asyncio.shield(self._ended)

    def watch(self, seconds: float) -> None:
        """End the connection where the other side is silent for longer than two of these, whatever it is asked."""
        self._keepalive.start(seconds)

    def answered(self) -> None:
        """The other side has answered that it is there."""
        self._keepalive.answered()

    def write(self, packet: bytes) -> None:
        """Send it with whatever else this turn of the loop sends."""
        if not self._chunks:
            self._loop.call_soon(self._flush)
        self._chunks.append(packet)
        self._gathered += len(packet)
        if self._gathered >= _GATHERED:
            self._flush()

    def pause(self) -> None:
        """Read nothing more."""
        if self._transport is not None and self.up and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again; what has come already is taken first."""
        if self._transport is not None and self.up and self._paused:
            self._paused = False
            self._loop.call_soon(self._take)
            self._transport.resume_reading()

    def abort(self, loss: Loss) -> None:
        """End at once; what was written until now is sent as far as the network takes it."""
        self._end(loss)
        if self._transport is not None:
            self._flush()
            self._transport.abort()

    def leave(self, goodbye: bytes) -> None:
        """End with a last packet."""
        if self._transport is not None and self.up:
            self.write(goodbye)
            self._end(Loss(CLOSED_BY_RELAY, ours=True))
            self._flush()
            self._transport.close()

    async def close(self) -> None:
        """End, if it has not ended, and wait until nothing of it is left."""
        if self.up:
            self.abort(Loss(CLOSED_BY_RELAY, ours=True))
        if self._transport is not None:
            await asyncio.wait({self._closed}, timeout=_FAREWELL)
            self._transport.abort()
            await asyncio.wait({self._closed})

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The other side is reached."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        self._keepalive.heard = self._loop.time()
        self._frames.feed(data)
        self._take()

    def pause_writing(self) -> None:
        """The network takes no more at present."""
        self.writable = False

    def resume_writing(self) -> None:
        """The network takes more."""
        self.writable = True
        if self.up:
            self._on_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whomever."""
        self.broken_by = exc
        self._end(Loss("the connection broke"))
        self._closed.set_result(None)

    def _take(self) -> None:
        """Whatever is whole, until nothing more is to be taken."""
        if self._paused or not self.up:
            return
        try:
            for packet in self._frames:
                self._give(packet)
                if self._paused or not self.up:
                    break
        except NotMqtt as error:
            self.abort(Loss(f"the broker sent what is no MQTT 5: {error}", ours=True))

    def _flush(self) -> None:
        if self._chunks and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._chunks))
            self._keepalive.said = self._loop.time()
        self._chunks.clear()
        self._gathered = 0

    def _silent(self) -> None:
        self.abort(Loss("the broker did not answer a ping in time", ours=True))

    def _end(self, loss: Loss) -> None:
        if self.up:
            self.up = False
            self._keepalive.stop()
            self._ended.set_result(loss)
            self._on_end(loss)
