"""A send's body, in any of the gateway's formats -> the fields that a dialect has for it.

JSON is what the documents show; forms and XML with the same names are taken by the gateway too (SMS documentation,
Content-Type; AT&T's kits).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from relay.providerkit.simulated import wrong
from relay.providerkit.simulated.xmlform import from_xml
from relay.providers.att_sms.simulator.dialects import Dialect

_FORM = "application/x-www-form-urlencoded"
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Fields:
    """What a send asks for, unchecked."""

    address: Any = None
    message: Any = None
    notify: Any = None
    sender: Any = None
    correlator: Any = None
    receipt: Any = None


async def read_fields(request: web.Request, dialect: Dialect) -> Fields:
    """The fields of a request; raises ApiError, SVC0002 with the part that is wrong."""
    body, is_typed = await _parsed(request)
    match dialect.body:
        case "v3":
            return _att(body, "outboundSMSRequest", is_typed=is_typed)
        case "rest":
            return _rest(body, is_typed=is_typed)
        case "oneapi":
            return _oneapi(body, is_typed=is_typed)


async def _parsed(request: web.Request) -> tuple[dict[str, Any], bool]:
    """The body, and whether its format has types."""
    try:
        match request.content_type:
            case "application/json":
                body = await request.json()
            case "application/xml" | "text/xml":
                return from_xml(await request.read()), False
            case form if form == _FORM:
                return {"": await _form(request)}, False
            case _:
                raise wrong("Content-Type")
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, LookupError, ValueError) as error:
        raise wrong("body") from error
    return body if isinstance(body, dict) else {}, True


async def _form(request: web.Request) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in (await request.post()).items():
        fields[name] = [*fields[name], value] if name in fields else [value]
    return {name: values if len(values) > 1 else values[0] for name, values in fields.items()}


def _att(body: Mapping[str, Any], root: str, *, is_typed: bool) -> Fields:
    inner = body.get(root, body.get("", None))
    if not isinstance(inner, dict):
        raise wrong(root)
    notify = inner.get("notifyDeliveryStatus", False)
    return Fields(inner.get("address"), inner.get("message"), notify if is_typed else _flag(notify))


def _rest(body: Mapping[str, Any], *, is_typed: bool) -> Fields:
    # A form's fields stand below "", XML's below a root whose name is not documented.
    inner = body if is_typed else next(iter(body.values()))
    if not isinstance(inner, dict):
        raise wrong("Message")
    notify = inner.get("NotifyDeliveryStatus", inner.get("notifyDeliveryStatus", False))
    return Fields(inner.get("Address"), inner.get("Message"), notify if is_typed else _flag(notify))


def _oneapi(body: Mapping[str, Any], *, is_typed: bool) -> Fields:
    """The GSMA's body, or AT&T's own: which of them AT&T took here is not known."""
    root = "outboundSMSMessageRequest"
    if root not in body:
        return _att(body, "outboundSMSRequest", is_typed=is_typed)
    inner = body[root]
    text = inner.get("outboundSMSTextMessage") if isinstance(inner, dict) else None
    if not isinstance(text, dict):
        raise wrong(root)
    receipt = inner.get("receiptRequest")
    return Fields(
        address=inner.get("address"),
        message=text.get("message"),
        notify=receipt is not None,
        sender=inner.get("senderAddress"),
        correlator=inner.get("clientCorrelator"),
        receipt=receipt,
    )


def _flag(value: Any) -> Any:
    return _FLAGS.get(value, value) if isinstance(value, str) else value
