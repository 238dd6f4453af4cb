"""Simulated Landline Texting as OpenAPI: what its requests carry, and what is answered."""

from collections.abc import Mapping, Sequence
from typing import Any

from relay.providers.att_landline.simulator.forms import DOCUMENTED

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"

Schema = Mapping[str, Any]

_PATHS = {
    "/message/send": "send",
    "/messaging/send": "mms",
    "/messageAttachment/list": "attachments",
    "/hostedContent/get": "content",
    "/webhook/add": "webhook-add",
    "/webhook/list": "webhook-list",
    "/webhook/update": "webhook-update",
    "/webhook/delete": "webhook-delete",
    "/user/login": "login",
    "/user/logout": "logout",
}


def _object(required: Sequence[str] = (), **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


_TEXT, _WHOLE = {"type": "string"}, {"type": "integer"}
_HOOK = _object(
    ("webhookId", "type", "event", "url", "method"), webhookId=_WHOLE, type=_TEXT, event=_TEXT, url=_TEXT, method=_TEXT
)
_TOKEN = _object(
    ("message", "fingerprint", "device", "contact"),
    message={"oneOf": [_TEXT, _WHOLE]},
    fingerprint=_TEXT,
    device=_WHOLE,
    contact=_WHOLE,
)
_HOOKS = {"oneOf": [{"type": "array", "items": _HOOK}, _HOOK]}
_SENT = _object(
    ("fingerprint", "root", "tokens"), fingerprint=_TEXT, root=_TEXT, tokens={"type": "array", "items": _TOKEN}
)
_RESPONSES: Mapping[str, Schema] = {
    "send": _SENT,
    "mms": _object(("id", "status"), id=_WHOLE, status=_TEXT),
    "webhook-add": _HOOKS,
    "webhook-list": _HOOKS,
    "webhook-update": _HOOKS,
    "webhook-delete": {"type": "array", "maxItems": 0},
    "login": _TEXT,
    "logout": {"type": "boolean"},
}
_ATTACHMENT = _object(
    ("fileName", "dateCreated", "fileSizeBytes", "mimeType", "storageKey"),
    fileName=_TEXT,
    dateCreated=_TEXT,
    fileSizeBytes=_WHOLE,
    mimeType=_TEXT,
    storageKey=_TEXT,
)
_FAILURE = _object(("success",), success={"enum": [False]})
_FORMS: Mapping[str, Schema] = {
    "contacts": {"type": "array", "items": _TEXT},
    "type": {"enum": ["message"]},
    "event": {"enum": ["receive", "send", "progress", "read", "delete"]},
    "method": {"enum": ["POST", "PUT", "GET"]},
}


def described() -> Mapping[str, Any]:
    """The `paths` of an OpenAPI 3.0 document."""
    return {"paths": {path: {"post": _operation(name)} for path, name in _PATHS.items()}}


def _operation(name: str) -> Mapping[str, Any]:
    return {
        "operationId": f"landline-{name}",
        "tags": ["att-landline"],
        **(_mms_request() if name == "mms" else _form_request(name)),
        "responses": {
            "200": _answer(name),
            "400": {"description": "A failure.", "content": {_JSON: {"schema": _FAILURE}}},
            "403": {"description": "No such session.", "content": {_JSON: {"schema": _FAILURE}}},
            "404": {"description": "There is no such call.", "content": {"text/plain": {"schema": _TEXT}}},
            "413": {"description": "Too large.", "content": {"text/html": {"schema": _TEXT}}},
            "500": {"description": "A login was refused.", "content": {_JSON: {"schema": _FAILURE}}},
        },
    }


def _form_request(name: str) -> Mapping[str, Any]:
    known = DOCUMENTED[name]
    fields = {field: _FORMS.get(field, _TEXT) for field in sorted(known.required | known.optional)}
    schema = {**_object(sorted(known.required)), "properties": fields}
    return {"requestBody": {"required": True, "content": {_FORM: {"schema": schema}}}}


def _mms_request() -> Mapping[str, Any]:
    """Its fields are in the query, its files in the body."""
    known = DOCUMENTED["mms"]
    parameters = [
        {"name": field, "in": "query", "required": field in known.required, "schema": _TEXT}
        for field in sorted(known.required | known.optional)
    ]
    files = {field: {"type": "string", "format": "binary"} for field in ("image", "image1", "image2", "file")}
    content = {"multipart/form-data": {"schema": {**_object(), "properties": files}}, _FORM: {"schema": _object()}}
    return {"parameters": parameters, "requestBody": {"content": content}}


def _answer(name: str) -> Mapping[str, Any]:
    if name == "content":
        binary = {"type": "string", "format": "binary"}
        content = {"application/octet-stream": {"schema": binary}, _JSON: {"schema": _FAILURE}}
        return {"description": "The attachment, or a failure.", "content": content}
    if name == "attachments":
        good = _object(("total", "response"), total=_WHOLE, response={"type": "array", "items": _ATTACHMENT})
    else:
        good = _object(("success", "response"), success={"enum": [True]}, response=_RESPONSES[name])
    return {"description": "A success or a failure.", "content": {_JSON: {"schema": {"anyOf": [good, _FAILURE]}}}}
