"""Every operation that the documents of AT&T's SMS service describe, and what of relay's reaches it.

The client takes its paths from here. OneAPI's section of the SMS documentation contradicts itself in three places;
each has its reading here:

- Get SMS: its Resource line has `messaging/inbox/` too many, its example is right.
- Get SMS Delivery Status: its Resource line, its example and GSMA's own specification name three paths.
- Send SMS: the section is missing; the path is GSMA's.
"""

from collections.abc import Mapping

from relay.providerkit.oauthendpoint import TOKEN_PATH
from relay.providerkit.operations import Operation

_DOCUMENTS = "SMS documentation"
_SEND = "`relay/line/<line>/send`, `relay send`"
_STATUS = '`relay/line/<line>/receipt`: `receipts = "poll"`'
_INBOX = '`relay/line/<line>/message`: `receive = "poll"`'
_ONEAPI = 'with `dialect = "oneapi"` and `oneapi_version = {}`'

TOKEN = Operation(
    "Get Access Token",
    "POST",
    TOKEN_PATH,
    "OpenAPI of SMS v3, getAccessToken",
    "any other operation, when a token is due; `relay check`",
)

SEND_V3 = Operation("Send SMS (v3)", "POST", "/sms/v3/messaging/outbox", "OpenAPI of SMS v3, sendSms", _SEND)
STATUS_V3 = Operation(
    "Get SMS Delivery Status (v3)",
    "GET",
    "/sms/v3/messaging/outbox/{message_id}",
    "OpenAPI of SMS v3, getSmsDeliveryStatus",
    _STATUS,
)
INBOX_V3 = Operation(
    "Get SMS (v3)",
    "GET",
    "/sms/v3/messaging/inbox/{registration_id}",
    "OpenAPI of SMS v3, getInboundSms",
    _INBOX,
)

SEND_REST2 = Operation(
    "Send SMS (REST v2)",
    "POST",
    "/rest/sms/2/messaging/outbox",
    f"{_DOCUMENTS}, Send SMS, Quickstart",
    f'{_SEND} with `dialect = "rest2"`',
)
STATUS_REST2 = Operation(
    "Get SMS Delivery Status (REST v2)",
    "GET",
    "/rest/sms/2/messaging/outbox/{message_id}",
    f"{_DOCUMENTS}, Get SMS Delivery Status, AT&T",
    f'{_STATUS} with `dialect = "rest2"`',
)
INBOX_REST2 = Operation(
    "Get SMS (REST v2)",
    "GET",
    "/rest/sms/2/messaging/inbox?RegistrationID={registration_id}",
    f"{_DOCUMENTS}, Get SMS, AT&T",
    f'{_INBOX} with `dialect = "rest2"`',
)

ONEAPI_VERSIONS = (2, 3)
STATUS_PATHS: Mapping[str, str] = {
    "resource": "/smsmessaging/outbound/requests/{sender_address}/{message_id}/deliveryInfos",
    "example": "/smsmessaging/outbound/{sender_address}/{message_id}/deliveryInfos",
    "gsma": "/smsmessaging/outbound/{sender_address}/requests/{message_id}/deliveryInfos",
}

SEND_ONEAPI = {
    version: Operation(
        f"Send SMS (OneAPI v{version})",
        "POST",
        f"/{version}/smsmessaging/outbound/{{sender_address}}/requests",
        "GSMA OneAPI, Send SMS",
        f"{_SEND} {_ONEAPI.format(version)}",
    )
    for version in ONEAPI_VERSIONS
}
STATUS_ONEAPI = {
    (version, name): Operation(
        f"Get SMS Delivery Status (OneAPI v{version}, {name} path)",
        "GET",
        f"/{version}{path}",
        f"{_DOCUMENTS}, Get SMS Delivery Status, GSMA OneAPI",
        f'{_STATUS}, `oneapi_status_path = "{name}"` {_ONEAPI.format(version)}',
    )
    for version in ONEAPI_VERSIONS
    for name, path in STATUS_PATHS.items()
}
INBOX_ONEAPI = {
    version: Operation(
        f"Get SMS (OneAPI v{version})",
        "GET",
        f"/{version}/smsmessaging/inbound/registrations/{{registration_id}}/messages",
        f"{_DOCUMENTS}, Get SMS, GSMA OneAPI",
        f"{_INBOX} {_ONEAPI.format(version)}",
    )
    for version in ONEAPI_VERSIONS
}

RECEIVE = Operation(
    "Receive SMS",
    "POST",
    "/hooks/{line}/{secret}/message",
    f"{_DOCUMENTS}, Receive SMS",
    '`relay/line/<line>/message`: `receive = "callback"`',
    is_callback=True,
)
RECEIVE_STATUS = Operation(
    "Receive SMS Delivery Status",
    "POST",
    "/hooks/{line}/{secret}/delivery",
    f"{_DOCUMENTS}, Get SMS Delivery Status, Overview",
    '`relay/line/<line>/receipt`: `receipts = "callback"`',
    is_callback=True,
)

OPERATIONS: tuple[Operation, ...] = (
    TOKEN,
    *(SEND_V3, STATUS_V3, INBOX_V3),
    *(SEND_REST2, STATUS_REST2, INBOX_REST2),
    *SEND_ONEAPI.values(),
    *STATUS_ONEAPI.values(),
    *INBOX_ONEAPI.values(),
    *(RECEIVE, RECEIVE_STATUS),
)
