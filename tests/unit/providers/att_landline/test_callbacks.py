"""Landline's web hooks: what the shared message object says under each event's path."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import AddressKind
from relay.domain.errors import ErrorCode, Malformed
from relay.domain.messages import HookReading, RawAnswer
from relay.domain.states import Fact
from relay.providers.att_landline.callbacks import EVENTS, read_hook

OWN = "+14257772300"
THEIRS = "+14257772222"

# Landline documentation, Example Payload, with its missing quote and brace put in.
DOCUMENTED = {
    "body": "Thanks for texting, this is an auto reply!",
    "bodySize": 42,
    "visible": True,
    "hasAttachment": False,
    "dateRead": None,
    "bcc": None,
    "finalDestination": "4257772300",
    "messageType": "MO",
    "deleted": False,
    "statusCode": 4,
    "id": 634151298329219072,
    "scheduledDate": None,
    "fingerprint": "132131532",
    "messageTransport": 9,
    "contactId": 3382213402,
    "address": "ptn:/4257772222",
    "read": True,
    "dateCreated": "2015-08-19T16:53:45-07:00",
    "dateDeleted": None,
    "dateDelivered": None,
    "cc": None,
    "finalSource": "4257772222",
    "deviceId": 299538202,
}
OUTBOUND = {
    **DOCUMENTED,
    "messageType": "ZO",
    "statusCode": 2,
    "finalDestination": "4257772222",
    "finalSource": "4257772300",
}


def read(event: str, /, **changed: object) -> HookReading:
    """The reading of the documented body (an outbound one but for `receive`) with some fields changed."""
    body = {**(DOCUMENTED if event == "receive" else OUTBOUND), **changed}
    return read_hook(event, RawAnswer(json.dumps(body).encode()), own_number=OWN)


def test_the_documented_text_is_read() -> None:
    """Who wrote what to whom and when, in relay's own spelling."""
    (message,) = read("receive").messages
    assert (message.sender.kind, message.sender.value) == (AddressKind.E164, THEIRS)
    assert message.recipient == OWN
    assert message.text == "Thanks for texting, this is an auto reply!"
    assert message.provider_time == datetime(2015, 8, 19, 23, 53, 45, tzinfo=UTC)
    assert message.dedupe_key == "receive:634151298329219072"


def test_ids_are_exact_texts() -> None:
    """They are larger than a JavaScript number can hold: (2**53 + 1) must not become 2**53."""
    (message,) = read("receive", id=2**53 + 1, contactId=2**63 - 1).messages
    assert message.provider == {
        "id": "9007199254740993",
        "fingerprint": "132131532",
        "contactId": "9223372036854775807",
        "deviceId": "299538202",
        "messageType": "MO",
        "hasAttachment": False,
    }


def test_a_text_that_comes_again_has_the_same_key() -> None:
    """AT&T sends a hook again until it is answered in time; status and flags may have changed meanwhile."""
    (first,), (again,) = (
        read("receive").messages,
        read("receive", statusCode=1, read=False, id="634151298329219072").messages,
    )
    assert first.dedupe_key == again.dedupe_key


@pytest.mark.parametrize("missing", ["address", "finalSource"])
def test_the_sender_stands_in_two_places(missing: str) -> None:
    """Either is enough."""
    (message,) = read("receive", **{missing: None}).messages
    assert message.sender.value == THEIRS


def test_a_sender_that_is_no_number_there_is_looked_for_elsewhere() -> None:
    """`address` may name a group or a device."""
    (message,) = read("receive", address="device:/299538202/0").messages
    assert message.sender.value == THEIRS
    (odd,) = read("receive", address="group:/7", finalSource=None).messages
    assert (odd.sender.kind, odd.sender.value) == (AddressKind.OTHER, "group:/7")


@pytest.mark.parametrize("destination", [None, "", "device:/1"])
def test_a_text_without_destination_is_for_the_line(destination: str | None) -> None:
    """The path already says which line it came to."""
    assert read("receive", finalDestination=destination).messages[0].recipient == OWN


@pytest.mark.parametrize("kind", ["SY", "NEW", None, ""])
def test_a_received_text_of_an_unknown_kind_is_not_lost(kind: str | None) -> None:
    """Only what is known to have gone out is no inbound text."""
    assert read("receive", messageType=kind).messages[0].text


@pytest.mark.parametrize("missing", [None, ""])
def test_a_text_without_an_id_is_still_a_text(missing: object) -> None:
    """It has no key to recognise it by, and that is said."""
    assert read("receive", id=missing).messages[0].dedupe_key is None


def test_a_text_without_body_is_a_text_without_text() -> None:
    """An MMS may be an attachment alone; what was sent as a text file is compared by what is in the file."""
    for body in (None, ""):
        assert read("receive", body=body, hasAttachment=True).messages[0].text is None
        assert read("send", body=body, hasAttachment=True).sightings[0].text is None
    assert read("receive", body="").messages[0].text == ""


def test_the_status_of_an_inbound_text_is_no_news() -> None:
    """4 under an inbound text does not say that anything of ours was delivered."""
    for event in ("send", "progress"):
        assert read(event, messageType="MO") == HookReading()


@pytest.mark.parametrize("event", ["send", "progress", "receive"])
def test_an_outbound_text_is_reported_on(event: str) -> None:
    """The id is the token's, so the copy is found; the destination confirms it."""
    (report,) = read(event, messageType="ZO", finalDestination="4257772222", statusCode=5).reports
    assert (report.ref, report.fact) == ("634151298329219072", Fact.UNDELIVERED)
    assert report.address is not None
    assert report.address.value == THEIRS
    assert (report.status, report.code) == ("Error-Confirmed", "5")
    assert report.dedupe_key == f"{event}:634151298329219072:5"


@pytest.mark.parametrize(("code", "fact"), [(1, Fact.SUBMITTED), (2, Fact.SUBMITTED), (0, Fact.DELIVERED_UNCONFIRMED)])
def test_that_it_was_sent_says_no_more_than_its_code(code: object, fact: Fact) -> None:
    """`send` alone is not delivery."""
    assert read("send", statusCode=code).reports[0].fact is fact


def test_a_code_in_quotes_is_the_same_code() -> None:
    """Integers come as texts too."""
    assert read("progress", statusCode="4", messageType="mt").reports[0].fact is Fact.DELIVERED


def test_a_failure_in_a_hook_comes_with_its_problem() -> None:
    """STOP may be noticed only after the send was answered."""
    (report,) = read("progress", statusCode=-1234).reports
    assert report.fact is Fact.REFUSED
    assert report.problem is not None
    assert report.problem.code is ErrorCode.OPTED_OUT


def test_each_code_of_a_text_has_its_own_key() -> None:
    """Progress comes several times for one text."""
    keys = {read(event, statusCode=code).reports[0].dedupe_key for event in ("send", "progress") for code in (1, 0, 4)}
    assert len(keys) == 6


def test_a_text_with_attachments_says_so() -> None:
    """They are to be asked for by the text's id."""
    for spelled in (True, "true"):
        (message,) = read("receive", hasAttachment=spelled).messages
        assert (message.ref, message.has_parts, message.is_whole) == ("634151298329219072", True, False)
    (plain,) = read("receive").messages
    assert (plain.ref, plain.has_parts, plain.is_whole) == ("634151298329219072", False, True)


def test_attachments_that_cannot_be_asked_for_are_not_hidden() -> None:
    """Without an id the text is announced, with a part that says why it is empty."""
    (message,) = read("receive", hasAttachment=True, id=None).messages
    (part,) = message.parts
    assert message.is_whole
    assert part.problem is not None


@pytest.mark.parametrize("event", ["send", "progress", "receive"])
@pytest.mark.parametrize("kind", ["ZO", "MT"])
def test_a_text_that_went_out_is_seen(event: str, kind: str) -> None:
    """It may be relay's own, or a person's who uses AT&T's app; either way it was taken."""
    (seen,) = read(event, messageType=kind, finalDestination="4257772222", hasAttachment=True).sightings
    assert (seen.ref, [to.value for to in seen.to]) == ("634151298329219072", [THEIRS])
    assert (seen.text, seen.fact, seen.has_parts) == (DOCUMENTED["body"], Fact.SUBMITTED, True)
    assert seen.provider_time == datetime(2015, 8, 19, 23, 53, 45, tzinfo=UTC)


def test_a_text_to_nobody_is_no_sighting() -> None:
    """It is still reported on."""
    reading = read("send", finalDestination=None, address="")
    assert (len(reading.sightings), len(reading.reports)) == (0, 1)


@pytest.mark.parametrize("kind", ["MO", "ZO"])
def test_that_somebody_read_a_text_is_a_change(kind: str) -> None:
    """In or out; and that it was marked as unread is another."""
    (change,) = read("read", messageType=kind, read=True, dateRead="2015-08-19T17:00:00-07:00").changes
    assert (change.name, change.ref, change.facts) == ("read", "634151298329219072", {"is_unread": False})
    (again,) = read("read", read=True, dateRead="2015-08-19T17:00:00-07:00").changes
    (later,) = read("read", read=True, dateRead="2015-08-19T18:00:00-07:00").changes
    (unread,) = read("read", read=False, dateRead=None).changes
    assert unread.facts == {"is_unread": True}
    assert change.dedupe_key == again.dedupe_key
    assert len({change.dedupe_key, later.dedupe_key, unread.dedupe_key}) == 3


def test_that_somebody_deleted_a_text_is_a_change() -> None:
    """Once, however often it is told."""
    (change,) = read("delete", deleted=True).changes
    assert (change.name, change.ref, change.facts) == ("deleted", "634151298329219072", {})
    assert change.dedupe_key == "delete:634151298329219072"


@pytest.mark.parametrize("event", ["read", "delete"])
def test_a_change_of_nothing_is_malformed(event: str) -> None:
    """Nobody could say of what it speaks."""
    with pytest.raises(Malformed):
        read(event, id=None)


@pytest.mark.parametrize("missing", [None, "", [], {}, 1.5])
def test_a_report_without_an_id_is_malformed(missing: object) -> None:
    """Nobody could say of what it speaks."""
    with pytest.raises(Malformed):
        read("progress", id=missing)


@pytest.mark.parametrize("code", [None, "", "four", 4.5, True, [4]])
def test_a_report_without_a_code_is_malformed(code: object) -> None:
    """Nothing must not count as 0, which says "delivered"."""
    with pytest.raises(Malformed):
        read("progress", statusCode=code)


def test_a_text_from_nobody_is_malformed() -> None:
    """It is set aside for a person."""
    with pytest.raises(Malformed):
        read("receive", address=None, finalSource="")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'"receive"', b"<html></html>", b"a=1", b'{"id": 1', b"\xff\xfe"]
)
@pytest.mark.parametrize("event", EVENTS)
def test_what_is_no_object_is_malformed(event: str, body: bytes) -> None:
    """Whatever the event; and the bytes are kept with the error."""
    with pytest.raises(Malformed) as caught:
        read_hook(event, RawAnswer(body), own_number=OWN)
    assert caught.value.raw == body


def test_an_unknown_event_is_malformed() -> None:
    """The body alone does not say what it is."""
    with pytest.raises(Malformed):
        read("forward")


def test_an_error_repeats_nothing_of_the_body() -> None:
    """No number and no text get into logs."""
    with pytest.raises(Malformed) as caught:
        read("progress", statusCode="4257772222 said hello")
    assert "4257772222" not in str(caught.value)
    assert "statusCode" in str(caught.value)


def test_half_a_character_does_not_hold_a_text_up() -> None:
    """A lone surrogate cannot be published; the rest of the text can."""
    raw = json.dumps({**DOCUMENTED, "body": "so \ud83d much"}).encode()
    assert read_hook("receive", RawAnswer(raw), own_number=OWN).messages[0].text == "so \ufffd much"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
bodies = st.fixed_dictionaries({}, optional=dict.fromkeys(DOCUMENTED, anything)).map(
    lambda changed: json.dumps({**DOCUMENTED, **changed}).encode()
)


@given(
    st.sampled_from(EVENTS) | st.text(), st.binary() | bodies | anything.map(lambda value: json.dumps(value).encode())
)
def test_a_hook_is_a_value_or_malformed_whatever_the_bytes(event: str, body: bytes) -> None:
    """And what was read can be written down: every text is whole."""
    try:
        reading = read_hook(event, RawAnswer(body), own_number=OWN)
    except Malformed as error:
        assert error.raw == body  # noqa: PT017 - either end is right
        return
    for message in reading.messages:
        f"{message.sender.value}{message.recipient}{message.text}{message.dedupe_key}{message.provider}".encode()
    for report in reading.reports:
        assert report.ref
        assert report.code == str(int(report.code or ""))
    for sighting in reading.sightings:
        f"{sighting.ref}{sighting.to[0].value}{sighting.text}{sighting.provider}".encode()
    for change in reading.changes:
        f"{change.ref}{change.dedupe_key}".encode()
