"""Connections to an HTTP server, each of which is bounded in time, and all of which are in number."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from relay.telemetry.sparingly import Sparingly
from relay.web.answers import not_http

log = structlog.get_logger()

_TURNS = 3  # of the loop: what has come in on connections is read in them


class GuardedHandler(RequestHandler):
    """One connection; it is closed when a request's head takes too long."""

    head_within: float
    since = 0.0  # when the connection was made, or its last answer was
    is_cut = False
    _awaited_since: float | None = None  # a head is
    _look: asyncio.TimerHandle | None = None  # at whether it takes too long: one for many requests
    _in_request = False

    @property
    def is_being_answered(self) -> bool:
        """Whether a whole head is here, and no answer yet."""
        return self._in_request

    @property
    def is_to_speak(self) -> bool:
        """Whether a head is awaited: it is a new connection, or part of the head is here."""
        return self._awaited_since is not None

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
        if isinstance(self._manager, GuardedServer):
            self._manager.make_room(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop waiting."""
        self._in_request = False
        self._disarm()
        if self._look is not None:
            self._look.cancel()
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
        self._tell()

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
        if self._awaited_since is None:
            loop = asyncio.get_running_loop()
            self._awaited_since = loop.time()
            if self._look is None:
                self._look = loop.call_later(self.head_within, self._if_too_slow)

    def _disarm(self) -> None:
        self._awaited_since = None
        self._tell()

    def _tell(self) -> None:
        if isinstance(self._manager, GuardedServer):
            self._manager.changed.set()

    def _if_too_slow(self) -> None:
        self._look = None
        if self._awaited_since is None:
            return
        loop = asyncio.get_running_loop()
        ends = self._awaited_since + self.head_within
        if loop.time() < ends:
            self._look = loop.call_at(ends, self._if_too_slow)
        else:
            self.cut()


class GuardedServer(web.Server):
    """Makes guarded connections, and holds so many of them."""

    head_within: float
    most: int
    _is_crowded = _is_told = False

    def __init__(self, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._sparingly = Sparingly()
        self.changed = asyncio.Event()  # something has changed about who is heard, or answered
        self.is_ending = False

    @property
    def guarded(self) -> list[GuardedHandler]:
        """The connections."""
        # What is cut is among them until the loop has come round: callers may come faster.
        return [one for one in self.connections if isinstance(one, GuardedHandler) and not one.is_cut]

    def has_room(self, coming: int) -> bool:
        """Whether one more may come beside those who are coming: there are not too many, or one of them is silent."""
        held = self.guarded
        return len(held) + coming < self.most or not all(one.is_being_answered for one in held)

    async def finish(self, for_heads: float, for_answers: float) -> None:
        """Answer whoever has called already, then close each connection; nobody new may come any more.

        Args:
            for_heads: seconds that those have who are connected, and have not said all yet of what they want.
            for_answers: seconds for answers.
        """
        self.is_ending = True
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await self._until_none(lambda one: one.is_to_speak, for_heads)
        await self._until_none(lambda one: one.is_being_answered, for_answers)
        self.pre_shutdown()
        await self.shutdown(for_answers)

    async def _until_none(self, still: Callable[[GuardedHandler], bool], within: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while any(still(one) for one in self.guarded):
                    self.changed.clear()
                    await self.changed.wait()

    def make_room(self, newest: GuardedHandler) -> None:
        """Where there is one connection too many, cut the one that has been silent for longest.

        So a flood of callers who say nothing keeps nobody out who speaks at once. Logged once, until half are gone.
        """
        held = self.guarded
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

    def __call__(self) -> GuardedHandler:
        """A connection's protocol."""
        handler = GuardedHandler(self, loop=self._loop, **self._kwargs)
        handler.head_within = self.head_within
        return handler
