"""generator <-> broker: the least that MQTT 5 takes, on the `mqtt5` codec; for load generators and for a ceiling."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    RetainHandling,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    read,
)

Heard = Callable[["CodecLink", PublishPacket], None]
Confirmed = Callable[[], None]

_IDS = 65_535
_KEEP_ALIVE = 0  # none: a run is short, and its broker is next door


class CodecLink(asyncio.Protocol):
    """One connection. What is written within one turn of the loop goes out together.

    Args:
        name: the client id.
        heard: is called with each message; it acknowledges it by `ack`, at once or later.
    """

    def __init__(self, name: str, heard: Heard) -> None:
        self._name = name
        self._heard = heard
        self._rest = b""
        self._out: list[bytes] = []
        self._last_id = 0
        self._waiting: dict[int, Confirmed] = {}
        self._backlog: list[tuple[str, bytes, Confirmed]] = []
        self._most = 20
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int, name: str, heard: Heard) -> "CodecLink":
        """A connection to the broker at this port of this machine, let in."""
        link = cls(name, heard)
        await asyncio.get_running_loop().create_connection(lambda: link, "127.0.0.1", port)
        await link._connected
        return link

    async def subscribe(self, filters: Sequence[str]) -> None:
        """Hear these at QoS 1; what is retained is not wanted."""
        wishes = [
            TopicFilter(each, max_qos=QoS.AT_LEAST_ONCE, retain_handling=RetainHandling.SEND_NEVER) for each in filters
        ]
        self._write(SubscribePacket(self._next_id(), wishes).write())
        await self._subscribed

    def publish(self, topic: str, payload: bytes, confirmed: Confirmed) -> None:
        """Publish at QoS 1; `confirmed` is called once the broker has it. What is over its window waits."""
        if len(self._waiting) >= self._most:
            self._backlog.append((topic, payload, confirmed))
            return
        packet_id = self._next_id()
        self._waiting[packet_id] = confirmed
        self._write(PublishPacket(topic, payload, qos=QoS.AT_LEAST_ONCE, packet_id=packet_id).write())

    def ack(self, packet: PublishPacket) -> None:
        """Acknowledge a message."""
        if packet.packet_id is not None:
            self._write(PubAckPacket(packet.packet_id).write())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to be let in."""
        self._transport = cast("asyncio.Transport", transport)
        self._write(ConnectPacket(self._name, clean_start=True, keep_alive=_KEEP_ALIVE).write())

    def data_received(self, data: bytes) -> None:
        """Read all packets that are whole."""
        data = self._rest + data if self._rest else data
        view, at = memoryview(data), 0
        while at < len(data):
            try:
                packet, size = read(view[at:])
            except IndexError:
                break
            at += size
            self._take(packet)
        self._rest = data[at:]

    def _take(self, packet: object) -> None:
        match packet:
            case PubAckPacket():
                self._waiting.pop(packet.packet_id)()
                self._go_on()
            case PublishPacket():
                self._heard(self, packet)
            case ConnAckPacket():
                self._most = packet.receive_max
                self._connected.set_result(None)
            case SubAckPacket():
                self._subscribed.set_result(None)

    def _go_on(self) -> None:
        while self._backlog and len(self._waiting) < self._most:
            self.publish(*self._backlog.pop(0))

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % _IDS + 1
            if self._last_id not in self._waiting:
                return self._last_id

    def _write(self, data: bytes) -> None:
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        assert self._transport is not None  # noqa: S101 - for the type checker
        self._transport.write(b"".join(self._out))
        self._out.clear()
