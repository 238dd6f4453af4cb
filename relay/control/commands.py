"""Commands as on the bus, and the questions about what became of them."""

from typing import Any

from aiohttp import web
from pydantic_core import to_json

from relay.bus.delivery import Delivery
from relay.control.asking import Controls, Unanswerable, answered, asked_of
from relay.control.trouble import with_trouble

VERBS = frozenset({"send", "check", "lookup", "cancel", "list", "get", "update", "delete", "replay"})


class CommandRoutes:
    """/command, /status, /trace."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.post("/command", self._command),
            web.get("/status", self._status),
            web.get("/trace/{id}", self._trace),
        ]

    async def _command(self, request: web.Request) -> web.Response:
        return answered((await self._controls.take(self._delivery(await asked_of(request)))).body)

    def _delivery(self, asked: dict[str, Any]) -> Delivery:
        line, verb = asked.get("line"), asked.get("verb")
        known = isinstance(line, str) and isinstance(verb, str) and line in self._controls.lines and verb in VERBS
        if not known or "payload" not in asked:
            raise Unanswerable(400, f"no such command or line; the lines are: {', '.join(self._controls.lines)}")
        return Delivery(str(line), str(verb), None, to_json(asked["payload"]))

    async def _status(self, _: web.Request) -> web.Response:
        return answered(await self._controls.status())

    async def _trace(self, request: web.Request) -> web.Response:
        steps = await self._controls.journal.queries.trace(request.match_info["id"])
        return answered(await with_trouble(self._controls.status, steps))
