"""Connections in memory, and what may go wrong with each: who connects whom, request by request, is written down."""

import asyncio
import contextvars
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tests.simulation.passing import passes

Trouble = Literal["refused", "silent", "cut-before", "cut-after", "stall", "garbage", "half"]
GARBAGE = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no HTTP at all\r\n\r\n"
_FIRST_PORT = 20_000
_LATENCY = 0.002  # seconds that bytes are on their way


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it was written.

    Attributes:
        at: the loop's seconds.
        host: where to; each provider has its own.
        port: as above.
        method: HTTP's.
        path: without the query.
        trouble: what was made of it.
    """

    at: float
    host: str
    port: int
    method: str
    path: str
    trouble: Trouble | None


Judge = Callable[[str, int], Trouble | None]


class Network:
    """Servers by port; hosts are only names of theirs.

    Attributes:
        requests: every request that was written, in order.
        attempts: every try to connect: the loop's seconds, host, port.
        judge: is asked what goes wrong with a host's connection or request.
        seen: answers that say to come later, each with its request.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.attempts: list[tuple[float, str, int]] = []
        self.judge: Judge = lambda _, __: None
        self.seen: list[tuple[Request, bytes]] = []
        self._servers: dict[int, Server] = {}
        self._dialled: dict[int, tuple[str, int]] = {}
        self._ports = itertools.count(_FIRST_PORT)
        self._pairs: set[Pair] = set()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._pairs)

    def serve(self, factory: Callable[[], asyncio.Protocol], port: int, sock: socket.socket | None) -> "Server":
        """Listen."""
        port = port or next(self._ports)
        server = Server(self, factory, port, sock, contextvars.copy_context())
        if port in self._servers:
            raise OSError(98, "address in use")
        self._servers[port] = server
        return server

    def gone(self, server: "Server") -> None:
        """Listen no more."""
        if self._servers.get(server.port) is server:
            del self._servers[server.port]

    async def dial(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Connect, or fail as the network does."""
        host, port = address[:2]
        self.attempts.append((_now(), host, port))
        trouble = self.judge(host, port)
        if trouble == "silent":
            await asyncio.Event().wait()
        await passes(_LATENCY)
        if trouble == "refused" or port not in self._servers:
            raise ConnectionRefusedError(111, "connection refused")
        self._dialled[sock.fileno()] = (host, port)

    def connect(self, factory: Callable[[], asyncio.Protocol], sock: socket.socket) -> tuple[Any, Any]:
        """The connection that was dialled."""
        host, port = self._dialled.pop(sock.fileno())
        sock.close()
        server = self._servers.get(port)
        if server is None:
            raise ConnectionResetError(104, "connection reset")
        pair = Pair(self, host, port)
        near = End(pair, factory(), contextvars.copy_context())
        far = End(pair, server.factory(), server.context)
        pair.near, pair.far = near, far
        self._pairs.add(pair)
        far.context.run(far.protocol.connection_made, far)
        near.protocol.connection_made(near)
        return near, near.protocol

    def cut(self, context_holds: Callable[[contextvars.Context], bool]) -> None:
        """Everything breaks that has an end in such a context, and its servers are gone."""
        for pair in list(self._pairs):
            if context_holds(pair.near.context) or context_holds(pair.far.context):
                pair.reset()
        for server in list(self._servers.values()):
            if context_holds(server.context):
                server.close()

    def ended(self, pair: "Pair") -> None:
        """Forget a connection."""
        self._pairs.discard(pair)


class Server:
    """What listens on a port."""

    def __init__(
        self,
        network: Network,
        factory: Callable[[], asyncio.Protocol],
        port: int,
        sock: socket.socket | None,
        context: contextvars.Context,
    ) -> None:
        self.factory = factory
        self.port = port
        self.context = context
        self.sockets = [_Named(port)]
        self._network = network
        self._socket = sock

    def close(self) -> None:
        """Listen no more."""
        self._network.gone(self)
        if self._socket is not None:
            self._socket.close()

    async def wait_closed(self) -> None:
        """It is."""

    def is_serving(self) -> bool:
        """It does."""
        return True


@dataclass(frozen=True, slots=True)
class _Named:
    port: int

    def getsockname(self) -> tuple[str, int]:
        """As a socket's."""
        return ("127.0.0.1", self.port)


class Pair:
    """One connection: bytes go from one end to the other, or get lost."""

    near: "End"
    far: "End"

    def __init__(self, network: Network, host: str, port: int) -> None:
        self._network = network
        self._host, self._port = host, port
        self._asking = False  # whether the last to write was who connected
        self._request: Request | None = None
        self._over = False

    def carry(self, source: "End", data: bytes) -> None:
        """Bring bytes over."""
        if self._over:
            return
        if source is self.near:
            self._ask(data)
        else:
            self._answer(data)

    def _ask(self, data: bytes) -> None:
        if not self._asking:
            self._asking = True
            method, _, rest = data.partition(b"\r\n")[0].decode("latin-1").partition(" ")
            trouble = self._network.judge(self._host, self._port)
            path = rest.partition(" ")[0].partition("?")[0]
            self._request = Request(_now(), self._host, self._port, method, path, trouble)
            self._network.requests.append(self._request)
        trouble = self._trouble
        if trouble in {"refused", "silent", "cut-before"}:
            # A connection that was kept open meets the fault as well; a part of the request is nothing to its reader.
            self.reset()
            return
        self.far.take(data)

    def _answer(self, data: bytes) -> None:
        self._asking = False
        trouble = self._trouble
        if trouble == "stall":
            return
        if trouble == "cut-after":
            self.reset()
            return
        if self._request is not None and data.startswith((b"HTTP/1.1 429", b"HTTP/1.1 503")):
            self._network.seen.append((self._request, data))
        if trouble == "garbage":
            self.near.take(GARBAGE)
        elif trouble == "half":
            self.near.take(data[: len(data) // 2])
            self.far.close()
        else:
            self.near.take(data)

    @property
    def _trouble(self) -> Trouble | None:
        return self._request.trouble if self._request else None

    def reset(self) -> None:
        """Both ends see it break."""
        self._over = True
        self._network.ended(self)
        for end in (self.near, self.far):
            end.lose(ConnectionResetError(104, "connection reset"))

    def closed(self, by: "End") -> None:
        """One end has closed: the other reads what is on its way, and then the end."""
        other = self.far if by is self.near else self.near
        by.lose(None)
        other.finish()
        self._network.ended(self)


class End(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, pair: Pair, protocol: asyncio.Protocol, context: contextvars.Context) -> None:
        super().__init__()
        self.protocol = protocol
        self.context = context
        self._pair = pair
        self._loop = asyncio.get_running_loop()
        self._came: list[bytes] = []
        self._is_paused = False
        self._is_closing = False
        self._is_finished = False
        self._is_gone = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Only addresses."""
        return ("127.0.0.1", 1) if name in {"peername", "sockname"} else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another reader."""
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The reader."""
        return self.protocol

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self._is_closing

    def write(self, data: Any) -> None:
        """Send."""
        if not self._is_closing and data:
            self._pair.carry(self, bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        """Send as one."""
        self.write(b"".join(list_of_data))

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Hang up."""
        if not self._is_closing:
            self._pair.closed(self)

    def abort(self) -> None:
        """Break it."""
        if not self._is_closing:
            self._pair.reset()

    def pause_reading(self) -> None:
        """Let what comes wait."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Have what has come."""
        self._is_paused = False
        self._soon()

    def is_reading(self) -> bool:
        """Whether what comes is read."""
        return not self._is_paused

    def take(self, data: bytes) -> None:
        """Bytes come."""
        self._came.append(data)
        self._loop.call_later(_LATENCY, self._read, context=self.context)

    def finish(self) -> None:
        """No more bytes come."""
        self._is_finished = True
        self._loop.call_later(_LATENCY, self._read, context=self.context)

    def lose(self, error: Exception | None) -> None:
        """It is no more."""
        if not self._is_gone:
            self._is_gone = self._is_closing = True
            self._loop.call_soon(self.protocol.connection_lost, error, context=self.context)

    def _soon(self) -> None:
        self._loop.call_soon(self._read, context=self.context)

    def _read(self) -> None:
        while self._came and not self._is_paused and not self._is_gone:
            self.protocol.data_received(self._came.pop(0))
        if self._is_finished and not self._came and not self._is_gone:
            self.protocol.eof_received()
            self.lose(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
