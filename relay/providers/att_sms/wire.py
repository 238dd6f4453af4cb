"""Domain values -> bytes -> domain values: the bodies of AT&T's SMS API, version 3. Pure.

Bodies are written as the OpenAPI file of SMS v3 has them (camelCase, integers) and read as documented or as served
(PascalCase, numbers in quotes, one object where a list is due).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from relay.domain.addresses import inbound, tel_uri
from relay.domain.messages import DeliveryReport, InboundMessage, InboxPage, OutboundCall, RawAnswer
from relay.providerkit.parse import Unreadable, as_count, as_id, as_list, as_object, as_text, as_time, understood
from relay.providers.att_sms.codes import delivery_fact

_PLACE = re.compile(r"msg(\d{1,4})")
_LONGEST_ID = 256


def send_body(call: OutboundCall) -> bytes:
    """The body of a send (OpenAPI, SendSmsRequest). Delivery status is asked for, never called back."""
    request = {
        "address": [tel_uri(recipient.address) for recipient in call.recipients],
        "message": call.text,
        "notifyDeliveryStatus": False,
    }
    return to_json({"outboundSMSRequest": request})


def read_sent(body: bytes) -> str | None:
    """The message id of a send that was taken; None where the answer has none, and no status can ever be asked for.

    Raises:
        Malformed: the answer is none to a send.
    """
    return understood(body, "a send answer", _sent)


def read_status(ref: str, raw: RawAnswer) -> Sequence[DeliveryReport]:
    """One report for each recipient of the call `ref` (OpenAPI, DeliveryInfoResponse); none for an empty body (204).

    Raises:
        Malformed: it is no delivery status.
    """
    if not raw.body:
        return ()
    return understood(raw.body, "a delivery status", lambda value: _reports(ref, value))


def read_inbox(short_code: str, raw: RawAnswer) -> InboxPage:
    """The messages of a page, and how many more wait (OpenAPI, InboundSmsResponse); none for an empty body (204).

    Args:
        short_code: the recipient where a message names none, as served.
        raw: the page as it came.

    Raises:
        Malformed: it is no inbox page.
    """
    if not raw.body:
        return InboxPage(())
    return understood(raw.body, "an inbox page", lambda value: _page(short_code, value))


def _sent(value: Any) -> str | None:
    answer = as_object(_root(value, "outboundsmsresponse"), "outboundSMSResponse")
    found = as_id(answer.get("messageid")) or as_id(answer.get("id"))
    return found if found and len(found) <= _LONGEST_ID else None


def _reports(ref: str, value: Any) -> tuple[DeliveryReport, ...]:
    infos = as_list(as_object(_root(value, "deliveryinfolist"), "deliveryInfoList").get("deliveryinfo"))
    return tuple(_report(ref, place, as_object(info, "deliveryInfo")) for place, info in enumerate(infos))


def _report(ref: str, place: int, info: Mapping[str, Any]) -> DeliveryReport:
    status = as_id(info.get("deliverystatus"))
    if status is None:
        raise Unreadable("deliveryStatus must be a text")
    # Ids are msg0, msg1, … in the order of the addresses that were sent (SMS documentation, Delivery Info Object).
    own_place = _PLACE.fullmatch(as_id(info.get("id")) or "")
    address = as_id(info.get("address"))
    return DeliveryReport(
        ref=ref,
        fact=delivery_fact(status),
        address=inbound(address) if address else None,
        position=int(own_place[1]) if own_place else place,
        status=status,
    )


def _page(short_code: str, value: Any) -> InboxPage:
    page = _root(value, "inboundsmsmessagelist")
    if page is None or page == "":
        return InboxPage(())
    page = as_object(page, "inboundSMSMessageList")
    messages = (as_object(found, "inboundSMSMessage") for found in as_list(page.get("inboundsmsmessage")))
    pending = as_count(page.get("totalnumberofpendingmessages"))
    return InboxPage(tuple(_message(short_code, found) for found in messages), pending)


def _message(short_code: str, found: Mapping[str, Any]) -> InboundMessage:
    if "message" not in found and "senderaddress" not in found:
        raise Unreadable("inboundSMSMessage must have a message or a senderAddress")
    sender = as_text(found.get("senderaddress"), "senderAddress")
    recipient = as_id(found.get("destinationaddress"))
    kept = {"message_id": as_id(found.get("messageid")), "raw_sender": sender, "raw_time": as_id(found.get("datetime"))}
    # No dedupe_key: a message id is "unique for every message returned in the list", and in no other list.
    return InboundMessage(
        sender=inbound(sender),
        recipient=inbound(recipient).value if recipient else short_code,
        text=as_text(found.get("message"), "message"),
        provider_time=as_time(found.get("datetime")),
        provider={name: value for name, value in kept.items() if value},
    )


def _root(value: Any, name: str) -> Any:
    body = as_object(value, "the body")
    if name not in body:
        raise Unreadable(f"the body must have {name} (in any case)")
    return body[name]
