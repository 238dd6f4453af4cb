"""The bodies of In-App Messaging: as documented, as served, and whatever else may come."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import outbound
from relay.domain.errors import Malformed
from relay.domain.mailbox import MailEntry
from relay.domain.messages import OutboundCall, Recipient
from relay.providers.att_inapp.codes import Index
from relay.providers.att_inapp.wire import (
    read_changes,
    read_index,
    read_list,
    read_sent,
    send_body,
    update_body,
    updates_body,
)

TIME = datetime(2026, 4, 19, 14, 30, tzinfo=UTC)
BOTH = ("group", "isGroup")

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def encoded(value: Any) -> bytes:
    """As JSON."""
    return json.dumps(value).encode()


def sent(*addresses: str, flags: tuple[str, ...] = BOTH, **more: Any) -> dict[str, Any]:
    """What a send says."""
    recipients = tuple(Recipient(str(place), outbound(one)) for place, one in enumerate(addresses))
    more = {"text": "hi", **more}
    body = json.loads(send_body(OutboundCall("c", "m", "desk", 1, recipients, **more), flags))
    request: dict[str, Any] = body["messageRequest"]
    return request


def test_a_text_to_one_is_the_least_that_is_documented() -> None:
    """No flag, no subject."""
    assert sent("2065550123") == {"addresses": ["tel:+12065550123"], "text": "hi"}


def test_every_kind_of_address_is_spelled_as_documented() -> None:
    """Numbers, short codes, mail."""
    addresses = sent("+12065550123", "short:12345", "Ann@B.example")["addresses"]
    assert addresses == ["tel:+12065550123", "short:12345", "Ann@b.example"]


@pytest.mark.parametrize("flags", [BOTH, ("group",), ("isGroup",)])
@pytest.mark.parametrize("group", [True, False])
def test_several_are_marked_as_a_group_or_as_none(flags: tuple[str, ...], group: bool) -> None:
    """Under the name, or both, that the settings have."""
    request = sent("2065550123", "2065550124", group=group, flags=flags)
    assert {name: request[name] for name in request.keys() & set(BOTH)} == dict.fromkeys(flags, group)


def test_a_group_of_one_is_none() -> None:
    """AT&T refuses the flag with one address."""
    assert sent("2065550123", group=True).keys() == {"addresses", "text"}


def test_a_subject_goes_with_it_and_no_empty_text() -> None:
    """As for attachments alone."""
    assert sent("2065550123", text=None, subject="S").keys() == {"addresses", "subject"}


@pytest.mark.parametrize(
    ("answer", "ref"),
    [
        ({"id": "msg-500123", "resourceURL": "https://api.att.com/myMessages/v2/messages/msg-500123"}, "msg-500123"),
        ({"id": "t1"}, "t1"),
        ({"Id": 17}, "17"),
        ({"resourceUrl": "x"}, None),
    ],
)
def test_the_id_of_a_send_is_read_where_there_is_one(answer: Any, ref: str | None) -> None:
    """For tracing."""
    assert read_sent(encoded(answer)) == ref


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"RequestError": {}}', b"null"])
def test_what_is_no_answer_to_a_send_is_malformed(body: bytes) -> None:
    """The send may have happened: the caller says so."""
    with pytest.raises(Malformed):
        read_sent(body)


def test_updates_are_spelled_as_documented() -> None:
    """One, and several as published clients have them."""
    assert json.loads(update_body(is_unread=False)) == {"message": {"isUnread": False}}
    several = {"messages": [{"messageId": "a", "isUnread": True}, {"messageId": "b", "isUnread": False}]}
    assert json.loads(updates_body({"a": True, "b": False})) == several


@pytest.mark.parametrize(
    ("info", "standing", "state", "count"),
    [
        ({"state": "state-a1b2c3d4", "status": "INITIALIZED"}, Index.READY, "state-a1b2c3d4", None),
        ({"status": "COMPLETE", "state": 1388102635555, "messageCount": "12"}, Index.READY, "1388102635555", 12),
        ({"status": "NOT_INITIALIZED"}, Index.MISSING, None, None),
        ({"status": "in_progress", "state": ""}, Index.WORKING, None, None),
        ({"status": "SOMETHING_NEW", "messageCount": 0}, Index.WORKING, None, 0),
    ],
)
def test_an_index_says_how_it_stands(info: Any, standing: Index, state: str | None, count: int | None) -> None:
    """In both sets of words."""
    found = read_index(encoded({"messageIndexInfo": info}))
    assert (found.standing, found.state, found.count) == (standing, state, count)


def test_a_documented_list_has_its_total_and_no_state() -> None:
    """The example of the OpenAPI file."""
    message = {
        "messageId": "msg-500123",
        "from": "tel:+12125551234",
        "recipients": ["tel:+12125559999"],
        "isUnread": False,
        "isIncoming": True,
        "type": "TEXT",
        "typeCode": "1",
        "timeStamp": "2026-04-19T14:30:00Z",
    }
    body = {"messageResultSet": {"messages": [message], "totalCount": 1, "offset": 0, "limit": 50}}
    listing = read_list(encoded(body), 0)
    assert listing.index is None
    assert listing.page.entries == (MailEntry("msg-500123", is_unread=False, is_incoming=True, time=TIME),)
    assert (listing.page.total, listing.page.offset, listing.page.cursor) == (1, 0, None)


def test_a_served_list_has_a_state_and_says_how_its_index_stands() -> None:
    """What is missing is not known; flags may be texts; a time without a zone is UTC."""
    messages = [
        {"messageId": "t1", "timeStamp": "2026-04-19T14:30:00", "isUnread": "true", "isIncoming": "false"},
        {"messageId": 17, "isUnread": None},
    ]
    body = {"messages": messages, "offset": 0, "limit": 50, "total": "7", "state": "1|2:3,+/=", "cacheStatus": "ERROR"}
    listing = read_list(encoded({"messageList": body}), 0)
    assert listing.page.entries == (MailEntry("t1", is_unread=True, is_incoming=False, time=TIME), MailEntry("17"))
    assert (listing.page.total, listing.page.cursor, listing.index) == (7, "1|2:3,+/=", Index.MISSING)


@pytest.mark.parametrize("messages", [None, "", []])
def test_a_list_may_be_empty_in_every_way(messages: Any) -> None:
    """Null, nothing, none."""
    page = read_list(encoded({"messageList": {"messages": messages, "total": 0, "state": "s"}}), 0).page
    assert (page.entries, page.total) == ((), 0)


@pytest.mark.parametrize(
    ("named", "offset", "count", "total"),
    [({}, 0, 2, 3), ({}, 2, 0, 2), ({"total": 1}, 2, 2, 4), ({"totalCount": "9"}, 0, 1, 9), ({"total": None}, 0, 0, 0)],
)
def test_a_total_that_is_missing_or_too_small_ends_no_listing(named: Any, offset: int, count: int, total: int) -> None:
    """Where none is named there may be more for as long as there is something."""
    messages = [{"messageId": str(number)} for number in range(count)]
    assert read_list(encoded({"messageList": {"messages": messages, **named}}), offset).page.total == total


def test_a_documented_delta_has_three_lists() -> None:
    """The example of the OpenAPI file, and more."""
    body = {
        "addedMessages": [{"messageId": "msg-500789", "from": "tel:+12125551234", "isUnread": True}],
        "updatedMessages": [{"messageId": "b", "isUnread": False}, "c"],
        "deletedMessages": ["d", {"messageId": "e"}],
        "state": "state-e5f6g7h8",
    }
    changes = read_changes("old", encoded({"deltaResponse": body}))
    assert changes.added == (MailEntry("msg-500789", is_unread=True),)
    assert changes.updated == (MailEntry("b", is_unread=False), MailEntry("c"))
    assert (changes.deleted, changes.cursor) == (("d", "e"), "state-e5f6g7h8")


def test_a_served_delta_is_by_type() -> None:
    """Its entries have flags only; what stands twice counts once."""
    text = {"type": "TEXT", "adds": [{"messageId": "a", "isUnread": True}], "deletes": [{"messageId": "x"}]}
    mms = {"type": "MMS", "adds": [{"messageId": "b"}, {"messageId": "b"}], "updates": None}
    changes = read_changes("old", encoded({"deltaResponse": {"state": 1388102635555, "delta": [text, mms]}}))
    assert changes.added == (MailEntry("a", is_unread=True), MailEntry("b"))
    assert (changes.updated, changes.deleted, changes.cursor) == ((), ("x",), "1388102635555")


@pytest.mark.parametrize(
    "body",
    [
        {"state": "old"},
        {"state": None, "addedMessages": None},
        {"delta": None},
        {"state": "", "delta": []},
        {"delta": {"type": "TEXT"}, "deletedMessages": ""},
    ],
)
def test_a_delta_without_changes_leaves_the_cursor(body: Any) -> None:
    """Lists may be missing, null or empty, and so may the state."""
    changes = read_changes("old", encoded({"deltaResponse": body}))
    assert (changes.added, changes.updated, changes.deleted, changes.cursor) == ((), (), (), "old")


def test_a_state_goes_back_as_it_came() -> None:
    """Blanks and all: it is opaque."""
    assert read_changes("old", encoded({"deltaResponse": {"state": " a b "}})).cursor == " a b "


@pytest.mark.parametrize(
    "body",
    [
        {"messageList": {"messages": [{"from": "x"}]}},
        {"messageList": {"messages": ["t1"]}},
        {"messageList": {"messages": [{"messageId": "x" * 2000}]}},
        {"messageList": {"messages": [], "state": ["s"]}},
        {"messages": []},
        [],
    ],
)
def test_a_list_that_cannot_be_read_is_malformed_as_a_whole(body: Any) -> None:
    """An entry without an id can never be fetched: somebody has to look."""
    with pytest.raises(Malformed):
        read_list(encoded(body), 0)


@given(st.binary())
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    """Nothing else is ever raised."""
    for read in (read_sent, read_index, lambda raw: read_list(raw, 3), lambda raw: read_changes("c", raw)):
        with suppress(Malformed):
            read(body)


@given(JSON_VALUES, JSON_VALUES)
def test_any_json_in_the_known_places_is_read_or_malformed(inner: Any, other: Any) -> None:
    """Under the right names, wrong things."""
    for wrong in (inner, [inner], {"messageId": inner}, [{"messageId": "a", "isUnread": inner, "timeStamp": other}]):
        with suppress(Malformed):
            page = read_list(encoded({"messageList": {"messages": wrong, "total": other, "state": inner}}), 5).page
            assert page.total >= page.offset + len(page.entries)
        with suppress(Malformed):
            changes = {"addedMessages": wrong, "delta": {"adds": wrong, "deletes": other}, "state": other}
            assert read_changes("c", encoded({"deltaResponse": changes})).cursor
        with suppress(Malformed):
            read_index(encoded({"messageIndexInfo": wrong}))
        with suppress(Malformed):
            read_sent(encoded({"id": wrong}))
