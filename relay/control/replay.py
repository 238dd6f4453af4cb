"""Published events, to be published again."""

from typing import Any

from aiohttp import web
from pydantic import ValidationError

from relay.bus.bodies import ReplayBody, explain
from relay.control.asking import Controls, Unanswerable, answered, asked_of
from relay.journal import KINDS, Replay, TooManyReplays, Wish


class ReplayRoutes:
    """/replay."""

    def __init__(self, controls: Controls) -> None:
        self._replays = controls.journal.replays
        self._lines = controls.lines
        self._clock = controls.clock

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [web.get("/replay/{id}", self._show), web.post("/replay", self._begin)]

    async def _show(self, request: web.Request) -> web.Response:
        found = await self._replays.of(request.match_info["id"])
        if found is None:
            raise Unanswerable(404, "no replay of this id is going on")
        return answered(_shown(found))

    async def _begin(self, request: web.Request) -> web.Response:
        try:
            begun = await self._replays.begin(self._wish(await asked_of(request)))
        except TooManyReplays as error:
            raise Unanswerable(409, str(error)) from None
        return answered(_shown(begun))

    def _wish(self, asked: dict[str, Any]) -> Wish:
        now = self._clock.now()
        times = {name: asked[name] for name in ("since", "until") if name in asked}
        try:
            body = ReplayBody.model_validate(times, context={"now": now})
        except ValidationError as error:
            raise Unanswerable(400, explain(error, ReplayBody)) from None
        wish = Wish(body.since, body.until or now, self._line(asked), _kinds(asked))
        if wish.until <= wish.since:
            raise Unanswerable(400, "`until` should come after `since`")
        return wish

    def _line(self, asked: dict[str, Any]) -> str | None:
        line = asked.get("line")
        if line is not None and line not in self._lines:
            raise Unanswerable(400, f"there is no such line; the lines are: {', '.join(self._lines)}")
        return line


def _shown(one: Replay) -> dict[str, Any]:
    return {"id": one.id, "events": one.events, "told": one.told, "refused": one.refused, "over": one.is_over}


def _kinds(asked: dict[str, Any]) -> tuple[str, ...]:
    kinds = asked.get("kinds") or []
    if not isinstance(kinds, list) or not set(map(str, kinds)) <= set(KINDS):
        raise Unanswerable(400, f"`kinds` may have: {', '.join(KINDS)}")
    return tuple(kinds)
