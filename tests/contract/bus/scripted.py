"""A broker that does what a test tells it to, packet by packet: for what a good broker never does."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, DISCONNECT = 0x10, 0x30, 0x80, 0xC0, 0xE0


class Peer:
    """One client's connection, as the broker sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def packet(self, kind: int) -> bytes:
        """The body of the next packet of this kind; others are skipped.

        Raises:
            asyncio.IncompleteReadError: the client has gone.
        """
        while True:
            first = (await self._reader.readexactly(1))[0]
            length, shift = 0, 0
            while True:
                byte = (await self._reader.readexactly(1))[0]
                length |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            body = await self._reader.readexactly(length)
            if first & 0xF0 == kind:
                return body

    async def gone(self) -> None:
        """Wait until the client has gone."""
        while await self._reader.read(65_536):
            pass

    def send(self, first: int, body: bytes) -> None:
        """Send a packet of less than 128 bytes."""
        self._writer.write(bytes([first, len(body)]) + body)

    def raw(self, data: bytes) -> None:
        """Send these bytes, whatever they are."""
        self._writer.write(data)

    async def chunk(self) -> bytes:
        """What is there to be read, in one piece."""
        return await self._reader.read(1 << 20)

    def connack(self, code: int = 0, properties: bytes = b"") -> None:
        """Answer a CONNECT of MQTT 5."""
        self.send(0x20, bytes([0, code, len(properties)]) + properties)

    def connack311(self, code: int = 0) -> None:
        """Answer a CONNECT of MQTT 3.1.1."""
        self.send(0x20, bytes([0, code]))

    def suback(self, subscribe: bytes, *codes: int) -> None:
        """Answer a SUBSCRIBE of MQTT 5."""
        self.send(0x90, subscribe[:2] + b"\0" + bytes(codes))

    def puback(self, mid: bytes, code: int = 0) -> None:
        """Answer a PUBLISH of MQTT 5 at QoS 1."""
        self.send(0x40, mid + bytes([code, 0]))

    def disconnect(self, code: int) -> None:
        """Close the connection, saying why (MQTT 5)."""
        self.send(0xE0, bytes([code, 0]))

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


def mid_of(publish: bytes) -> bytes:
    """The packet id of a PUBLISH."""
    topic = int.from_bytes(publish[:2], "big")
    return publish[2 + topic : 4 + topic]


def protocol_of(connect: bytes) -> int:
    """5, or 4 for 3.1.1."""
    return connect[6]


class Scripted:
    """A server on 127.0.0.1 that plays `script` to each client that connects."""

    def __init__(self, script: Callable[[Peer], Awaitable[None]]) -> None:
        self._script = script
        self._server: asyncio.Server | None = None
        self._playing: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._play, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()  # what nobody has read would keep it open
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)
        await self._server.wait_closed()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._playing.add(task)
        self._writers.append(writer)
        try:
            await self._script(Peer(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            self._playing.discard(task)
            writer.close()
