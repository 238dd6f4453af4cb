"""A provider's JSON or XML -> one and the same value: a reader of wire formats need not know which of them came.

AT&T's OneAPI answers in XML although JSON was asked for: "Accept ... specifies how the entity should be represented in
case of an error. If there is no error, then the representation will match the form of the actual content" (SMS
documentation, Get SMS).
"""

from collections.abc import Mapping
from typing import Any

from defusedxml.ElementTree import XMLParser

from relay.providerkit.parse import Unreadable, folded_json

_DEEPEST = 50  # elements within one another
_MOST = 50_000  # elements
_LARGEST = 4 << 20  # bytes
_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n"


def folded(raw: bytes, content_type: str = "") -> Any:
    """The value in `raw`, JSON or XML, with all keys in lower case.

    Args:
        raw: a body, as it came.
        content_type: what it says it is. The first character that is not blank overrules it, because neither format
            can begin as the other does.

    Raises:
        Unreadable: it is neither, or too deep or too large.
    """
    return folded_xml(raw) if _is_xml(raw, content_type) else folded_json(raw)


def folded_xml(raw: bytes) -> Any:
    """The element in `raw` as the JSON value that stands for it: an object with one key, the element's name.

    Names lose their namespace and are in lower case, attributes are left out. An element with others in it is an
    object, any other is its text, unaltered; elements of the same name side by side are a list.

    Raises:
        Unreadable: it is no XML, declares a document type or an entity, or is too deep or too large.
    """
    if len(raw) > _LARGEST:
        raise Unreadable("expected XML that is less large")
    parser = XMLParser(target=_Folding(), forbid_dtd=True)
    try:
        parser.feed(raw)
        return parser.close()
    except Unreadable:
        raise
    except (SyntaxError, ValueError, LookupError):
        # expat's parse error, what is forbidden, and an encoding that does not exist.
        raise Unreadable("expected XML without a document type") from None


def _is_xml(raw: bytes, content_type: str) -> bool:
    first = raw.removeprefix(_BOM).lstrip(_BLANKS)[:1]
    return first == b"<" or ("xml" in content_type and first not in {b"{", b"["})


class _Folding:
    """Takes what the parser meets, and makes the value as it goes: no depth can exhaust the stack."""

    def __init__(self) -> None:
        self._open: list[_Element] = [_Element()]
        self._count = 0

    def start(self, name: str, _: Mapping[str, str]) -> None:
        """An element begins."""
        self._count += 1
        if self._count > _MOST or len(self._open) > _DEEPEST:
            raise Unreadable("expected XML that is less deep and has fewer elements")
        self._open.append(_Element(name.rpartition("}")[2].lower()))

    def data(self, text: str) -> None:
        """A piece of text."""
        self._open[-1].texts.append(text)

    def end(self, _: str) -> None:
        """The innermost element ends."""
        element = self._open.pop()
        self._open[-1].inner.setdefault(element.name, []).append(element.value())

    def close(self) -> Any:
        """The document's value."""
        return self._open[0].value()


class _Element:
    """An element that has begun."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.inner: dict[str, list[Any]] = {}
        self.texts: list[str] = []

    def value(self) -> Any:
        if not self.inner:
            return "".join(self.texts)
        return {name: values if len(values) > 1 else values[0] for name, values in self.inner.items()}
