"""AT&T's callbacks: a text that came in, and what became of one that went out."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import AddressKind
from relay.domain.errors import Malformed
from relay.domain.messages import DeliveryReport, HookReading, InboundMessage, RawAnswer
from relay.domain.states import Fact
from relay.providers.att_sms.callbacks import read_hook

# SMS documentation, Receive SMS.
DOCUMENTED = {
    "DateTime": "04-15-2011T12:00:00",
    "MessageId": "",
    "Message": "Hello world",
    "SenderAddress": "tel:+12071111111",
    "DestinationAddress": "52345678",
}
# GSMA's names in AT&T's envelope (wire facts, 2.5).
DELIVERED = {
    "deliveryInfoNotification": {
        "messageId": "SMSa9b1927803784049",
        "deliveryInfo": {"address": "tel:+13500000992", "deliveryStatus": "DeliveredToTerminal"},
    }
}


def read(event: str, value: Any) -> HookReading:
    """What a callback says."""
    return read_hook(event, RawAnswer(json.dumps(value).encode(), "application/json"), short_code="12345")


def message(**other: Any) -> InboundMessage:
    """The documented text, with something else in it."""
    (found,) = read("message", {**DOCUMENTED, **other}).messages
    return found


def reports(**other: Any) -> tuple[DeliveryReport, ...]:
    """The documented delivery notification, with something else in it."""
    inner = {**DELIVERED["deliveryInfoNotification"], **other}
    return read("delivery", {"deliveryInfoNotification": inner}).reports


def test_the_documented_text_is_read() -> None:
    """Month first in its time, and an empty message id."""
    found = message()
    assert (found.sender.value, found.recipient, found.text) == ("+12071111111", "52345678", "Hello world")
    assert found.provider_time == datetime(2011, 4, 15, 12, tzinfo=UTC)
    assert found.provider == {"raw_sender": "tel:+12071111111", "raw_time": "04-15-2011T12:00:00"}


@pytest.mark.parametrize(
    "sender",
    [
        "tel%3A%2B16309700001",
        "tel:+16309700001",
        "tel:%2B16309700001",
        "tel:+6309700001",
        "tel%3A%2B6309700001",
        "tel:6309700001",
        "+16309700001",
        "6309700001",
        "16309700001",
    ],
)
def test_a_sender_is_the_same_however_it_is_spelled(sender: str) -> None:
    """Percent-encoded, bare, or without its country code; a plus is a plus."""
    found = message(SenderAddress=sender)
    assert (found.sender.kind, found.sender.value) == (AddressKind.E164, "+16309700001")
    assert found.provider["raw_sender"] == sender
    assert found.dedupe_key == message(SenderAddress="tel:+16309700001").dedupe_key


@pytest.mark.parametrize(
    ("time", "read_as"),
    [
        ("04-15-2011T12:00:00", datetime(2011, 4, 15, 12, tzinfo=UTC)),
        ("26/Jul/2012:21:55:01:462 +0000", datetime(2012, 7, 26, 21, 55, 1, 462000, tzinfo=UTC)),
        ("2026-04-19T14:30:00Z", datetime(2026, 4, 19, 14, 30, tzinfo=UTC)),
        ("yesterday", None),
    ],
)
def test_a_time_has_three_forms_and_is_kept_where_it_has_none_of_them(time: str, read_as: datetime | None) -> None:
    """What cannot be read is still what tells two equal texts apart."""
    found = message(DateTime=time)
    assert (found.provider_time, found.provider["raw_time"]) == (read_as, time)
    assert found.dedupe_key is not None


def test_a_repeated_callback_is_recognised_and_another_text_is_not() -> None:
    """Same sender, code, time and text; any other of them is another text."""
    keys = [message().dedupe_key, message().dedupe_key]
    assert keys[0] == keys[1]
    others = [
        message(DateTime="04-15-2011T12:00:01"),
        message(Message="Hello world!"),
        message(SenderAddress="tel:+12071111112"),
        message(DestinationAddress="52345679"),
        message(MessageId="msg1"),
    ]
    assert len({keys[0], *(other.dedupe_key for other in others)}) == 6


@pytest.mark.parametrize("nothing", [None, "", " "])
def test_without_a_time_nothing_tells_a_repeated_text_from_an_equal_one(nothing: Any) -> None:
    """Then it is rather doubled than lost."""
    assert message(DateTime=nothing).dedupe_key is None


def test_a_key_shows_neither_number_nor_text() -> None:
    """It stays in the journal."""
    assert "2071111111" not in str(message().dedupe_key)
    assert "0992" not in str(reports()[0].dedupe_key)


def test_a_text_may_come_in_gsma_s_wrapper_in_xml_or_without_a_destination() -> None:
    """The line's short code is the recipient then."""
    inner = {"senderAddress": "tel:+12071111111", "message": "hi"}
    (wrapped,) = read("message", {"inboundSMSMessageNotification": {"inboundSMSMessage": inner}}).messages
    body = b"<inboundSMSMessage><message>hi</message><senderAddress>2071111111</senderAddress></inboundSMSMessage>"
    (xml,) = read_hook("message", RawAnswer(body, "application/xml"), short_code="12345").messages
    assert [(one.sender.value, one.recipient, one.text) for one in (wrapped, xml)] == [
        ("+12071111111", "12345", "hi")
    ] * 2


def test_a_delivery_is_read() -> None:
    """One object in place of a list, and no place in the call."""
    (report,) = reports()
    assert (report.ref, report.fact, report.status) == (
        "SMSa9b1927803784049",
        Fact.DELIVERED,
        "DeliveredToTerminal",
    )
    assert report.position is None
    assert report.address is not None
    assert report.address.value == "+13500000992"


@pytest.mark.parametrize(
    "value",
    [
        {
            "DeliveryInfoNotification": {
                "MessageId": "SMSa9b1927803784049",
                "DeliveryInfo": [{"Address": "3500000992", "DeliveryStatus": "DELIVEREDTOTERMINAL"}],
            }
        },
        DELIVERED["deliveryInfoNotification"],
    ],
)
def test_a_delivery_is_the_same_in_any_case_and_form(value: Any) -> None:
    """Pascal case, a list, or without its wrapper: it is recognised as the one that came already."""
    (report,) = read("delivery", value).reports
    assert report.fact is Fact.DELIVERED
    assert report.dedupe_key == reports()[0].dedupe_key


def test_gsma_s_delivery_names_the_call_by_its_callback_data() -> None:
    """Relay has put the call's id there; it comes first where both are there."""
    infos = [
        {"address": "tel:+12065550001", "deliveryStatus": "DeliveredToTerminal"},
        {"address": "tel:+12065550002", "deliveryStatus": "DeliveryImpossible"},
    ]
    found = reports(messageId=None, callbackData="call-1", deliveryInfo=infos)
    assert [(report.ref, report.fact) for report in found] == [
        ("call-1", Fact.DELIVERED),
        ("call-1", Fact.UNDELIVERED),
    ]
    assert len({report.dedupe_key for report in found}) == 2
    assert reports(callbackData="call-1")[0].ref == "call-1"


def test_a_delivery_in_xml_is_read_alike() -> None:
    """GSMA has both."""
    body = (
        b"<n:deliveryInfoNotification xmlns:n='urn:x'><callbackData>call-1</callbackData><deliveryInfo>"
        b"<address>tel:+12065550001</address><deliveryStatus>DeliveryImpossible</deliveryStatus></deliveryInfo>"
        b"</n:deliveryInfoNotification>"
    )
    (report,) = read_hook("delivery", RawAnswer(body, "text/xml"), short_code="12345").reports
    assert (report.ref, report.fact) == ("call-1", Fact.UNDELIVERED)


def test_a_status_that_is_not_final_and_one_that_is_have_keys_of_their_own() -> None:
    """Only the final one is promised; others come too."""
    moving = {"address": "tel:+13500000992", "deliveryStatus": "DeliveredToNetwork"}
    (early,) = reports(deliveryInfo=moving)
    assert early.fact is Fact.ON_NETWORK
    assert early.dedupe_key != reports()[0].dedupe_key


def test_an_id_of_the_destination_is_its_place() -> None:
    """Where AT&T's own delivery info has one."""
    (report,) = reports(deliveryInfo={"Id": "msg3", "DeliveryStatus": "DeliveredToTerminal"})
    assert (report.position, report.address) == (3, None)


@pytest.mark.parametrize(
    ("event", "value"),
    [
        ("message", {}),
        ("message", []),
        ("message", "hi"),
        ("message", {"MessageId": "", "DateTime": "04-15-2011T12:00:00"}),
        ("message", {"Message": ["hi"]}),
        ("message", {"inboundSMSMessage": []}),
        ("delivery", {}),
        ("delivery", {"deliveryInfoNotification": {"messageId": "SMS1"}}),
        ("delivery", {"deliveryInfoNotification": {"deliveryInfo": {"deliveryStatus": "DeliveredToTerminal"}}}),
        ("delivery", {"deliveryInfoNotification": {"messageId": "SMS1", "deliveryInfo": {"address": "tel:1"}}}),
        ("delivery", {"deliveryInfoNotification": {"messageId": "SMS1", "deliveryInfo": ["DeliveredToTerminal"]}}),
        ("receive", DOCUMENTED),
    ],
)
def test_any_other_callback_is_malformed(event: str, value: Any) -> None:
    """It was answered with a 2xx already, and is kept for a person."""
    with pytest.raises(Malformed, match="callback"):
        read(event, value)


@given(st.sampled_from(["message", "delivery"]), st.binary(), st.sampled_from(["", "application/json", "text/xml"]))
def test_whatever_the_bytes_they_are_a_reading_or_malformed(event: str, body: bytes, content_type: str) -> None:
    """Anybody who knows the address can call it."""
    for shown in (body, b"<deliveryInfoNotification>" + body + b"</deliveryInfoNotification>"):
        with suppress(Malformed):
            read_hook(event, RawAnswer(shown, content_type), short_code="12345")


NAMES = ["message", "MessageId", "senderAddress", "DateTime", "destinationAddress", "deliveryInfo", "deliveryStatus"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*NAMES, "callbackData", "Address", "inboundSMSMessage"]), inner)
    ),
)


@given(st.sampled_from(["message", "delivery"]), VALUES)
def test_whatever_the_values_they_are_a_reading_or_malformed(event: str, value: Any) -> None:
    """Right names with wrong things behind them."""
    for shown in (value, {"deliveryInfoNotification": value}, {"inboundSMSMessageNotification": value}):
        with suppress(Malformed):
            read(event, shown)
