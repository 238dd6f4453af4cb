"""Landline's forms and answers: what is written, and what each answer means."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import outbound
from relay.domain.errors import (
    ErrorCode,
    Gone,
    Malformed,
    NotAuthorized,
    OutcomeUnknown,
    Refused,
    RefusedAsGroup,
    RefusedForNow,
    RelayError,
    Throttled,
    TryLater,
)
from relay.domain.messages import OutboundCall, Recipient
from relay.domain.states import Fact
from relay.providerkit.http import HttpAnswer
from relay.providerkit.spec import InstalledHook
from relay.providers.att_landline import wire

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SESSION = "3d0f1dde-aaff-4ce8-b61a-af212a860abc:123456789"

# The documentation's answers (Output Parameters; Send to Multiple Individual Contacts), with their punctuation mended.
ONE = {
    "response": {
        "fingerprint": "4233621183",
        "root": "664880513175330816",
        "tokens": [
            {
                "contact": 3460624702,
                "device": 304397802,
                "fingerprint": "4233621183",
                "message": "664880513175330816",
            }
        ],
    },
    "success": True,
}
TWO = {
    "success": True,
    "response": {
        "fingerprint": "227798380",
        "root": "666345808406650880",
        "tokens": [
            {
                "message": "666345808406650881",
                "fingerprint": "4233621183",
                "device": 304397802,
                "contact": 3460624702,
            },
            {
                "message": "666345808406650882",
                "fingerprint": "3235647327",
                "device": 304397802,
                "contact": 3461841602,
            },
        ],
    },
}
BAD_ARGUMENTS = {"response": {"code": -703, "desc": "Bad arguments"}, "success": False}
# With the raw newline of the documentation, as a real answer could have it.
INVALID_RECIPIENTS = (
    b'{"success":false, "errorDesc": "Invalid recipients. Invalid phone numbers: +1206856.\n'
    b'      Phone numbers should be in e164 format."}'
)
TOO_LARGE = (
    b"<html>\n<head><title>413 Request Entity Too Large</title></head>\n"
    b'<body bgcolor="white">\n<center><h1>413 Request Entity Too Large</h1></center>\n'
    b"<hr><center>nginx</center>\n</body>\n</html>"
)
BAD_GATEWAY = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def call_to(*numbers: str, text: str = "Hello") -> OutboundCall:
    """A call to these numbers."""
    recipients = tuple(Recipient(f"m-{place}", outbound(number)) for place, number in enumerate(numbers))
    return OutboundCall("call", "m", "office", 1, recipients, text)


def answer(body: Any, status: int = 200, **headers: str) -> HttpAnswer:
    """An answer; what is no bytes is written as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def response_of(body: Any, status: int = 200, *, recipients: int = 1, effect: bool = True, **headers: str) -> Any:
    """What the answer to a call with an effect means."""
    return wire.response_of(
        answer(body, status, **headers),
        now=NOW,
        effect=effect,
        recipients=recipients,
        hidden=(SESSION, "Hello"),
    )


def failure(body: Any, status: int = 200, *, recipients: int = 1, effect: bool = True, **headers: str) -> RelayError:
    """The error that an answer means."""
    with pytest.raises(RelayError) as caught:
        response_of(body, status, recipients=recipients, effect=effect, **headers)
    return caught.value


def test_a_form_is_read_back_as_it_was_written() -> None:
    """The plus of a number and every character of a text arrive."""
    fields = wire.send_fields(call_to("+12068597896", "+14257772300", text="1 + 1 = 2 & 50% ☎"), "e164", now=NOW)
    body = wire.form([("session", SESSION), *fields])
    assert b"contacts=%2B12068597896&contacts=%2B14257772300&body=" in body
    assert parse_qsl(body.decode(), strict_parsing=True) == [
        ("session", SESSION),
        ("contacts", "+12068597896"),
        ("contacts", "+14257772300"),
        ("body", "1 + 1 = 2 & 50% ☎"),
    ]


@given(st.lists(st.tuples(st.just("body"), st.text(st.characters(exclude_categories=["Cs"]), min_size=1)), min_size=1))
def test_any_text_survives_the_form(fields: list[tuple[str, str]]) -> None:
    """Line breaks, quotes and zeros included."""
    assert parse_qsl(wire.form(fields).decode(), strict_parsing=True) == fields


def test_contacts_can_be_written_with_ten_digits() -> None:
    """As the documentation's table has it; numbers of other countries stay E.164."""
    fields = wire.send_fields(call_to("+12068597896", "+442071838750"), "10digits", now=NOW)
    assert [value for name, value in fields if name == "contacts"] == ["2068597896", "+442071838750"]


def test_what_is_no_phone_number_is_refused_before_the_call() -> None:
    """And among others it costs only its own copy."""
    with pytest.raises(Refused) as alone:
        wire.send_fields(call_to("short:12345"), "e164", now=NOW)
    with pytest.raises(RefusedAsGroup):
        wire.send_fields(call_to("+12068597896", "somebody@example.com"), "e164", now=NOW)
    assert type(alone.value) is Refused
    assert alone.value.problem.code is ErrorCode.INVALID_RECIPIENT


def test_the_documented_answer_names_the_copy() -> None:
    """The token's message id is what the hooks will speak of."""
    (handover,) = wire.handovers(response_of(ONE), 1, reported=True)
    assert (handover.fact, handover.ref, handover.provider) == (Fact.SUBMITTED, "664880513175330816", None)


def test_each_recipient_has_its_own_token() -> None:
    """In the order of the contacts; the root id is nobody's."""
    refs = [handover.ref for handover in wire.handovers(response_of(TWO, recipients=2), 2, reported=True)]
    assert refs == ["666345808406650881", "666345808406650882"]


def test_ids_are_exact_whether_text_or_number() -> None:
    """They do not fit into a double."""
    body = {"success": True, "response": {"tokens": [{"message": 666345808406650881}, {"message": "9007199254740993"}]}}
    refs = [handover.ref for handover in wire.handovers(response_of(body), 2, reported=True)]
    assert refs == ["666345808406650881", "9007199254740993"]


SAME = {"message": "1"}


@pytest.mark.parametrize(
    "response",
    [
        None,
        "queued",
        [],
        True,
        {},
        {"tokens": None},
        {"tokens": "1"},
        {"tokens": [{"message": "1"}]},
        {"tokens": [{"message": "1"}, {"message": "2"}, {"message": "3"}]},
        {"tokens": [SAME, SAME]},
        {"tokens": [None, 7]},
    ],
)
def test_a_success_without_fitting_tokens_is_still_a_success(response: Any) -> None:
    """Nothing is sent again, and no copy is told of another's fate."""
    handovers = wire.handovers(response_of({"success": True, "response": response}, recipients=2), 2, reported=True)
    assert [(handover.fact, handover.ref) for handover in handovers] == [(Fact.SUBMITTED, None)] * 2
    assert all("no receipts" in (handover.provider.text or "") for handover in handovers if handover.provider)


def test_one_missing_id_costs_only_its_own_receipts() -> None:
    """As many tokens as recipients stand in their order."""
    tokens = [{"message": None}, {"message": "2"}]
    handovers = wire.handovers({"tokens": tokens}, 2, reported=True)
    assert [handover.ref for handover in handovers] == [None, "2"]


def test_a_line_without_progress_hooks_can_have_no_receipts() -> None:
    """Its copies are at their end when they are handed over."""
    (handover,) = wire.handovers(response_of(ONE), 1, reported=False)
    assert (handover.fact, handover.ref) == (Fact.SUBMITTED_UNTRACKED, "664880513175330816")


@pytest.mark.parametrize("status", [200, 201, 400, 500])
def test_success_decides_before_the_status(status: int) -> None:
    """Either way round: the provider's own word is the better witness."""
    assert response_of(ONE, status)["tokens"]
    assert type(failure(BAD_ARGUMENTS, status)) is Refused


@pytest.mark.parametrize(
    ("code", "error", "problem"),
    [
        (-1234, Refused, ErrorCode.OPTED_OUT),
        (-855, TryLater, ErrorCode.PROVIDER_ERROR),
        (-801, RefusedForNow, ErrorCode.SPAM_BLOCKED),
        (-704, Refused, ErrorCode.PROVIDER_REFUSED),
        (-703, Refused, ErrorCode.INVALID_REQUEST),
        (-700, Refused, ErrorCode.PROVIDER_REFUSED),
        (-394, Refused, ErrorCode.INVALID_REQUEST),
        (-124, Refused, ErrorCode.CARRIER_UNKNOWN),
        (-1, OutcomeUnknown, ErrorCode.UNCERTAIN),
        (-999, Refused, ErrorCode.PROVIDER_REFUSED),
        (4, OutcomeUnknown, ErrorCode.UNCERTAIN),
    ],
)
def test_a_code_is_what_its_table_says(code: int, error: type[RelayError], problem: ErrorCode) -> None:
    """And the user sees the provider's code, in either spelling."""
    for spelled in (code, str(code)):
        caught = failure({"success": False, "response": {"code": spelled, "desc": "x"}})
        assert type(caught) is error
        assert caught.problem.provider is not None
        assert (caught.problem.code, caught.problem.provider.code) == (problem, str(code))


@pytest.mark.parametrize("code", [-1234, -703, -124])
def test_one_bad_recipient_among_several_divides_the_call(code: int) -> None:
    """The provider does not say which one it is."""
    body = {"success": False, "response": {"code": code, "desc": "x"}}
    assert type(failure(body, recipients=2)) is RefusedAsGroup


@pytest.mark.parametrize("code", [-700, -394, -999])
def test_what_no_recipient_caused_does_not_divide_the_call(code: int) -> None:
    """Fifteen calls would fail as the one did."""
    assert type(failure({"success": False, "response": {"code": code}}, recipients=15)) is Refused


def test_spam_protection_rests_the_line_for_an_hour() -> None:
    """Whoever goes on asking only deepens the suspicion."""
    caught = failure({"success": False, "response": {"code": -801}}, recipients=15)
    assert isinstance(caught, RefusedForNow)
    assert (caught.after, caught.problem.code) == (3600, ErrorCode.SPAM_BLOCKED)


@pytest.mark.parametrize(
    ("said", "error", "problem"),
    [
        ("Recipient sent STOP message", Refused, ErrorCode.OPTED_OUT),
        ("Spam Protection", RefusedForNow, ErrorCode.SPAM_BLOCKED),
        ("Unable to determine carrier", Refused, ErrorCode.CARRIER_UNKNOWN),
        ("Unknown Error", OutcomeUnknown, ErrorCode.UNCERTAIN),
        ("Internal Error", Refused, ErrorCode.PROVIDER_REFUSED),
        ("Unsupported attachment type.", Refused, ErrorCode.PROVIDER_REFUSED),
    ],
)
def test_a_failure_without_a_code_is_known_by_its_words(said: str, error: type[RelayError], problem: ErrorCode) -> None:
    """`messaging/send` has no codes; "Internal Error" stands for three that contradict one another."""
    caught = failure({"success": False, "errorDesc": said})
    assert (type(caught), caught.problem.code) == (error, problem)
    assert type(failure({"success": False, "response": {"code": -999, "desc": said}})) is Refused


def test_an_mms_is_known_by_its_own_id() -> None:
    """A bare number that does not fit into a double (MMS Send)."""
    response = response_of(b'{"response": {"id": 664883126574915584, "status": "queued"}, "success": true}')
    (handover,) = wire.handovers(response, 1, reported=True)
    assert (handover.fact, handover.ref) == (Fact.SUBMITTED, "664883126574915584")


def test_an_mms_goes_to_one_recipient() -> None:
    """In E.164, as the documentation has it; the body is left out where there is none."""
    assert wire.mms_fields(call_to("+12068597896"), "Hi") == {"to": "+12068597896", "body": "Hi"}
    assert wire.mms_fields(call_to("+12068597896"), "") == {"to": "+12068597896"}
    with pytest.raises(RefusedAsGroup):
        wire.mms_fields(call_to("+12068597896", "+14257772300"), "Hi")
    with pytest.raises(Refused):
        wire.mms_fields(call_to("short:12345"), "Hi")


def test_a_time_goes_along_as_long_as_it_lies_ahead() -> None:
    """What happens to a time in the past is not documented: without one it goes out at once."""
    later = replace(call_to("+12068597896"), send_at=NOW + timedelta(hours=1))
    assert ("scheduledDate", "1767229200000") in wire.send_fields(later, "e164", now=NOW)
    assert ("scheduledDate", "1767200400000") in wire.send_fields(later, "e164", now=NOW, shift="pacific")
    names = [name for name, _ in wire.send_fields(later, "e164", now=NOW + timedelta(hours=1))]
    assert names == ["contacts", "body"]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (BAD_ARGUMENTS, 200, Refused),
        ({"success": False, "response": "Unauthorized"}, 403, NotAuthorized),
        (b"", 404, Gone),
        (b"", 503, TryLater),
        (b"", 500, TryLater),
    ],
)
def test_a_body_without_an_envelope_may_be_a_failure_all_the_same(
    body: Any, status: int, error: type[RelayError]
) -> None:
    """Where the bytes of an attachment were asked for."""
    with pytest.raises(RelayError) as caught:
        wire.bare_body(answer(body, status), now=NOW)
    assert type(caught.value) is error


def test_a_gateway_s_page_is_no_attachment() -> None:
    """Nobody wants it in place of a picture."""
    with pytest.raises(TryLater):
        wire.bare_body(HttpAnswer(200, {}, b"<html/>", "text/html"), now=NOW)


@given(st.binary() | st.just(b'{"success": true}') | st.just(b'{"a": 1}'))
def test_any_other_body_comes_as_it_is(body: bytes) -> None:
    """An attachment may be anything."""
    assert wire.bare_body(answer(body), now=NOW) == body


def test_the_other_documented_failure_is_read() -> None:
    """`errorDesc` in place of code and desc, a raw newline in it; the number is taken out."""
    caught = failure(INVALID_RECIPIENTS, 400)
    assert (type(caught), caught.problem.code) == (Refused, ErrorCode.INVALID_RECIPIENT)
    assert "1206856" not in str(caught.problem)
    assert type(failure(INVALID_RECIPIENTS, 400, recipients=2)) is RefusedAsGroup


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"success": False, "response": "Unauthorized"}, 200),
        ({"success": False, "response": "Unauthorized"}, 403),
        ({"success": False, "errorDesc": f"Invalid session {SESSION}"}, 200),
        ({"success": False}, 403),
        ({"success": False, "response": {"code": -9, "desc": "no"}}, 401),
        (b"<html>Forbidden</html>", 403),
        (b"", 401),
    ],
)
def test_a_revoked_session_parks_the_line(body: Any, status: int) -> None:
    """Sessions do not expire; one that is refused needs a person."""
    caught = failure(body, status, recipients=15)
    assert (type(caught), caught.problem.code) == (NotAuthorized, ErrorCode.UNAUTHORIZED)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"<html>Welcome</html>",
        b'{"success": true, "response"',
        b"[]",
        b"{}",
        b'{"success": null}',
        b'{"success": 1}',
        json.dumps(ONE).encode().replace(b'"response":', b'"response"'),
    ],
)
def test_an_unreadable_success_is_an_unknown_outcome(body: Any) -> None:
    """The texts may well have gone out; of a call without effect it is only unreadable."""
    caught = failure(body)
    assert (type(caught), caught.problem.code) == (OutcomeUnknown, ErrorCode.MALFORMED_RESPONSE)
    assert type(failure(body, effect=False)) is Malformed


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (TOO_LARGE, 413, Refused),
        (BAD_GATEWAY, 502, OutcomeUnknown),
        (b"upstream timed out", 504, OutcomeUnknown),
        (b"<html>busy</html>", 503, TryLater),
        ({"success": False}, 503, TryLater),
        ({"success": False, "response": "slow down"}, 429, Throttled),
        (b"", 429, Throttled),
        (b"moved", 302, OutcomeUnknown),
        ({"success": False, "response": None}, 200, Refused),
        ({"success": "false", "response": ["no"]}, 200, Refused),
        ({"success": False, "response": {"code": "none", "desc": 7}}, 400, Refused),
    ],
)
def test_without_a_known_code_the_status_decides(body: Any, status: int, error: type[RelayError]) -> None:
    """Gateways answer in HTML."""
    assert type(failure(body, status)) is error


def test_too_large_says_so() -> None:
    """Also where a web server says it in HTML."""
    assert failure(TOO_LARGE, 413).problem.code is ErrorCode.TOO_LARGE


def test_the_wait_that_was_asked_for_is_kept() -> None:
    """Retry-After comes with the error."""
    caught = failure(b"", 429, Retry_After="30")
    assert isinstance(caught, Throttled)
    assert caught.after == 30


@pytest.mark.parametrize("where", ["desc", "errorDesc", "response"])
def test_an_error_repeats_no_session_number_or_text(where: str) -> None:
    """Whatever the provider puts into its answer."""
    said = f"cannot send Hello to +12065550123 for {SESSION}"
    body: dict[str, Any] = {
        "desc": {"response": {"code": -999, "desc": said}},
        "errorDesc": {"errorDesc": said},
        "response": {"response": said},
    }
    caught = failure({"success": False, **body[where]})
    shown = f"{caught} {caught.problem}"
    assert "cannot send" in shown
    for secret in (SESSION, "123456789", "Hello", "2065550123"):
        assert secret not in shown


def installed(response: Any) -> tuple[InstalledHook, ...]:
    """The hooks in an answer with this response."""
    return wire.installed_hooks(response_of({"success": True, "response": response}), b"the bytes")


def test_web_hooks_are_read_from_a_list_or_an_object() -> None:
    """The documentation's sample is both: an object, and a bracket that closes a list."""
    hook = {
        "webhookId": 687557714,
        "type": "message",
        "event": "receive",
        "url": "https://test.example/message/receive",
        "method": "POST",
    }
    for response in (hook, [hook]):
        (read,) = installed(response)
        assert (read.provider_id, read.event, read.method) == ("687557714", "receive", "POST")
        assert read.url == "https://test.example/message/receive"


@pytest.mark.parametrize("nothing", [None, [], {}, ""])
def test_no_web_hooks_are_none(nothing: Any) -> None:
    """However that is said."""
    assert installed(nothing) == ()


@pytest.mark.parametrize("entry", [1, "hook", {"event": "receive"}, {"webhookId": 1, "url": ["u"]}])
def test_a_web_hook_that_cannot_be_read_is_not_passed_over(entry: Any) -> None:
    """It could be ours, and would be installed twice."""
    with pytest.raises(Malformed) as caught:
        installed([entry])
    assert caught.value.raw == b"the bytes"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text() | st.sampled_from(["code", "desc", "tokens", "message", "webhookId", "event", "url"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
envelopes = st.fixed_dictionaries(
    {}, optional={"success": st.booleans() | json_values, "response": json_values, "errorDesc": json_values}
).map(lambda value: json.dumps(value).encode())


@given(st.binary() | envelopes, st.integers(200, 599), st.integers(1, 15), st.booleans())
def test_an_answer_is_a_value_or_an_error_whatever_the_bytes(
    body: Any, status: int, recipients: int, effect: bool
) -> None:
    """And a success always accounts for every recipient."""
    try:
        response = response_of(body, status, recipients=recipients, effect=effect)
    except RelayError as error:
        assert not isinstance(error, Malformed) or not effect  # noqa: PT017 - either end is right
        return
    handovers = wire.handovers(response, recipients, reported=True)
    assert len(handovers) == recipients
    refs = [handover.ref for handover in handovers if handover.ref]
    assert len(set(refs)) == len(refs)


@given(json_values)
def test_a_list_of_web_hooks_is_a_value_or_malformed(response: Any) -> None:
    """Whatever the provider lists."""
    try:
        hooks = installed(response)
    except Malformed as error:
        assert error.raw == b"the bytes"  # noqa: PT017 - either end is right
        return
    assert all(hook.provider_id for hook in hooks)
