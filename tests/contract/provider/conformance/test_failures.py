"""Whatever a provider answers, a call ends as its capability says, and what must be made once is made once."""

from collections.abc import Iterator

import pytest

from relay.domain.errors import OutcomeUnknown, RelayError
from tests.conftest import LONG
from tests.contract.provider.conformance.calls import CALLS, Call
from tests.contract.provider.conformance.known import Reply, facts_of, providers
from tests.contract.provider.conformance.lines import Stand, unconnected
from tests.contract.provider.conformance.scripted import scripted

STATUSES = (
    range(100, 600)
    if LONG
    else (
        *(100, 101, 200, 201, 202, 204, 206, 299, 301, 302, 304, 307),
        *(400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 418, 425, 429, 499),
        *(500, 501, 502, 503, 504, 520, 599),
    )
)
PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
BODIES = (
    (b"", "", False),
    (PAGE, "text/html", False),
    (b'{"outbound\xff\xfeSMS": [\x00', "application/json", False),
    (b'{"a": [1, {"b": null}], "success": "maybe", "response": 7}', "application/json", False),
    (b'{"messages": "all of them would be in here, and half of it comes"}', "application/json", True),
)
MAY_BE_SENT = {*range(200, 300), 500, 502, 504}
TAKEN_WITHOUT_A_WORD = {202, 204}
BODILESS = {204, 304}


def replies() -> Iterator[Reply]:
    """Every status with every body."""
    for status in STATUSES:
        for body, content_type, cut in BODIES:
            yield Reply(status, body, content_type, cut)


def calls_of(provider: str) -> list[Call]:
    """The calls of the capabilities that the provider's lines have."""
    return [call for call in CALLS if call.fits(unconnected(provider))]


ALL = [pytest.param(name, call, id=f"{name}-{call.name}") for name in providers() for call in calls_of(name)]


@pytest.mark.parametrize(("provider", "call"), ALL)
async def test_a_call_ends_as_its_capability_says(provider: str, call: Call) -> None:
    """Every status with nothing, a page, garbage, foreign JSON, or half of a body; and one request where it counts."""
    facts = facts_of(provider)
    async with scripted(facts.opening) as server:
        stand = Stand(provider, server.base_url)
        await stand.prepare()
        wrong = []
        for reply in replies():
            server.reply = reply
            server.requests.clear()
            ended = await outcome(stand, call)
            made = len(server.requests)
            wrong += [f"{_shown(reply)}: {what}" for what in objections(call, reply, ended, made)]
    assert wrong == []


async def outcome(stand: Stand, call: Call) -> RelayError | None:
    """How a call on a fresh line ends; anything but relay's own errors is let through."""
    async with stand.line() as line:
        try:
            await call.make(line, stand.facts.somebody)
        except RelayError as error:
            return error
    return None


def objections(call: Call, reply: Reply, ended: RelayError | None, made: int) -> Iterator[str]:
    """What is wrong with how it ended."""
    if ended is not None and not call.may_raise(ended):
        yield f"{type(ended).__name__} is not among what {call.name} may raise"
    if call.once and made > (2 if reply.status == 401 else 1):
        yield f"{made} requests were made"
    if call.sends and is_doubtful(reply) and not isinstance(ended, OutcomeUnknown):
        yield f"it may have been sent, and ended with {type(ended).__name__}"


def is_doubtful(reply: Reply) -> bool:
    """Whether the request was written, and nothing that came back says what became of it."""
    if reply.cut and reply.status not in BODILESS:
        return True
    if reply.status in TAKEN_WITHOUT_A_WORD and (not reply.body or reply.status in BODILESS):
        return False
    return reply.status in MAY_BE_SENT


def _shown(reply: Reply) -> str:
    return f"{reply.status} {reply.content_type or 'nothing'}{' cut' if reply.cut else ''} {reply.body[:12]!r}"
