"""An HTTP server with every wait bounded: what relay's listeners answer through.

aiohttp's server waits for a slow head for ever, and repeats what was sent when it is no HTTP: neither is so here.
"""

import asyncio
import os
import resource
import socket
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

import structlog
from aiohttp import StreamReader, web

from relay.web.accepting import Accepting
from relay.web.answers import last, not_http
from relay.web.connections import GuardedHandler, GuardedServer
from relay.web.listening import Listening

log = structlog.get_logger()

MOST_CONNECTIONS = 400  # at once
BACKLOG = 1024  # callers who wait while relay is started again; the kernel allows no more than net.core.somaxconn
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's window bits, by Content-Encoding
_OWN_DESCRIPTORS = 40  # of the whole process's: the journal, the broker and the providers need some too

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a caller may take, in seconds: for a request's head, its body, the answer, and between two requests.

    `farewell`: for the head, where the listener is to end; `last_answer`: for the answer then.
    """

    head: float = 10.0
    body: float = 10.0
    answer: float = 120.0
    idle: float = 75.0
    farewell: float = 0.5
    last_answer: float = 5.0


class WebServer:
    """Serves one address.

    Args:
        host: the address to listen on.
        port: 0 for any free one; `port` says which it became, once it is claimed.
        answer: makes the answer to a request.
        setting: the name of the setting that the address comes from, for whoever reads why it cannot be had.
        deadlines: for slow callers.
    """

    def __init__(
        self, host: str, port: int, answer: Answer, *, setting: str, deadlines: Deadlines | None = None
    ) -> None:
        self.host = host
        self.port = port
        self._answer = answer
        self._setting = setting
        self._deadlines = deadlines = deadlines or Deadlines()
        self._server = GuardedServer(
            self._handle,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=deadlines.idle,
            lingering_time=deadlines.body,
        )
        self._server.head_within = deadlines.head
        self._server.most = _most_connections()
        self._socket: socket.socket | None = None
        self._accepting: Accepting | None = None

    @property
    def url(self) -> str:
        """How a caller on this machine reaches it."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def claim(self, listening: Listening | None = None) -> socket.socket:
        """Take the address, before anything else begins; raises OSError where it cannot be had.

        Args:
            listening: has the socket, where it is to outlive this listener.
        """
        self._socket = listening.claim(self.host, self.port, self._bound) if listening else self._bound()
        self.port = self._socket.getsockname()[1]
        return self._socket

    def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=BACKLOG)
        except OSError as error:
            where = f"{self.host}, port {self.port}"
            raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: {where} ({self._setting})") from None

    async def __aenter__(self) -> Self:
        """Listen; raises OSError where the address cannot be had."""
        listening = self._socket or self.claim()
        self._accepting = Accepting(listening, self._server, self._server.has_room)
        self._accepting.start()
        log.info("listener.started", host=self.host, port=self.port, setting=self._setting)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Accept no more; who was accepted is answered first."""
        accepting, self._accepting = self._accepting, None
        if accepting is not None:
            await accepting.stop()
        await self._server.finish(self._deadlines.farewell, self._deadlines.last_answer)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        protocol = request.protocol
        guard = protocol if isinstance(protocol, GuardedHandler) else None
        if guard:
            guard.request_began()
        try:
            response = await self._answer(request)
        finally:
            if guard:
                guard.request_ended()
        if self._server.is_ending:
            response.force_close()
        return response


def _most_connections() -> int:
    """As many as descriptors allow, where two listeners share them."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max((allowed - _OWN_DESCRIPTORS) // 2, 4))


async def read_body(request: web.BaseRequest, most: int, within: float) -> bytes | web.Response:
    """A request's body, or the answer to one that is over `most` bytes, slower than `within` seconds, or broken."""
    if (request.content_length or 0) > most:
        return last(413, "too large\n")
    try:
        body = await _received(request.content, most, within)
    except TimeoutError:
        return last(408, "too slow\n")
    except (web.RequestPayloadError, ConnectionError):
        return not_http()
    if len(body) > most:
        return last(413, "too large\n")
    return _unpacked(body, request.headers.get("Content-Encoding", "").strip().lower(), most)


async def _received(content: StreamReader, most: int, within: float) -> bytes:
    """All of a body, or more than `most` bytes of it; raises TimeoutError, and what breaks it."""
    if content.is_eof():
        # Most come with their head: nobody waits.
        return content.read_nowait()
    body = bytearray()
    async with asyncio.timeout(within):
        async for chunk in content.iter_any():
            body += chunk
            if len(body) > most:
                break
    return bytes(body)


def _unpacked(body: bytes, packing: str, most: int) -> bytes | web.Response:
    """What a body says. aiohttp would unpack whatever anybody sends, to its end, and stand still meanwhile."""
    if packing in {"", "identity"}:
        return body
    if packing not in _WINDOWS:
        return last(415, "unknown Content-Encoding\n")
    unpacker = zlib.decompressobj(_WINDOWS[packing])
    try:
        unpacked = unpacker.decompress(body, most + 1)
    except zlib.error:
        return not_http()
    if len(unpacked) > most:
        return last(413, "too large\n")
    return unpacked if unpacker.eof else not_http()
