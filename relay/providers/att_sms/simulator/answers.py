"""A body -> an HTTP answer, as JSON or XML; and what a request says about the answer it wants."""

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from relay.providerkit.simulated.xmlform import to_xml

_FORMATS = ("application/json", "application/xml", "application/x-www-form-urlencoded")
_WANTED = re.compile(r"application/(json|xml)|\*/\*")


def answer(body: Mapping[str, Any], *, xml: bool, status: int = 200) -> web.Response:
    """The answer to what went well; Accept does not govern it (SMS documentation, Accept)."""
    if not xml:
        return web.json_response(body, status=status)
    name, inner = next(iter(body.items())) if len(body) == 1 else ("smsResponse", body)
    return web.Response(text=to_xml(name, _padded(inner)), status=status, content_type="application/xml")


def _padded(value: Any) -> Any:
    """Resource URLs stand on a line of their own, as in the documentation's XML."""
    if isinstance(value, list):
        return [_padded(one) for one in value]
    if isinstance(value, dict):
        return {k: f"\n{v}\n" if k.lower() == "resourceurl" else _padded(v) for k, v in value.items()}
    return value


def wants_xml(request: web.Request) -> bool:
    """Whether an error is to be XML: Accept's first of the two."""
    found = _WANTED.search(request.headers.get("Accept", ""))
    return found is not None and found[1] == "xml"


def header_faults(request: web.Request) -> list[str]:
    """What is wrong about the headers that every request needs (SMS documentation, Request Parameters)."""
    faults = []
    if "Content-Type" not in request.headers:
        faults.append("no Content-Type; it is required, on GET too")
    elif request.content_type not in _FORMATS:
        faults.append(f"a Content-Type that is none of {', '.join(_FORMATS)}")
    if not _WANTED.search(request.headers.get("Accept", "*/*")):
        faults.append("an Accept that is neither application/json nor application/xml")
    return faults
