"""What the socket's routes share: whom they may ask, how bodies are read, how it is said that something cannot be."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic_core import from_json, to_json

from relay.bus.delivery import Delivery
from relay.clock import Clock, SystemClock
from relay.consent import CannotAsk, Consents
from relay.control.evidence import Evidence
from relay.domain.errors import RelayError
from relay.hookaddresses import Question
from relay.journal import Answer, Journal, JournalError, JournalFull, JournalShut, UnknownAside
from relay.people import People
from relay.stages.leftovers import Replayed
from relay.webhooks import HooksRefused, Webhooks

BATCH = 500


Reload = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Controls:
    """What the control socket may ask of the daemon."""

    take: Callable[[Delivery], Awaitable[Answer]]
    status: Callable[[], Awaitable[dict[str, Any]]]
    replay: Callable[[str], Awaitable[Replayed]]
    journal: Journal
    lines: Collection[str]
    webhooks: Webhooks
    consents: Consents
    people: People
    clock: Clock = field(default_factory=SystemClock)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)  # by line
    reload: Reload | None = None  # has the settings read again; gives what came of it
    reach: Callable[[], Question | None] = lambda: None  # what shows that a public address leads here


class Unanswerable(Exception):  # noqa: N818 - the name says what it is
    """What was asked is misspelt, or about nothing; the text says what would be right."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


async def asked_of(request: web.Request) -> dict[str, Any]:
    """The body; raises Unanswerable where it is no JSON object."""
    try:
        asked = from_json(await request.read())
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise Unanswerable(400, "the body must be one JSON object")
    return asked


def answered(value: Any) -> web.Response:
    """An answer of JSON."""
    return web.Response(body=to_json(value), content_type="application/json")


@web.middleware
async def in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what cannot be done with a sentence."""
    try:
        return await handler(request)
    except (Unanswerable, UnknownAside, HooksRefused, CannotAsk, JournalError, RelayError) as error:
        status, sentence = _said(error)
        return web.json_response({"error": sentence}, status=status)


def _said(error: Exception) -> tuple[int, str]:
    said = 503, str(error)
    match error:
        case Unanswerable():
            said = error.status, str(error)
        case UnknownAside():
            said = 404, str(error)
        case HooksRefused() | CannotAsk():
            said = 409, str(error)
        case JournalShut():
            pass
        case JournalFull():
            said = 503, "the journal's queue is full; try again"
        case RelayError():
            said = 502, f"the provider would not: {error.problem.detail}"
    return said
