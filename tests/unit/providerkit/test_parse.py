"""A provider's bytes become values, whatever their spelling, or Malformed."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.errors import Malformed
from relay.providerkit.parse import (
    Unreadable,
    as_count,
    as_id,
    as_int,
    as_list,
    as_object,
    as_text,
    as_time,
    folded_json,
    understood,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def test_keys_are_folded_at_every_depth_and_values_are_not() -> None:
    """InboundSmsMessage and inboundSMSMessage are one."""
    assert folded_json(b'{"InboundSmsMessageList": [{"MessageId": "Msg0"}]}') == {
        "inboundsmsmessagelist": [{"messageid": "Msg0"}]
    }


def test_long_integers_stay_exact() -> None:
    """Landline's ids exceed 2^53, and nobody knows by how much they may."""
    assert folded_json(b'{"id": 664883126574915584123456789}') == {"id": 664883126574915584123456789}


def test_a_byte_order_mark_is_passed_over() -> None:
    """Some gateways write one."""
    assert folded_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_control_characters_in_a_text_are_let_through() -> None:
    """One odd text must not hold up its page."""
    assert folded_json(b'{"Message": "a\nb\x00c"}') == {"message": "a\nb\x00c"}


def test_half_a_character_becomes_the_replacement_character() -> None:
    """No journal and no bus could carry it; whole pairs stay."""
    assert folded_json(rb'["\ud83d", "\ud83d\ude00"]') == ["\ufffd", "\U0001f600"]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html></html>",
        b'{"a": 1',
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b"[" * 250 + b"]" * 250,
        b'{"a": ' + b"9" * 5000 + b"e}",
    ],
)
def test_what_is_no_json_is_unreadable(raw: bytes) -> None:
    """Neither other notations, nor endless depth, nor numbers that JSON does not have."""
    with pytest.raises(Unreadable):
        folded_json(raw)


@given(JSON)
def test_every_json_is_read(value: Any) -> None:
    """And keeps its shape."""
    read = folded_json(json.dumps(value).encode())
    assert type(read) is type(value)


@given(st.binary())
def test_bytes_are_understood_or_malformed(raw: bytes) -> None:
    """Nothing else, whatever they are."""
    with suppress(Malformed):
        assert isinstance(understood(raw, "a thing", lambda value: as_object(value, "the body")), dict)


def test_malformed_says_where_and_not_what() -> None:
    """The bytes go with the error and are not shown."""
    with pytest.raises(Malformed, match=r"^an inbox page: the body must be an object$") as caught:
        understood(b'["+12065550123"]', "an inbox page", lambda value: as_object(value, "the body"))
    assert caught.value.raw == b'["+12065550123"]'


@pytest.mark.parametrize(
    ("value", "expected"), [(None, []), ("", []), ([], []), ({"a": 1}, [{"a": 1}]), ([1, 2], [1, 2]), (0, [0])]
)
def test_a_single_value_stands_for_a_list(value: Any, expected: list[Any]) -> None:
    """Gateways that turn XML into JSON leave the list out, or put "" in its place."""
    assert as_list(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (664883126574915584, "664883126574915584"),
        (" SMSa9b1 ", "SMSa9b1"),
        ("", None),
        ("  ", None),
        (None, None),
        (True, None),
        (1.5, None),
        ({}, None),
    ],
)
def test_an_id_is_text(value: Any, expected: str | None) -> None:
    """Integers exactly, never as floats."""
    assert as_id(value) == expected


@pytest.mark.parametrize(("value", "expected"), [("a\n b ", "a\n b "), (None, ""), (42, "42"), ("", "")])
def test_a_text_is_not_altered(value: Any, expected: str) -> None:
    """Blanks at its ends are the sender's."""
    assert as_text(value, "message") == expected


@pytest.mark.parametrize("value", [True, 1.5, [], {}])
def test_what_is_no_text_is_unreadable(value: Any) -> None:
    """By field, not by content."""
    with pytest.raises(Unreadable, match=r"^message must be a text$"):
        as_text(value, "message")


@pytest.mark.parametrize(
    ("value", "expected"), [(3, 3), ("3", 3), (" 3 ", 3), ("-3", -3), ("", 0), (None, 0), ("172800", 172800)]
)
def test_a_number_may_stand_in_quotes(value: Any, expected: int) -> None:
    """As served by version 3; "" is none."""
    assert as_int(value, "count") == expected


@pytest.mark.parametrize("value", [True, 1.5, "1.5", "many", [], {}, "9" * 31])
def test_what_is_no_number_is_unreadable_and_counts_nothing(value: Any) -> None:
    """A count is advice only, so that no page is set aside for it."""
    with pytest.raises(Unreadable, match=r"^count must be a whole number$"):
        as_int(value, "count")
    assert as_count(value) == 0


def test_a_count_is_never_negative() -> None:
    """Less than nothing is nothing."""
    assert as_count("-1") == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-04-19T14:30:00Z", datetime(2026, 4, 19, 14, 30, tzinfo=UTC)),
        ("2026-04-19T14:30:00.250-07:00", datetime(2026, 4, 19, 21, 30, 0, 250_000, tzinfo=UTC)),
        ("2026-04-19T14:30:00", datetime(2026, 4, 19, 14, 30, tzinfo=UTC)),
        ("04-15-2011T12:00:00", datetime(2011, 4, 15, 12, 0, tzinfo=UTC)),
        ("26/Jul/2012:21:55:01:462 +0000", datetime(2012, 7, 26, 21, 55, 1, 462_000, tzinfo=UTC)),
        ("26/Jul/2012:21:55:01:462 -0700", datetime(2012, 7, 27, 4, 55, 1, 462_000, tzinfo=UTC)),
        (" 2026-04-19T14:30:00Z ", datetime(2026, 4, 19, 14, 30, tzinfo=UTC)),
    ],
)
def test_every_time_format_that_was_seen_is_read(value: str, expected: datetime) -> None:
    """What has no zone is UTC."""
    assert as_time(value) == expected


@pytest.mark.parametrize("value", ["", "yesterday", "15-04-2011T12:00:00", None, 0, "0001-01-01T00:00:00+23:00"])
def test_any_other_time_is_none(value: Any) -> None:
    """The time of receipt will do."""
    assert as_time(value) is None


@given(st.text())
def test_no_text_breaks_the_reading_of_a_time(value: str) -> None:
    """It is an aware time or None."""
    time = as_time(value)
    assert time is None or time.tzinfo is UTC
