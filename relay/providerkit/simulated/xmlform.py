"""Between XML and what JSON would hold: the gateway's other representation, read safely."""

import re
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTITIES = {"\r": "&#13;"}


def to_xml(name: str, value: Any) -> str:
    """A document whose root is `name`: an object's fields are elements, a list is an element repeated."""
    return f'<?xml version="1.0" encoding="UTF-8"?>{_element(name, value)}'


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, one) for one in value)
    if isinstance(value, dict):
        inner = "".join(_element(*field) for field in value.items())
    else:
        inner = escape(_FORBIDDEN.sub("\ufffd", f"{value}"), _ENTITIES)
    return f"<{name}>{inner}</{name}>"


def from_xml(document: bytes) -> dict[str, Any]:
    """`{root: fields}`, where a repeated element is a list and a leaf is its text; raises ValueError."""
    try:
        root = fromstring(document, forbid_dtd=True)
        return {_name(root): _value(root)}
    except (ParseError, DefusedXmlException, RecursionError, LookupError, UnicodeError) as error:
        raise ValueError("no XML that is safe to read") from error


def _value(element: Element) -> Any:
    if not len(element):
        return element.text or ""
    fields: dict[str, Any] = {}
    for child in element:
        name, value = _name(child), _value(child)
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
