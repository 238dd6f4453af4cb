"""Simulated In-App Messaging in OpenAPI 3: what it takes, and everything it answers while no fault is scripted."""

from collections.abc import Mapping, Sequence
from typing import Any

from relay.providerkit.simulated.describing import (
    array,
    body,
    either,
    empty,
    error_answer,
    json_answer,
    object_of,
    operation,
    parameter,
    text,
)

Node = dict[str, Any]

_FLAG: Node = {"type": "boolean"}
_COUNT: Node = {"type": "integer", "minimum": 0, "maximum": (1 << 31) - 1}
_ERRORS: Mapping[str, str] = {
    "400": "no token, or something of the request is wrong, or there is no index",
    "401": "the token is not good",
    "403": "the scope or the subscriber's consent is missing",
    "404": "nothing has this id",
    "409": "there is no index, or the state is not good",
}


def described(base: str) -> Mapping[str, Any]:
    """The part of an OpenAPI document that is below `base`."""
    message_id, part = parameter("id", "the message's id"), parameter("part", "the part's number")
    ids = parameter("messageIds", "ids, with commas between them", where="query")
    state = parameter("state", "what the last list, delta or index said", where="query")
    changed = {"200": json_answer("it is changed", object_of(id=text())), "204": empty("it is changed (served)")}
    gone, all_changed = {"204": empty("it is deleted")}, {"204": empty("those that are there are changed")}
    index = {"200": json_answer("how it stands", _INDEX)}
    begun = {**index, "202": empty("it is being built (served)")}
    content = {"200": {"description": "the part's bytes", "content": {"*/*": {"schema": text(format="binary")}}}}
    paths: dict[str, Node] = {
        "/messages": {
            "post": _operation("Send a message", [], _TAKEN, body(_SEND), scope="IMMN"),
            "get": _operation("List messages", _filters(), {"200": json_answer("a page", _PAGE)}),
            "put": _operation("Mark messages", [], all_changed, body(object_of(messages=array(_ENTRY, minItems=1)))),
            "delete": _operation("Delete messages", [ids], gone),
        },
        "/messages/index": {"post": _operation("Create the index", [], begun)},
        "/messages/index/info": {"get": _operation("Ask for the index", [], index)},
        "/messages/{id}": {
            "get": _operation("Get a message", [message_id], {"200": json_answer("it", object_of(message=_MESSAGE))}),
            "put": _operation("Mark a message", [message_id], changed, body(object_of(message=_MARK))),
            "delete": _operation("Delete a message", [message_id], gone),
        },
        "/messages/{id}/parts/{part}": {"get": _operation("Get a part of an MMS", [message_id, part], content)},
        "/delta": {"get": _operation("Get changes", [state], {"200": json_answer("since the state", _CHANGES)})},
    }
    return {"paths": {base + path: item for path, item in paths.items()}}


def _operation(
    name: str, parameters: Sequence[Node], answers: Mapping[str, Node], asked: Node | None = None, *, scope: str = "MIM"
) -> Node:
    errors = {status: error_answer(why) for status, why in _ERRORS.items()}
    known = operation(f"{name} (In-App)", parameters, {**answers, **errors}, scope=scope)
    return {**known, "requestBody": asked} if asked else known


def _optional(*required: str, **fields: Node) -> Node:
    """An object of which only some fields are always there."""
    return object_of(fields, _optional=[name for name in fields if name not in required])


def _filters() -> Sequence[Node]:
    known: Mapping[str, Node] = {
        "limit": {"type": "integer", "minimum": 1, "maximum": 500},
        "offset": _COUNT,
        "isUnread": _FLAG,
        "isFavorite": _FLAG,
        "isIncoming": _FLAG,
        "type": text(enum=["TEXT", "MMS", "SMS"]),
        "keyword": text(),
        "messageIds": text(),
    }
    return [{"name": name, "in": "query", "schema": schema} for name, schema in known.items()]


_ADDRESS = text(
    pattern=r"^((tel:)?(\+?1)?[0-9]{10}|(short:)?[0-9]{3,8}|[^\s@:,]+@[^\s@:,]+\.[^\s@:,]+)$",
    example="tel:+12065550101",
)
_GROUP = {**either(_FLAG, text(enum=["true", "false"])), "nullable": True}
_SEND = object_of(
    messageRequest=_optional(
        "addresses",
        "text",
        addresses=either(_ADDRESS, array(_ADDRESS, minItems=1, maxItems=10)),
        text=text(minLength=1, example="See you at noon."),
        subject=text(nullable=True),
        group=_GROUP,
        isGroup=_GROUP,
    )
)
_SENT = json_answer("it is taken", _optional("id", id=text(), resourceURL=text()))
_TAKEN: Mapping[str, Node] = {"200": _SENT, "201": _SENT}
_MARK = object_of(isUnread=_FLAG)
_ENTRY = _optional("messageId", "isUnread", messageId=text(minLength=1), isUnread=_FLAG, isFavorite=_FLAG)

_WHO = either(text(), object_of(value=text()))
_KINDS = text(enum=["TEXT", "MMS"])
_CONTENT = object_of(contentName=text(), contentType=text(), contentUrl=text(), type=text())
_MESSAGE = _optional(
    "messageId",
    "isUnread",
    messageId=text(),
    isUnread=_FLAG,
    isFavorite=_FLAG,
    isIncoming=either(_FLAG, text(enum=["true", "false"])),
    recipients=array(_WHO),
    type=_KINDS,
    typeCode=text(),
    timeStamp=text(),
    text=text(),
    subject=text(),
    typeMetaData={"type": "object"},
    mmsContent=array(_CONTENT),
    **{"from": _WHO},
)
_PAGE = either(
    object_of(messageResultSet=object_of(messages=array(_MESSAGE), totalCount=_COUNT, offset=_COUNT, limit=_COUNT)),
    object_of(
        messageList=_optional(
            "messages",
            "state",
            "total",
            messages=array(_MESSAGE),
            state=text(),
            total=_COUNT,
            offset=_COUNT,
            limit=_COUNT,
            cacheStatus=text(),
            failedMessages=array(text()),
        )
    ),
)
_STANDINGS = ["NOT_INITIALIZED", "INITIALIZING", "INITIALIZED", "ERROR", "IN_PROGRESS", "COMPLETE"]
_INDEX = object_of(
    messageIndexInfo=_optional("status", status=text(enum=_STANDINGS), state=text(), messageCount=_COUNT)
)
_LISTED = {**array(_MESSAGE), "nullable": True}
_OF_A_KIND = _optional("type", type=_KINDS, adds=_LISTED, updates=_LISTED, deletes=_LISTED)
_GONE = {**array(text()), "nullable": True}
_CHANGES = object_of(
    deltaResponse=_optional(
        "state",
        state=text(),
        delta=array(_OF_A_KIND),
        addedMessages=_LISTED,
        updatedMessages=_LISTED,
        deletedMessages=_GONE,
    )
)
