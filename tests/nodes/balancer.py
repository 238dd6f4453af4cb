"""What stands before several nodes: passes each connection on to the next node that takes it, as balancers do."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

_CHUNK = 1 << 16


class Balancer:
    """Listens on a port of its own.

    Args:
        port: its own.
        targets: the nodes' ports.

    Attributes:
        turned_away: connections that no node took.
    """

    def __init__(self, port: int, targets: Sequence[int]) -> None:
        self.port = port
        self.turned_away = 0
        self._targets = list(targets)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._passed_on, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _passed_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await self._taken()
        if there is None:
            self.turned_away += 1
            writer.close()
            return
        self._writers |= {writer, there[1]}
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer), return_exceptions=True)
        self._writers -= {writer, there[1]}

    async def _taken(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The next node's connection; None where no node takes one."""
        self._targets.append(self._targets.pop(0))
        for port in list(self._targets):
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
