"""The daemon's side of the command line: JSON over HTTP on a Unix socket that only its user and root may open.

POST /command   {"line", "verb", "payload"}              the answer, as its result on the bus
GET  /status                                             the node, its lines, its journal
GET  /events    ?after=POSITION                          every event from there on, one JSON object a line, for ever
GET  /trace/ID                                           everything the journal knows of an id
GET  /uncertain                                          the copies that wait for a person
"""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import structlog
from aiohttp import web
from pydantic_core import from_json, to_json

from relay.bus.delivery import Delivery
from relay.bus.payloads import event as event_json
from relay.journal import Answer, Journal, JournalFull, JournalUnusable

log = structlog.get_logger()

BATCH = 500
VERBS = frozenset({"send", "check", "lookup", "cancel"})
MAX_BODY = 8 * 1024 * 1024
_LONGEST_POSITION = 18  # digits


@dataclass(frozen=True, slots=True)
class Controls:
    """What the control socket may ask of the daemon."""

    take: Callable[[Delivery], Awaitable[Answer]]
    status: Callable[[], Awaitable[dict[str, Any]]]
    journal: Journal
    lines: tuple[str, ...]


class ControlServer:
    """Serves the control socket.

    Args:
        path: where the socket is made; a socket that a dead daemon left there is replaced.
        controls: what it may ask.
    """

    def __init__(self, path: Path, controls: Controls) -> None:
        self._path = path
        self._controls = controls
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post("/command", self._command)
        app.router.add_get("/status", self._status)
        app.router.add_get("/events", self._events)
        app.router.add_get("/trace/{id}", self._trace)
        app.router.add_get("/uncertain", self._uncertain)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        self._followers: set[asyncio.Task[Any]] = set()
        self._socket: socket.socket | None = None

    async def claim(self) -> None:
        """Make the socket, before anything else begins; raises OSError where it cannot be made."""
        self._socket = await asyncio.to_thread(_claimed, self._path)

    async def __aenter__(self) -> Self:
        """Listen; raises OSError where the socket cannot be made."""
        if self._socket is None:
            await self.claim()
        await self._runner.setup()
        await web.SockSite(self._runner, cast("socket.socket", self._socket)).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; those who follow events are let go."""
        for follower in tuple(self._followers):
            follower.cancel()
        await self._runner.cleanup()
        await asyncio.to_thread(self._path.unlink, missing_ok=True)

    async def _command(self, request: web.Request) -> web.Response:
        try:
            asked = from_json(await request.read())
            if asked["line"] not in self._controls.lines or asked["verb"] not in VERBS:
                raise KeyError(asked["line"])  # noqa: TRY301 - answered as any other misspelling
            delivery = Delivery(asked["line"], asked["verb"], None, to_json(asked["payload"]))
        except (ValueError, KeyError, TypeError):
            lines = ", ".join(self._controls.lines)
            return web.json_response({"error": f"no such command or line; the lines are: {lines}"}, status=400)
        try:
            answer = await self._controls.take(delivery)
        except JournalFull:
            return web.json_response({"error": "the journal's queue is full; try again"}, status=503)
        except JournalUnusable as error:
            return web.json_response({"error": str(error)}, status=503)
        return _json(answer.body)

    async def _status(self, _: web.Request) -> web.Response:
        return _json(await self._controls.status())

    async def _trace(self, request: web.Request) -> web.Response:
        return _json(await self._controls.journal.queries.trace(request.match_info["id"]))

    async def _uncertain(self, _: web.Request) -> web.Response:
        return _json(await self._controls.journal.calls.uncertain(BATCH))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        journal = self._controls.journal
        asked = request.query.get("after", "")
        newest = await journal.events.last_position()
        position = min(int(asked), newest) if asked.isdecimal() and len(asked) <= _LONGEST_POSITION else newest
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        # An empty line says that the following has begun: what is sent after it will be seen.
        await response.write(b"\n")
        following = asyncio.create_task(self._follow(position, response))
        self._followers.add(following)
        try:
            with suppress(ConnectionResetError, asyncio.CancelledError):
                await following
        finally:
            self._followers.discard(following)
            following.cancel()
        return response

    async def _follow(self, position: int, response: web.StreamResponse) -> None:
        bell = self._controls.journal.listen("events")
        while True:
            batch = await self._controls.journal.events.follow(position, BATCH)
            if not batch:
                await bell.wait()
                continue
            await response.write(b"".join(event_json(event) + b"\n" for _, event in batch))
            position = batch[-1][0]


def _claimed(path: Path) -> socket.socket:
    """A socket at `path` that only this user and root may open; a dead daemon's is replaced, a living one's is not."""
    if path.is_socket() and _answers(path):
        raise OSError(errno.EADDRINUSE, "another relay is running behind it (admin.socket)", str(path))
    if path.exists() and not path.is_socket():
        raise OSError(errno.EEXIST, "it is there and no socket: name another place (admin.socket)", str(path))
    claimed = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        claimed.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        claimed.close()
        cure = "its directory must be there, and relay's user able to write it"
        raise OSError(error.errno, f"{error.strerror}: {cure} (admin.socket)", str(path)) from None
    return claimed


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def _json(value: Any) -> web.Response:
    return web.Response(body=to_json(value), content_type="application/json")
