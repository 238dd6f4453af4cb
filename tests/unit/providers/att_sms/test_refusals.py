"""AT&T's refusals: which class of error each of them is, and so what is done about it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from structlog.testing import capture_logs

from relay.domain.errors import (
    ErrorCode,
    Gone,
    NotAuthorized,
    OutcomeUnknown,
    Refused,
    RefusedAsGroup,
    RelayError,
    Throttled,
    TryLater,
)
from relay.providerkit.http import HttpAnswer
from relay.providers.att_sms.codes import ERRORS
from relay.providers.att_sms.refusals import Asked, refuse, refuses_receipts

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def envelope(code: str, text: str = "An error occurred in %1", variables: Any = "") -> bytes:
    """AT&T's error envelope."""
    kind = "PolicyException" if code.startswith("POL") else "ServiceException"
    return json.dumps({"RequestError": {kind: {"MessageId": code, "Text": text, "Variables": variables}}}).encode()


def spellings(code: str, text: str, variables: str) -> list[tuple[bytes, str]]:
    """One complaint in every envelope that was seen, each with its content type."""
    fields = {"MessageId": code, "Text": text, "Variables": variables}
    lower = {"messageId": code, "text": text, "variables": [variables]}
    values = [
        {"RequestError": {"ServiceException": fields}},
        {"RequestError": {"PolicyException": fields}},
        {"requestError": {"serviceException": lower}},
        {"requestError": {"policyException": lower}},
        {"RequestError": fields},
        {"requestError": lower},
    ]
    inner = f"<messageId>{code}</messageId><text>{text}</text><variables>{variables}</variables>"
    xml = [
        f"<?xml version='1.0'?>\n<x:requestError xmlns:x='urn:x'><{kind}>{inner}</{kind}></x:requestError>"
        for kind in ("serviceException", "policyException")
    ]
    return [(json.dumps(value).encode(), "application/json") for value in values] + [
        (text.encode(), "application/xml") for text in xml
    ]


def raised(status: int, body: bytes, asked: Asked = Asked.SEND, recipients: int = 1, **parts: Any) -> RelayError:
    """What an answer makes relay raise."""
    headers = CIMultiDict({"Retry-After": parts["after"]}) if "after" in parts else CIMultiDict()
    answer = HttpAnswer(status, headers, body, parts.get("content_type", "application/json"))
    with pytest.raises(RelayError) as caught:
        refuse(answer, asked, now=NOW, recipients=recipients)
    return caught.value


AT_FAULT = [
    (
        400,
        envelope("SVC0004", "No valid addresses provided in message part %1", "Address"),
        ErrorCode.INVALID_RECIPIENT,
    ),
    (400, envelope("SVC0002", "Invalid input value for message part %1", "Address"), ErrorCode.INVALID_RECIPIENT),
    (400, envelope("SVC0001", "The MSISDN is a landline"), ErrorCode.INVALID_RECIPIENT),
    (403, envelope("POL0001", "A policy error occurred: invalid MSISDN"), ErrorCode.INVALID_RECIPIENT),
    (403, envelope("POL0002", "Privacy verification failed"), ErrorCode.PROVIDER_REFUSED),
    (400, envelope("POL0003", "Too many addresses specified in message part %1"), ErrorCode.INVALID_RECIPIENT),
    (400, envelope("POL0013", "Duplicate addresses"), ErrorCode.INVALID_RECIPIENT),
]


@pytest.mark.parametrize(("status", "body", "code"), AT_FAULT)
def test_a_recipient_at_fault_is_looked_for_among_several_and_refused_alone(
    status: int, body: bytes, code: ErrorCode
) -> None:
    """AT&T does not name the one that is wrong."""
    assert type(raised(status, body, recipients=2)) is RefusedAsGroup
    alone = raised(status, body)
    assert type(alone) is Refused
    assert alone.problem.code is code


@pytest.mark.parametrize(
    ("status", "body", "expected", "code"),
    [
        (400, envelope("SVC0002", "Invalid input for %1", "Message"), Refused, ErrorCode.PROVIDER_REFUSED),
        (400, envelope("SVC0003", "Allowed values are %1", "true,false"), Refused, ErrorCode.PROVIDER_REFUSED),
        (400, envelope("SVC0283"), Refused, ErrorCode.PROVIDER_REFUSED),
        (400, envelope("SVC9999"), Refused, ErrorCode.PROVIDER_REFUSED),
        (403, envelope("POL9999"), Refused, ErrorCode.PROVIDER_REFUSED),
        (400, envelope("XYZ1"), Refused, ErrorCode.PROVIDER_REFUSED),
        (400, b"", Refused, ErrorCode.PROVIDER_REFUSED),
        (413, b"<html></html>", Refused, ErrorCode.TOO_LARGE),
        (400, envelope("SVC0001"), TryLater, ErrorCode.PROVIDER_ERROR),
        (500, envelope("SVC0001"), OutcomeUnknown, ErrorCode.UNCERTAIN),
        (500, envelope("SVC9999"), OutcomeUnknown, ErrorCode.UNCERTAIN),
        (503, b"<html></html>", TryLater, ErrorCode.PROVIDER_ERROR),
        (404, b"<html></html>", TryLater, ErrorCode.PROVIDER_ERROR),
        (500, b"<html></html>", OutcomeUnknown, ErrorCode.UNCERTAIN),
        (502, b"<html></html>", OutcomeUnknown, ErrorCode.UNCERTAIN),
        (504, envelope("SVC0001"), OutcomeUnknown, ErrorCode.UNCERTAIN),
        (302, b"", OutcomeUnknown, ErrorCode.UNCERTAIN),
        (429, b"", Throttled, ErrorCode.THROTTLED),
        (429, envelope("POL0001", "The rate of requests exceeds the quota"), Throttled, ErrorCode.THROTTLED),
        (403, envelope("POL0001", "Rate limit quota violation. Quota limit exceeded."), Throttled, ErrorCode.THROTTLED),
        (403, envelope("POL0001", "The request was throttled"), Throttled, ErrorCode.THROTTLED),
        (403, envelope("POL1009", "Rate exceeded"), Throttled, ErrorCode.THROTTLED),
        (403, envelope("POL0001", "The daily quota is used up"), Throttled, ErrorCode.QUOTA_EXCEEDED),
        (403, envelope("POL0001", "Insufficient scope"), NotAuthorized, ErrorCode.UNAUTHORIZED),
        (
            403,
            envelope("POL0001", "A corporate policy separates this IP address"),
            NotAuthorized,
            ErrorCode.UNAUTHORIZED,
        ),
        (403, b"", NotAuthorized, ErrorCode.UNAUTHORIZED),
        (401, envelope("POL0001", "UnAuthorized Request"), NotAuthorized, ErrorCode.UNAUTHORIZED),
        (400, envelope("POL0001", "Invalid Request"), NotAuthorized, ErrorCode.UNAUTHORIZED),
        (400, envelope("", "Invalid Request"), NotAuthorized, ErrorCode.UNAUTHORIZED),
        (400, b"<h1>Invalid Request</h1>", NotAuthorized, ErrorCode.UNAUTHORIZED),
    ],
)
def test_a_refused_send_is_of_the_class_that_says_what_to_do(
    status: int, body: bytes, expected: type[RelayError], code: ErrorCode
) -> None:
    """With one recipient or several, and with the provider's own words."""
    content_type = "text/html" if body.startswith(b"<") else "application/json"
    for recipients in (1, 2):
        error = raised(status, body, recipients=recipients, content_type=content_type)
        assert type(error) is expected
        assert error.problem.code is code
        assert error.problem.provider is not None
        assert error.problem.provider.http == status


# The table of codes (wire facts, 2.8): what each leads to, with one recipient and with several.
CODES: list[tuple[int, str, str, str, type[RelayError], type[RelayError]]] = [
    (400, "SVC0001", "A service error has occurred. Error code is %1", "8", TryLater, TryLater),
    (400, "SVC0001", "The MSISDN is a landline", "", Refused, RefusedAsGroup),
    (400, "SVC0002", "Invalid input value for message part %1", "Message", Refused, Refused),
    (400, "SVC0002", "Invalid input value for message part %1", "Address", Refused, RefusedAsGroup),
    (400, "SVC0002", "Invalid input value for message part %1", "senderAddress", NotAuthorized, NotAuthorized),
    (400, "SVC0003", "Invalid input value for %1, valid values are %2", "Format", Refused, Refused),
    (400, "SVC0004", "No valid addresses provided in message part %1", "Address", Refused, RefusedAsGroup),
    (400, "SVC0283", "Delivery Receipt Notification not supported", "", Refused, Refused),
    (400, "POL0001", "Invalid Request", "", NotAuthorized, NotAuthorized),
    (401, "POL0001", "UnAuthorized Request", "", NotAuthorized, NotAuthorized),
    (403, "POL0001", "A policy error occurred. Scope is missing", "", NotAuthorized, NotAuthorized),
    (403, "POL0001", "A policy error occurred: rate limit exceeded", "", Throttled, Throttled),
    (403, "POL0001", "A policy error occurred: invalid MSISDN", "", Refused, RefusedAsGroup),
    (403, "POL0002", "Privacy verification failed for address %1", "", Refused, RefusedAsGroup),
    (403, "POL0003", "Too many addresses specified in message part %1", "Address", Refused, RefusedAsGroup),
    (403, "POL0013", "Duplicate addresses", "", Refused, RefusedAsGroup),
    (400, "SVC8888", "Something new", "", Refused, Refused),
    (403, "POL8888", "Something new", "", Refused, Refused),
]


@pytest.mark.parametrize(("status", "code", "text", "variables", "alone", "several"), CODES)
def test_every_code_leads_to_its_class_in_every_envelope(
    status: int, code: str, text: str, variables: str, alone: type[RelayError], several: type[RelayError]
) -> None:
    """Upper or lower case, in JSON or XML, a policy's code in a service exception and the other way round."""
    for body, content_type in spellings(code, text, variables):
        assert type(raised(status, body, content_type=content_type)) is alone, body
        error = raised(status, body, recipients=2, content_type=content_type)
        assert type(error) is several, body
        assert error.problem.provider is not None
        assert (error.problem.provider.http, error.problem.provider.code) == (status, code)


def test_every_code_of_the_table_is_among_them() -> None:
    """A code that is added has to say what it leads to."""
    assert {row[1] for row in CODES} >= set(ERRORS)


@pytest.mark.parametrize(
    ("status", "code", "text", "variables", "refused"),
    [
        (400, "SVC0283", "Delivery Receipt Notification not supported", "", True),
        (400, "SVC0002", "Invalid input value for message part %1", "notifyDeliveryStatus", True),
        (400, "SVC0003", "Invalid input value for message part %1", "receiptRequest", True),
        (400, "SVC0002", "Invalid input value for message part %1", "Address", False),
        (400, "SVC0004", "No valid addresses", "Address", False),
        (429, "SVC0283", "Delivery Receipt Notification not supported", "", False),
        (500, "SVC0283", "Delivery Receipt Notification not supported", "", False),
        (201, "SVC0283", "", "", False),
    ],
)
def test_only_a_refusal_of_receipts_alone_is_one(
    status: int, code: str, text: str, variables: str, refused: bool
) -> None:
    """After any other answer a second send might be a second text."""
    for body, content_type in spellings(code, text, variables):
        answer = HttpAnswer(status, CIMultiDict(), body, content_type)
        assert refuses_receipts(answer) is refused, body


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, envelope("SVC0001", variables="RequestIdentifier")),
        (404, b""),
        (410, b""),
        (400, envelope("SVC0002", "Invalid input for %1", "RequestIdentifier")),
        (
            400,
            b'{"requestError":{"serviceException":{"messageId":"SVC0002","text":"t","variables":"RequestIdentifier"}}}',
        ),
    ],
)
def test_an_id_that_at_t_no_longer_knows_is_gone(status: int, body: bytes) -> None:
    """In either form; for the inbox it is the registration, and only a person can put that right."""
    gone = raised(status, body, Asked.STATUS)
    assert type(gone) is Gone
    assert gone.problem.code is ErrorCode.UNKNOWN_ID
    assert type(raised(status, body, Asked.INBOX)) is NotAuthorized


@pytest.mark.parametrize("asked", [Asked.STATUS, Asked.INBOX])
def test_a_gateway_s_page_ends_nothing(asked: Asked) -> None:
    """A 404 in HTML says nothing about the id."""
    assert type(raised(404, b"<html></html>", asked, content_type="text/html")) is TryLater


@pytest.mark.parametrize("asked", [Asked.STATUS, Asked.INBOX])
@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_read_that_broke_off_inside_may_have_deleted_what_it_read(asked: Asked, status: int) -> None:
    """The poller says then that a loss is possible."""
    assert type(raised(status, b"<html></html>", asked, content_type="text/html")) is OutcomeUnknown


@pytest.mark.parametrize(("status", "body"), [(403, envelope("POL0001", "Rate exceeded")), (503, b""), (429, b"")])
def test_at_t_s_wait_goes_with_the_error(status: int, body: bytes) -> None:
    """Wherever a Retry-After comes along."""
    error = raised(status, body, after="45")
    assert isinstance(error, TryLater)
    assert error.after == 45


def test_a_request_without_credentials_is_said_aloud() -> None:
    """Relay always sends them: somebody in between takes them away."""
    with capture_logs() as logs:
        raised(400, envelope("POL0001", "Invalid Request"))
    assert [(log["event"], log["log_level"]) for log in logs] == [("provider.credentials.unseen", "error")]


def test_no_number_is_repeated() -> None:
    """Neither from the text nor from the variables."""
    error = raised(403, envelope("POL0001", "invalid MSISDN 2065550123 %1", "tel:+12065550123"))
    assert "2065550123" not in repr(error.problem)


@given(st.integers(300, 599), st.binary(), st.sampled_from(list(Asked)), st.integers(1, 50))
def test_whatever_the_answer_it_is_one_of_relay_s_errors(
    status: int, body: bytes, asked: Asked, recipients: int
) -> None:
    """And only a send with several recipients is ever divided."""
    error = raised(status, body, asked, recipients)
    assert recipients > 1 or not isinstance(error, RefusedAsGroup)
