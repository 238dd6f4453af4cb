"""What a short code's calls look like on the wire."""

import random
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from relay import __version__
from relay.clock import SystemClock
from relay.domain.addresses import outbound
from relay.domain.messages import OutboundCall, Recipient
from relay.ids import Ids
from relay.providerkit.spec import LineContext
from relay.providers import discover
from relay.providers.att_sms import PROVIDER
from relay.providers.att_sms.client import AttSmsLine

CALL = OutboundCall("c", "m", "alerts", 1, (Recipient("1", outbound("2065550123")),), "hi")


class Nowhere:
    """A memory that keeps nothing."""

    async def get(self, key: str) -> bytes | None:
        """Nothing."""

    async def put(self, key: str, value: bytes) -> None:
        """Forget it."""


@pytest.fixture
def seen() -> list[web.Request]:
    """The requests that came in, in their order."""
    return []


@pytest.fixture
async def line(seen: list[web.Request]) -> AsyncIterator[AttSmsLine]:
    """A line of a server that takes everything, and writes down what came."""

    async def take(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({"access_token": "t~1", "outboundSMSResponse": {"messageId": "SMS1"}})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    given = {"short_code": "12345", "registration_id": "REG/5", "app_key": "k", "app_secret": "s", "base_url": url}
    settings = PROVIDER.settings.model_validate(given)
    clock = SystemClock()
    ids = Ids(clock, random.Random(7))  # noqa: S311 - a seed repeats the run
    made = PROVIDER.connect(LineContext("alerts", settings, Nowhere(), clock, ids))
    assert isinstance(made, AttSmsLine)
    yield made
    await made.aclose()
    await runner.cleanup()


async def test_each_request_has_the_documented_path_and_headers(line: AttSmsLine, seen: list[web.Request]) -> None:
    """Content-Type on reads too: the documentation requires it there."""
    await line.send(CALL)
    await line.fetch_status("SMS a/b")
    await line.fetch_inbox()
    assert [(request.method, request.raw_path) for request in seen] == [
        ("POST", "/oauth/v4/token"),
        ("POST", "/sms/v3/messaging/outbox"),
        ("GET", "/sms/v3/messaging/outbox/SMS%20a%2Fb"),
        ("GET", "/sms/v3/messaging/inbox/REG%2F5"),
    ]
    for request in seen[1:]:
        assert request.headers["Authorization"] == "Bearer t~1"
        assert request.headers["Accept"] == request.headers["Content-Type"] == "application/json"
        assert request.headers["User-Agent"] == f"relay/{__version__}"


async def test_what_deletes_as_it_reads_has_a_connection_of_its_own(line: AttSmsLine, seen: list[web.Request]) -> None:
    """A kept connection that died while it was idle would look like a page that was lost."""
    await line.send(CALL)
    await line.fetch_status("SMS1")
    await line.fetch_inbox()
    assert [request.headers.get("Connection") for request in seen] == [None, None, "close", "close"]


def test_the_provider_is_found_by_its_name() -> None:
    """By its folder alone."""
    assert discover()["att-sms"] is PROVIDER
