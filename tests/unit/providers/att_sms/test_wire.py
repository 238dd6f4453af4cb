"""AT&T's answers: read as documented or as served, in every dialect, in JSON or XML."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.addresses import AddressKind
from relay.domain.errors import Malformed
from relay.domain.messages import InboxPage, RawAnswer
from relay.domain.states import Fact
from relay.providers.att_sms.wire import read_inbox, read_status, sent_oneapi, sent_rest2, sent_v3

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
# SMS documentation, Get SMS Delivery Status, GSMA OneAPI.
ONEAPI_STATUS = {
    "deliveryInfoList": {
        "deliveryInfo": [{"address": "tel:+13500000992", "deliveryStatus": "DeliveredToTerminal"}],
        "resourceURL": "https://api.att.com/2/smsmessaging/outbound/requests/22888026/SMSa9b1927803784049/deliveryInfos",
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
# SMS documentation, Get SMS, GSMA OneAPI: the whole body, with its line breaks.
ONEAPI_INBOX = b"""<inboundSMSMessageList>
<inboundSMSMessage>
<messageId>msg0</messageId>
<message>Hello</message>
<senderAddress>tel:4257850159</senderAddress>
</inboundSMSMessage>
<numberOfMessagesInThisBatch>1</numberOfMessagesInThisBatch>
<resourceURL>
http://api.att.com/2/smsmessaging/inbound/registrations/22627012/messages
</resourceURL>
<totalNumberOfPendingMessages>0</totalNumberOfPendingMessages>
</inboundSMSMessageList> """
# GSMA OneAPI, Send SMS: the request again, with what became of it.
GSMA_SENT = {
    "outboundSMSMessageRequest": {
        "address": ["tel:+13500000991"],
        "deliveryInfoList": {
            "deliveryInfo": [{"address": "tel:+13500000991", "deliveryStatus": "MessageWaiting"}],
            "resourceURL": "http://example.com/2/smsmessaging/outbound/12345/requests/abc123/deliveryInfos",
        },
        "senderAddress": "12345",
        "outboundSMSTextMessage": {"message": "Hello World"},
        "clientCorrelator": "123456",
        "resourceURL": "http://example.com/2/smsmessaging/outbound/12345/requests/abc123",
    }
}


def raw(value: Any) -> RawAnswer:
    """A JSON body."""
    return RawAnswer(json.dumps(value).encode(), "application/json")


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
    assert sent_v3(raw(answer)) == ref


@pytest.mark.parametrize(
    ("answer", "ref"),
    [
        ({"Id": "SMS1", "ResourceReference": {"ResourceUrl": "http://x/outbox/SMS2"}}, "SMS1"),
        ({"id": "SMS1", "resourceReference": {"resourceURL": "http://x/outbox/SMS2"}}, "SMS1"),
        ({"ResourceReference": {"ResourceURL": "http://x/outbox/SMS2"}}, None),
        ({"Id": None}, None),
        (DOCUMENTED_SENT, "msg-500123"),
    ],
)
def test_rest_v2_answers_without_a_wrapper(answer: Any, ref: str | None) -> None:
    """With its id in every spelling, or without one."""
    assert sent_rest2(raw(answer)) == ref


def in_url(url: str) -> Any:
    """GSMA's short answer."""
    return {"resourceReference": {"resourceURL": url}}


@pytest.mark.parametrize(
    ("answer", "ref"),
    [
        (GSMA_SENT, "abc123"),
        (in_url("http://ewr2-api.att.invalid:8080/2/smsmessaging/outbound/12345/requests/SMSa9b1"), "SMSa9b1"),
        (in_url("https://x/2/smsmessaging/outbound/requests/22888026/SMS1/deliveryInfos"), "SMS1"),
        (in_url("\n https://x/2/smsmessaging/outbound/requests/22888026/SMS1/DeliveryInfos/ \n"), "SMS1"),
        (in_url("/outbound/12345/requests/a%2Fb~1?x=y#z"), "a/b~1"),
        (in_url("http://x/2/smsmessaging/outbound/12345/requests"), None),
        (in_url("http://x/2/smsmessaging/outbound/12345/requests/"), None),
        (in_url("http://x/" + "y" * 257), None),
        (in_url("http://x/" + "y/" * 2000), None),
        (in_url("SMS1"), None),
        ({"resourceReference": "SMS1"}, None),
        ({"outboundSMSMessageRequest": {}}, None),
        ({"outboundSMSMessageRequest": {"messageId": "SMS1", "resourceURL": "http://x/requests/SMS2"}}, "SMS1"),
        ({"Id": "SMS1", "ResourceReference": {"ResourceUrl": "http://x/requests/SMS2"}}, "SMS1"),
        (DOCUMENTED_SENT, "msg-500123"),
    ],
)
def test_a_oneapi_answer_may_have_its_id_in_its_url_alone(answer: Any, ref: str | None) -> None:
    """At the end of it, before `deliveryInfos`; an id of its own comes first."""
    assert sent_oneapi(raw(answer)) == ref


def test_a_send_may_be_answered_in_xml() -> None:
    """In any dialect."""
    url = b"<resourceReference><resourceURL>\nhttp://x/outbound/12345/requests/SMS1\n</resourceURL></resourceReference>"
    assert sent_oneapi(RawAnswer(url, "application/xml")) == "SMS1"
    sent = b"<outboundSMSResponse><messageId> SMS1 </messageId></outboundSMSResponse>"
    assert [read(RawAnswer(sent)) for read in (sent_v3, sent_rest2, sent_oneapi)] == ["SMS1"] * 3
    assert sent_rest2(RawAnswer(b"<SMSResponse><Id>SMS1</Id></SMSResponse>")) == "SMS1"
    assert sent_v3(RawAnswer(b"<outboundSMSResponse>\n</outboundSMSResponse>")) is None


@pytest.mark.parametrize("read", [sent_v3, sent_rest2, sent_oneapi])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"<html></html>",
        b"<a/>",
        b'{"outboundSMSResponse": "ok"}',
        b'{"a": 1',
        b'{"requestError": {}}',
    ],
)
def test_any_other_send_answer_is_malformed(read: Callable[[RawAnswer], Any], body: bytes) -> None:
    """Nobody knows then whether it was sent."""
    with pytest.raises(Malformed, match="a send answer"):
        read(RawAnswer(body))


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


def test_the_documented_status_of_oneapi_is_read() -> None:
    """It has no ids, only addresses."""
    (report,) = read_status("SMSa9b1927803784049", raw(ONEAPI_STATUS))
    assert (report.fact, report.position) == (Fact.DELIVERED, 0)
    assert report.address is not None
    assert report.address.value == "+13500000992"


def test_a_status_in_xml_is_read_alike() -> None:
    """One recipient or several."""
    info = "<deliveryInfo><address>tel:+1206555000{}</address><deliveryStatus>{}</deliveryStatus></deliveryInfo>"
    infos = [info.format(1, "DeliveredToTerminal"), info.format(2, "DeliveryImpossible")]
    for count, facts in ((1, [Fact.DELIVERED]), (2, [Fact.DELIVERED, Fact.UNDELIVERED])):
        body = f"<deliveryInfoList>{''.join(infos[:count])}</deliveryInfoList>".encode()
        assert [report.fact for report in read_status("SMS1", RawAnswer(body, "application/xml"))] == facts


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


def test_the_documented_inbox_of_oneapi_is_read() -> None:
    """XML, although JSON was asked for, with one message in place of a list and a URL between line breaks."""
    for content_type in ("application/xml", "text/xml", "application/json", ""):
        page = read_inbox("22627000", RawAnswer(ONEAPI_INBOX, content_type))
        (message,) = page.messages
        assert (message.sender.value, message.recipient, message.text) == ("+14257850159", "22627000", "Hello")
        assert (message.provider["message_id"], page.pending) == ("msg0", 0)


def test_several_messages_in_xml_keep_their_order_and_their_blanks() -> None:
    """A text is not trimmed."""
    texts = [" one ", "two\nlines", "3 < 4 & 5", ""]
    messages = "".join(
        f"<inboundSMSMessage><message>{escape(text)}</message><senderAddress>tel:4257850159</senderAddress>"
        "</inboundSMSMessage>"
        for text in texts
    )
    count = "<totalNumberOfPendingMessages> 7 </totalNumberOfPendingMessages>"
    body = f"<inboundSMSMessageList>{messages}{count}</inboundSMSMessageList>".encode()
    page = read_inbox("12345", RawAnswer(body, "application/xml"))
    assert ([message.text for message in page.messages], page.pending) == (texts, 7)


@pytest.mark.parametrize(
    "body",
    [
        b"<inboundSMSMessageList/>",
        b"<inboundSMSMessageList>\n</inboundSMSMessageList>",
        b"<inboundSMSMessageList><inboundSMSMessage/></inboundSMSMessageList>",
        b"<inboundSMSMessageList><inboundSMSMessage>\n</inboundSMSMessage></inboundSMSMessageList>",
        b"<inboundSMSMessageList><numberOfMessagesInThisBatch>0</numberOfMessagesInThisBatch></inboundSMSMessageList>",
    ],
)
def test_an_empty_inbox_in_xml_has_many_forms_too(body: bytes) -> None:
    """With line breaks or without."""
    assert read_inbox("12345", RawAnswer(body, "application/xml")) == InboxPage(())


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


READERS: tuple[Callable[[RawAnswer], Any], ...] = (
    sent_v3,
    sent_rest2,
    sent_oneapi,
    lambda found: read_status("r", found),
    lambda found: read_inbox("1", found),
)


@given(st.binary(), st.sampled_from(["", "application/json", "application/xml"]))
def test_whatever_the_bytes_a_reader_gives_a_value_or_malformed(body: bytes, content_type: str) -> None:
    """Nothing else is raised."""
    for read in READERS:
        for shown in (body, b"<inboundSMSMessageList>" + body + b"</inboundSMSMessageList>"):
            with suppress(Malformed):
                read(RawAnswer(shown, content_type))


FIELDS = ["message", "MessageId", "senderAddress", "dateTime", "deliveryStatus", "Address", "Id", "resourceURL"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
)


@given(VALUES, VALUES)
def test_whatever_the_values_a_reader_gives_a_value_or_malformed(inner: Any, count: Any) -> None:
    """Right names with wrong things behind them."""
    for wrong in (inner, [inner]):
        for root in ("outboundSMSResponse", "outboundSMSMessageRequest", "resourceReference", "Id"):
            for sent in (sent_v3, sent_rest2, sent_oneapi):
                with suppress(Malformed):
                    sent(raw({root: wrong}))
        with suppress(Malformed):
            read_status("r", raw({"deliveryInfoList": {"deliveryInfo": wrong}}))
        page = {"inboundSMSMessage": wrong, "totalNumberOfPendingMessages": count}
        with suppress(Malformed):
            assert read_inbox("1", raw({"inboundSMSMessageList": page})).pending >= 0


XML_FIELDS = st.sampled_from([*FIELDS, "inboundSMSMessage", "deliveryInfo", "resourceReference"])
XML_TEXTS = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs", "Cn"]), max_size=8).map(escape)
XML_VALUES = st.recursive(
    XML_TEXTS,
    lambda inner: st.lists(st.builds(lambda name, value: f"<{name}>{value}</{name}>", XML_FIELDS, inner)).map("".join),
)
ROOTS = ["outboundSMSResponse", "outboundSMSMessageRequest", "deliveryInfoList", "inboundSMSMessageList"]


@given(st.sampled_from(ROOTS), XML_VALUES)
def test_whatever_the_xml_a_reader_gives_a_value_or_malformed(root: str, inner: str) -> None:
    """Right names with wrong things between them."""
    for read in READERS:
        with suppress(Malformed):
            read(RawAnswer(f"<{root}>{inner}</{root}>".encode(), "application/xml"))
