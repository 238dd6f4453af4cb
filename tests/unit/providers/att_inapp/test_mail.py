"""A message of the store, in AT&T's shapes, and what it is to relay."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import AddressKind
from relay.domain.errors import ErrorCode, Malformed
from relay.domain.mailbox import MailEntry, StoredMail
from relay.domain.messages import InboundMessage, Part, RawAnswer, Segment, Sighting
from relay.domain.states import Fact
from relay.providers.att_inapp.mail import read_stored, whose_store

OWN = "+12125559999"
FRIEND = "+12125551234"
TIME = datetime(2026, 4, 19, 14, 30, tzinfo=UTC)
DOCUMENTED: dict[str, Any] = {
    "messageId": "msg-500123",
    "from": f"tel:{FRIEND}",
    "recipients": [f"tel:{OWN}"],
    "text": "Hello from the AT&T In-App Messaging API!",
    "subject": "Greeting",
    "isUnread": False,
    "isIncoming": True,
    "type": "TEXT",
    "typeCode": "1",
    "timeStamp": "2026-04-19T14:30:00Z",
}
SERVED: dict[str, Any] = {
    "messageId": "msg-500123",
    "from": {"value": FRIEND},
    "recipients": [{"value": OWN}],
    "text": "Hello from the AT&T In-App Messaging API!",
    "typeMetaData": {"subject": "Greeting"},
    "isUnread": False,
    "isIncoming": "true",
    "type": "TEXT",
    "timeStamp": "2026-04-19T14:30:00",
}

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def stored(message: Any, ref: str = "msg-500123") -> StoredMail:
    """What relay makes of a message."""
    return read_stored(OWN, ref, RawAnswer(json.dumps({"message": message}).encode(), "application/json"))


def incoming(message: Any) -> InboundMessage:
    """The same, which came in."""
    mail = stored(message).mail
    assert isinstance(mail, InboundMessage)
    return mail


@pytest.mark.parametrize("shape", [DOCUMENTED, SERVED])
def test_a_message_that_came_in_is_the_same_in_both_shapes(shape: dict[str, Any]) -> None:
    """Sender, text, subject, time; and the id that it is known again by."""
    found = stored(shape)
    assert found.entry == MailEntry("msg-500123", is_unread=False, is_incoming=True, time=TIME)
    mail = found.mail
    assert isinstance(mail, InboundMessage)
    assert (mail.sender.value, mail.recipient, mail.subject) == (FRIEND, OWN, "Greeting")
    assert (mail.text, mail.provider_time) == ("Hello from the AT&T In-App Messaging API!", TIME)
    assert (mail.ref, mail.dedupe_key, mail.parts, mail.segment) == ("msg-500123", "msg-500123", (), None)
    assert mail.provider["message_id"] == "msg-500123"
    assert mail.is_whole


@pytest.mark.parametrize("shape", [DOCUMENTED, SERVED])
def test_a_message_that_went_out_is_a_sighting(shape: dict[str, Any]) -> None:
    """Evidence that AT&T took it."""
    several = [shape["recipients"][0], "short:12345", {"value": "ann@b.example"}]
    mail = stored({**shape, "isIncoming": False, "recipients": several}).mail
    assert isinstance(mail, Sighting)
    assert [address.value for address in mail.to] == [OWN, "12345", "ann@b.example"]
    assert (mail.ref, mail.fact, mail.text) == ("msg-500123", Fact.SUBMITTED_UNTRACKED, shape["text"])


@pytest.mark.parametrize(
    ("said", "sender", "came_in"),
    [
        (True, OWN, True),
        ("true", OWN, True),
        (1, OWN, True),
        (False, FRIEND, False),
        ("FALSE", FRIEND, False),
        (None, FRIEND, True),
        (None, f"tel:{OWN}", False),
        (None, OWN[2:], False),
        ("perhaps", OWN, False),
        (None, None, True),
    ],
)
def test_which_way_it_went_is_what_at_t_says_or_else_the_sender(said: Any, sender: Any, came_in: bool) -> None:
    """The line's own number in any spelling."""
    mail = stored({**DOCUMENTED, "isIncoming": said, "from": sender}).mail
    assert isinstance(mail, InboundMessage) is came_in


def test_a_sender_that_is_no_address_is_kept_as_it_is() -> None:
    """Somebody wrote it; who can be seen by a person."""
    assert incoming({**DOCUMENTED, "from": "AT&T Free Msg"}).sender.kind is AddressKind.OTHER
    assert incoming({**DOCUMENTED, "from": None}).sender.value == ""


@pytest.mark.parametrize(("text", "read"), [("", ""), (None, None), (12, "12"), ("a\nb", "a\nb")])
def test_a_text_is_unaltered_and_none_is_none(text: Any, read: str | None) -> None:
    """An MMS has its text in a part."""
    assert incoming({**DOCUMENTED, "text": text}).text == read
    assert incoming({key: value for key, value in DOCUMENTED.items() if key != "text"}).text is None


@pytest.mark.parametrize(
    ("about", "segment"),
    [
        ({"segmentationMsgRefNumber": 7, "totalNumberOfParts": 3, "thisPartNumber": 2}, Segment("7", 2, 3)),
        ({"segmentationMsgRefNumber": "7", "totalNumberOfParts": "3", "thisPartNumber": "3"}, Segment("7", 3, 3)),
        ({"segmentationMsgRefNumber": 7, "totalNumberOfParts": 1, "thisPartNumber": 1}, None),
        ({"segmentationMsgRefNumber": 7, "totalNumberOfParts": 3, "thisPartNumber": 4}, None),
        ({"segmentationMsgRefNumber": 7, "totalNumberOfParts": 3, "thisPartNumber": 0}, None),
        ({"segmentationMsgRefNumber": 7, "totalNumberOfParts": 300, "thisPartNumber": 1}, None),
        ({"totalNumberOfParts": 3, "thisPartNumber": 1}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_piece_of_a_longer_text_says_where_it_belongs(about: Any, segment: Segment | None) -> None:
    """A place that cannot be is none: the piece is announced alone, and not lost."""
    data = {"isSegmented": True, "segmentationDetails": about}
    assert incoming({**SERVED, "typeMetaData": data}).segment == segment
    assert incoming({**SERVED, "typeMetaData": {**data, "isSegmented": "false"}}).segment is None
    out = {**SERVED, "isIncoming": False, "typeMetaData": data}
    sighting = stored(out).mail
    assert isinstance(sighting, Sighting)
    assert sighting.segment == segment


def test_attachments_are_listed_and_the_layout_is_left_out() -> None:
    """Whatever host their address names: what counts is the id at its end."""
    contents = [
        {"contentName": "0.smil", "contentType": "application/smil; charset=utf-8", "contentUrl": "/m/x/parts/0"},
        {"contentName": "a.txt", "contentType": "text/plain", "contentUrl": "/myMessages/v2/messages/x/parts/1"},
        {"contentName": "b.png", "contentType": "image/png", "contentUrl": "http://elsewhere:8080/m/x/parts/a%2Fb?q=1"},
        {"contentType": "video/mp4", "contentUrl": "parts/3/"},
        {"contentUrl": 4},
    ]
    assert incoming({**SERVED, "type": "MMS", "mmsContent": contents}).parts == (
        Part("text/plain", "a.txt", ref="1"),
        Part("image/png", "b.png", ref="a/b"),
        Part("video/mp4", None, ref="3"),
        Part("application/octet-stream", None, ref="4"),
    )


@pytest.mark.parametrize("url", [None, "", "/", "http://[broken"])
def test_an_attachment_without_an_address_is_said_to_be_lost(url: Any) -> None:
    """It is announced with its problem, and nothing is fetched for it."""
    mail = incoming({**SERVED, "mmsContent": {"contentType": "image/png", "contentUrl": url}})
    assert [(part.ref, part.problem and part.problem.code) for part in mail.parts] == [
        (None, ErrorCode.MALFORMED_RESPONSE)
    ]
    assert mail.is_whole


def test_a_message_may_come_without_its_envelope_and_its_id() -> None:
    """It is the one that was asked for."""
    bare = {key: value for key, value in SERVED.items() if key != "messageId"}
    found = read_stored(OWN, "WU124", RawAnswer(json.dumps(bare).encode()))
    assert (found.entry.ref, found.mail.ref) == ("WU124", "WU124")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"message": []}', b'{"message": {"messageId": "a"}}'])
def test_what_is_no_message_is_malformed(body: bytes) -> None:
    """It is kept for a person."""
    with pytest.raises(Malformed):
        read_stored(OWN, "a", RawAnswer(body))


def test_nothing_of_a_message_is_shown_by_its_repr() -> None:
    """Nor are the ids of its parts."""
    contents = [{"contentType": "image/png", "contentUrl": "/m/x/parts/s3cret"}]
    shown = repr(incoming({**SERVED, "mmsContent": contents, "isIncoming": True}).parts)
    assert "s3cret" not in shown


def page(*messages: Any, name: str = "messageList") -> bytes:
    """A page of a store."""
    return json.dumps({name: {"messages": messages}}).encode()


@pytest.mark.parametrize("name", ["messageList", "messageResultSet"])
def test_a_store_tells_whose_it_is(name: str) -> None:
    """By who sent what went out, and who received a text that came in."""
    received, sent = DOCUMENTED, {**SERVED, "isIncoming": False, "from": {"value": OWN}, "recipients": [FRIEND]}
    assert whose_store(page(received, name=name)) == whose_store(page(sent, name=name)) == {OWN}


@pytest.mark.parametrize(
    "message",
    [
        {**DOCUMENTED, "recipients": [OWN, FRIEND]},
        {**DOCUMENTED, "recipients": []},
        {**DOCUMENTED, "type": "MMS", "recipients": [FRIEND]},
        {**DOCUMENTED, "isIncoming": None},
        {**DOCUMENTED, "recipients": ["12345"]},
    ],
)
def test_what_does_not_tell_whose_it_is_says_nothing(message: Any) -> None:
    """An MMS of a group may name the others alone."""
    assert whose_store(page(message)) == frozenset()


@given(st.binary())
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    """Nothing else is ever raised."""
    with suppress(Malformed):
        read_stored(OWN, "a", RawAnswer(body))
    with suppress(Malformed):
        whose_store(body)


@given(st.sampled_from(sorted({*DOCUMENTED, *SERVED, "mmsContent"})), JSON_VALUES)
def test_any_json_in_any_place_is_read_or_malformed(name: str, value: Any) -> None:
    """A message with one odd field."""
    for shape in (DOCUMENTED, SERVED):
        with suppress(Malformed):
            assert stored({**shape, name: value}, "asked").mail.ref == "asked"
        with suppress(Malformed):
            whose_store(page({**shape, name: value}))


@given(JSON_VALUES, JSON_VALUES, JSON_VALUES)
def test_any_json_in_an_attachment_is_read_or_malformed(kind: Any, name: Any, url: Any) -> None:
    """And what is read can be fetched, or says why it cannot."""
    content = {"contentType": kind, "contentName": name, "contentUrl": url}
    with suppress(Malformed):
        for part in incoming({**SERVED, "mmsContent": [content]}).parts:
            assert (part.ref is None) == (part.problem is not None)
