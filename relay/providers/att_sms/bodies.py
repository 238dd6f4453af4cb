"""A call -> the body of its request, in each of AT&T's dialects. Pure.

Emitted is exactly the documents' spelling; case and form are only ignored in what AT&T answers.
"""

from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from relay.domain.addresses import tel_uri
from relay.domain.messages import OutboundCall


@dataclass(frozen=True, slots=True)
class Sending:
    """What a body is made of: a call, where it is sent from, and whether delivery status is to be called back.

    `notify_url`: at which address, where the dialect says that; it holds a secret.
    """

    call: OutboundCall
    short_code: str
    notify: bool
    notify_url: str = field(default="", repr=False)


def v3_body(sending: Sending) -> bytes:
    """Version 3, and OneAPI where it takes AT&T's own root (OpenAPI, SendSmsRequest)."""
    request = {
        "address": _addresses(sending),
        "message": sending.call.text,
        "notifyDeliveryStatus": sending.notify,
    }
    return to_json({"outboundSMSRequest": request})


def rest2_body(sending: Sending) -> bytes:
    """REST v2: no wrapper (SMS documentation, Send SMS, Quickstart).

    The example has no `NotifyDeliveryStatus`, and "should not be present in the request" is as good as false (Get SMS
    Delivery Status): it is there only where it says something.
    """
    request: dict[str, Any] = {"Message": sending.call.text, "Address": _addresses(sending)}
    if sending.notify:
        request["NotifyDeliveryStatus"] = True
    return to_json(request)


def gsma_body(sending: Sending) -> bytes:
    """OneAPI (GSMA OneAPI, Send SMS).

    The correlator is the call's id: a service that honours it sends no call twice. The same id is what a delivery
    notification repeats.
    """
    call = sending.call
    request: dict[str, Any] = {
        "address": _addresses(sending),
        "senderAddress": sending.short_code,
        "outboundSMSTextMessage": {"message": call.text},
        "clientCorrelator": call.call_id,
    }
    if sending.notify:
        request["receiptRequest"] = {"notifyURL": sending.notify_url, "callbackData": call.call_id}
    return to_json({"outboundSMSMessageRequest": request})


def _addresses(sending: Sending) -> list[str]:
    return [tel_uri(recipient.address) for recipient in sending.call.recipients]
