"""JSON and XML become one and the same value."""

from contextlib import suppress
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.providerkit.folding import folded, folded_xml
from relay.providerkit.parse import Unreadable

TEXTS = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs", "Cn"]), max_size=20)
NAMES = st.sampled_from(["message", "senderaddress", "id", "list"])


def as_xml(value: Any) -> str:
    """The XML that a gateway makes of a value."""
    if isinstance(value, dict):
        parts = [(name, inner if isinstance(inner, list) else [inner]) for name, inner in value.items()]
        return "".join(f"<{name}>{as_xml(one)}</{name}>" for name, inners in parts for one in inners)
    return escape(value)


OBJECTS = st.recursive(
    st.dictionaries(NAMES, TEXTS, min_size=1),
    lambda inner: st.dictionaries(NAMES, TEXTS | inner | st.lists(inner, min_size=2, max_size=3), min_size=1),
    max_leaves=8,
)


@given(OBJECTS)
def test_an_xml_element_is_the_object_that_its_json_would_be(value: Any) -> None:
    """Texts unaltered, names in lower case, several of the same name as a list."""
    body = f"<Root>{as_xml(value)}</Root>".encode()
    assert folded(body) == {"root": value}


def test_names_lose_their_namespace_and_attributes_are_left_out() -> None:
    """GSMA's XML has a namespace, AT&T's documents show none."""
    body = b'\n<?xml-stylesheet?>\n<sms:Root xmlns:sms="urn:x" a="1"><sms:Item b="2">1</sms:Item><Item/></sms:Root>'
    assert folded(body) == {"root": {"item": ["1", ""]}}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_xml_says_itself_how_it_is_encoded(encoding: str) -> None:
    """With a mark or in its declaration."""
    head = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    assert folded((head + "<a>Grüße</a>").encode(encoding), "application/xml") == {"a": "Grüße"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b' \n{"A": "1"}', "application/json"),
        (b' {"A": "1"}', "application/xml"),
        (b'\xef\xbb\xbf{"A": "1"}', ""),
        (b"<A>1</A>", "application/json"),
        (b"\r\n<a>1</a>", "application/xml"),
        (b"<?xml version='1.0'?><a>1</a>", "text/html"),
    ],
)
def test_a_body_is_read_as_what_it_is_whatever_it_says(body: bytes, content_type: str) -> None:
    """A gateway that was asked for JSON answers in XML, and may name either."""
    assert folded(body, content_type) == {"a": "1"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"<a>",
        b"<a/><b/>",
        b"<a>&nothing;</a>",
        b"<a>\xff</a>",
        b"<a>&#1;</a>",
        b"<y:a/>",
        b'<?xml version="1.0" encoding="nowhere"?><a/>',
        b'<?xml version="1.0" encoding="big5"?><a/>',
        b"<!DOCTYPE html><html></html>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>',
    ],
)
def test_what_is_no_plain_xml_is_unreadable(body: bytes) -> None:
    """Entities and document types are refused before they can do anything."""
    with pytest.raises(Unreadable, match="expected XML without a document type"):
        folded_xml(body)


@pytest.mark.parametrize(
    "body",
    [
        b"<a>" * 51 + b"</a>" * 51,
        b"<a>" * 200_000,
        b"<a>" + b"<b/>" * 50_001 + b"</a>",
        b"<a>" + b"b" * (4 << 20) + b"</a>",
    ],
    ids=["deep", "deeper", "many", "large"],
)
def test_depth_number_and_size_are_bounded(body: bytes) -> None:
    """A hostile body costs no more than it is long."""
    with pytest.raises(Unreadable, match="less"):
        folded_xml(body)


@given(st.binary(), st.sampled_from(["", "application/json", "application/xml", "text/html"]))
def test_whatever_the_bytes_they_are_a_value_or_unreadable(body: bytes, content_type: str) -> None:
    """Nothing else is raised."""
    for raw in (body, b"<" + body, b"<a>" + body + b"</a>"):
        with suppress(Unreadable):
            folded(raw, content_type)
