"""Reading commands: a command or the problem with it, whatever the bytes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.bus.commands import read_command, unanswered
from relay.bus.delivery import CommandProperties, Delivery
from relay.bus.requests import (
    Asked,
    BadCommand,
    CancelCommand,
    CheckCommand,
    Command,
    CommandRules,
    DeleteCommand,
    GetCommand,
    ListCommand,
    LookupCommand,
    ReplayCommand,
    SendCommand,
    UpdateCommand,
)
from relay.bus.topics import VERBS
from relay.domain.addresses import AddressKind
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import Media, MessageClass, OnUncertain, Priority, Reply

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PROBLEM = Problem(ErrorCode.INTERNAL, "no")
PLAIN: dict[str, Any] = {"to": "2065550123", "text": "marked text"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FIELDS = ["id", "to", "text", "subject", "media", "group", "send_at", "expires_at", "ttl", "priority", "receipts"]
FIELDS += ["on_uncertain", "class", "metadata", "ref"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=4),
    max_leaves=12,
)


def read(body: Any, verb: str = "send", rules: CommandRules | None = None, **more: Any) -> Command:
    """What a body turns out to be."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_command(Delivery("alerts", verb, "web", payload, **more), NOW, rules)


def sent(body: Any, **more: Any) -> SendCommand:
    """A body that is a request to send."""
    command = read(body, **more)
    assert isinstance(command, SendCommand), command
    return command


def bad(body: Any, **more: Any) -> tuple[str, str]:
    """The code and the detail of a body that is none."""
    command = read(body, **more)
    assert isinstance(command, BadCommand), command
    return command.problem.code.value, command.problem.detail


def test_the_contracts_example_is_understood() -> None:
    """Every field of section 4 arrives where it belongs."""
    body = {
        "id": "order-1",
        "to": ["+12065550123"],
        "text": "On its way.",
        "subject": None,
        "media": [{"content_type": "image/png", "filename": "map.png", "data": "aGk="}],
        "group": False,
        "send_at": "2026-11-21T09:00:00-08:00",
        "expires_at": None,
        "ttl": "10h",
        "priority": "bulk",
        "receipts": False,
        "on_uncertain": "resend",
        "class": "compliance",
        "metadata": {"campaign": "42"},
        "ref": "r1",
    }
    properties = CommandProperties("reply/web", b"c", None, TRACE)
    command = sent(body, properties=properties, redelivered=True)
    request = command.request
    assert (request.line, request.client, request.key, request.ref) == ("alerts", "web", "order-1", "r1")
    assert ([str(to) for to in request.to], command.refusals) == (["+12065550123"], (None,))
    assert (request.text, request.subject, request.media) == (
        "On its way.",
        None,
        (Media("image/png", "map.png", b"hi"),),
    )
    assert (request.send_at, request.expires_at, request.ttl) == (datetime(2026, 11, 21, 17, tzinfo=UTC), None, 36_000)
    assert (request.priority, request.receipts) == (Priority.BULK, False)
    assert (request.on_uncertain, request.message_class) == (OnUncertain.RESEND, MessageClass.COMPLIANCE)
    assert (request.metadata, request.redelivered) == ({"campaign": "42"}, True)
    assert request.reply == Reply("reply/web", b"c", TRACE)


def test_only_recipient_and_text_are_required() -> None:
    """Everything else has the contract's default."""
    request = sent(PLAIN).request
    assert (request.key, request.priority, request.receipts) == (None, Priority.NORMAL, True)
    assert (request.on_uncertain, request.message_class) == (OnUncertain.HOLD, MessageClass.NORMAL)
    assert (request.send_at, request.expires_at, request.ttl, request.metadata) == (None, None, None, None)


def test_each_verb_has_its_command() -> None:
    """`check` takes a send request's body; `cancel` and `lookup` take an id."""
    assert isinstance(read(PLAIN, "check"), CheckCommand)
    about = {"id": "order-1", "ref": "r"}
    assert read(about, "cancel") == CancelCommand("alerts", "web", "order-1", "r", Reply())
    assert read(about, "lookup") == LookupCommand("alerts", "web", "order-1", "r", Reply())
    assert bad({}, verb="cancel") == ("invalid_request", "`id` is required")
    assert bad(PLAIN, verb="lookup")[0] == "invalid_request"


def test_a_check_counts_the_recipients_that_were_named_twice() -> None:
    """However they were spelled; a number that is no number is one recipient, too."""
    to = ["+12065550123", "206-555-0123", "tel:+12065550123", "+12065550124", "nobody", "nobody"]
    command = read({"to": to, "text": "Hello"}, "check")
    assert isinstance(command, CheckCommand)
    assert (len(command.request.to), command.duplicates) == (3, 3)
    alone = read({"to": to[0], "text": "Hello"}, "check")
    assert isinstance(alone, CheckCommand)
    assert alone.duplicates == 0


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b'{"to":"2065550123",}',
        b'\xef\xbb\xbf{"to":"2065550123","text":"x"}',
        b'{"to":"2065550123","text":"\xff"}',
        b'{"to":"2065550123","text":"\\ud83d"}',
        b'{"to":"2065550123","text":"x","ttl":NaN}',
        b'{"to":"2065550123","text":"x","metadata":{"a":1e999}}',
        b'{"to":"2065550123","text":"x","metadata":{"a":' + b"9" * 5000 + b"}}",
        b"[" * 51_000,
        b'{"a":' * 10_000,
        b'{"to":"2065550123"} {}',
    ],
)
def test_what_is_no_json_says_so(payload: bytes) -> None:
    """Broken JSON, bad UTF-8, a byte order mark, a lone surrogate, NaN, infinity, and 51 kB of nesting."""
    assert bad(payload)[0] == "invalid_json"


@pytest.mark.parametrize("payload", [b"[]", b"null", b'"x"', b"1", b"true"])
def test_json_that_is_no_object_says_so(payload: bytes) -> None:
    """A command is an object."""
    assert bad(payload) == ("invalid_request", "the payload should be a JSON object")


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"tex": 1}, "unknown field `tex`: did you mean `text`?"),
        ({"exipres_at": None}, "unknown field `exipres_at`: did you mean `expires_at`?"),
        ({"message_class": "normal"}, "unknown field `message_class`: known are "),
        ({"to": 12065550123}, "`to` should be a text or a list of texts"),
        ({"to": ["2065550123", 1]}, "`to[1]` should be a valid string"),
        ({"to": []}, "`to` should have at least 1 item"),
        ({"to": None}, "`to` is required"),
        ({"text": 1}, "`text` should be a valid string"),
        ({"text": " \n"}, "`text` should have something to say, or `media` at least one attachment"),
        ({"text": None}, "`text` should have something to say, or `media` at least one attachment"),
        ({"media": [{"content_type": "image/png"}]}, "`media[0]` should have either `data` (base64) or `file`"),
        ({"media": [{"content_type": "image/png", "data": "@"}]}, "`media[0].data` should be base64"),
        ({"media": [{"content_type": "png", "data": ""}]}, "`media[0].content_type` should match pattern"),
        ({"media": [{"dat": ""}]}, "unknown field `media[0].dat`: did you mean `data`?"),
        ({"receipts": "yes"}, "`receipts` should be a valid boolean"),
        ({"group": 1}, "`group` should be a valid boolean"),
        ({"priority": "hi"}, "`priority` should be 'high', 'normal' or 'bulk'"),
        ({"class": 1}, "`class` should be 'normal', 'urgent' or 'compliance'"),
        ({"on_uncertain": ""}, "`on_uncertain` should be 'hold', 'resend' or 'fail'"),
        ({"send_at": "2026-11-21T09:00:00"}, "`send_at` should be a time with a zone"),
        ({"send_at": 1795253831}, "`send_at` should be a time with a zone"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "`expires_at` should be a time with a zone"),
        ({"expires_at": "2027-11-22T09:00:01Z"}, "`expires_at` should be at most 366 days ahead"),
        ({"send_at": "9999-12-31T00:00:00Z"}, "`send_at` should be at most 366 days ahead"),
        ({"ttl": True}, "`ttl` should be over 0 and at most 366d"),
        ({"ttl": 0}, "`ttl` should be over 0 and at most 366d"),
        ({"ttl": "10 m"}, "`ttl` should be over 0 and at most 366d"),
        ({"ttl": "367d"}, "`ttl` should be over 0 and at most 366d"),
        ({"ttl": 10**400}, "`ttl` should be over 0 and at most 366d"),
        ({"ttl": 5, "expires_at": "2027-01-01T00:00:00Z"}, "`expires_at` and `ttl` exclude one another"),
        ({"send_at": "2026-11-21T10:00:00Z", "ttl": "1h"}, "`send_at` should come before the expiry"),
        ({"send_at": "2027-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z"}, "`send_at` should come before"),
        ({"id": ""}, "`id` should have at least 1 character"),
        ({"id": "x" * 129}, "`id` should have at most 128 characters"),
        ({"id": "a\nb"}, "`id` should have printable characters only"),
        ({"ref": "x" * 257}, "`ref` should have at most 256 characters"),
        ({"metadata": []}, "`metadata` should be a valid dictionary"),
        ({"metadata": {"a": "x" * 2048}}, "`metadata` should have at most 2048 bytes as JSON"),
        ({"text": "a\0b"}, "a text should not contain NUL"),
        ({"metadata": {"a": ["b\0"]}}, "a text should not contain NUL"),
    ],
)
def test_a_mistake_is_named_with_its_field_and_what_would_be_right(change: dict[str, Any], detail: str) -> None:
    """The detail begins as the contract's users are to read it."""
    code, found = bad({**PLAIN, **change})
    assert (code, found[: len(detail)]) == ("invalid_request", detail)


@given(st.sampled_from(FIELDS), st.text(st.sampled_from("QXZ"), min_size=12, max_size=40), st.booleans())
def test_a_mistake_never_repeats_what_was_written(field: str, secret: str, nested: bool) -> None:
    """Texts, numbers and ids are the client's: a problem's detail names the field and keeps the value to itself."""
    for command in (read({**PLAIN, field: [{"x": secret}] if nested else secret}), read({**PLAIN, "to": secret})):
        if isinstance(command, BadCommand):
            assert secret not in command.problem.detail


def test_an_unknown_fields_name_is_cut_and_cleaned() -> None:
    """A field's name is the client's too: it is shown, in a bounded and printable form."""
    _, detail = bad({**PLAIN, "`\n\u202e" + "x" * 500: 1})
    assert detail.isprintable()
    assert len(detail) < 400


@pytest.mark.parametrize(
    ("ttl", "seconds"), [(90, 90), (1.5, 1.5), ("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86_400)]
)
def test_a_ttl_is_seconds_or_a_number_with_a_unit(ttl: Any, seconds: float) -> None:
    """Both spellings are taken."""
    assert sent({**PLAIN, "ttl": ttl}).request.ttl == seconds


def test_recipients_are_normalised_and_taken_once_in_their_order() -> None:
    """Three spellings of one number are one copy; the first position counts."""
    body = {**PLAIN, "to": ["2065550199", "(206) 555-0123", "+12065550123", "tel:+12065550123", "2065550100"]}
    assert [str(to) for to in sent(body).request.to] == ["+12065550199", "+12065550123", "+12065550100"]


def test_a_bad_recipient_does_not_reject_the_others() -> None:
    """It stands in the request as it was given, with a problem that names its position and not its content."""
    command = sent({**PLAIN, "to": ["2065550123", "nobody", "2065550199", "nobody", "x" * 1000]})
    assert [problem and problem.code.value for problem in command.refusals] == [
        None,
        "invalid_recipient",
        None,
        "invalid_recipient",
    ]
    given_as = command.request.to[1]
    assert (given_as.kind, given_as.value) == (AddressKind.OTHER, "nobody")
    assert len(command.request.to[3].value) == 320
    details = [problem.detail for problem in command.refusals if problem]
    assert details[0].startswith("`to[1]`: ")
    assert not any("nobody" in detail for detail in details)


def test_only_bad_recipients_reject_the_request() -> None:
    """There is nothing that could be sent."""
    code, detail = bad({**PLAIN, "to": ["nobody", "no one"]})
    assert (code, detail[:9]) == ("invalid_recipient", "`to[0]`: ")


def test_limits_are_those_of_the_settings() -> None:
    """Bytes are counted before anything is read, recipients before any is looked at."""
    rules = CommandRules(max_bytes=200, max_recipients=2)
    assert bad({**PLAIN, "text": "x" * 200}, rules=rules)[0] == "too_large"
    assert bad({**PLAIN, "to": ["2065550123"] * 3}, rules=rules) == (
        "invalid_request",
        "`to` should have at most 2 recipients",
    )
    assert bad(b"", oversize=True)[0] == "too_large"
    assert len(sent({**PLAIN, "to": [f"206555{number:04}" for number in range(10_000)]}).request.to) == 10_000


def test_a_retained_command_is_refused_with_what_its_answer_needs() -> None:
    """It is read as far as its id, so that whoever set it can find it."""
    command = read({**PLAIN, "id": "r1", "ref": "x", "metadata": {"a": 1}}, retained=True)
    assert isinstance(command, BadCommand)
    assert (command.problem.code.value, command.request_id, command.ref) == ("retained_command", "r1", "x")
    assert command.metadata == {"a": 1}


def test_a_bad_command_keeps_what_could_be_read_and_is_fit_to_be_answered() -> None:
    """Id, ref and metadata come back where they are sound, each on its own."""
    sound = read({"id": "i", "ref": "r", "metadata": {"a": 1}})
    unsound = read({"id": "i\n", "ref": 5, "metadata": {"a": "x" * 3000}, "to": 1})
    assert isinstance(sound, BadCommand)
    assert isinstance(unsound, BadCommand)
    assert (sound.request_id, sound.ref, sound.metadata) == ("i", "r", {"a": 1})
    assert (unsound.request_id, unsound.ref, unsound.metadata) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "expiry", "expires_at", "ttl"),
    [
        ({}, 60, NOW + timedelta(seconds=60), None),
        ({"ttl": "1h"}, 60, NOW + timedelta(seconds=60), None),
        ({"ttl": 30}, 60, None, 30),
        ({"expires_at": "2026-11-21T09:00:30Z"}, 60, NOW + timedelta(seconds=30), None),
        ({"expires_at": "2026-11-21T10:00:00Z"}, 60, NOW + timedelta(seconds=60), None),
        ({}, 0, NOW, None),
        ({}, 2**32 - 1, NOW + timedelta(days=366), None),
        ({"expires_at": "2020-01-01T00:00:00Z"}, None, datetime(2020, 1, 1, tzinfo=UTC), None),
    ],
)
def test_of_two_expiries_the_earlier_counts(
    body: dict[str, Any], expiry: int | None, expires_at: datetime | None, ttl: float | None
) -> None:
    """The broker's Message Expiry Interval counts as `expires_at`. What is past is for the journal to answer."""
    request = sent({**PLAIN, **body}, properties=CommandProperties(expiry=expiry)).request
    assert (request.expires_at, request.ttl) == (expires_at, ttl)


def test_a_time_may_lie_a_leap_year_ahead() -> None:
    """To the second."""
    assert sent({**PLAIN, "send_at": "2027-11-22T09:00:00Z"}).request.send_at == NOW + timedelta(days=366)


def test_a_client_without_a_possible_name_is_told_so() -> None:
    """With the id of its request, on the topic that belongs to nobody."""
    command = read_command(Delivery("alerts", "lookup", None, b'{"id":"order-1"}', misnamed=True), NOW)
    assert isinstance(command, BadCommand)
    assert (command.client, command.request_id, command.problem.code.value) == (None, "order-1", "invalid_request")
    assert command.problem.detail.startswith("the client level of the topic should have 1 to 64 characters")


@given(st.binary() | JSON.map(lambda body: json.dumps(body).encode()))
@example(b'{"id":"order-1","ref":"r"}')
def test_what_relay_fails_at_can_be_answered_whatever_it_is(payload: bytes) -> None:
    """With what could be read of it."""
    found = unanswered(Delivery("alerts", "send", "web", payload), NOW, PROBLEM)
    assert (found.line, found.client, found.problem) == ("alerts", "web", PROBLEM)
    if payload == b'{"id":"order-1","ref":"r"}':
        assert (found.request_id, found.ref) == ("order-1", "r")


def test_media_can_stand_without_a_text() -> None:
    """A picture needs no words, and an empty text beside it says nothing."""
    body = {"to": "2065550123", "text": "", "media": [{"content_type": "image/png", "data": "aGk="}]}
    assert (sent(body).request.text, sent(body).request.media[0].data) == (None, b"hi")


def test_media_may_name_a_file_instead_of_bringing_its_bytes() -> None:
    """Which is taken from the folder of the settings when the request is accepted."""
    found = sent({"to": "2065550123", "media": [{"content_type": "image/png", "file": "maps/a.png"}]}).request
    assert found.media == (Media("image/png", None, b"", "maps/a.png"),)


@pytest.mark.parametrize("more", [{}, {"data": "YQ==", "file": "a.png"}], ids=["neither", "both"])
def test_media_has_bytes_or_a_file(more: dict[str, str]) -> None:
    """Not both, and not neither."""
    code, detail = bad({"to": "2065550123", "media": [{"content_type": "image/png", **more}]})
    assert code == "invalid_request"
    assert detail.startswith("`media[0]` should have either `data`")


ASKED = Asked("alerts", "web", "r", Reply())


@pytest.mark.parametrize(
    ("verb", "body", "command"),
    [
        ("list", {"ref": "r"}, ListCommand(ASKED, 50, 0, unread=False)),
        ("list", {"ref": "r", "limit": 5, "offset": 10, "unread": True}, ListCommand(ASKED, 5, 10, unread=True)),
        ("get", {"ref": "r", "message_id": "m|1"}, GetCommand(ASKED, "m|1")),
        ("update", {"ref": "r", "message_id": "m", "is_unread": False}, UpdateCommand(ASKED, "m", is_unread=False)),
        ("delete", {"ref": "r", "message_id": "m"}, DeleteCommand(ASKED, "m")),
    ],
    ids=["list", "list-a-page", "get", "update", "delete"],
)
def test_commands_about_a_message_store_are_understood(verb: str, body: dict[str, Any], command: Command) -> None:
    """With the defaults of the contract."""
    assert read(body, verb) == command


def test_a_replay_is_understood() -> None:
    """From a time, or so long ago, until a time or now; of some kinds, or of all."""
    at = NOW - timedelta(hours=2)
    assert read({"ref": "r", "since": "2h"}, "replay") == ReplayCommand(ASKED, at, NOW, ())
    body = {"ref": "r", "since": at.isoformat(), "until": 3600, "kinds": ["message", "event"]}
    assert read(body, "replay") == ReplayCommand(ASKED, at, NOW - timedelta(hours=1), ("message", "event"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "`since` is required"),
        ({"since": "yesterday"}, "`since` should be a time with a zone"),
        ({"since": "2026-11-21T09:00:00"}, "`since` should be a time with a zone"),
        ({"since": 0}, "`since` should be a time with a zone"),
        ({"since": "1h", "until": "2h"}, "`until` should come after `since`"),
        ({"since": "1h", "kinds": ["dead"]}, "`kinds[0]`"),
        ({"since": "1h", "kind": "message"}, "unknown field `kind`: did you mean `kinds`?"),
    ],
)
def test_a_replay_that_makes_no_sense_is_explained(body: dict[str, Any], said: str) -> None:
    """With what would be right."""
    code, detail = bad(body, verb="replay")
    assert (code, detail[: len(said)]) == ("invalid_request", said)


@pytest.mark.parametrize(
    ("verb", "body", "said"),
    [
        ("list", {"limit": 501}, "`limit` should be less than or equal to 500"),
        ("list", {"limit": "5"}, "`limit` should be a valid integer"),
        ("list", {"offset": -1}, "`offset` should be greater than or equal to 0"),
        ("get", {}, "`message_id` is required"),
        ("get", {"id": "m"}, "unknown field `id`: known are ref, message_id"),
        ("update", {"message_id": "m"}, "`is_unread` is required"),
        ("update", {"message_id": "m", "is_unread": "no"}, "`is_unread` should be a valid boolean"),
        ("delete", {"message_id": ""}, "`message_id` should have at least 1 character"),
    ],
)
def test_a_mistake_about_a_message_store_is_named(verb: str, body: dict[str, Any], said: str) -> None:
    """By its field, and with what would be right."""
    code, detail = bad(body, verb=verb)
    assert code == "invalid_request"
    assert said in detail


def test_equal_payloads_have_equal_digests() -> None:
    """Order of fields, `ref`, nulls and MQTT properties do not count; everything else does."""
    digest = sent({"to": "2065550123", "text": "a", "metadata": {"x": 1, "y": 2}}).request.digest
    same = b'{"ref":"z","metadata":{"y":2,"x":1},"text":"a","subject":null,"to":"2065550123"}'
    assert sent(same, properties=CommandProperties("r", b"c", 9, TRACE), redelivered=True).request.digest == digest
    assert sent({"to": "2065550123", "text": "b", "metadata": {"x": 1, "y": 2}}).request.digest != digest
    assert sent({"to": "2065550123", "text": "a", "metadata": {"x": 1, "y": 3}}).request.digest != digest


def test_the_raw_digest_is_of_the_bytes() -> None:
    """It recognises the broker's own redelivery of a request without an id."""
    one, two = (sent(json.dumps(PLAIN, indent=indent).encode()) for indent in (None, 1))
    assert one.raw_digest == sent(PLAIN).raw_digest != two.raw_digest
    assert one.request.digest == two.request.digest


def test_the_text_of_a_request_is_not_in_its_repr() -> None:
    """A command can be logged by mistake without telling anything."""
    shown = repr(read({**PLAIN, "subject": "marked"})) + repr(Delivery("a", "send", None, b"marked"))
    assert "marked" not in shown
    assert "2065550123" not in shown


@given(st.binary(), st.sampled_from(VERBS))
def test_any_bytes_are_a_command_or_a_problem(payload: bytes, verb: str) -> None:
    """Reading never raises."""
    command = read(payload, verb)
    assert isinstance(command, Command)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON, st.sampled_from(VERBS))
@example({**PLAIN, "text": "\ud800"}, "send")
@example({**PLAIN, "metadata": {"": {"": [1e308]}}}, "send")
def test_any_json_is_a_command_or_a_problem_with_a_reason(body: Any, verb: str) -> None:
    """Whatever the shape, a problem has a code of the contract and a reason, and its answer can be written."""
    command = read(body, verb)
    if isinstance(command, BadCommand):
        assert command.problem.detail
        json.dumps(command.metadata, allow_nan=False)
    elif isinstance(command, SendCommand | CheckCommand):
        assert len(command.refusals) == len(command.request.to) == len(set(command.request.to)) > 0
        assert None in command.refusals


def test_a_request_that_nobody_sets_an_end_for_lives_as_long_as_the_rules_say() -> None:
    """To a full hour, counted from when it is to be sent; by themselves, rules say nothing."""
    rules, later = CommandRules(unasked_ttl=timedelta(hours=72)), NOW + timedelta(hours=5, minutes=1)
    assert sent(PLAIN).request.expires_at is None
    assert sent(PLAIN, rules=rules).request.expires_at == NOW + timedelta(hours=72)
    there = sent({**PLAIN, "send_at": later.isoformat()}, rules=rules).request
    assert there.expires_at == NOW + timedelta(hours=6 + 72)
    past = sent({**PLAIN, "send_at": (NOW - timedelta(days=9)).isoformat()}, rules=rules).request
    assert past.expires_at == NOW + timedelta(hours=72)


def test_an_end_that_somebody_sets_is_kept() -> None:
    """The client, or the broker."""
    rules = CommandRules(unasked_ttl=timedelta(hours=72))
    assert sent({**PLAIN, "ttl": 600}, rules=rules).request.ttl == 600
    end = (NOW + timedelta(days=9)).isoformat()
    assert sent({**PLAIN, "expires_at": end}, rules=rules).request.expires_at == NOW + timedelta(days=9)
    expiring = CommandProperties(expiry=60)
    assert sent(PLAIN, rules=rules, properties=expiring).request.expires_at == NOW + timedelta(seconds=60)
