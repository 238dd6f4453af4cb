"""What was set aside for a person: listed, shown, tried again, or given up."""

from dataclasses import asdict

from aiohttp import web

from relay.control.asking import BATCH, Controls, Unanswerable, answered
from relay.journal import ASIDE_KINDS, UnknownAside

_LONGEST_LIMIT = 4  # digits


class DeadRoutes:
    """/dead."""

    def __init__(self, controls: Controls) -> None:
        self._dead = controls.journal.dead
        self._replaying = controls.replay

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.get("/dead", self._list),
            web.get("/dead/{id}", self._show),
            web.post("/dead/{id}/replay", self._replay),
            web.post("/dead/{id}/discard", self._discard),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        asked = request.query
        most, kind = asked.get("limit", ""), asked.get("kind") or None
        if kind not in {None, *ASIDE_KINDS}:
            raise Unanswerable(400, f"nothing of this kind is set aside; the kinds are: {', '.join(ASIDE_KINDS)}")
        limit = int(most) if most.isdecimal() and len(most) <= _LONGEST_LIMIT else BATCH
        page = self._dead.list(min(limit, BATCH), asked.get("after", ""), kind=kind, line=asked.get("line") or None)
        return answered(await page)

    async def _show(self, request: web.Request) -> web.Response:
        found = await self._dead.show(request.match_info["id"])
        if found is None:
            raise UnknownAside("nothing of this id was ever set aside: `relay dead list` shows what waits")
        return answered(found)

    async def _replay(self, request: web.Request) -> web.Response:
        done = await self._replaying(request.match_info["id"])
        return answered({"outcome": done.outcome, "detail": done.detail, **asdict(done.understood)})

    async def _discard(self, request: web.Request) -> web.Response:
        await self._dead.discard(request.match_info["id"])
        return answered({"id": request.match_info["id"], "discarded": True})
