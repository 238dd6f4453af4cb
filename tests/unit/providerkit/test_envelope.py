"""What a provider's error body says, in every variant that was seen."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from relay.providerkit.envelope import Complaint, complaint, said
from relay.providerkit.http import HttpAnswer


def answer(body: bytes, status: int = 400) -> HttpAnswer:
    """An answer with this body."""
    return HttpAnswer(status, CIMultiDict(), body, "application/json")


FIELDS = {"MessageId": "SVC0002", "Text": "Invalid input value for message part %1", "Variables": "Address"}
FILLED = Complaint("SVC0002", "Invalid input value for message part Address", ("Address",))


@pytest.mark.parametrize(
    "body",
    [
        {"RequestError": {"ServiceException": FIELDS}},
        {"RequestError": {"PolicyException": FIELDS}},
        {"RequestError": FIELDS},
        {"requestError": {"serviceException": {key.lower(): value for key, value in FIELDS.items()}}},
        {"requestError": {"serviceException": {**FIELDS, "Variables": ["Address"]}}},
        {"RequestError": {"ServiceException": {**FIELDS, "MessageId": "svc0002"}}},
    ],
)
def test_every_spelling_of_the_envelope_is_read(body: Any) -> None:
    """Upper or lower case, with or without the inner object, variables as text or list."""
    assert complaint(answer(json.dumps(body).encode())) == FILLED


@pytest.mark.parametrize("variables", [None, "", " ", [], "tel:+12065550123", ["<b>"], 5])
def test_only_a_field_s_name_is_put_into_the_text(variables: Any) -> None:
    """A number or a piece of a message stays out of it."""
    body = {"RequestError": {"ServiceException": {**FIELDS, "Variables": variables}}}
    found = complaint(answer(json.dumps(body).encode()))
    assert found is not None
    assert found.text == "Invalid input value for message part %1"


def test_an_oauth_error_is_read_too() -> None:
    """RFC 6749's form comes from the token endpoint."""
    body = b'{"error": "invalid_grant", "error_description": "expired"}'
    assert complaint(answer(body)) == Complaint("invalid_grant", "expired")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>502</body></html>",
        b"[]",
        b"{}",
        b'{"RequestError": null}',
        b'{"RequestError": {}}',
        b'{"RequestError": {"ServiceException": []}}',
        b'{"RequestError": {"ServiceException": "SVC0001"}}',
        b'{"error": {"code": 5}}',
        b'{"outboundSMSResponse": {"messageId": "SMS1"}}',
    ],
)
def test_what_is_no_envelope_is_no_complaint(body: bytes) -> None:
    """Then the status alone is judged."""
    assert complaint(answer(body)) is None


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(lambda value: json.dumps(value).encode()))
def test_reading_an_error_never_fails(body: bytes) -> None:
    """It is the last thing that may go wrong."""
    found = complaint(answer(body))
    assert found is None or said(answer(body), found) is not None


def test_words_are_looked_for_in_text_and_variables() -> None:
    """AT&T has one code for many things."""
    found = Complaint("POL0001", "A policy error occurred: %1", ("Rate limit exceeded",))
    assert found.says(re.compile("rate limit", re.IGNORECASE))
    assert not found.says(re.compile("msisdn"))


def test_what_was_said_is_shown_with_its_status_and_without_numbers() -> None:
    """As receipts carry it."""
    detail = said(answer(b"", 403), Complaint("POL0001", "invalid MSISDN 2065550123"))
    assert detail is not None
    assert (detail.http, detail.code, detail.text) == (403, "POL0001", "invalid MSISDN #")
    assert said(answer(b""), None) is None
