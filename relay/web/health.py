"""`GET /healthz` and `GET /readyz`: whether the process makes progress, and whether everything is in order."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from pydantic_core import to_json

ALIVE, READY = "/healthz", "/readyz"


class HealthRoute:
    """Answers whoever watches over relay: 200, or 503 and why. It waits for nothing and asks nobody.

    Args:
        stuck: the stages that have been at one step for too long.
        readiness: how the node stands; `ready` says whether everything is in order.
    """

    def __init__(self, stuck: Callable[[], list[str]], readiness: Callable[[], Mapping[str, Any]]) -> None:
        self._stuck = stuck
        self._readiness = readiness

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The answer; None for everything but these two pages."""
        path = request.rel_url.raw_path
        if request.method not in {"GET", "HEAD"} or path not in {ALIVE, READY}:
            return None
        if path == READY:
            body = self._readiness()
            return _answer(body, ok=body["ready"])
        stuck = self._stuck()
        return _answer({"alive": not stuck, "stuck": stuck}, ok=not stuck)


def _answer(body: Mapping[str, Any], *, ok: bool) -> web.Response:
    # What was true a moment ago is of no use.
    headers = {"Cache-Control": "no-store"}
    return web.Response(
        status=200 if ok else 503, body=to_json(body) + b"\n", content_type="application/json", headers=headers
    )
