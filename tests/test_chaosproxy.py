"""The chaos proxy does what it is told, as often as it is told, and nothing to anybody else."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.chaosproxy import ChaosProxy, Fault

WITHIN = 5.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Server:
    """Answers every request that ends with a blank line."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(ANSWER)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


@pytest.fixture
async def server() -> Server:
    """What the proxy's server heard."""
    return Server()


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[ChaosProxy]:
    """A proxy before it."""
    listening = await asyncio.start_server(server.take, "127.0.0.1", 0)
    async with listening, ChaosProxy(listening.sockets[0].getsockname()[1]) as proxy:
        yield proxy


async def ask(proxy: ChaosProxy, path: str = "/", seconds: float = WITHIN) -> bytes:
    """What comes back on a connection of its own, until that ends or the answer is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    got = b""
    try:
        writer.write(b"GET " + path.encode() + b" HTTP/1.1\r\nHost: here\r\n\r\n")
        async with asyncio.timeout(seconds):
            while got != ANSWER and (chunk := await reader.read(1 << 16)):
                got += chunk
    except ConnectionResetError:
        return got
    finally:
        writer.transport.abort()
    return got


async def test_what_is_not_disturbed_passes_whole(proxy: ChaosProxy, server: Server) -> None:
    """As if there were no proxy."""
    assert await ask(proxy) == ANSWER
    assert (len(server.requests), proxy.done, proxy.connections) == (1, [], 1)


@pytest.mark.parametrize(
    ("fault", "answer", "reaches"),
    [
        (Fault("cut-before"), b"", 0),
        (Fault("cut-after"), b"", 1),
        (Fault("cut-middle", size=20), ANSWER[:20], 1),
        (Fault("garbage"), b"\x00\xff garbage\r\n\r\n", 0),
        (Fault("garbage", answer=b"x", size=100_000), b"x" + bytes(100_000), 0),
    ],
)
async def test_a_fault_happens_once_and_then_all_is_well(
    proxy: ChaosProxy, server: Server, fault: Fault, answer: bytes, reaches: int
) -> None:
    """What comes back of a request, and whether the server heard of it."""
    proxy.do(fault)
    assert await ask(proxy) == answer
    assert len(server.requests) == reaches
    assert await ask(proxy) == ANSWER
    assert proxy.done == [fault]


@pytest.mark.parametrize(("do", "reaches"), [("half-open", 0), ("swallow", 1)])
async def test_a_request_may_never_be_answered(proxy: ChaosProxy, server: Server, do: str, reaches: int) -> None:
    """The connection stays open, and nothing comes."""
    proxy.do(Fault(do))  # type: ignore[arg-type] # one of its words
    with pytest.raises(TimeoutError):
        await ask(proxy, seconds=0.1)
    assert len(server.requests) == reaches


@pytest.mark.parametrize(
    ("fault", "least"),
    [
        (Fault("latency", seconds=0.1), 0.1),
        (Fault("drip", seconds=0.005), 0.2),
        (Fault("throttle", size=200), 0.2),
    ],
)
async def test_an_answer_may_be_slow_and_is_whole(proxy: ChaosProxy, fault: Fault, least: float) -> None:
    """It takes so many seconds at least."""
    proxy.do(fault)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await ask(proxy) == ANSWER
    assert loop.time() - began >= least


async def test_only_the_path_that_is_meant_is_disturbed_and_as_often_as_is_said(proxy: ChaosProxy) -> None:
    """Twice, and until it is healed where no number is said."""
    proxy.do(Fault("cut-before", path="/send", times=2))
    assert [await ask(proxy, "/token"), await ask(proxy, "/send/1"), await ask(proxy, "/send/2")] == [ANSWER, b"", b""]
    assert await ask(proxy, "/send/3") == ANSWER
    proxy.do(Fault("cut-before", times=0))
    assert [await ask(proxy) for _ in range(5)] == [b""] * 5
    proxy.heal()
    assert await ask(proxy) == ANSWER


async def test_a_connection_may_be_meant_whatever_it_speaks(proxy: ChaosProxy, server: Server) -> None:
    """The request on it is not looked at."""
    proxy.do(Fault("cut-after", path=None))
    assert await ask(proxy) == b""
    assert len(server.requests) == 1
    assert await ask(proxy) == ANSWER


async def test_each_request_on_a_connection_that_is_kept_is_judged_for_itself(proxy: ChaosProxy) -> None:
    """The second of two."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"GET /first HTTP/1.1\r\n\r\n")
    assert await reader.readexactly(len(ANSWER)) == ANSWER
    proxy.do(Fault("cut-after", path="/second"))
    writer.write(b"GET /second HTTP/1.1\r\n\r\n")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await reader.readexactly(1)
    writer.transport.abort()


async def test_a_closed_port_refuses_and_opens_again_as_the_same(proxy: ChaosProxy) -> None:
    """Connections that were open are broken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    await proxy.refuse()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await reader.readexactly(1)
    writer.transport.abort()
    with pytest.raises(ConnectionRefusedError):
        await ask(proxy)
    await proxy.accept()
    assert await ask(proxy) == ANSWER
