"""Web hooks: what is wanted, what is there, and the three things to do about it."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.control.asking import Unanswerable, answered, asked_of
from relay.hookaddresses import Question
from relay.webhooks import Webhooks


class WebhookRoutes:
    """/webhooks."""

    def __init__(self, webhooks: Webhooks, reach: Callable[[], Question | None] = lambda: None) -> None:
        self._webhooks = webhooks
        self._reach = reach

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.get("/webhooks", self._rows),
            web.get("/webhooks/reach", self._question),
            web.post("/webhooks/install", self._doing(self._webhooks.install)),
            web.post("/webhooks/repair", self._doing(self._webhooks.repair)),
            web.post("/webhooks/remove", self._doing(self._webhooks.remove)),
        ]

    async def _rows(self, _: web.Request) -> web.Response:
        return answered(await self._webhooks.rows())

    async def _question(self, _: web.Request) -> web.Response:
        asked = self._reach()
        return answered({"path": asked.path, "answer": asked.answer} if asked else None)

    def _doing(
        self, act: Callable[[str], Awaitable[list[dict[str, str]]]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def do(request: web.Request) -> web.Response:
            line = (await asked_of(request)).get("line")
            if not isinstance(line, str):
                raise Unanswerable(400, "line must be there: a line's name")
            return answered({"line": line, "changes": await act(line)})

        return do
