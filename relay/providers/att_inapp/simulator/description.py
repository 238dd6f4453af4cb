"""The OpenAPI description of simulated In-App Messaging: its paths, in both shapes."""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_STRING: Schema = {"type": "string", "minLength": 1}
_FLAG: Schema = {"type": "boolean"}


def described(base: str) -> Mapping[str, Any]:
    """Paths below `base`."""
    message_id, part = _parameter("id", "path", _STRING), _parameter("part", "path", _STRING)
    state = _parameter("state", "query", _STRING, required=True)
    paths = {
        "/messages": {
            "post": _operation("sendInAppMessage", {"200": _SENT, "201": _SENT}, body=_send_body()),
            "get": _operation("listInAppMessages", {"200": _either("messageResultSet", "messageList")}, _filters()),
            "put": _operation("updateInAppMessages", {"204": None}, body=_json(_wrapped("messages", _entries()))),
            "delete": _operation("deleteInAppMessages", {"204": None}, [_ids(required=True)]),
        },
        "/messages/index": {"post": _operation("createInAppIndex", {"200": _INDEX, "202": None})},
        "/messages/index/info": {"get": _operation("getInAppIndexInfo", {"200": _INDEX})},
        "/messages/{id}": {
            "get": _operation("getInAppMessage", {"200": _either("message")}, [message_id]),
            "put": _operation("updateInAppMessage", {"200": _SENT, "204": None}, [message_id], _update_body()),
            "delete": _operation("deleteInAppMessage", {"204": None}, [message_id]),
        },
        "/messages/{id}/parts/{part}": {"get": _operation("getInAppContent", {"200": _BYTES}, [message_id, part])},
        "/delta": {"get": _operation("getInAppDelta", {"200": _either("deltaResponse")}, [state])},
    }
    return {"paths": {base + path: item for path, item in paths.items()}}


def _operation(
    name: str,
    answers: Mapping[str, Schema | None],
    parameters: Sequence[Schema] = (),
    body: Schema | None = None,
) -> Schema:
    """One operation; `answers` are its successes, by their status, with their content if they have one."""
    successes = {status: _answer(content) for status, content in answers.items()}
    refusals = {status: _answer(_ERROR) for status in ("400", "401", "403", "404", "409")}
    asked = {"requestBody": body} if body else {}
    return {"operationId": name, "parameters": list(parameters), **asked, "responses": {**successes, **refusals}}


def _answer(content: Schema | None) -> Schema:
    return {"description": "as documented, or as served", **({"content": content} if content else {})}


def _content(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _wrapped(name: str, inner: Schema) -> Schema:
    return {"type": "object", "required": [name], "properties": {name: inner}}


def _either(*roots: str) -> Schema:
    """An answer that has one of these roots."""
    return _content({"anyOf": [_wrapped(root, {"type": "object"}) for root in roots]})


def _json(schema: Schema) -> Schema:
    return {"required": True, "content": _content(schema)}


def _parameter(name: str, where: str, schema: Schema, *, required: bool = False) -> Schema:
    return {"name": name, "in": where, "required": required or where == "path", "schema": schema}


def _ids(*, required: bool = False) -> Schema:
    return _parameter("messageIds", "query", _STRING, required=required)


def _filters() -> Sequence[Schema]:
    flags = [_parameter(name, "query", _FLAG) for name in ("isUnread", "isIncoming", "isFavorite")]
    return [
        _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 500}),
        _parameter("offset", "query", {"type": "integer", "minimum": 0, "maximum": (1 << 31) - 1}),
        _parameter("type", "query", {"type": "string", "enum": ["TEXT", "MMS", "SMS"]}),
        _parameter("keyword", "query", {"type": "string"}),
        _ids(),
        *flags,
    ]


def _send_body() -> Schema:
    flag = {"anyOf": [_FLAG, {"type": "string", "enum": ["true", "false"]}]}
    fields = {
        "addresses": {"type": "array", "items": _STRING, "minItems": 1, "maxItems": 10},
        "text": {"type": "string"},
        "subject": {"type": "string"},
        "group": flag,
        "isGroup": flag,
    }
    asked = _wrapped("messageRequest", {"type": "object", "required": ["addresses"], "properties": fields})
    return {"required": True, "content": {"application/json": {"schema": asked}, "multipart/related": {}}}


def _entries() -> Schema:
    properties = {"messageId": _STRING, "isUnread": _FLAG, "isFavorite": _FLAG}
    entry = {"type": "object", "required": ["messageId", "isUnread"], "properties": properties}
    return {"type": "array", "items": entry, "minItems": 1}


def _update_body() -> Schema:
    return _json(_wrapped("message", {"type": "object", "required": ["isUnread"], "properties": {"isUnread": _FLAG}}))


_ERROR = {"application/json": {"schema": {"type": "object", "minProperties": 1, "maxProperties": 1}}}
_BYTES = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_SENT = _content({"type": "object", "required": ["id"], "properties": {"id": _STRING}})
_STATUS: Schema = {"type": "object", "required": ["status"], "properties": {"status": _STRING, "state": _STRING}}
_INDEX = _content(_wrapped("messageIndexInfo", _STATUS))
