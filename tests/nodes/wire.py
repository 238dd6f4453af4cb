"""What lies between one node and a server: passes everything on, until it is cut, or swallows what is sent."""

import asyncio
from contextlib import suppress
from typing import Self

_CHUNK = 1 << 16


class Wire:
    """One of a node's own, so that others do not notice what happens to it.

    Args:
        port: its own.
        target: the server's.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open.set()
        self.cut()

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._break()

    def hold(self) -> None:
        """Let nothing through: connections stay, are made and taken, and no byte arrives."""
        self._open.clear()

    async def mend(self) -> None:
        """Pass on again. What was held is gone, with its connections, as where a network forgets them."""
        if not self._open.is_set():
            self._break()
        self._open.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._passed_on, "127.0.0.1", self.port)

    def _break(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _passed_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError):
            there = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(there[1])
            await asyncio.gather(self._copy(reader, there[1]), self._copy(there[0], writer), return_exceptions=True)
            self._writers.discard(there[1])
        self._writers.discard(writer)
        writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
