"""OAuth's endpoint, as a test wants it: every form is written down, and answered as the test says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Endpoint:
    """OAuth's endpoint: writes down each form, and answers what `answers` has for its grant or for `revoke`."""

    forms: list[Mapping[str, str]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)  # a body, or (status, body); None hangs up
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event | None = None
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any POST."""
        assert request.content_type == "application/x-www-form-urlencoded"
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.forms.append(form)
        self.asked.set()
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.get(form.get("grant_type", "revoke"), {})
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        if isinstance(body, str):
            return web.Response(status=status, text=body, content_type="text/html")
        if status >= 400:
            return web.json_response(body, status=status)
        fresh = {"access_token": f"access~{len(self.forms)}", "refresh_token": f"refresh~{len(self.forms)}"}
        whole = {**fresh, "token_type": "bearer", "expires_in": 172_800, **body}
        return web.json_response({key: value for key, value in whole.items() if value is not None})

    @property
    def grants(self) -> list[str]:
        """The grants that were asked for; a revocation is `revoke`."""
        return [form.get("grant_type", "revoke") for form in self.forms]


@asynccontextmanager
async def running() -> AsyncIterator[Endpoint]:
    """An endpoint that is up."""
    made = Endpoint()
    app = web.Application()
    app.router.add_post("/oauth/v4/{what}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()
