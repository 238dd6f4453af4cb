"""What a metric calls an operation: short, stable, and one word for each method and path."""

import re

import pytest

from relay.providerkit.operations import Operation, labels
from relay.providers import discover


def row(name: str, path: str = "/outbox", *, method: str = "POST", is_callback: bool = False) -> Operation:
    """A row of the table."""
    return Operation(name, method, path, "", "", is_callback)


def test_an_operation_is_called_as_the_documents_call_it() -> None:
    """In small letters, with nothing between the words but one line."""
    assert labels([row("Get SMS (REST v2)")]) == {("POST", "/outbox"): "get_sms_rest_v2"}


def test_operations_that_differ_in_their_bodies_have_what_their_names_have_in_common() -> None:
    """They cannot be told apart by method and path; what the first is called, where nothing is common."""
    both = [row("OAuth: access token for a code"), row("OAuth: access token for a refresh token")]
    assert labels(both) == {("POST", "/outbox"): "oauth_access_token"}
    assert labels([row("Send"), row("Post")]) == {("POST", "/outbox"): "send"}
    assert set(labels([row("Get", method="GET"), row("Send"), row("Send", "/inbox")]).values()) == {"get", "send"}


def test_what_the_provider_calls_is_no_request_of_relays() -> None:
    """It has no name here."""
    assert labels([row("Message", is_callback=True)]) == {}


@pytest.mark.parametrize("name", discover())
def test_every_operation_of_a_provider_has_a_name(name: str) -> None:
    """Of letters, digits and lines."""
    operations = [one for one in discover()[name].operations if not one.is_callback]
    found = labels(operations)
    assert found.keys() == {(one.method, one.path) for one in operations}
    assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", label) for label in found.values())
