"""webhooks.public_url -> the proxies before it -> relay: does what is called there arrive at this very relay?

A question goes out through the public address that only somebody who knows a line's secret can answer. A running relay
answers it; in the place of one that is stopped the check listens itself, for that moment.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from pydantic_core import from_json

from relay.cli.findings import Finding, good, wrong
from relay.cli.findings.certificates import Words, ends_soon
from relay.cli.findings.door import knock, web_door
from relay.cli.findings.patience import Patience
from relay.clock import Clock
from relay.hookaddresses import Question, question
from relay.ids import unguessable
from relay.settings import Settings
from relay.web.answers import not_found
from relay.web.reach import ReachRoute
from relay.web.server import WebServer

_PART = "webhooks"
_WHY = "web hooks, attachments and subscribers' browsers do not arrive"
_MOST = 4096  # bytes of an answer
_FROM_INSIDE = "; where only this machine is kept out, because a router lets nobody in from inside, try it from outside"


async def look_at_public(
    settings: Settings, *, is_running: bool, patience: Patience, clock: Clock
) -> Sequence[Finding]:
    """Whether each public address leads here."""
    if not settings.webhooks.public_url:
        return []
    asking = _running(settings, patience) if is_running else _in_place_of(settings)
    async with asking as asked:
        looks = (_look(url, asked, settings, patience, clock) for url in settings.webhooks.public_url)
        return [finding for found in await asyncio.gather(*looks) for finding in found]


@asynccontextmanager
async def _running(settings: Settings, patience: Patience) -> AsyncIterator[Question | None]:
    """A question that the running relay answers; None where it cannot be asked for one."""
    connector = aiohttp.UnixConnector(str(settings.admin.socket))
    timeout = aiohttp.ClientTimeout(total=patience.web)
    found = None
    try:
        async with (
            aiohttp.ClientSession("http://relay", connector=connector, timeout=timeout) as http,
            http.get("/webhooks/reach") as answer,
        ):
            found = from_json(await answer.read()) if answer.ok else None
    except (aiohttp.ClientError, OSError, ValueError):
        pass
    yield Question(found["path"], found["answer"]) if found else None


@asynccontextmanager
async def _in_place_of(settings: Settings) -> AsyncIterator[Question | None]:
    """A question that is answered where relay is going to listen; None where that address cannot be had."""
    line, secret, listen = next(iter(settings.lines)), unguessable(), settings.webhooks.listen
    route = ReachRoute(lambda asked: [secret] if asked == line else None)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await route(request) or not_found()

    server = WebServer(listen.host, listen.port, answer, setting="webhooks.listen")
    try:
        server.claim()
    except OSError:  # that is told of the address itself
        yield None
        return
    async with server:
        yield question(line, secret)


async def _look(
    url: str, asked: Question | None, settings: Settings, patience: Patience, clock: Clock
) -> list[Finding]:
    now = clock.now()
    door = await asyncio.to_thread(web_door, "webhooks.public_url", url)
    behind = await knock(door, patience.door, now)
    if behind.trouble:
        return [wrong(_PART, behind.trouble.what, _WHY, f"{behind.trouble.cure}{_FROM_INSIDE}")]
    soon = ends_soon(_PART, url, behind.expires, now, "AT&T does not call from then on")
    if asked is None:
        return [good(_PART, f"{url}: there is a web server; whether it is relay's could not be tried"), *soon]
    trouble = await _trouble(url, asked, settings, patience)
    if trouble:
        return [wrong(_PART, f"{url}: {trouble.what}", _WHY, trouble.cure), *soon]
    return [good(_PART, f"{url}: leads to this relay"), *soon]


async def _trouble(url: str, asked: Question, settings: Settings, patience: Patience) -> Words | None:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=patience.web)) as http,
            http.get(f"{url}{asked.path}", allow_redirects=False) as answer,
        ):
            said = await answer.content.read(_MOST)
            if answer.status == HTTPStatus.OK and said.strip() == asked.answer.encode():
                return None
            return _meaning(answer, url, settings)
    except (aiohttp.ClientError, OSError):
        what = f"it was asked, and did not answer within {patience.web:g} s"
        return Words(what, f"see the log of the proxy there, and that it passes calls on to {_here(settings)}")


def _meaning(answer: aiohttp.ClientResponse, url: str, settings: Settings) -> Words:
    status = f"HTTP {answer.status}"
    passing = f"have the proxy pass everything below {url}/hooks/ on to {_here(settings)}, with its path as it is"
    match answer.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN | HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return Words(f"it turns callers away ({status})", f"{passing}, and without asking who calls")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            cure = f"let GET pass below {url} as well as POST: attachments and subscribers' browsers need it"
            return Words(f"it takes no GET ({status})", cure)
        case status_code if 300 <= status_code < 400:  # noqa: PLR2004 - HTTP's own numbers
            host = urlsplit(answer.headers.get("Location", "")).hostname or "another path"
            cure = f"write the address in webhooks.public_url that it ends at, or {passing}"
            return Words(f"it sends callers on to {host} ({status}), and AT&T does not follow", cure)
        case HTTPStatus.BAD_GATEWAY | HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.GATEWAY_TIMEOUT:
            return Words(f"the proxy there does not reach relay ({status})", passing)
        case _:
            return Words(f"something answers there, and it is not this relay ({status})", passing)


def _here(settings: Settings) -> str:
    return f"http://{settings.webhooks.listen}"
