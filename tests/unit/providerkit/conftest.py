"""A server that answers byte for byte what a test tells it to, an OAuth endpoint, and what a line has beside them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from relay.providerkit.http import Http
from relay.simulator.virtual import ManualClock
from tests.memory import Memory
from tests.unit.providerkit import oauthendpoint

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """Reads whole requests; then does what `behave` says, and closes the connection unless it returns normally."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.behave: Behaviour = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                self.requests.append(await _request(reader))
                await self.behave(reader, writer)
        writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0].partition(b":")[2]) if lengths else 0)


def answers(whole: bytes) -> Behaviour:
    """Write `whole` and keep the connection."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole)
        await writer.drain()

    return behave


def breaks_off(*, after: bytes = b"") -> Behaviour:
    """Write `after`, which may be nothing, and cut the connection."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(after)
        await writer.drain()
        raise ConnectionResetError

    return behave


async def _keeps_silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def answering() -> Callable[[bytes], Behaviour]:
    """Make a behaviour: write these bytes and keep the connection."""
    return answers


@pytest.fixture
def breaking_off() -> Callable[..., Behaviour]:
    """Make a behaviour: write these bytes, or none, and cut the connection."""
    return breaks_off


@pytest.fixture
def silence() -> Behaviour:
    """The behaviour of a server that never answers."""
    return _keeps_silent


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    """A raw server that is up."""
    raw = RawServer()
    await raw.start()
    yield raw
    await raw.stop()


@pytest.fixture
async def http(server: RawServer) -> AsyncIterator[Http]:
    """A client of the raw server, with small bounds: a second, and 64 KiB."""
    client = Http(server.url, timeout_seconds=1.0, max_body=1 << 16, user_agent="relay/test")
    yield client
    await client.aclose()


@pytest.fixture
async def endpoint() -> AsyncIterator[oauthendpoint.Endpoint]:
    """An OAuth endpoint that is up."""
    async with oauthendpoint.running() as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    """Time that the test moves."""
    return ManualClock()


@pytest.fixture
def memory() -> Memory:
    """A line's memory."""
    return Memory()
