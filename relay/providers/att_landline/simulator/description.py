"""Simulated Landline Texting as OpenAPI: what its requests carry, and what is answered."""

from collections.abc import Mapping
from typing import Any

from relay.providerkit.simulated.describing import array, body, either, json_answer, object_of, operation, text
from relay.providers.att_landline.simulator.forms import DOCUMENTED

Node = dict[str, Any]

_FORM, _FILES = "application/x-www-form-urlencoded", "multipart/form-data"
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
_NUMBER = text(pattern=r"^\+1[2-9][0-9]{9}$")
_FIELDS: Mapping[str, Node] = {
    "contacts": array(_NUMBER, minItems=1, maxItems=15),
    "to": _NUMBER,
    "body": text(minLength=1, maxLength=250),
    "scheduledDate": text(pattern="^[0-9]{13}$"),
    "url": text(pattern="^https?://[a-z0-9.]+/[a-z]+$"),
    "webhookId": text(pattern="^[0-9]{1,18}$"),
    "messageId": text(pattern="^[0-9]{1,18}$"),
    "type": text(enum=["message"]),
    "event": text(enum=["receive", "send", "progress", "read", "delete"]),
    "method": text(enum=["POST", "PUT", "GET"]),
}

_WHOLE: Node = {"type": "integer"}
_FAILURE = object_of(success={"type": "boolean", "enum": [False]})
_HOOK = object_of(webhookId=_WHOLE, type=text(), event=text(), url=text(), method=text())
_TOKEN = object_of(message=either(text(), _WHOLE), fingerprint=text(), device=_WHOLE, contact=_WHOLE)
_ATTACHMENT = object_of(fileName=text(), dateCreated=text(), fileSizeBytes=_WHOLE, mimeType=text(), storageKey=text())
_RESPONSES: Mapping[str, Node] = {
    "send": object_of(fingerprint=text(), root=text(), tokens=array(_TOKEN, minItems=1)),
    "mms": object_of(id=_WHOLE, status=text()),
    "webhook-add": either(array(_HOOK), _HOOK),
    "webhook-list": either(array(_HOOK), _HOOK),
    "webhook-update": either(array(_HOOK), _HOOK),
    "webhook-delete": array({}, maxItems=0),
    "login": text(),
    "logout": {"type": "boolean"},
}


def described() -> Mapping[str, Any]:
    """The `paths` of an OpenAPI 3.0 document."""
    return {"paths": {path: _methods(name) for path, name in _PATHS.items()}}


def _methods(name: str) -> Node:
    if name == "mms":
        return {"post": {**operation("messaging/send", _query(name), _answers(name)), "requestBody": _files()}}
    posted = {**operation(name, (), _answers(name)), "requestBody": body(_form(name), kind=_FORM)}
    return {"post": posted, "get": operation(f"{name}, with a query", _query(name), _answers(name))}


def _form(name: str) -> Node:
    known = DOCUMENTED[name]
    fields = {field: _FIELDS.get(field, text()) for field in sorted(known.required | known.optional)}
    return object_of(fields, _optional=sorted(known.optional))


def _query(name: str) -> list[Node]:
    known = DOCUMENTED[name]
    return [
        {"name": field, "in": "query", "required": field in known.required, "schema": _FIELDS.get(field, text())}
        for field in sorted(known.required | known.optional)
    ]


def _files() -> Node:
    """A body is needed only where there are files."""
    names = ("image", "image1", "image2", "file")
    files = object_of({name: text(format="binary") for name in names}, _optional=names)
    return {"content": {_FILES: {"schema": files}}}


def _answers(name: str) -> Mapping[str, Node]:
    return {
        "200": _answer(name),
        "400": json_answer("a failure", _FAILURE),
        "403": json_answer("no such session", _FAILURE),
        "404": _page("there is no such call here", "text/plain"),
        "413": _page("too large", "text/html"),
        "500": json_answer("a login was refused", _FAILURE),
    }


def _answer(name: str) -> Node:
    if name == "content":
        answer = json_answer("the attachment, or a failure", _FAILURE)
        answer["content"]["application/octet-stream"] = {"schema": text(format="binary")}
        return answer
    if name == "attachments":
        good = object_of(total=_WHOLE, response=array(_ATTACHMENT))
    else:
        good = object_of(success={"type": "boolean", "enum": [True]}, response=_RESPONSES[name])
    return json_answer("a success or a failure", either(good, _FAILURE))


def _page(meaning: str, kind: str) -> Node:
    return {"description": meaning, "content": {kind: {"schema": text()}}}
