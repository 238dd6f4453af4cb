"""What a short code's calls look like on the wire."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from relay import __version__
from relay.clock import SystemClock
from relay.domain.addresses import AddressKind, outbound
from relay.domain.errors import ErrorCode, Refused
from relay.domain.messages import Content, Media, OutboundCall, Recipient
from relay.domain.states import Fact
from relay.ids import Ids
from relay.providerkit.spec import LineContext, TakesHooks
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


class Service:
    """A server that takes everything, and writes down what came; `answers` go out first, each once."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.bodies: list[Any] = []
        self.answers: list[tuple[int, Any]] = []

    async def take(self, request: web.Request) -> web.Response:
        """A token, or what was prepared, or a send's answer."""
        self.seen.append(request)
        if request.path == "/oauth/v4/token":
            return web.json_response({"access_token": "t~1"})
        self.bodies.append(await request.json() if request.method == "POST" else None)
        if self.answers:
            status, body = self.answers.pop(0)
            return web.json_response(body, status=status)
        return web.json_response({"outboundSMSResponse": {"messageId": "SMS1"}})


@pytest.fixture
def service() -> Service:
    """What AT&T is here."""
    return Service()


@pytest.fixture
async def connect(service: Service) -> AsyncIterator[Callable[..., AttSmsLine]]:
    """Make a line of the service with these settings."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    made: list[AttSmsLine] = []

    def connected(**more: Any) -> AttSmsLine:
        least = {"short_code": "12345", "registration_id": "REG/5", "app_key": "k", "app_secret": "s"}
        settings = PROVIDER.settings.model_validate({"base_url": url, **least, **more})
        clock = SystemClock()
        ids = Ids(clock, random.Random(7))  # noqa: S311 - a seed repeats the run
        line = PROVIDER.connect(LineContext("alerts", settings, Nowhere(), clock, ids))
        assert isinstance(line, AttSmsLine)
        made.append(line)
        return line

    yield connected
    for line in made:
        await line.aclose()
    await runner.cleanup()


ONEAPI = {"dialect": "oneapi"}
PATHS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["/sms/v3/messaging/outbox", "/sms/v3/messaging/outbox/SMS%20a%2Fb", "/sms/v3/messaging/inbox/REG%2F5"]),
    (
        {"dialect": "rest2"},
        [
            "/rest/sms/2/messaging/outbox",
            "/rest/sms/2/messaging/outbox/SMS%20a%2Fb",
            "/rest/sms/2/messaging/inbox?RegistrationID=REG%2F5",
        ],
    ),
    (
        ONEAPI,
        [
            "/2/smsmessaging/outbound/12345/requests",
            "/2/smsmessaging/outbound/requests/12345/SMS%20a%2Fb/deliveryInfos",
            "/2/smsmessaging/inbound/registrations/REG%2F5/messages",
        ],
    ),
    (
        {**ONEAPI, "oneapi_version": 3, "oneapi_status_path": "example"},
        [
            "/3/smsmessaging/outbound/12345/requests",
            "/3/smsmessaging/outbound/12345/SMS%20a%2Fb/deliveryInfos",
            "/3/smsmessaging/inbound/registrations/REG%2F5/messages",
        ],
    ),
    (
        {**ONEAPI, "oneapi_status_path": "gsma"},
        [
            "/2/smsmessaging/outbound/12345/requests",
            "/2/smsmessaging/outbound/12345/requests/SMS%20a%2Fb/deliveryInfos",
            "/2/smsmessaging/inbound/registrations/REG%2F5/messages",
        ],
    ),
]


@pytest.mark.parametrize(("settings", "paths"), PATHS)
async def test_each_request_has_the_documented_path_and_headers(
    connect: Callable[..., AttSmsLine], service: Service, settings: dict[str, Any], paths: list[str]
) -> None:
    """Content-Type on reads too: the documentation requires it there."""
    line = connect(**settings)
    await line.send(CALL)
    await line.fetch_status("SMS a/b")
    await line.fetch_inbox()
    assert [(request.method, request.raw_path) for request in service.seen] == [
        ("POST", "/oauth/v4/token"),
        *zip(("POST", "GET", "GET"), paths, strict=True),
    ]
    for request in service.seen[1:]:
        assert request.headers["Authorization"] == "Bearer t~1"
        assert request.headers["Accept"] == request.headers["Content-Type"] == "application/json"
        assert request.headers["User-Agent"] == f"relay/{__version__}"


async def test_what_deletes_as_it_reads_has_a_connection_of_its_own(
    connect: Callable[..., AttSmsLine], service: Service
) -> None:
    """A kept connection that died while it was idle would look like a page that was lost."""
    line = connect()
    await line.send(CALL)
    await line.fetch_status("SMS1")
    await line.fetch_inbox()
    assert [request.headers.get("Connection") for request in service.seen] == [None, None, "close", "close"]


@pytest.mark.parametrize(
    ("receipts", "wished", "notify", "ref"),
    [
        ("poll", True, False, "SMS1"),
        ("poll", False, False, None),
        ("callback", True, True, "SMS1"),
        ("callback", False, False, None),
        ("off", True, False, None),
    ],
)
async def test_delivery_status_comes_by_one_way_alone(
    connect: Callable[..., AttSmsLine], service: Service, receipts: str, wished: bool, notify: bool, ref: str | None
) -> None:
    """Asked for, called back or not at all; the id is kept wherever a report may come that names it."""
    line = connect(receipts=receipts)
    answer = await line.send(replace(CALL, receipts=wished))
    (body,) = service.bodies
    assert body["outboundSMSRequest"]["notifyDeliveryStatus"] is notify
    assert (answer.ref, line.asks_status) == (ref, receipts == "poll")
    assert answer.handovers[0].fact is (Fact.SUBMITTED if ref else Fact.SUBMITTED_UNTRACKED)


@pytest.mark.parametrize(("count", "copy_ref"), [(1, "SMS1"), (2, None)])
async def test_gsma_s_receipts_are_known_by_the_call_s_id(
    connect: Callable[..., AttSmsLine], service: Service, count: int, copy_ref: str | None
) -> None:
    """AT&T's own id is kept beside it where it means one copy."""
    service.answers.append((201, {"resourceReference": {"resourceURL": "http://x/outbound/12345/requests/SMS1"}}))
    line = connect(**ONEAPI, receipts="callback", oneapi_notify_url="https://relay.example/hooks/s3cret")
    answer = await line.send(replace(CALL, recipients=CALL.recipients * count))
    (body,) = service.bodies
    wish = body["outboundSMSMessageRequest"]["receiptRequest"]
    assert wish == {"notifyURL": "https://relay.example/hooks/s3cret", "callbackData": CALL.call_id}
    assert answer.ref == CALL.call_id
    assert {(one.fact, one.ref) for one in answer.handovers} == {(Fact.SUBMITTED, copy_ref)}


@pytest.mark.parametrize(
    ("receive", "receipts", "events"),
    [
        ("poll", "poll", ()),
        ("off", "off", ()),
        ("callback", "poll", ("message",)),
        ("poll", "callback", ("delivery",)),
        ("callback", "callback", ("message", "delivery")),
    ],
)
async def test_only_the_callbacks_that_were_asked_for_are_taken(
    connect: Callable[..., AttSmsLine], receive: str, receipts: str, events: tuple[str, ...]
) -> None:
    """A short code is polled or called back, never both."""
    line = connect(receive=receive, receipts=receipts)
    assert isinstance(line, TakesHooks)
    assert line.hook_events == events
    assert line.polls_inbox is (receive == "poll")


NO_RECEIPTS = [
    ("SVC0283", "Delivery receipt notification not supported", ""),
    ("SVC0002", "%1", "notifyDeliveryStatus"),
]


def refusal(code: str, text: str, variables: str) -> tuple[int, Any]:
    """AT&T's refusal of a request."""
    inner = {"MessageId": code, "Text": text, "Variables": variables}
    return 400, {"RequestError": {"ServiceException": inner}}


@pytest.mark.parametrize("complaint", NO_RECEIPTS)
async def test_a_text_that_cannot_have_receipts_goes_out_without(
    connect: Callable[..., AttSmsLine], service: Service, complaint: tuple[str, str, str]
) -> None:
    """Nothing was sent by the call that was refused, and a text is worth more than its receipt."""
    service.answers.append(refusal(*complaint))
    with capture_logs() as logs:
        answer = await connect(receipts="callback").send(CALL)
    wishes = [body["outboundSMSRequest"]["notifyDeliveryStatus"] for body in service.bodies]
    assert (wishes, answer.ref, answer.handovers[0].fact) == ([True, False], None, Fact.SUBMITTED_UNTRACKED)
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == ["provider.receipts.refused"]


async def test_a_text_is_sent_without_its_wish_once_only(connect: Callable[..., AttSmsLine], service: Service) -> None:
    """And never where it had no such wish."""
    service.answers += [refusal(*NO_RECEIPTS[0])] * 3
    with pytest.raises(Refused):
        await connect(receipts="callback").send(CALL)
    with pytest.raises(Refused):
        await connect(receipts="poll").send(CALL)
    assert len(service.bodies) == 3


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (Content("hi", group=True, recipients=2), ErrorCode.UNSUPPORTED, "no groups: leave out group"),
        (Content("hi", subject="Hello"), ErrorCode.UNSUPPORTED, "no subject"),
        (Content("hi", media=(Media("image/png", None, b"x"),)), ErrorCode.UNSUPPORTED_MEDIA, "leave out media"),
        (Content(""), ErrorCode.INVALID_REQUEST, "text"),
        (Content(None), ErrorCode.INVALID_REQUEST, "text"),
        (Content("a" * 4097), ErrorCode.TOO_LONG, "4097 one-byte characters long: AT&T takes at most 4096"),
        (Content("ж" * 2049), ErrorCode.TOO_LONG, "4098 one-byte characters long"),
    ],
)
async def test_what_a_short_code_cannot_send_is_refused_with_the_reason(
    connect: Callable[..., AttSmsLine], content: Content, code: ErrorCode, said: str
) -> None:
    """Before anything is sent, and without altering the text."""
    with pytest.raises(Refused, match=said) as caught:
        connect().plan(content)
    assert caught.value.problem.code is code


async def test_a_short_code_writes_to_phone_numbers_only(connect: Callable[..., AttSmsLine]) -> None:
    """AT&T finds neither a short code nor an e-mail address valid (wire facts, 2.8: SVC0004)."""
    assert connect().takes == {AddressKind.E164}


def test_the_provider_is_found_by_its_name() -> None:
    """By its folder alone."""
    assert discover()["att-sms"] is PROVIDER
