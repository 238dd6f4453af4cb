"""The public listener: HTTP in front of the receiver, and of what browsers and readers of attachments fetch.

A wrong path, line, event, secret or method is one and the same 404.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self

import structlog
from aiohttp import web

from relay.domain.messages import RawAnswer
from relay.hookaddresses import opens
from relay.journal import JournalFull, JournalShut, JournalUnusable
from relay.telemetry.sparingly import Sparingly
from relay.web.answers import not_found
from relay.web.callers import Callers
from relay.web.listening import Listening
from relay.web.server import Deadlines, WebServer, read_body

log = structlog.get_logger()

RETRY_AFTER = "30"  # seconds
_KEPT = b"kept\n"
_PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
_PATH_PARTS = 5  # "", "hooks", line, secret, event

Secrets = Callable[[str], Sequence[str] | None]
Take = Callable[[str, str, RawAnswer], Awaitable[None]]
Page = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]
Seen = Callable[[str | None, str, float | None], None]


def unseen(line: str | None, outcome: str, seconds: float | None) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """Which web hooks are taken, and what becomes of them.

    Attributes:
        secrets: a line's; None where there is no such line.
        knows: whether a line knows an event.
        take: keeps a hook; it is on disk on return.
        max_body: bytes.
        seen: is told of each answer: whose hook, in a word what became of it, and the seconds that a kept one took.
    """

    secrets: Secrets
    knows: Callable[[str, str], bool]
    take: Take
    max_body: int
    seen: Seen = unseen

    def match(self, path: str) -> tuple[str, str] | None:
        """The line and the event that `path` names, if its secret is right."""
        parts = path.split("/")
        if len(parts) != _PATH_PARTS or parts[1] != "hooks":
            return None
        _, _, line, secret, event = parts
        right = opens(secret, self.secrets(line))
        return (line, event) if right and self.knows(line, event) else None


class Listener:
    """Serves `/hooks/<line>/<secret>/<event>`, and pages, on one address.

    Args:
        host: the address to listen on.
        port: 0 for any free one; `port` says which it became.
        hooks: which are taken.
        pages: each answers what is its own, and None to whatever is not.
        callers: who may deliver web hooks.
        deadlines: for slow callers.
    """

    def __init__(
        self,
        host: str,
        port: int,
        hooks: Hooks,
        *,
        pages: Sequence[Page] = (),
        callers: Callers | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._hooks = hooks
        self._pages = pages
        self._callers = callers or Callers()
        self._sparingly = Sparingly()
        self._deadlines = deadlines or Deadlines()
        self._server = WebServer(host, port, self._answer, setting="webhooks.listen", deadlines=self._deadlines)

    @property
    def port(self) -> int:
        """The port; once it is claimed, the one that it became."""
        return self._server.port

    def claim(self, listening: Listening | None = None) -> None:
        """Take the address, before anything else begins; raises OSError where it cannot be had.

        Args:
            listening: has the socket, where it is to outlive this listener.
        """
        self._server.claim(listening)

    async def __aenter__(self) -> Self:
        """Listen; raises OSError where the address cannot be had."""
        await self._server.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening; hooks that are being taken are answered first."""
        await self._server.__aexit__()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method in {"POST", "PUT"}:
            return await self._hook(request)
        for page in self._pages:
            if (answer := await page(request)) is not None:
                return answer
        return not_found()

    async def _hook(self, request: web.BaseRequest) -> web.Response:
        began = asyncio.get_running_loop().time()
        if self._callers.allow and not self._callers.may_call(self._callers.address(request)):
            self._hooks.seen(None, "not_allowed", None)
            return self._turned_away(request, "not among webhooks.allow", not_found())
        matched = self._hooks.match(request.rel_url.raw_path)
        if matched is None:
            self._hooks.seen(None, "not_found", None)
            return self._turned_away(request, "unknown path or secret", not_found())
        body = await read_body(request, self._hooks.max_body, self._deadlines.body)
        if isinstance(body, web.Response):
            self._hooks.seen(matched[0], f"http_{body.status}", None)
            return self._turned_away(request, f"HTTP {body.status}", body)
        answer = await self._keep(*matched, RawAnswer(body, request.headers.get("Content-Type", "")))
        is_kept = answer.status == 200  # noqa: PLR2004 - HTTP's own number
        took = asyncio.get_running_loop().time() - began
        self._hooks.seen(matched[0], "kept" if is_kept else "refused", took if is_kept else None)
        return answer

    def _turned_away(self, request: web.BaseRequest, reason: str, answer: web.Response) -> web.Response:
        """Answer what is not taken; who does this all the time does not fill the log."""
        source = str(self._callers.address(request) or "unknown")
        unlogged = self._sparingly.may("hook.turned_away", source)
        if unlogged is not None:
            log.info("hook.turned_away", source=source, reason=reason, unlogged=unlogged)
        return answer

    async def _keep(self, line: str, event: str, raw: RawAnswer) -> web.Response:
        try:
            await self._hooks.take(line, event, raw)
        except (JournalFull, JournalUnusable) as error:
            # That the disk takes no more is said by the journal, once for all hooks.
            shut = isinstance(error, JournalShut)
            unlogged = None if shut else self._sparingly.may("hook.refused", line)
            if unlogged is not None:
                log.error("hook.refused", line=line, hook=event, reason=type(error).__name__, unlogged=unlogged)
            return web.Response(status=503, text="cannot keep it now\n", headers={"Retry-After": RETRY_AFTER})
        return web.Response(body=_KEPT, headers=_PLAIN)
