"""AT&T's SMS service, for the conformance suite."""

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

from relay.domain.errors import ErrorCode, Gone, NotAuthorized, Refused, TryLater
from relay.domain.messages import Content
from relay.domain.states import Fact
from relay.providers.att_sms.codes import DELIVERY_STATUSES, ERRORS
from relay.simulator.app import Simulator
from tests.contract.provider.conformance import gsma
from tests.contract.provider.conformance.calls import MESSAGE_ID, a_call
from tests.contract.provider.conformance.known import Code, Exchange, Facts, Planned, Read, Reply, example

NAME = "att-sms"
SOMEBODY = "+12065550001"
TOKEN = {
    "access_token": "marked~access~token",
    "token_type": "bearer",
    "expires_in": 172_800,
    "refresh_token": "marked~refresh~token",
}
BY_CALLBACK = {"receive": "callback", "receipts": "callback"}
OPENAPI, DOCUMENTATION = "OpenAPI of SMS v3", "SMS documentation"


def listen(simulator: Simulator, event: str, url: str) -> None:
    """Register the listener of an event for the short code, as on the account's page."""
    simulator.act(NAME, "register", {"short_code": "12345", f"{event}_url": url})


def texts(page: Any) -> Any:
    """What an inbox page holds."""
    messages = [(one.sender.value, one.recipient, one.text, one.provider_time) for one in page.messages]
    return messages, page.pending


def statuses(reports: Any) -> Any:
    """What a status answer says."""
    return [(one.address.value, one.status, one.fact) for one in reports]


async def send(line: Any) -> Any:
    """A text to one."""
    return await line.send(a_call(SOMEBODY))


async def fetch_status(line: Any) -> Any:
    """The fact of its delivery status."""
    (report,) = line.read_status(MESSAGE_ID, await line.fetch_status(MESSAGE_ID))
    return report.fact


refused = partial(gsma.refused, send)


def of_status(status: str, fact: Fact) -> Code:
    """A delivery status."""
    info = {"address": f"tel:{SOMEBODY}", "deliveryStatus": status}
    body = json.dumps({"deliveryInfoList": {"deliveryInfo": [info]}}).encode()
    return Code(status, fetch_status, Reply(body=body), None, fact)


def gone() -> Code:
    """An id that AT&T no longer knows is refused as a field that is invalid."""
    told = {"MessageId": "SVC0002", "Text": "Invalid input value for message part %1", "Variables": "RequestIdentifier"}
    body = json.dumps({"RequestError": {"ServiceException": told}}).encode()
    return Code("SVC0002", fetch_status, Reply(400, body), Gone, ErrorCode.UNKNOWN_ID)


FACTS = Facts(
    settings={"short_code": "12345", "app_key": "demo-key", "app_secret": "marked-app-secret"},
    accounts={
        "app_key": "demo-key",
        "app_secret": "marked-app-secret",
        "short_code": "12345",
        "registration_id": "12345",
    },
    somebody=SOMEBODY,
    variants=({}, BY_CALLBACK),
    carried="marked~access~token",
    secrets=("marked~refresh~token",),
    opening={"/oauth/": Reply(body=json.dumps(TOKEN).encode())},
    listen=listen,
    cause={
        "message": lambda simulator, _: simulator.world.handset.text(sender=SOMEBODY, to="12345", text="Hello"),
        "delivery": lambda _, __: None,  # every text that is sent has one
    },
    reads=(
        Read(
            "v3_inbox.json",
            f"{OPENAPI}, getInboundSms",
            lambda line, raw: line.read_inbox(raw),
            texts,
            ([("+12125551234", "12345", "STOP", datetime(2026, 4, 19, 14, 30, tzinfo=UTC))], 0),
        ),
        Read(
            "rest2_inbox.json",
            f"{DOCUMENTATION}, Get SMS, AT&T",
            lambda line, raw: line.read_inbox(raw),
            texts,
            ([("+14257850159", "12345", "Hello", None)], 0),
            settings={"dialect": "rest2"},
        ),
        Read(
            "oneapi_inbox.xml",
            f"{DOCUMENTATION}, Get SMS, GSMA OneAPI",
            lambda line, raw: line.read_inbox(raw),
            texts,
            ([("+14257850159", "12345", "Hello", None)], 0),
            content_type="application/xml",
            settings={"dialect": "oneapi"},
        ),
        Read(
            "v3_status.json",
            f"{OPENAPI}, getSmsDeliveryStatus",
            lambda line, raw: line.read_status(MESSAGE_ID, raw),
            statuses,
            [("+12125551234", "DeliveredToTerminal", Fact.DELIVERED)],
        ),
        Read(
            "rest2_status.json",
            f"{DOCUMENTATION}, Get SMS Delivery Status, AT&T",
            lambda line, raw: line.read_status("SMSa9b1927803784049", raw),
            statuses,
            [("+13500000992", "DeliveredToTerminal", Fact.DELIVERED)],
            settings={"dialect": "rest2"},
        ),
        Read(
            "oneapi_status.json",
            f"{DOCUMENTATION}, Get SMS Delivery Status, GSMA OneAPI",
            lambda line, raw: line.read_status("SMSa9b1927803784049", raw),
            statuses,
            [("+13500000992", "DeliveredToTerminal", Fact.DELIVERED)],
            settings={"dialect": "oneapi"},
        ),
        Read(
            "receive.json",
            f"{DOCUMENTATION}, Receive SMS",
            lambda line, raw: line.read_hook("message", raw),
            lambda reading: [(one.sender.value, one.recipient, one.text) for one in reading.messages],
            [("+12071111111", "52345678", "Hello world")],
            settings=BY_CALLBACK,
        ),
    ),
    exchanges=(
        Exchange(
            f"{OPENAPI}, sendSms",
            lambda line: line.send(
                a_call("+12125551234", text="Your verification code is 482910. Valid for 10 minutes.")
            ),
            Reply(201, example(NAME, "v3_sent.json")),
            lambda answer: (answer.ref, [handover.fact for handover in answer.handovers]),
            ("msg-500123", [Fact.SUBMITTED]),
            request="v3_send.json",
            settings=BY_CALLBACK,
        ),
    ),
    plans=(
        Planned(Content("Hello"), "SMS API v3: Send SMS", "sms", 5),
        Planned(Content("é" * 4096), "SMS API v3: Send SMS", "sms", 8192),
        Planned(Content("☎"), "SMS API REST v2: Send SMS", "sms", 3, {"dialect": "rest2"}),
        Planned(Content("Hello"), "SMS API OneAPI v2: Send SMS", "sms", 5, {"dialect": "oneapi"}),
        Planned(Content("Hello"), "SMS API OneAPI v3: Send SMS", "sms", 5, {"dialect": "oneapi", "oneapi_version": 3}),
    ),
    codes=(
        *refused("SVC0001", 400, TryLater, ErrorCode.PROVIDER_ERROR),
        *refused("SVC0001", 400, Refused, ErrorCode.INVALID_RECIPIENT, text="the MSISDN is a landline"),
        *refused("SVC0002", 400, Refused, ErrorCode.PROVIDER_REFUSED, about="Message"),
        *refused("SVC0002", 400, Refused, ErrorCode.INVALID_RECIPIENT, about="Address"),
        *refused("SVC0002", 400, NotAuthorized, ErrorCode.UNAUTHORIZED, about="senderAddress"),
        *refused("SVC0003", 400, Refused, ErrorCode.PROVIDER_REFUSED, about="Message"),
        *refused("SVC0004", 400, Refused, ErrorCode.INVALID_RECIPIENT, about="Address"),
        *refused("SVC0283", 400, Refused, ErrorCode.PROVIDER_REFUSED),
        *refused("POL0001", 403, NotAuthorized, ErrorCode.UNAUTHORIZED),
        *refused("POL0002", 403, Refused, ErrorCode.PROVIDER_REFUSED),
        *refused("POL0003", 403, Refused, ErrorCode.INVALID_RECIPIENT),
        *refused("POL0013", 400, Refused, ErrorCode.INVALID_RECIPIENT),
        gone(),
        of_status("MessageWaiting", Fact.SUBMITTED),
        of_status("DeliveredToNetwork", Fact.ON_NETWORK),
        of_status("DeliveryUncertain", Fact.DOUBTED),
        of_status("DeliveredToTerminal", Fact.DELIVERED),
        of_status("DeliveryImpossible", Fact.UNDELIVERED),
        of_status("DeliveryNotificationNotSupported", Fact.SUBMITTED),
    ),
    documented=frozenset({*ERRORS, *DELIVERY_STATUSES}),
)
