"""`GET /`: the status page, for a browser on this machine. It shows; it changes nothing, and asks no other host.

A page of another site must not read it through this machine's browser: the Host that is asked for has to be this
machine, whatever name leads here (DNS rebinding), and nothing is allowed to other origins.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from importlib import resources
from ipaddress import ip_address
from typing import Any

from aiohttp import web
from pydantic_core import to_json

from relay.journal import JournalError
from relay.web.answers import last

STATUS, TRACE = "/page/status.json", "/page/trace.json"
LONGEST_ID = 400  # characters
_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::[0-9]*)?"
)  # an address in brackets, or a name; a port
_FILES = {
    "/": ("page.html", "text/html"),
    "/page/page.css": ("page.css", "text/css"),
    "/page/page.js": ("page.js", "text/javascript"),
    "/page/chart.js": ("chart.js", "text/javascript"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class _File:
    """One of the page's files, with what it is known by."""

    body: bytes
    content_type: str
    etag: str


class PageRoute:
    """Answers browsers.

    Args:
        host: where the listener listens; a browser may call it by that name, or by any of this machine's own.
        shown: gives what the page shows, as JSON.
        traced: gives what is known of an id: its steps, each with its sentence.
    """

    def __init__(
        self,
        host: str,
        *,
        shown: Callable[[], Awaitable[bytes]],
        traced: Callable[[str], Awaitable[list[dict[str, Any]]]],
    ) -> None:
        self._host = host
        self._shown = shown
        self._traced = traced
        self._files: dict[str, _File] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The answer; None for everything but the page and what belongs to it."""
        path = request.rel_url.raw_path
        if path not in {*_FILES, STATUS, TRACE}:
            return None
        if not is_this_machine(request.headers.get("Host", ""), self._host):
            return last(421, "this page is for this machine alone: open it as http://localhost, with its port\n")
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, text="this page changes nothing\n", headers={"Allow": "GET, HEAD"})
        return await (self._file(request, path) if path in _FILES else self._data(request, path))

    async def _file(self, request: web.BaseRequest, path: str) -> web.Response:
        if not self._files:
            self._files = await asyncio.to_thread(_read)
        file = self._files[path]
        headers = {**HEADERS, "ETag": file.etag, "Cache-Control": "no-cache"}
        if file.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, content_type=file.content_type, charset="utf-8", headers=headers)

    async def _data(self, request: web.BaseRequest, path: str) -> web.Response:
        try:
            return _json(await (self._shown() if path == STATUS else self._trace(request)))
        except JournalError as error:
            return _json(to_json({"error": f"the journal cannot be read: {error}"}), 503)

    async def _trace(self, request: web.BaseRequest) -> bytes:
        about = request.query.get("id", "").strip()
        if not about or len(about) > LONGEST_ID:
            return to_json({"steps": []})
        return to_json({"steps": await self._traced(about)})


def is_this_machine(asked: str, listens: str) -> bool:
    """Whether a Host header names this machine itself: its loopback, or the address that it listens on."""
    found = _HOST.fullmatch(asked)
    if found is None:
        return False
    name = found[1] or found[2]
    if name.lower().rstrip(".") in {"localhost", listens.lower()}:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _read() -> dict[str, _File]:
    folder = resources.files("relay.web") / "static"
    found = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
    return {
        path: _File(body, kind, f'"{blake2b(body, digest_size=8).hexdigest()}"') for path, (body, kind) in found.items()
    }


def _json(body: bytes, status: int = 200) -> web.Response:
    headers = {**HEADERS, "Cache-Control": "no-store"}
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
