"""The web-hook listener: HTTP in front of the receiver, with every wait and every size bounded.

aiohttp's server waits for slow headers and bodies for ever, so both have a deadline here. A wrong path, line,
event or secret is one and the same 404.
"""

import asyncio
import hmac
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from relay.domain.messages import RawAnswer
from relay.journal import JournalFull, JournalUnusable

log = structlog.get_logger()

RETRY_AFTER = "30"  # seconds
_PATH_PARTS = 5  # "", "hooks", line, secret, event

Secrets = Callable[[str], Sequence[str] | None]
Take = Callable[[str, str, RawAnswer], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a caller may take, in seconds: for a request's head, for its body, and between two requests."""

    head: float = 10.0
    body: float = 10.0
    idle: float = 75.0


@dataclass(frozen=True, slots=True)
class HookRoutes:
    """Which hooks are taken: a line's secrets (None: there is no such line), and whether the line knows an event."""

    secrets: Secrets
    knows: Callable[[str, str], bool]

    def match(self, path: str) -> tuple[str, str] | None:
        """The line and the event that `path` names, if its secret is right."""
        parts = path.split("/")
        if len(parts) != _PATH_PARTS or parts[1] != "hooks":
            return None
        _, _, line, secret, event = parts
        offered = secret.encode("utf-8", "replace")
        secrets = self.secrets(line)
        # Every secret is compared, so that the time taken says nothing.
        right = [hmac.compare_digest(offered, known.encode()) for known in secrets or ("-",)]
        return (line, event) if secrets and any(right) and self.knows(line, event) else None


class Listener:
    """Serves `/hooks/<line>/<secret>/<event>` on one address.

    Args:
        host: the address to listen on.
        port: 0 for any free one; `port` says which it became.
        routes: what is taken.
        take: keeps a hook; it is on disk on return.
        max_body: bytes.
        deadlines: for slow callers.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        routes: HookRoutes,
        take: Take,
        max_body: int,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._host = host
        self.port = port
        self._routes = routes
        self._take = take
        self._max_body = max_body
        self._deadlines = deadlines = deadlines or Deadlines()
        server = _GuardedServer(
            self._handle,
            access_log=None,
            keepalive_timeout=deadlines.idle,
            lingering_time=deadlines.body,
        )
        server.head_within = deadlines.head
        self._runner = web.ServerRunner(server, shutdown_timeout=5.0)
        self._socket: socket.socket | None = None

    def claim(self) -> None:
        """Take the address, before anything else begins; raises OSError where it cannot be had."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            self._socket = socket.create_server((self._host, self.port), family=family)
        except OSError as error:
            where = f"{self._host}, port {self.port}"
            raise OSError(error.errno, f"{os.strerror(error.errno or 0)}: {where} (webhooks.listen)") from None

    async def __aenter__(self) -> Self:
        """Listen; raises OSError where the address cannot be had."""
        if self._socket is None:
            self.claim()
        await self._runner.setup()
        await web.SockSite(self._runner, cast("socket.socket", self._socket)).start()
        self.port = self._runner.addresses[0][1]
        log.info("listener.started", host=self._host, port=self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening; hooks that are being taken are answered first."""
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

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        matched = self._routes.match(request.rel_url.raw_path)
        if matched is None or request.method not in {"POST", "PUT"}:
            return _last(404, "not found\n")
        body = await self._read(request)
        if isinstance(body, web.Response):
            return body
        line, event = matched
        try:
            await self._take(line, event, RawAnswer(body, request.headers.get("Content-Type", "")))
        except (JournalFull, JournalUnusable) as error:
            log.error("hook.refused", line=line, hook=event, reason=type(error).__name__)
            return web.Response(status=503, text="cannot keep it now\n", headers={"Retry-After": RETRY_AFTER})
        return web.Response(status=200, text="kept\n")

    async def _read(self, request: web.BaseRequest) -> bytes | web.Response:
        if (request.content_length or 0) > self._max_body:
            return _last(413, "too large\n")
        body = bytearray()
        try:
            async with asyncio.timeout(self._deadlines.body):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > self._max_body:
                        return _last(413, "too large\n")
        except TimeoutError:
            return _last(408, "too slow\n")
        except (web.RequestPayloadError, ConnectionError):
            return _not_http()
        return bytes(body)


def _not_http() -> web.Response:
    return _last(400, "not HTTP\n")


def _last(status: int, text: str) -> web.Response:
    """An answer after which the connection is closed: what follows on it is not worth reading."""
    response = web.Response(status=status, text=text)
    response.force_close()
    return response


class _GuardedHandler(RequestHandler):
    """One connection; it is closed when a request's headers take too long."""

    head_within: float
    _deadline: asyncio.TimerHandle | None = None
    _in_request = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start waiting for headers."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop waiting."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a next request start the wait for its headers."""
        if not self._in_request:
            self._arm()
        super().data_received(data)

    def request_began(self) -> None:
        """The headers are here."""
        self._in_request = True
        self._disarm()

    def request_ended(self) -> None:
        """The answer is made; the keep-alive time-out of aiohttp watches the idle connection."""
        self._in_request = False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no HTTP: aiohttp's own repeats what was sent, and logs it with a stack."""
        if isinstance(exc, HttpProcessingError):
            return _not_http()
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
        if self.transport is not None:
            self.transport.abort()


class _GuardedServer(web.Server):
    """Makes guarded connections."""

    head_within: float

    def __call__(self) -> _GuardedHandler:
        handler = _GuardedHandler(self, loop=self._loop, **self._kwargs)
        handler.head_within = self.head_within
        return handler
