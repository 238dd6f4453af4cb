"""A Landline line over real sockets: what it writes, and what it makes of each answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.clock import SystemClock
from relay.domain.addresses import outbound
from relay.domain.errors import (
    ErrorCode,
    Malformed,
    NotAuthorized,
    OutcomeUnknown,
    Refused,
    RefusedAsGroup,
    RelayError,
    TryLater,
)
from relay.domain.messages import Content, Media, OutboundCall, RawAnswer, Recipient
from relay.domain.states import Fact
from relay.ids import Ids
from relay.providerkit.spec import AsksStatus, FetchesInbox, InstallsHooks, LineContext, Sends, TakesHooks
from relay.providers.att_landline import PROVIDER
from relay.providers.att_landline.client import AttLandlineLine

SESSION = "3d0f1dde-aaff-4ce8-b61a-af212a860abc:123456789"
TEXT = "Hello World + more, from AT&T Landline Texting!"
FIRST, SECOND = "+12068597896", "+14257772300"


@dataclass
class Landline:
    """A server that keeps what it is asked, and answers what it is told to."""

    asked: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)
    answers: dict[str, Callable[[], web.Response]] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer `{"success": true}` where nothing else was told."""
        assert request.method == "POST"
        assert request.content_type == "application/x-www-form-urlencoded"
        assert request.query_string == ""
        self.asked.append((request.path, parse_qsl(await request.text(), strict_parsing=True)))
        told = self.answers.get(request.path)
        return told() if told else web.json_response({"success": True, "response": []})

    def will_answer(self, path: str, body: Any, status: int = 200) -> None:
        """Answer requests to `path` so from now on."""
        self.answers[path] = lambda: web.json_response(body, status=status)


@pytest.fixture
def landline() -> Landline:
    """The server's mind."""
    return Landline()


@pytest.fixture
async def server(landline: Landline) -> AsyncIterator[TestServer]:
    """The server, listening."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", landline.handle)
    server = TestServer(app)
    async with server:
        yield server


class NoState:
    """The memory of a line that needs none."""

    async def get(self, key: str) -> bytes | None:
        """Nothing was ever put."""
        raise AssertionError(key)

    async def put(self, key: str, value: bytes) -> None:
        """Nothing is ever put."""
        raise AssertionError((key, value))


def line_at(base_url: str, **settings: Any) -> AttLandlineLine:
    """A line with its service at `base_url`."""
    clock = SystemClock()
    given = {"provider": "att-landline", "number": "+12065550100", "session": SESSION, "base_url": base_url}
    context = LineContext(
        "office", PROVIDER.settings.model_validate({**given, **settings}), NoState(), clock, Ids(clock)
    )
    line = PROVIDER.connect(context)
    assert isinstance(line, AttLandlineLine)
    return line


@pytest.fixture
async def line(server: TestServer) -> AsyncIterator[AttLandlineLine]:
    """A line that is connected to the server."""
    line = line_at(str(server.make_url("/")))
    yield line
    await line.aclose()


def call_to(*numbers: str, text: str = TEXT) -> OutboundCall:
    """A call to these numbers."""
    recipients = tuple(Recipient(f"m-{place}", outbound(number)) for place, number in enumerate(numbers))
    return OutboundCall("call", "m", "office", 1, recipients, text)


def tokens(*ids: Any) -> dict[str, Any]:
    """A successful answer with these message ids."""
    return {"success": True, "response": {"root": "1", "tokens": [{"message": ref} for ref in ids]}}


def test_a_line_has_the_capabilities_of_its_service(server: TestServer) -> None:
    """Landline Texting sends and calls back; there is no inbox to poll and no status to ask for."""
    line = line_at("https://api.example")
    assert all(isinstance(line, able) for able in (Sends, TakesHooks, InstallsHooks))
    assert not any(isinstance(line, able) for able in (FetchesInbox, AsksStatus))
    assert (line.alias, line.provider, line.number) == ("office", "att-landline", "+12065550100")


async def test_a_text_goes_out_with_every_secret_in_the_body(landline: Landline, line: AttLandlineLine) -> None:
    """Nothing is in the address, so nothing is in anybody's log of addresses."""
    landline.will_answer("/message/send", tokens("666345808406650881", 666345808406650882))
    answer = await line.send(call_to(FIRST, SECOND))
    assert landline.asked == [
        ("/message/send", [("session", SESSION), ("contacts", FIRST), ("contacts", SECOND), ("body", TEXT)])
    ]
    assert answer.ref is None
    assert [handover.ref for handover in answer.handovers] == ["666345808406650881", "666345808406650882"]


async def test_contacts_are_written_as_the_settings_say(landline: Landline, server: TestServer) -> None:
    """Ten digits is what the documentation's table asks for."""
    line = line_at(str(server.make_url("/")), contacts_as="10digits")
    await line.send(call_to(FIRST))
    await line.aclose()
    assert ("contacts", "2068597896") in landline.asked[0][1]


@pytest.mark.parametrize(
    ("events", "fact"),
    [
        (["receive", "progress"], Fact.SUBMITTED),
        (["receive", "send"], Fact.SUBMITTED),
        (["receive", "read", "delete"], Fact.SUBMITTED_UNTRACKED),
        ([], Fact.SUBMITTED_UNTRACKED),
    ],
)
async def test_receipts_can_come_only_by_hooks(
    landline: Landline, server: TestServer, events: list[str], fact: Fact
) -> None:
    """A line that takes none has told all it can when a text is handed over."""
    landline.will_answer("/message/send", tokens("1"))
    line = line_at(str(server.make_url("/")), events=events)
    answer = await line.send(call_to(FIRST))
    await line.aclose()
    assert [handover.fact for handover in answer.handovers] == [fact]


async def test_copies_without_receipts_are_noticed(landline: Landline, line: AttLandlineLine) -> None:
    """They were sent, and nobody will hear of them."""
    landline.will_answer("/message/send", tokens("1"))
    with structlog.testing.capture_logs() as lines:
        answer = await line.send(call_to(FIRST, SECOND))
    assert [handover.ref for handover in answer.handovers] == [None, None]
    (noticed,) = [entry for entry in lines if entry["event"] == "call.untracked"]
    assert (noticed["line"], noticed["copies"]) == ("office", 2)


@pytest.mark.parametrize(
    ("recipients", "body", "status", "error"),
    [
        ([FIRST], {"success": False, "response": {"code": -1234, "desc": "stop"}}, 200, Refused),
        ([FIRST, SECOND], {"success": False, "response": {"code": -1234, "desc": "stop"}}, 200, RefusedAsGroup),
        ([FIRST], {"success": False, "response": {"code": -855}}, 500, TryLater),
        ([FIRST], {"success": False, "response": {"code": -1}}, 200, OutcomeUnknown),
        ([FIRST], {"success": False, "response": "Unauthorized"}, 403, NotAuthorized),
        ([FIRST], "thanks", 200, OutcomeUnknown),
    ],
)
async def test_a_refusal_is_an_error_whose_class_says_what_to_do(
    landline: Landline, line: AttLandlineLine, recipients: list[str], body: Any, status: int, error: type[RelayError]
) -> None:
    """The sender reads no text."""
    landline.will_answer("/message/send", body, status)
    with pytest.raises(RelayError) as caught:
        await line.send(call_to(*recipients))
    assert type(caught.value) is error


async def test_nobody_there_means_nothing_was_sent(free_port: Callable[[], int]) -> None:
    """It may be tried again."""
    line = line_at(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TryLater):
        await line.send(call_to(FIRST))
    await line.aclose()


async def test_a_connection_that_breaks_leaves_the_outcome_unknown(landline: Landline, line: AttLandlineLine) -> None:
    """The request was written: the text may be on its way."""

    def cut() -> web.Response:
        raise asyncio.CancelledError

    landline.answers["/message/send"] = cut
    async with asyncio.timeout(20):
        with pytest.raises(OutcomeUnknown):
            await line.send(call_to(FIRST))
    assert len(landline.asked) == 1


@pytest.mark.parametrize("status", [200, 400, 403, 500])
async def test_no_secret_gets_into_errors_and_logs(landline: Landline, line: AttLandlineLine, status: int) -> None:
    """Even if the provider repeats them all."""
    said = f"session={SESSION} contacts={FIRST} body={TEXT}"
    landline.will_answer("/message/send", {"success": False, "errorDesc": said}, status)
    with structlog.testing.capture_logs() as lines, pytest.raises(RelayError) as caught:
        await line.send(call_to(FIRST))
    shown = f"{caught.value!r} {caught.value} {caught.value.problem} {lines}"
    for secret in (SESSION, SESSION.partition(":")[0], "2068597896", TEXT):
        assert secret not in shown


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [("Hello", "gsm-7", 1), ("a" * 250, "gsm-7", 2), ("é" * 125, "gsm-7", 1), ("☎" * 83, "ucs-2", 2)],
)
async def test_a_plan_says_how_a_text_travels(line: AttLandlineLine, text: str, encoding: str, segments: int) -> None:
    """Up to 250 bytes, to 15 recipients a call."""
    plan = line.plan(Content(text))
    assert (plan.encoding, plan.segments, plan.recipients_per_call, plan.sent_as) == (encoding, segments, 15, "sms")


@pytest.mark.parametrize(("text", "length"), [("a" * 251, 251), ("é" * 126, 252), ("☎" * 84, 252), ("🙂" * 63, 252)])
async def test_a_text_of_more_than_250_bytes_is_refused_with_both_numbers(
    line: AttLandlineLine, text: str, length: int
) -> None:
    """Bytes of UTF-8, not characters; no text is cut."""
    with pytest.raises(Refused) as caught:
        line.plan(Content(text))
    assert caught.value.problem.code is ErrorCode.TOO_LONG
    assert "250" in caught.value.problem.detail
    assert str(length) in caught.value.problem.detail


@pytest.mark.parametrize(
    ("text", "media", "subject", "code"),
    [
        (None, (Media("image/png", "map.png", b"x"),), None, ErrorCode.UNSUPPORTED_MEDIA),
        ("Hello", (), "Greetings", ErrorCode.UNSUPPORTED),
        (None, (), None, ErrorCode.INVALID_REQUEST),
        ("", (), None, ErrorCode.INVALID_REQUEST),
        ("half a \ud83d", (), None, ErrorCode.INVALID_REQUEST),
    ],
)
async def test_what_would_be_lost_is_refused(
    line: AttLandlineLine, text: str, media: tuple[Media, ...], subject: str | None, code: ErrorCode
) -> None:
    """Nothing of a request is left out silently."""
    with pytest.raises(Refused) as caught:
        line.plan(Content(text, media=media, subject=subject))
    assert caught.value.problem.code is code


async def test_a_hook_is_read_for_the_line(line: AttLandlineLine) -> None:
    """With the line's own number where the hook does not name it."""
    reading = line.read_hook("receive", RawAnswer(b'{"id": 1, "address": "ptn:/2068597896", "body": "hi"}'))
    assert (reading.messages[0].recipient, reading.messages[0].text) == ("+12065550100", "hi")
    assert line.hook_events == ("receive", "send", "progress", "read", "delete")


async def test_web_hooks_are_listed_added_changed_and_removed(landline: Landline, line: AttLandlineLine) -> None:
    """The session goes with every call, and the hook's id with those that change one."""
    entry = {"webhookId": 687557714, "type": "message", "event": "send", "url": "https://a.example/x", "method": "PUT"}
    landline.will_answer("/webhook/list", {"success": True, "response": [entry]})
    (hook,) = await line.list_hooks()
    await line.install_hook("receive", "https://a.example/y?z=1")
    await line.update_hook(hook.provider_id, "https://a.example/z")
    await line.remove_hook(hook.provider_id)
    session = ("session", SESSION)
    assert landline.asked == [
        ("/webhook/list", [session]),
        (
            "/webhook/add",
            [
                session,
                ("type", "message"),
                ("event", "receive"),
                ("url", "https://a.example/y?z=1"),
                ("method", "POST"),
            ],
        ),
        (
            "/webhook/update",
            [session, ("webhookId", "687557714"), ("url", "https://a.example/z"), ("method", "POST")],
        ),
        ("/webhook/delete", [session, ("webhookId", "687557714")]),
    ]


async def test_a_web_hook_that_is_gone_already_is_removed(landline: Landline, line: AttLandlineLine) -> None:
    """Which code says so is not documented: the list is asked."""
    landline.will_answer("/webhook/delete", {"success": False, "response": {"code": -703}})
    await line.remove_hook("1")
    assert [path for path, _ in landline.asked] == ["/webhook/delete", "/webhook/list"]


async def test_a_web_hook_that_stays_was_not_removed(landline: Landline, line: AttLandlineLine) -> None:
    """A real refusal is an error."""
    landline.will_answer("/webhook/delete", {"success": False, "response": {"code": -700}})
    landline.will_answer("/webhook/list", {"success": True, "response": {"webhookId": 1}})
    with pytest.raises(Refused):
        await line.remove_hook("1")


async def test_an_unreadable_list_is_malformed(landline: Landline, line: AttLandlineLine) -> None:
    """To take it for empty would install everything a second time."""
    for body in ("hooks", {"success": True, "response": ["hook"]}):
        landline.will_answer("/webhook/list", body)
        with pytest.raises(Malformed):
            await line.list_hooks()


async def test_a_good_session_is_verified_without_any_effect(landline: Landline, line: AttLandlineLine) -> None:
    """By listing what is installed."""
    landline.will_answer("/webhook/list", {"success": True, "response": [{"webhookId": 1}, {"webhookId": 2}]})
    assert "2 web hooks" in await line.verify()
    assert [path for path, _ in landline.asked] == ["/webhook/list"]


async def test_a_revoked_session_is_not(landline: Landline, line: AttLandlineLine) -> None:
    """Somebody has to get a new one."""
    landline.will_answer("/webhook/list", {"success": False, "response": "Unauthorized"}, 403)
    with pytest.raises(NotAuthorized):
        await line.verify()
