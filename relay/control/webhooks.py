"""Web hooks: what is wanted, what is there, and the three things to do about it."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.control.asking import Unanswerable, answered, asked_of
from relay.webhooks import Webhooks


class WebhookRoutes:
    """/webhooks."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.get("/webhooks", self._rows),
            web.post("/webhooks/install", self._doing(self._webhooks.install)),
            web.post("/webhooks/repair", self._doing(self._webhooks.repair)),
            web.post("/webhooks/remove", self._doing(self._webhooks.remove)),
        ]

    async def _rows(self, _: web.Request) -> web.Response:
        return answered(await self._webhooks.rows())

    def _doing(
        self, act: Callable[[str], Awaitable[list[dict[str, str]]]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def do(request: web.Request) -> web.Response:
            line = (await asked_of(request)).get("line")
            if not isinstance(line, str):
                raise Unanswerable(400, "line must be there: a line's name")
            return answered({"line": line, "changes": await act(line)})

        return do
