"""The bodies of AT&T's SMS API: written as documented, read as documented or as served."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import AddressKind, outbound
from relay.domain.errors import Malformed
from relay.domain.messages import OutboundCall, RawAnswer, Recipient
from relay.domain.states import Fact
from relay.providers.att_sms.wire import read_inbox, read_sent, read_status, send_body

# From the OpenAPI file of SMS v3, and from the SMS documentation (as served by version 3 too).
DOCUMENTED_SENT = {
    "outboundSMSResponse": {
        "messageId": "msg-500123",
        "resourceReference": {"resourceURL": "https://api.att.com/sms/v3/messaging/outbox/msg-500123"},
    }
}
DOCUMENTED_STATUS = {
    "deliveryInfoList": {
        "deliveryInfo": [{"address": "tel:+12125551234", "deliveryStatus": "DeliveredToTerminal"}],
        "resourceURL": "https://api.att.com/sms/v3/messaging/outbox/msg-500123",
    }
}
SERVED_STATUS = {
    "DeliveryInfoList": {
        "DeliveryInfo": [{"Id": "msg0", "Address": "3500000992", "DeliveryStatus": "DeliveredToTerminal"}],
        "ResourceUrl": "https://api.att.com/rest/sms/2/messaging/outbox/SMSa9b192780378404c",
    }
}
DOCUMENTED_INBOX = {
    "inboundSMSMessageList": {
        "inboundSMSMessage": [
            {
                "messageId": "msg-500456",
                "message": "STOP",
                "senderAddress": "tel:+12125551234",
                "destinationAddress": "12345",
                "dateTime": "2026-04-19T14:30:00Z",
            }
        ],
        "numberOfMessagesInThisBatch": 1,
        "resourceURL": "https://api.att.com/sms/v3/messaging/inbox/REG-500123",
        "totalNumberOfPendingMessages": 0,
    }
}
SERVED_INBOX = {
    "InboundSmsMessageList": {
        "InboundSmsMessage": [{"MessageId": "msg0", "Message": "Hello", "SenderAddress": "tel:4257850159"}],
        "NumberOfMessagesInThisBatch": "1",
        "ResourceUrl": "http://api.att.com/rest/sms/2/messaging/inbox",
        "TotalNumberOfPendingMessages": "0",
    }
}


def raw(value: Any) -> RawAnswer:
    """A JSON body."""
    return RawAnswer(json.dumps(value).encode(), "application/json")


def call(*numbers: str, text: str = "Your verification code is 482910.") -> OutboundCall:
    """A call to these numbers."""
    recipients = tuple(Recipient(str(place), outbound(number)) for place, number in enumerate(numbers))
    return OutboundCall("c", "m", "alerts", 1, recipients, text)


def test_a_send_is_written_as_documented() -> None:
    """An array of tel: URIs, and the status is asked for and not called back."""
    assert json.loads(send_body(call("2125551234", "+12065550123"))) == {
        "outboundSMSRequest": {
            "address": ["tel:+12125551234", "tel:+12065550123"],
            "message": "Your verification code is 482910.",
            "notifyDeliveryStatus": False,
        }
    }


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_arrives_as_it_was_written(text: str) -> None:
    """Every character, in UTF-8."""
    assert json.loads(send_body(call("2125551234", text=text)).decode())["outboundSMSRequest"]["message"] == text


@pytest.mark.parametrize(
    ("answer", "ref"),
    [
        (DOCUMENTED_SENT, "msg-500123"),
        ({"outBoundSMSResponse": {"messageId": "SMSa9b1927803784049"}}, "SMSa9b1927803784049"),
        ({"OutboundSMSResponse": {"MessageId": 664883126574915584}}, "664883126574915584"),
        ({"outboundSMSResponse": {"Id": "SMSa9b1927803784049"}}, "SMSa9b1927803784049"),
        ({"outboundSMSResponse": {"resourceReference": {"resourceURL": "http://x/outbox/SMS1"}}}, None),
        ({"outboundSMSResponse": {"messageId": ""}}, None),
        ({"outboundSMSResponse": {"messageId": "x" * 257}}, None),
        ({"outboundSMSResponse": {}}, None),
    ],
)
def test_a_send_answer_gives_its_message_id_or_none(answer: Any, ref: str | None) -> None:
    """In every spelling; the resource URL names hosts that are not to be called."""
    assert read_sent(json.dumps(answer).encode()) == ref


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html></html>", b'{"outboundSMSResponse": "ok"}', b'{"a": 1'])
def test_any_other_send_answer_is_malformed(body: bytes) -> None:
    """Nobody knows then whether it was sent."""
    with pytest.raises(Malformed, match="a send answer"):
        read_sent(body)


def test_the_documented_status_is_read() -> None:
    """The address tells the copies apart."""
    (report,) = read_status("msg-500123", raw(DOCUMENTED_STATUS))
    assert (report.ref, report.fact, report.status, report.position) == (
        "msg-500123",
        Fact.DELIVERED,
        "DeliveredToTerminal",
        0,
    )
    assert report.address is not None
    assert report.address.value == "+12125551234"


def test_the_served_status_is_read() -> None:
    """Ten digits, and an id that names the place."""
    (report,) = read_status("SMSa9b1927803784049", raw(SERVED_STATUS))
    assert (report.fact, report.position) == (Fact.DELIVERED, 0)
    assert report.address is not None
    assert report.address.digits10 == "3500000992"


def test_each_recipient_has_a_report_of_its_own() -> None:
    """One may be delivered while another never is; the id keeps the place where earlier rows are gone."""
    infos = [
        {"Id": "msg3", "Address": "2065550103", "DeliveryStatus": "DeliveryImpossible"},
        {"Id": "msg7", "DeliveryStatus": "DeliveredToNetwork"},
        {"Id": "other", "Address": None, "DeliveryStatus": "SomethingNew"},
    ]
    reports = read_status("SMS1", raw({"DeliveryInfoList": {"DeliveryInfo": infos}}))
    assert [(report.position, report.fact, report.status) for report in reports] == [
        (3, Fact.UNDELIVERED, "DeliveryImpossible"),
        (7, Fact.ON_NETWORK, "DeliveredToNetwork"),
        (2, Fact.SUBMITTED, "SomethingNew"),
    ]
    assert [report.address is None for report in reports] == [False, True, True]


def test_a_single_status_needs_no_list() -> None:
    """Gateways that turn XML into JSON write it so."""
    info = {"address": "tel:+12125551234", "deliveryStatus": "DeliveryUncertain"}
    (report,) = read_status("SMS1", raw({"deliveryInfoList": {"deliveryInfo": info}}))
    assert report.fact is Fact.DOUBTED


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"deliveryInfoList": []},
        {"deliveryInfoList": {"deliveryInfo": ["DeliveredToTerminal"]}},
        {"deliveryInfoList": {"deliveryInfo": [{"address": "tel:+12125551234"}]}},
        {"deliveryInfoList": {"deliveryInfo": [{"deliveryStatus": True}]}},
    ],
)
def test_any_other_status_is_malformed(value: Any) -> None:
    """It is kept for a person, because it may not come again."""
    with pytest.raises(Malformed, match="a delivery status"):
        read_status("SMS1", raw(value))


def test_the_documented_inbox_is_read() -> None:
    """Sender, recipient, text, time, and nothing to recognise it by."""
    page = read_inbox("99999", raw(DOCUMENTED_INBOX))
    (message,) = page.messages
    assert page.pending == 0
    assert (message.sender.value, message.recipient, message.text) == ("+12125551234", "12345", "STOP")
    assert message.provider_time == datetime(2026, 4, 19, 14, 30, tzinfo=UTC)
    assert message.dedupe_key is None
    assert message.provider["message_id"] == "msg-500456"
    assert message.provider["raw_sender"] == "tel:+12125551234"


def test_the_served_inbox_is_read() -> None:
    """Ten digits without a country code; no recipient and no time, so that the line's short code is the recipient."""
    (message,) = read_inbox("12345", raw(SERVED_INBOX)).messages
    assert (message.sender.value, message.recipient, message.text) == ("+14257850159", "12345", "Hello")
    assert message.provider_time is None
    assert message.provider == {"message_id": "msg0", "raw_sender": "tel:4257850159"}


@pytest.mark.parametrize(
    "page",
    [
        {"inboundSMSMessageList": {"inboundSMSMessage": [], "totalNumberOfPendingMessages": 0}},
        {"InboundSmsMessageList": {"InboundSmsMessage": [], "TotalNumberOfPendingMessages": ""}},
        {"InboundSmsMessageList": {"InboundSmsMessage": None}},
        {"InboundSmsMessageList": {"InboundSmsMessage": ""}},
        {"InboundSmsMessageList": {}},
        {"InboundSmsMessageList": ""},
        {"InboundSmsMessageList": None},
    ],
)
def test_an_empty_inbox_has_many_forms(page: Any) -> None:
    """None of them is an error."""
    assert read_inbox("12345", raw(page)).messages == ()
    assert read_inbox("12345", raw(page)).pending == 0


def test_an_empty_body_says_nothing() -> None:
    """So a 204 is understood; the line takes no other empty answer for one."""
    assert read_inbox("12345", RawAnswer(b"")).messages == ()
    assert read_status("SMS1", RawAnswer(b"")) == ()


@pytest.mark.parametrize(("pending", "count"), [(3, 3), ("3", 3), ("", 0), (None, 0), ("many", 0), (-1, 0)])
def test_what_waits_is_counted_in_any_form(pending: Any, count: int) -> None:
    """And a count that cannot be read sets no page aside."""
    page = {"InboundSmsMessageList": {"InboundSmsMessage": [], "TotalNumberOfPendingMessages": pending}}
    assert read_inbox("12345", raw(page)).pending == count


def test_odd_messages_do_not_hold_up_their_page() -> None:
    """A sender of no known kind, a text that is missing or half a character, a single one without its list."""
    odd = [
        {"SenderAddress": "AT&T Free Msg", "Message": "hi"},
        {"SenderAddress": "tel%3A%2B16309700001"},
        {"Message": "who is it"},
        {"SenderAddress": 4257850159, "Message": 7},
    ]
    messages = read_inbox("12345", raw({"InboundSmsMessageList": {"InboundSmsMessage": odd}})).messages
    assert [(message.sender.kind, message.text) for message in messages] == [
        (AddressKind.OTHER, "hi"),
        (AddressKind.E164, ""),
        (AddressKind.OTHER, "who is it"),
        (AddressKind.E164, "7"),
    ]
    (half,) = read_inbox("1", raw({"InboundSmsMessageList": {"InboundSmsMessage": {"Message": "\ud83d!"}}})).messages
    assert half.text == "\ufffd!"


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"RequestError": {}},
        {"inboundSMSMessageList": []},
        {"inboundSMSMessageList": "none"},
        {"inboundSMSMessageList": {"inboundSMSMessage": ["hi"]}},
        {"inboundSMSMessageList": {"inboundSMSMessage": [{"messageId": "msg0"}]}},
        {"inboundSMSMessageList": {"inboundSMSMessage": [{"message": ["hi"]}]}},
    ],
)
def test_any_other_inbox_is_malformed(value: Any) -> None:
    """It is kept for a person, because it will not come again."""
    with pytest.raises(Malformed, match="an inbox page"):
        read_inbox("12345", raw(value))


@given(st.binary())
def test_whatever_the_bytes_a_reader_gives_a_value_or_malformed(body: bytes) -> None:
    """Nothing else is raised."""
    for read in (
        read_sent,
        lambda found: read_status("r", RawAnswer(found)),
        lambda found: read_inbox("1", RawAnswer(found)),
    ):
        with suppress(Malformed):
            read(body)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "MessageId", "senderAddress", "dateTime", "deliveryStatus", "Address", "Id"]),
            inner,
        )
    ),
)


@given(VALUES, VALUES)
def test_whatever_the_values_a_reader_gives_a_value_or_malformed(inner: Any, count: Any) -> None:
    """Right names with wrong things behind them."""
    for wrong in (inner, [inner]):
        with suppress(Malformed):
            read_sent(json.dumps({"outboundSMSResponse": wrong}).encode())
        with suppress(Malformed):
            read_status("r", raw({"deliveryInfoList": {"deliveryInfo": wrong}}))
        page = {"inboundSMSMessage": wrong, "totalNumberOfPendingMessages": count}
        with suppress(Malformed):
            assert read_inbox("1", raw({"inboundSMSMessageList": page})).pending >= 0
