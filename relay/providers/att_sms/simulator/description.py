"""The simulated SMS API in OpenAPI 3: what it takes, and everything it can answer while no fault is scripted."""

from collections.abc import Mapping, Sequence
from typing import Any

from relay.providerkit.simulated.describing import (
    array,
    body,
    either,
    error_answer,
    json_and_xml,
    object_of,
    operation,
    parameter,
    text,
)
from relay.providers.att_sms.simulator.dialects import DIALECTS, Dialect

Node = dict[str, Any]

_COUNT = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]*$"}]}
_STATUS = text(
    enum=["MessageWaiting", "DeliveredToNetwork", "DeliveredToTerminal", "DeliveryImpossible", "DeliveryUncertain"]
)
_ADDRESS = either(text(), array(text(example="tel:+12065550101"), minItems=1, maxItems=50))
_MESSAGE = text(minLength=1, example="Your order is on its way.")
_FLAG: Node = {"type": "boolean"}
_ERRORS: Mapping[str, str] = {
    "400": "no token, or something of the request is wrong",
    "401": "the token is not good",
    "403": "the scope is missing, or too many requests were made",
    "404": "nothing has this id",
    "429": "too many requests were made",
}


def paths() -> Mapping[str, Any]:
    """OpenAPI's `paths`."""
    described: dict[str, Any] = {}
    for dialect in DIALECTS:
        described[dialect.send] = {"post": _send(dialect)}
        for number, path in enumerate(dialect.statuses):
            described[path] = {"get": _status(dialect, path, number)}
        described[dialect.inbox] = {"get": _inbox(dialect)}
    return described


def _operation(dialect: Dialect, name: str, parameters: Sequence[Node], answers: Mapping[str, Node]) -> Node:
    errors = {status: error_answer(why) for status, why in _ERRORS.items()}
    return operation(f"{name} ({dialect.name})", parameters, {**answers, **errors}, scope="SMS")


def _send(dialect: Dialect) -> Node:
    parameters = [_sender()] if "{sender}" in dialect.send else []
    answers = {"201": json_and_xml("the message is taken", _sent(dialect))}
    if dialect.body == "rest":
        answers["200"] = json_and_xml("the message is taken (mode `shape`: served)", _sent(dialect))
    described = _operation(dialect, "Send SMS", parameters, answers)
    schema = {"v3": _V3_SEND, "rest": _REST_SEND, "oneapi": either(_GSMA_SEND, _V3_SEND)}[dialect.body]
    described["requestBody"] = body(schema)
    return described


_V3_SEND = object_of(
    outboundSMSRequest=object_of(
        address=_ADDRESS,
        message=_MESSAGE,
        notifyDeliveryStatus={"type": "boolean"},
        _optional=("notifyDeliveryStatus",),
    )
)
_REST_SEND = object_of(
    Address=_ADDRESS, Message=_MESSAGE, NotifyDeliveryStatus=_FLAG, _optional=("NotifyDeliveryStatus",)
)
_GSMA_SEND = object_of(
    outboundSMSMessageRequest=object_of(
        address=_ADDRESS,
        outboundSMSTextMessage=object_of(message=_MESSAGE),
        senderAddress=text(),
        senderName=text(),
        clientCorrelator=text(),
        receiptRequest=object_of(notifyURL=text(format="uri"), callbackData=text(), _optional=("callbackData",)),
        _optional=("senderAddress", "senderName", "clientCorrelator", "receiptRequest"),
    )
)


def _sent(dialect: Dialect) -> Node:
    if dialect.body == "rest":
        reference = object_of(ResourceUrl=text(), ResourceURL=text(), _optional=("ResourceUrl", "ResourceURL"))
        return object_of(Id=text(), ResourceReference=reference, _optional=("Id", "ResourceReference"))
    reference = object_of(resourceURL=text())
    inner = object_of(messageId=text(), resourceReference=reference, _optional=("messageId", "resourceReference"))
    answered = object_of(outboundSMSResponse=inner)
    if dialect.body == "v3":
        return answered
    repeated = object_of(
        address=array(text()),
        deliveryInfoList=_infos(),
        senderAddress=text(),
        outboundSMSTextMessage=object_of(message=text()),
        resourceURL=text(),
    )
    return either(answered, object_of(outboundSMSMessageRequest=repeated), object_of(resourceReference=reference))


def _infos() -> Node:
    return object_of(deliveryInfo=array(object_of(address=text(), deliveryStatus=_STATUS)), resourceURL=text())


def _status(dialect: Dialect, path: str, number: int) -> Node:
    camel = object_of(deliveryInfoList=_infos())
    info = object_of(Id=text(), Address=text(), DeliveryStatus=_STATUS)
    pascal = object_of(DeliveryInfoList=object_of(DeliveryInfo=array(info), ResourceUrl=text()))
    schema = {"v3": either(camel, pascal), "rest": pascal, "oneapi": camel}[dialect.body]
    parameters = [parameter("id", "the message id of the send's answer", example="SMS0123456789abcdef")]
    if "{sender}" in path:
        parameters.append(_sender())
    name = "Get SMS Delivery Status" + (f", form {number + 1}" if number else "")
    return _operation(dialect, name, parameters, {"200": json_and_xml("how far each copy has come", schema)})


def _inbox(dialect: Dialect) -> Node:
    query = dialect.body == "rest"
    name = "RegistrationID" if query else "id"
    parameters = [parameter(name, "the registration id", where="query" if query else "path", example="12345")]
    camel, pascal = _messages(pascal=False), _messages(pascal=True)
    schema = {"v3": either(camel, pascal), "rest": pascal, "oneapi": camel}[dialect.body]
    answers = {"200": json_and_xml("texts, which are deleted as they are handed out", schema)}
    return _operation(dialect, "Get SMS", parameters, answers)


def _messages(*, pascal: bool) -> Node:
    if pascal:
        message = object_of(MessageId=text(), Message=text(), SenderAddress=text())
        return object_of(
            InboundSmsMessageList=object_of(
                InboundSmsMessage=either(message, array(message)),
                NumberOfMessagesInThisBatch=_COUNT,
                ResourceUrl=text(),
                TotalNumberOfPendingMessages=_COUNT,
            )
        )
    optional = ("destinationAddress", "dateTime")
    fields = {name: text() for name in ("messageId", "message", "senderAddress", *optional)}
    message = object_of(fields, _optional=optional)
    return object_of(
        inboundSMSMessageList=object_of(
            inboundSMSMessage=either(message, array(message)),
            numberOfMessagesInThisBatch=_COUNT,
            resourceURL=text(),
            totalNumberOfPendingMessages=_COUNT,
        )
    )


def _sender() -> Node:
    return parameter("sender", "a short code of the app's", example="12345")
