"""AT&T's refusals of In-App Messaging: which class of error each of them is, and so what is done about it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from structlog.testing import capture_logs

from relay.domain.errors import (
    CursorInvalid,
    ErrorCode,
    Gone,
    NotAuthorized,
    NotReady,
    OutcomeUnknown,
    Refused,
    RefusedAsGroup,
    RelayError,
    Throttled,
    TryLater,
)
from relay.providerkit.http import HttpAnswer
from relay.providers.att_inapp.codes import ERRORS, INDEX_STATUSES, Index, Meaning, index_standing
from relay.providers.att_inapp.refusals import Asked, IndexOrState, is_withdrawal, refuse

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def envelope(code: str, text: str = "An error occurred in %1", variables: Any = "", *, lower: bool = False) -> bytes:
    """AT&T's error envelope, in either spelling."""
    kind = "PolicyException" if code.startswith("POL") else "ServiceException"
    whole = json.dumps({"RequestError": {kind: {"MessageId": code, "Text": text, "Variables": variables}}})
    if lower:
        for name in ("RequestError", "ServiceException", "PolicyException", "MessageId", "Text", "Variables"):
            whole = whole.replace(f'"{name}"', f'"{name[0].lower()}{name[1:]}"')
    return whole.encode()


def answered(status: int, body: bytes, **parts: Any) -> HttpAnswer:
    """An answer."""
    headers = CIMultiDict({"Retry-After": parts["after"]}) if "after" in parts else CIMultiDict()
    kind = "text/html" if body.startswith(b"<") else "application/json"
    return HttpAnswer(status, headers, body, parts.get("content_type", kind))


def raised(status: int, body: bytes, asked: Asked = Asked.SEND, **parts: Any) -> RelayError:
    """What an answer makes relay raise."""
    divisible = parts.pop("divisible", False)
    with pytest.raises(RelayError) as caught:
        refuse(answered(status, body, **parts), asked, now=NOW, divisible=divisible)
    return caught.value


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, ("SVC0004", "No valid addresses provided in message part %1", "addresses")),
        (400, ("SVC0002", "Invalid input value for message part %1", "addresses")),
        (400, ("SVC0001", "The MSISDN is a landline")),
        (403, ("POL0001", "A policy error occurred: invalid MSISDN")),
        (400, ("POL0003", "Too many addresses specified in message part %1")),
        (403, ("POL0013", "Duplicate addresses")),
    ],
)
def test_a_recipient_at_fault_divides_several_unless_they_are_a_group(
    status: int, body: tuple[str, ...], lower: bool
) -> None:
    """AT&T does not name the one that is wrong; a group goes out whole or not at all."""
    assert type(raised(status, envelope(*body, lower=lower), divisible=True)) is RefusedAsGroup
    alone = raised(status, envelope(*body, lower=lower))
    assert type(alone) is Refused
    assert alone.problem.code is ErrorCode.INVALID_RECIPIENT


@pytest.mark.parametrize(
    ("status", "body", "expected", "code"),
    [
        (400, envelope("SVC0002", "Invalid input for %1", "text"), Refused, ErrorCode.PROVIDER_REFUSED),
        (400, envelope("SVC0003", "Allowed values are %1", "true,false"), Refused, ErrorCode.PROVIDER_REFUSED),
        (400, envelope("SVC9999"), Refused, ErrorCode.PROVIDER_REFUSED),
        (403, envelope("POL9999"), Refused, ErrorCode.PROVIDER_REFUSED),
        (400, b"", Refused, ErrorCode.PROVIDER_REFUSED),
        (413, b"<html></html>", Refused, ErrorCode.TOO_LARGE),
        (413, envelope("SVC0002"), Refused, ErrorCode.TOO_LARGE),
        (400, envelope("SVC0001"), TryLater, ErrorCode.PROVIDER_ERROR),
        (500, envelope("SVC0001"), OutcomeUnknown, ErrorCode.UNCERTAIN),
        (503, b"<html></html>", TryLater, ErrorCode.PROVIDER_ERROR),
        (404, b"<html></html>", TryLater, ErrorCode.PROVIDER_ERROR),
        (502, b"<html></html>", OutcomeUnknown, ErrorCode.UNCERTAIN),
        (302, b"", OutcomeUnknown, ErrorCode.UNCERTAIN),
        (429, b"", Throttled, ErrorCode.THROTTLED),
        (403, envelope("POL0001", "Rate limit quota violation. Quota limit exceeded."), Throttled, ErrorCode.THROTTLED),
        (403, envelope("POL1009", "Rate exceeded"), Throttled, ErrorCode.THROTTLED),
        (403, envelope("POL0001", "The daily quota is used up"), Throttled, ErrorCode.QUOTA_EXCEEDED),
        (403, envelope("POL0001", "Insufficient scope"), NotAuthorized, ErrorCode.UNAUTHORIZED),
        (403, b"", NotAuthorized, ErrorCode.UNAUTHORIZED),
        (401, envelope("POL0001", "UnAuthorized Request"), NotAuthorized, ErrorCode.UNAUTHORIZED),
        (400, envelope("POL0001", "Invalid Request"), NotAuthorized, ErrorCode.UNAUTHORIZED),
        (400, b"<h1>Invalid Request</h1>", NotAuthorized, ErrorCode.UNAUTHORIZED),
    ],
)
def test_a_refused_send_is_of_the_class_that_says_what_to_do(
    status: int, body: bytes, expected: type[RelayError], code: ErrorCode
) -> None:
    """With the provider's own words, whoever the recipients are."""
    for divisible in (False, True):
        error = raised(status, body, divisible=divisible)
        assert type(error) is expected
        assert error.problem.code is code
        assert error.problem.provider is not None
        assert error.problem.provider.http == status


@pytest.mark.parametrize(
    ("asked", "status", "body", "expected"),
    [
        (Asked.STORE, 400, envelope("SVC0001", "Error code is %1", "message index is not ready"), NotReady),
        (Asked.STORE, 400, envelope("SVC0001", "An internal error occurred"), NotReady),
        (Asked.STORE, 409, envelope("SVC0001"), NotReady),
        (Asked.STORE, 409, b"", NotReady),
        (Asked.STORE, 400, envelope("SVC0002", "Invalid %1", "limit"), Refused),
        (Asked.CHANGES, 400, envelope("SVC0001", "Error code is %1", "message index is not ready"), NotReady),
        (Asked.CHANGES, 409, envelope("SVC0001", "cache not initialized"), NotReady),
        (Asked.CHANGES, 409, envelope("SVC0001", "Error code is %1", "state"), CursorInvalid),
        (Asked.CHANGES, 400, envelope("SVC0001", "the state has expired"), CursorInvalid),
        (Asked.CHANGES, 400, envelope("SVC0002", "Invalid input value for message part %1", "state"), CursorInvalid),
        (Asked.CHANGES, 400, envelope("SVC0002"), CursorInvalid),
        (Asked.CHANGES, 400, b"", CursorInvalid),
        (Asked.CHANGES, 409, envelope("SVC0001"), IndexOrState),
        (Asked.CHANGES, 400, envelope("SVC0001"), IndexOrState),
        (Asked.CHANGES, 409, b"", IndexOrState),
        (Asked.CHANGES, 400, b"<html></html>", Refused),
        (Asked.MESSAGE, 404, envelope("SVC0001", "message %1 not found"), Gone),
        (Asked.MESSAGE, 404, b"", Gone),
        (Asked.MESSAGE, 410, b"", Gone),
        (Asked.MESSAGE, 400, envelope("SVC0001", "No message found for uuid %1"), Gone),
        (Asked.MESSAGE, 400, envelope("SVC0001", "Could not find the message"), Gone),
        (Asked.MESSAGE, 404, b"<html></html>", TryLater),
        (Asked.MESSAGE, 400, envelope("SVC0001", "An internal error occurred"), TryLater),
        (Asked.MESSAGE, 409, envelope("SVC0001", "message index is not ready"), NotReady),
    ],
)
def test_an_index_a_state_and_a_message_are_told_apart(
    asked: Asked, status: int, body: bytes, expected: type[RelayError]
) -> None:
    """As far as AT&T's words go; where they do not, the index has to be asked."""
    assert type(raised(status, body, asked)) is expected


@pytest.mark.parametrize("asked", [Asked.STORE, Asked.CHANGES, Asked.MESSAGE])
@pytest.mark.parametrize("status", [302, 500, 502, 503, 504])
def test_what_fails_without_sending_may_be_tried_again(asked: Asked, status: int) -> None:
    """Reading changes nothing, and a change may be made twice."""
    assert type(raised(status, b"<html></html>", asked)) is TryLater
    assert type(raised(status, envelope("SVC0001"), asked)) is TryLater


@pytest.mark.parametrize(("status", "body"), [(403, envelope("POL0001", "Rate exceeded")), (503, b""), (429, b"")])
def test_at_t_s_wait_goes_with_the_error(status: int, body: bytes) -> None:
    """Wherever a Retry-After comes along."""
    error = raised(status, body, after="45")
    assert isinstance(error, TryLater)
    assert error.after == 45


@pytest.mark.parametrize(
    ("status", "body", "is_one"),
    [
        (403, envelope("POL0002", "Privacy verification failed"), True),
        (403, envelope("POL0002", lower=True), True),
        (401, envelope("POL0002"), True),
        (403, envelope("POL0001"), False),
        (403, b"POL0002", False),
        (500, envelope("POL0002"), False),
        (200, envelope("POL0002"), False),
    ],
)
def test_pol0002_is_the_end_of_a_consent(status: int, body: bytes, is_one: bool) -> None:
    """As a refusal, and in AT&T's envelope."""
    assert is_withdrawal(answered(status, body)) is is_one


def test_a_request_without_credentials_is_said_aloud() -> None:
    """Relay always sends them: somebody in between takes them away."""
    with capture_logs() as logs:
        raised(400, envelope("POL0001", "Invalid Request"), Asked.STORE)
    assert [(log["event"], log["log_level"]) for log in logs] == [("provider.credentials.unseen", "error")]


def test_no_number_is_repeated() -> None:
    """Neither from the text nor from the variables."""
    error = raised(403, envelope("POL0001", "invalid MSISDN 2065550123 %1", "tel:+12065550123"))
    assert "2065550123" not in repr(error.problem)


def test_a_success_refuses_nothing() -> None:
    """Asking is a mistake of relay's own."""
    with pytest.raises(ValueError, match="refuses nothing"):
        refuse(answered(204, b""), Asked.STORE, now=NOW)


@given(st.integers(300, 599), st.binary(), st.sampled_from(list(Asked)), st.booleans())
def test_whatever_the_answer_it_is_one_of_relay_s_errors(
    status: int, body: bytes, asked: Asked, divisible: bool
) -> None:
    """And only a send is ever of unknown outcome."""
    error = raised(status, body, asked, divisible=divisible, content_type="application/json")
    assert asked is Asked.SEND or not isinstance(error, OutcomeUnknown)
    assert divisible or not isinstance(error, RefusedAsGroup)


def test_every_code_says_something_to_people_and_fits_its_meaning() -> None:
    """What may be tried again has a code that says so, and what is final has none that does."""
    for code, error in ERRORS.items():
        assert error.detail, code
        assert error.code.retryable == (error.meaning in {Meaning.LATER, Meaning.RATE}), code


def test_both_sets_of_index_statuses_are_known_and_any_other_is_work() -> None:
    """In any case of letters."""
    assert {status for status, means in INDEX_STATUSES.items() if means is Index.READY} == {"INITIALIZED", "COMPLETE"}
    assert index_standing(" in_progress ") is index_standing("INITIALIZING") is Index.WORKING
    assert index_standing("NOT_INITIALIZED") is index_standing("error") is Index.MISSING
    assert index_standing("REBUILDING") is Index.WORKING
