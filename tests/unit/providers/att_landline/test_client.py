"""A Landline line over real sockets: what it writes, and what it makes of each answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.clock import SystemClock
from relay.domain.addresses import AddressKind, outbound
from relay.domain.errors import (
    ErrorCode,
    Gone,
    Malformed,
    NotAuthorized,
    OutcomeUnknown,
    Refused,
    RefusedAsGroup,
    RelayError,
    TryLater,
)
from relay.domain.messages import Content, Media, OutboundCall, Part, RawAnswer, Recipient
from relay.domain.states import Fact
from relay.ids import Ids
from relay.providerkit.spec import (
    AsksStatus,
    FetchesInbox,
    FetchesParts,
    InstallsHooks,
    LineContext,
    Sends,
    SyncsMailbox,
    TakesHooks,
)
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


@pytest.fixture
async def line_without_mms(server: TestServer) -> AsyncIterator[AttLandlineLine]:
    """A line for which AT&T has not enabled MMS."""
    line = line_at(str(server.make_url("/")), mms=False)
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
    assert all(isinstance(line, able) for able in (Sends, TakesHooks, InstallsHooks, FetchesParts))
    assert not any(isinstance(line, able) for able in (FetchesInbox, AsksStatus, SyncsMailbox))
    assert line.takes == {AddressKind.E164}
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
    line_without_mms: AttLandlineLine, text: str, length: int
) -> None:
    """Bytes of UTF-8, not characters; no text is cut."""
    with pytest.raises(Refused) as caught:
        line_without_mms.plan(Content(text))
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
    line_without_mms: AttLandlineLine, text: str, media: tuple[Media, ...], subject: str | None, code: ErrorCode
) -> None:
    """Nothing of a request is left out silently."""
    with pytest.raises(Refused) as caught:
        line_without_mms.plan(Content(text, media=media, subject=subject))
    assert caught.value.problem.code is code


async def test_an_mms_goes_out_with_its_fields_in_the_query(free_port: Callable[[], int]) -> None:
    """As documented (MMS Send); and no log shows the address."""
    asked: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        asked.append((request.path, dict(request.query), request.raw_path))
        for name, value in (await request.post()).items():
            assert isinstance(value, web.FileField)
            asked.append((name, value.filename, value.file.read()))
        return web.Response(text='{"response": {"id": 664883126574915584, "status": "queued"}, "success": true}')

    app = web.Application()
    app.router.add_post("/messaging/send", take)
    async with TestServer(app, port=free_port()) as server:
        line = line_at(str(server.make_url("/")), mms=True)
        call = replace(call_to(FIRST), media=(Media("image/png", "map.png", b"PNG"),))
        with structlog.testing.capture_logs() as lines:
            answer = await line.send(call)
        await line.aclose()
    (path, query, raw), *files = asked
    assert (path, query) == ("/messaging/send", {"session": SESSION, "to": FIRST, "body": TEXT})
    assert f"to=%2B{FIRST[1:]}" in raw
    assert files == [("image", "map.png", b"PNG")]
    assert [handover.ref for handover in answer.handovers] == ["664883126574915584"]
    for secret in (SESSION, "2068597896", TEXT, "%2B"):
        assert secret not in str(lines)


async def test_a_long_text_alone_is_a_body() -> None:
    """Of `messaging/send`, with no file beside it."""
    sent: list[dict[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        assert await request.read() == b""
        sent.append(dict(request.query))
        return web.json_response({"success": True, "response": {"id": 1, "status": "queued"}})

    app = web.Application()
    app.router.add_post("/messaging/send", take)
    async with TestServer(app) as other:
        line = line_at(str(other.make_url("/")), mms=True)
        await line.send(call_to(FIRST, text="a" * 251))
        await line.aclose()
    assert sent == [{"session": SESSION, "to": FIRST, "body": "a" * 251}]


async def test_a_scheduled_text_carries_its_time(landline: Landline, server: TestServer) -> None:
    """Only where AT&T is to wait; the sender hands a time over only then."""
    line = line_at(str(server.make_url("/")), scheduling="provider")
    send_at = datetime(2100, 1, 1, tzinfo=UTC)
    assert line.plan(Content(TEXT, send_at=send_at)).provider_waits
    await line.send(replace(call_to(FIRST), send_at=send_at))
    await line.aclose()
    assert ("scheduledDate", "4102444800000") in landline.asked[0][1]


async def test_attachments_are_listed_and_fetched(landline: Landline, line: AttLandlineLine) -> None:
    """By the text's id, and by the attachment's key; the session is in the body."""
    entry = {"fileName": "a.jpg", "fileSizeBytes": 3, "mimeType": "image/jpeg", "storageKey": "key-1"}
    landline.will_answer("/messageAttachment/list", {"total": 1, "response": [entry]})
    landline.answers["/hostedContent/get"] = lambda: web.Response(body=b"JPG")
    (part,) = await line.list_parts("664883126574915584")
    assert part == Part("image/jpeg", filename="a.jpg", ref="key-1", size=3)
    assert await line.fetch_part("664883126574915584", part) == b"JPG"
    assert landline.asked == [
        ("/messageAttachment/list", [("session", SESSION), ("messageId", "664883126574915584")]),
        ("/hostedContent/get", [("session", SESSION), ("storageKey", "key-1")]),
    ]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"body": b'{"total": 0, "response": []}'}, TryLater),
        ({"body": b"garbage"}, TryLater),
        ({"status": 503}, TryLater),
        ({"status": 404, "body": b"none"}, Gone),
        ({"body": b'{"success": false, "response": {"code": -703, "desc": "Bad arguments"}}'}, Gone),
        ({"status": 403}, NotAuthorized),
    ],
)
async def test_a_list_that_cannot_be_had_says_whether_it_may_come(
    landline: Landline, line: AttLandlineLine, answer: dict[str, Any], error: type[RelayError]
) -> None:
    """AT&T may still be storing; and garbage may be gone the next time."""
    landline.answers["/messageAttachment/list"] = lambda: web.Response(**answer)
    with pytest.raises(RelayError) as caught:
        await line.list_parts("1")
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("answer", "size", "error"),
    [
        ({"body": b""}, 3, TryLater),
        ({"status": 503}, 3, TryLater),
        ({"status": 404}, 3, Gone),
        ({"body": b'{"success": false, "response": {"code": -703}}'}, 3, Refused),
        ({"status": 403}, None, Refused),
    ],
)
async def test_an_attachment_that_cannot_be_had_says_why(
    landline: Landline, line: AttLandlineLine, answer: dict[str, Any], size: int | None, error: type[RelayError]
) -> None:
    """An empty one that should not be empty is not there yet."""
    landline.answers["/hostedContent/get"] = lambda: web.Response(**answer)
    with pytest.raises(RelayError) as caught:
        await line.fetch_part("1", Part("image/png", ref="k", size=size))
    assert type(caught.value) is error


async def test_a_session_that_is_refused_is_not_the_attachment_s_fault(
    landline: Landline, line: AttLandlineLine
) -> None:
    """Then nothing of the line's is to be had, and the message waits."""
    for path in ("/hostedContent/get", "/messageAttachment/list"):
        landline.answers[path] = lambda: web.Response(status=403)
    with pytest.raises(NotAuthorized):
        await line.fetch_part("1", Part("image/png", ref="k"))


async def test_an_attachment_may_be_larger_than_an_answer(landline: Landline, line: AttLandlineLine) -> None:
    """Ten megabytes pass."""
    landline.answers["/hostedContent/get"] = lambda: web.Response(body=b"x" * 10_000_000)
    assert len(await line.fetch_part("1", Part("image/png", ref="k"))) == 10_000_000


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
