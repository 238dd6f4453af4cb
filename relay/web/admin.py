"""The admin listener: HTTP for whoever runs relay, on this machine alone."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.web.answers import not_found
from relay.web.server import Deadlines, WebServer

Route = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]


class AdminListener(WebServer):
    """Serves what is mounted on it; everything else is one and the same 404.

    Args:
        host: the address to listen on.
        port: 0 for any free one; `port` says which it became, once it is claimed.
        deadlines: for slow callers.
    """

    def __init__(self, host: str, port: int, *, deadlines: Deadlines | None = None) -> None:
        super().__init__(host, port, self._routed, setting="admin.listen", deadlines=deadlines)
        self._routes: list[Route] = []

    def mount(self, route: Route) -> None:
        """Have `route` asked for an answer, after those that were mounted before; None says that it has none."""
        self._routes.append(route)

    async def _routed(self, request: web.BaseRequest) -> web.StreamResponse:
        for route in self._routes:
            answer = await route(request)
            if answer is not None:
                return answer
        return not_found()
