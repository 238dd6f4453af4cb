"""Consent: how it stands, a login that waits for a browser, and its end."""

import asyncio
from typing import Any

from aiohttp import web

from relay.consent import LONGEST, Consents, Login
from relay.control.asking import Unanswerable, answered, asked_of
from relay.control.streams import Streams, line_of

HEARTBEAT = 2.0  # seconds: an empty line shows whether somebody still waits


class AuthRoutes:
    """/auth."""

    def __init__(self, consents: Consents, streams: Streams) -> None:
        self._consents = consents
        self._streams = streams

    def routes(self) -> list[web.RouteDef]:
        """What is served."""
        return [
            web.get("/auth", self._standings),
            web.post("/auth/login", self._login),
            web.post("/auth/revoke", self._revoke),
        ]

    async def _standings(self, _: web.Request) -> web.Response:
        return answered(await self._consents.standings())

    async def _login(self, request: web.Request) -> web.StreamResponse:
        asked = await asked_of(request)
        line, seconds = self._line(asked), asked.get("timeout")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST:
            raise Unanswerable(400, f"timeout must be a number of seconds, more than 0 and at most {LONGEST:.0f}")
        async with self._consents.login(line, seconds) as login:
            response = await self._streams.begin(request)
            await self._streams.go_on(self._wait(line, login, seconds, response))
            return response

    async def _wait(self, line: str, login: Login, seconds: float, response: web.StreamResponse) -> None:
        await response.write(line_of({"open": login.url}))
        ending = asyncio.create_task(self._consents.outcome(line, login, seconds))
        try:
            while not ending.done():
                await asyncio.wait({ending}, timeout=HEARTBEAT)
                await response.write(b"\n")
            outcome = ending.result()
            await response.write(line_of({"outcome": outcome.end.value, "detail": outcome.detail}))
        finally:
            ending.cancel()

    async def _revoke(self, request: web.Request) -> web.Response:
        line = self._line(await asked_of(request))
        await self._consents.revoke(line)
        return answered({"line": line, "revoked": True})

    def _line(self, asked: dict[str, Any]) -> str:
        line = asked.get("line")
        if not isinstance(line, str) or line not in self._consents:
            lines = ", ".join(self._consents.lines) or "there are none"
            raise Unanswerable(400, f"no such line, or one that needs no consent; those that do: {lines}")
        return line
