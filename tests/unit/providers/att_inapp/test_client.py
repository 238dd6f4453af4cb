"""What a subscriber's calls look like on the wire."""

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from relay import __version__
from relay.clock import SystemClock
from relay.domain.addresses import outbound
from relay.domain.errors import Gone, Malformed
from relay.domain.messages import Media, OutboundCall, Part, Recipient
from relay.ids import Ids
from relay.providerkit.spec import (
    FetchesParts,
    LineContext,
    ManagesMailbox,
    NeedsConsent,
    Sends,
    SyncsMailbox,
    TakesHooks,
)
from relay.providers.att_inapp import PROVIDER
from relay.providers.att_inapp.client import AttInAppLine
from tests.memory import Memory

ANSWER = {
    "access_token": "t~1",
    "refresh_token": "r~1",
    "id": "msg-1",
    "messageList": {"messages": [], "total": 0, "state": "s"},
    "deltaResponse": {"state": "s"},
    "messageIndexInfo": {"status": "INITIALIZED", "state": "s"},
}
CALL = OutboundCall("c", "m", "desk", 1, (Recipient("1", outbound("2065550123")),), "hi")


@pytest.fixture
def seen() -> list[tuple[web.Request, bytes]]:
    """The requests that came in, in their order."""
    return []


@asynccontextmanager
async def connected(take: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[AttInAppLine]:
    """A line with consent, of a server that answers so."""
    app = web.Application(client_max_size=4 << 20)
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    given = {"number": "2065550150", "app_key": "k", "app_secret": "s"}
    base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = PROVIDER.settings.model_validate({**given, "base_url": base_url})
    clock = SystemClock()
    ids = Ids(clock, random.Random(7))  # noqa: S311 - a seed repeats the run
    made = PROVIDER.connect(LineContext("desk", settings, Memory(), clock, ids))
    assert isinstance(made, AttInAppLine)
    await made.take_consent("c0de", "https://relay.example/consent")
    yield made
    await made.aclose()
    await runner.cleanup()


@pytest.fixture
async def line(seen: list[tuple[web.Request, bytes]]) -> AsyncIterator[AttInAppLine]:
    """A line with consent, of a server that takes everything, and writes down what came after that."""

    async def take(request: web.Request) -> web.Response:
        seen.append((request, await request.read()))
        return web.json_response(ANSWER)

    async with connected(take) as made:
        seen.clear()
        yield made


async def test_each_request_has_its_path_with_all_that_is_reserved_encoded(
    line: AttInAppLine, seen: list[tuple[web.Request, bytes]]
) -> None:
    """Ids and states are opaque, and may have slashes, pluses and commas."""
    ref, state = "WU/1+2,3 é", "1388|2:3,+/4=="
    await line.list_mail(50, 5000, unread=True)
    await line.fetch_changes(state)
    await line.fetch_mail(ref)
    await line.fetch_part(ref, Part("image/png", ref="a/0"))
    await line.update_mail(ref, is_unread=False)
    await line.delete_mail(ref)
    base, quoted = "/myMessages/v2", "WU%2F1%2B2%2C3%20%C3%A9"
    assert [(request.method, request.raw_path) for request, _ in seen] == [
        ("GET", f"{base}/messages?limit=500&offset=50&isUnread=true"),
        ("GET", f"{base}/delta?state=1388%7C2%3A3%2C%2B%2F4%3D%3D"),
        ("GET", f"{base}/messages/{quoted}"),
        ("GET", f"{base}/messages/{quoted}/parts/a%2F0"),
        ("PUT", f"{base}/messages/{quoted}"),
        ("DELETE", f"{base}/messages/{quoted}"),
    ]
    assert [request.headers["Accept"] for request, _ in seen] == ["application/json"] * 3 + ["*/*"] + [
        "application/json"
    ] * 2
    assert [request.headers.get("Content-Type") for request, _ in seen] == [None] * 4 + ["application/json", None]
    for request, _ in seen:
        assert request.headers["Authorization"] == "Bearer t~1"
        assert request.headers["User-Agent"] == f"relay/{__version__}"


async def test_a_text_is_json_and_attachments_make_it_multipart(
    line: AttInAppLine, seen: list[tuple[web.Request, bytes]]
) -> None:
    """To one and the same address."""
    await line.send(CALL)
    media = (Media("image/png", "map.png", b"\x89PNG"),)
    await line.send(OutboundCall("c", "m", "desk", 1, CALL.recipients, None, media=media))
    (text, text_body), (mms, mms_body) = seen
    assert text.raw_path == mms.raw_path == "/myMessages/v2/messages"
    assert text.content_type == "application/json"
    assert json.loads(text_body) == {"messageRequest": {"addresses": ["tel:+12065550123"], "text": "hi"}}
    assert mms.content_type == "multipart/related"
    assert mms_body.count(b"\r\n--relay-") == 2
    assert b'{"messageRequest":{"addresses":["tel:+12065550123"]}}' in mms_body


@pytest.mark.parametrize("ref", [".", "..", ""])
async def test_an_id_that_means_another_address_is_not_asked_for(
    line: AttInAppLine, seen: list[tuple[web.Request, bytes]], ref: str
) -> None:
    """A server may take dots in a path for a way up: what is deleted there is nobody's wish."""
    with pytest.raises(Gone):
        await line.fetch_mail(ref)
    with pytest.raises(Gone):
        await line.update_mail(ref, is_unread=True)
    await line.delete_mail(ref)
    assert seen == []


async def test_an_empty_answer_is_an_empty_store_only_where_http_says_so() -> None:
    """A gateway that loses the body has not deleted anybody's messages."""

    async def take(request: web.Request) -> web.Response:
        page = int(request.query.get("offset", 0))
        return web.json_response(ANSWER) if page == 0 else web.Response(status=page)

    async with connected(take) as line:
        assert (await line.list_mail(204, 10)).entries == ()
        with pytest.raises(Malformed):
            await line.list_mail(200, 10)


async def test_a_line_can_do_all_that_a_mailbox_is_for(line: AttInAppLine) -> None:
    """And takes no web hooks: push was withdrawn."""
    for capability in (Sends, FetchesParts, SyncsMailbox, ManagesMailbox, NeedsConsent):
        assert isinstance(line, capability)
    assert not isinstance(line, TakesHooks)


def test_the_page_s_address_has_what_at_t_wants(line: AttInAppLine) -> None:
    """The scope with a comma, and the address to come back to."""
    query = line.consent_url("https://relay.example/consent/desk/s", "st4te").partition("?")[2]
    assert query == (
        "client_id=k&scope=IMMN%2CMIM&redirect_uri=https%3A%2F%2Frelay.example%2Fconsent%2Fdesk%2Fs&state=st4te"
    )
