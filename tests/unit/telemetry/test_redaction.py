"""What may not be in a log line, and what must survive."""

from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.telemetry import redaction
from relay.telemetry.redaction import Redactor, peer_of

KEY = b"a key"


def peer(number: str) -> str:
    """The tests' own hash."""
    return peer_of(number, KEY)


REDACTOR = Redactor(peer)
NUMBER = "+12065550123"


@pytest.mark.parametrize(
    "said",
    [
        "GET https://api.example/message/send?session=MARK:55&body=MARK&contacts=MARK",
        "/message/send?contacts=MARK&session=MARK",
        "session=MARK:55",
        "session%3DMARK",
        "'session': 'MARK'",
        '{"access_token": "MARK~1", "refresh_token":"MARK"}',
        "client_secret=MARK&client_id=MARK",
        "Authorization: Bearer MARK~2",
        "authorization: basic MARK==",
        "mqtt://relay:MARK@broker.example:1883",
        "POST /hooks/office/MARK_secret-1/receive HTTP/1.1",
        "/consent/desk/MARK?code=MARK",
        "password=MARK",
        "password: MARK",
    ],
)
def test_a_secret_in_a_text_is_hidden(said: str) -> None:
    """Wherever a library puts it."""
    assert "MARK" not in REDACTOR.text(said)


@pytest.mark.parametrize(
    "said",
    [
        NUMBER,
        "2065550123",
        "12065550123",
        "tel:+12065550123",
        "tel:12065550123",
        "ptn:/2065550123",
        "tel%3A%2B12065550123",
        "%2B12065550123",
        "(206) 555-0123",
        "206-555-0123",
        "+1 206.555.0123",
        "x12065550123y",
    ],
)
def test_a_number_in_a_text_becomes_its_peer(said: str) -> None:
    """One and the same for every spelling, so that a line stays useful."""
    assert f"[peer {peer(NUMBER)}]" in REDACTOR.text(f"<{said}>")
    assert "5550123" not in REDACTOR.text(said)


def test_a_mail_address_becomes_its_peer() -> None:
    """In-App Messaging sends to mail addresses."""
    assert REDACTOR.text("to Ann@example.com.") == f"to [peer {peer('ann@example.com')}]."


@pytest.mark.parametrize(
    "said",
    [
        "018f0000-1234-7abc-8def-123456789012",
        "SMS1234567890123456",
        "2026-11-21T09:00:00.000Z",
        "listening on 127.0.0.1:8080",
        "0.1.0 in 12345 seconds",
        "Will the code be 404? Yes",
        "short code 12345",
    ],
)
def test_ids_times_and_plain_words_survive(said: str) -> None:
    """A log that hides everything helps nobody."""
    assert REDACTOR.text(said) == said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("message_id", "018f0000-1234-7abc-8def-123456789012"),
        ("ref", "664883126574915584"),
        ("provider_id", "66488312651"),
        ("request_id", "order-1763715000123"),
        ("raw_id", 12345678901),
        ("token_id", "abc"),
        ("body_bytes", 12_065_550_123),
        ("timestamp", "2026-11-21T09:00:00.000Z"),
        ("since", datetime(2026, 11, 21, 9, tzinfo=UTC)),
        ("count", 999_999_999),
        ("wait", 1.5),
        ("done", True),
        ("line", None),
    ],
)
def test_fields_that_are_known_keep_their_values(name: str, value: Any) -> None:
    """Landline's ids are longer than a number, and counts are numbers."""
    assert REDACTOR.value(name, value) == (value.isoformat() if isinstance(value, datetime) else value)


@pytest.mark.parametrize("request_id", ["order-2065550123", "+12065550123", "tel:+442071838750", "ann@example.com"])
def test_an_id_that_a_client_made_of_a_number_does_not_show_it(request_id: str) -> None:
    """Clients choose their ids."""
    assert "[peer " in REDACTOR.value("request_id", request_id)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "app_secret",
        "webhook_secret",
        "access_token",
        "token",
        "session",
        "Authorization",
        "cookie",
        "app_key",
        "text",
        "body",
        "subject",
        "to",
        "from",
        "number",
        "recipients",
        "address",
        "payload",
        "sender",
        "raw",
    ],
)
def test_a_field_with_such_a_name_is_hidden_whatever_it_holds(name: str) -> None:
    """Even where nothing in it looks like a secret."""
    assert [REDACTOR.value(name, value) for value in ("MARK", 7, ["MARK"], {"a": "MARK"})] == ["[hidden]"] * 4


def test_what_is_inside_lists_and_tables_is_searched_too() -> None:
    """Keys included, and no deeper than is useful."""
    fields = REDACTOR.fields({"a": [{"to": "MARK", "b": {"password": "MARK"}}, (NUMBER,)], NUMBER: {"MARK"}})
    assert "5550123" not in str(fields)
    assert str(fields).count("MARK") == 1
    deep: Any = "MARK"
    for _ in range(50):
        deep = [deep]
    assert "MARK" not in str(REDACTOR.value("deep", deep))


def test_things_without_a_plain_form_are_named_by_their_type() -> None:
    """Their own repr may hold anything."""

    class Thing:
        def __repr__(self) -> str:
            return "MARK"

    class Colour(Enum):
        RED = "red"

    assert REDACTOR.value("thing", Thing()) == "<Thing>"
    assert REDACTOR.value("bytes_", b"MARK") == "<bytes>"
    assert REDACTOR.value("colour", Colour.RED) == "red"
    assert REDACTOR.value("path", Path("/var/lib")) == "/var/lib"


def test_an_int_that_could_be_a_number_becomes_its_peer() -> None:
    """A provider's JSON has numbers as integers."""
    assert REDACTOR.value("found", 12065550123) == f"[peer {peer(NUMBER)}]"


def test_a_long_text_is_cut_but_not_through_a_number() -> None:
    """A part of a number would pass for something else."""
    said = REDACTOR.text("x" * 1992 + " 2065550123 " + "x" * 9000)
    assert len(said) == 2001
    assert "206" not in said


def test_a_peer_is_equal_for_equal_numbers_and_different_under_another_key() -> None:
    """Nobody can look numbers up by hashing them all, without the key."""
    assert peer("+12065550123") == peer("(206) 555-0123") == peer("tel:+12065550123")
    assert peer("+12065550123") != peer("+12065550124")
    assert peer_of(NUMBER, b"another") != peer(NUMBER)
    assert peer("Ann@Example.com") == peer("ann@example.com") != peer("bob@example.com")


@given(st.text(), st.text(alphabet="0123456789", min_size=10, max_size=15), st.text())
def test_no_run_of_ten_digits_gets_through(before: str, digits: str, after: str) -> None:
    """Whatever stands around it."""
    said = REDACTOR.text(f"{before} {digits} {after}")
    assert digits not in said


@given(
    st.recursive(
        st.text() | st.integers() | st.binary() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_value_comes_out_as_plain_json(value: Any) -> None:
    """The line can always be written."""
    assert _is_plain(REDACTOR.value("field", value))


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)


_SIGNS = ["Bearer x", "ba\u017fic x", "session", "token", "=", ":", "%3D", "?", "@", "/hooks/a/", "tel:", " ", ".", "-"]
_NUMBERS = [
    "+1206",
    "555",
    "0123",
    "2065550123",
    "\u0663",
    "018f0000-1234-7abc-8def-123456789012",
    "SMS1234567890123456",
]


@given(st.lists(st.sampled_from([*_SIGNS, *_NUMBERS]) | st.text(max_size=4), max_size=8).map("".join))
def test_what_is_let_through_at_a_glance_is_what_the_search_would_let_through(said: str) -> None:
    """The quick look saves the search, and changes nothing."""
    assert REDACTOR.text(said) == redaction._PATTERNS.sub(REDACTOR._replaced, said)
    assert REDACTOR.value("id", said) == redaction._PEER_IN_ID.sub(lambda found: f"[peer {peer(found[0])}]", said)


@given(st.text(alphabet="+0123456789%2Ba-.()٣", max_size=16))
def test_a_plain_number_has_the_hash_that_it_has_in_any_spelling(number: str) -> None:
    """It is hashed without the search for what is no digit."""
    assert peer(number) == peer(f"{number} ")


def test_a_field_whose_name_is_no_text_is_told_under_what_it_reads_as() -> None:
    """A library's mapping may have any keys."""
    odd: dict[Any, Any] = {1: "a", None: "b", "password": "c", (2065550123,): 1}
    assert REDACTOR.fields(odd) == {
        "1": "a",
        "None": "b",
        "password": "[hidden]",
        f"([peer {peer('2065550123')}],)": 1,
    }
