"""The settings, to be read again."""

from aiohttp import web

from relay.control.asking import Controls, Unanswerable, answered


class ReloadRoutes:
    """/reload."""

    def __init__(self, controls: Controls) -> None:
        self._reload = controls.reload

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [web.post("/reload", self._do)]

    async def _do(self, _: web.Request) -> web.Response:
        if self._reload is None:
            raise Unanswerable(409, "this relay has no settings that could be read again")
        return answered(await self._reload())
