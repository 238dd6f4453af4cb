"""What waits: listed, shown with the reason, held, released, sent again, canceled, resolved; copies, or a line."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from relay.control.asking import Controls, Unanswerable, answered, asked_of
from relay.control.evidence import with_evidence
from relay.control.trouble import with_trouble
from relay.journal import STATUSES, AmbiguousId, Steered, UnknownId, Wanted

MOST_LISTED = 10_000
MOST_IDS = 1_000
_USUALLY_LISTED = 100
_LONGEST_LIMIT = 5  # digits
_Steer = Callable[[Sequence[str], str | None], Awaitable[list[Steered]]]


class QueueRoutes:
    """/queue."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._queries = controls.journal.queries
        self._steering = controls.journal.steering
        self._lines = controls.lines

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.get("/queue", self._list),
            web.get("/queue/{id}", self._show),
            web.post("/queue/hold", self._hold),
            web.post("/queue/release", self._release),
            web.post("/queue/retry", self._retry),
            web.post("/queue/cancel", self._cancel),
            web.post("/queue/resolve", self._resolve),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        asked = request.query
        status, limit = asked.get("status") or None, asked.get("limit", "")
        if status not in {None, *STATUSES}:
            raise Unanswerable(400, f"no such status in the queue; there are: {', '.join(STATUSES)}")
        most = int(limit) if limit.isdecimal() and len(limit) <= _LONGEST_LIMIT else _USUALLY_LISTED
        wanted = Wanted(asked.get("line") or None, status, asked.get("held") == "1", min(most, MOST_LISTED))
        return answered(self._explained(await self._queries.queue(wanted)))

    async def _show(self, request: web.Request) -> web.Response:
        with_line = request.query.get("line") or None
        found = await _found(self._queries.shown(request.match_info["id"], with_line))
        calls = await with_trouble(self._controls.status, found["calls"])
        return answered({**found, "copies": self._explained(found["copies"]), "calls": calls})

    def _explained(self, copies: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        return with_evidence(self._controls.evidence, copies, self._controls.clock.now())

    async def _hold(self, request: web.Request) -> web.Response:
        ids, line = _named(await asked_of(request))
        if ids or line is None:
            return await _steered(self._steering.hold, ids, line)
        since = await self._steering.hold_line(await self._known(line))
        return answered({"line": line, "held_at": since})

    async def _release(self, request: web.Request) -> web.Response:
        ids, line = _named(await asked_of(request))
        if ids or line is None:
            return await _steered(self._steering.release, ids, line)
        was_held = await self._steering.release_line(await self._known(line))
        return answered({"line": line, "held_at": None, "was_held": was_held})

    async def _retry(self, request: web.Request) -> web.Response:
        return await _steered(self._steering.retry, *_named(await asked_of(request)))

    async def _cancel(self, request: web.Request) -> web.Response:
        ids, line = _named(await asked_of(request))
        if ids or line is None:
            return await _steered(self._steering.cancel, ids, line)
        canceled, more = await self._steering.cancel_line(await self._known(line))
        return answered({**canceled.as_body(), "more": more})

    async def _resolve(self, request: web.Request) -> web.Response:
        asked = await asked_of(request)
        sent = asked.get("sent")
        if not isinstance(sent, bool):
            raise Unanswerable(400, "sent must say whether the provider took it: true or false")
        return await _steered(partial(self._steering.resolve, sent=sent), *_named(asked))

    async def _known(self, line: str) -> str:
        """The line, if it is served, or was and something of it still waits."""
        if line not in self._lines and not await self._queries.queue(Wanted(line, limit=1)):
            raise Unanswerable(400, f"no such line; the lines are: {', '.join(self._lines)}")
        return line


def _named(asked: dict[str, Any]) -> tuple[list[str], str | None]:
    """The ids, and the line, of which at least one must be there."""
    ids, line = asked.get("ids") or [], asked.get("line")
    if not isinstance(ids, list) or len(ids) > MOST_IDS or not all(isinstance(one, str) for one in ids):
        raise Unanswerable(400, f"ids must be a list of at most {MOST_IDS} ids")
    if line is not None and not isinstance(line, str):
        raise Unanswerable(400, "line must be the alias of a line")
    return ids, line


async def _steered(steer: _Steer, ids: Sequence[str], line: str | None) -> web.Response:
    if not ids:
        raise Unanswerable(400, "ids must name requests, messages, copies or calls")
    return answered([one.as_body() for one in await _found(steer(list(dict.fromkeys(ids)), line))])


async def _found(asking: Awaitable[Any]) -> Any:
    try:
        return await asking
    except UnknownId as error:
        raise Unanswerable(404, str(error)) from None
    except AmbiguousId as error:
        raise Unanswerable(409, str(error)) from None
