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
from typing import Any, Self, cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from relay.telemetry.sparingly import Sparingly

log = structlog.get_logger()

MOST_CONNECTIONS = 400  # at once
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's window bits, by Content-Encoding
_OWN_DESCRIPTORS = 40  # of the whole process's: the journal, the broker and the providers need some too

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a caller may take, in seconds: for a request's head, its body, the answer, and between two requests."""

    head: float = 10.0
    body: float = 10.0
    answer: float = 120.0
    idle: float = 75.0


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
        deadlines = deadlines or Deadlines()
        server = _GuardedServer(
            self._handle,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=deadlines.idle,
            lingering_time=deadlines.body,
        )
        server.head_within = deadlines.head
        server.most = _most_connections()
        self._runner = web.ServerRunner(server, shutdown_timeout=5.0)
        self._socket: socket.socket | None = None

    @property
    def url(self) -> str:
        """How a caller on this machine reaches it."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def claim(self) -> None:
        """Take the address, before anything else begins; raises OSError where it cannot be had."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            self._socket = socket.create_server((self.host, self.port), family=family)
        except OSError as error:
            where = f"{self.host}, port {self.port}"
            raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: {where} ({self._setting})") from None
        self.port = self._socket.getsockname()[1]

    async def __aenter__(self) -> Self:
        """Listen; raises OSError where the address cannot be had."""
        if self._socket is None:
            self.claim()
        await self._runner.setup()
        await web.SockSite(self._runner, cast("socket.socket", self._socket)).start()
        log.info("listener.started", host=self.host, port=self.port, setting=self._setting)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening; requests that are being answered are answered first."""
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        protocol = request.protocol
        guard = protocol if isinstance(protocol, _GuardedHandler) else None
        if guard:
            guard.request_began()
        try:
            return await self._answer(request)
        finally:
            if guard:
                guard.request_ended()


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
    body = bytearray()
    try:
        async with asyncio.timeout(within):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most:
                    return last(413, "too large\n")
    except TimeoutError:
        return last(408, "too slow\n")
    except (web.RequestPayloadError, ConnectionError):
        return not_http()
    return _unpacked(bytes(body), request.headers.get("Content-Encoding", "").strip().lower(), most)


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


def not_found() -> web.Response:
    """The one answer to whatever is not there, or must not be known to be there."""
    return last(404, "not found\n")


def not_http() -> web.Response:
    """The answer to what is no HTTP."""
    return last(400, "not HTTP\n")


def last(status: int, text: str) -> web.Response:
    """An answer after which the connection is closed: what follows on it is not worth reading."""
    response = web.Response(status=status, text=text)
    response.force_close()
    return response


class _GuardedHandler(RequestHandler):
    """One connection; it is closed when a request's head takes too long."""

    head_within: float
    since = 0.0  # when the connection was made, or its last answer was
    is_cut = False
    _deadline: asyncio.TimerHandle | None = None
    _in_request = False

    @property
    def is_being_answered(self) -> bool:
        """Whether a whole head is here, and no answer yet."""
        return self._in_request

    def cut(self) -> None:
        """Close the connection without a word."""
        self.is_cut = True
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start waiting for a head; where there is one connection too many, make room."""
        super().connection_made(transport)
        self.since = asyncio.get_running_loop().time()
        self._arm()
        if isinstance(self._manager, _GuardedServer):
            self._manager.make_room(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop waiting."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a next request start the wait for its head."""
        if not self._in_request:
            self._arm()
        super().data_received(data)

    def request_began(self) -> None:
        """The head is here."""
        self._in_request = True
        self._disarm()

    def request_ended(self) -> None:
        """The answer is made; the keep-alive time-out of aiohttp watches the idle connection."""
        self._in_request = False
        self.since = asyncio.get_running_loop().time()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no HTTP: aiohttp's own repeats what was sent, and logs it with a stack."""
        if isinstance(exc, HttpProcessingError):
            return not_http()
        return super().handle_error(request, status, exc, message)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log what relay failed at. What callers fail at is theirs: anybody could fill the log with it."""
        if not isinstance(kw.get("exc_info"), HttpProcessingError | web.RequestPayloadError | ConnectionError):
            super().log_exception(*args, **kw)

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(self.head_within, self._too_slow)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self.cut()


class _GuardedServer(web.Server):
    """Makes guarded connections, and holds so many of them."""

    head_within: float
    most: int
    _is_crowded = _is_told = False

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._sparingly = Sparingly()

    def make_room(self, newest: _GuardedHandler) -> None:
        """Where there is one connection too many, cut the one that has been silent for longest.

        So a flood of callers who say nothing keeps nobody out who speaks at once. Logged once, until half are gone.
        """
        # What is cut is among the connections until the loop has come round: callers may come faster.
        held = [one for one in self.connections if isinstance(one, _GuardedHandler) and not one.is_cut]
        if len(held) > self.most:
            self._crowded()
            silent = [one for one in held if not one.is_being_answered]
            min(silent, key=lambda one: one.since, default=newest).cut()
        elif self._is_crowded and len(held) <= self.most // 2:
            self._is_crowded = False
            if self._is_told:
                log.info("listener.uncrowded", connections=len(held))

    def _crowded(self) -> None:
        """A crowd has come; whoever lets one come and go all the time does not fill the log."""
        if self._is_crowded:
            return
        self._is_crowded = True
        unlogged = self._sparingly.may("listener.crowded")
        self._is_told = unlogged is not None
        if self._is_told:
            log.warning("listener.crowded", connections=self.most, unlogged=unlogged)

    def __call__(self) -> _GuardedHandler:
        handler = _GuardedHandler(self, loop=self._loop, **self._kwargs)
        handler.head_within = self.head_within
        return handler
