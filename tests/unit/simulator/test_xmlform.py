"""XML as the gateway's other representation."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.providerkit.simulated.xmlform import from_xml, to_xml

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1)


def test_an_object_becomes_elements_and_a_list_repeats_one() -> None:
    """And back again."""
    document = to_xml("root", {"a": ["1", "2"], "b": {"c": "<&>"}, "d": ""})
    assert document.endswith("<root><a>1</a><a>2</a><b><c>&lt;&amp;&gt;</c></b><d></d></root>")
    assert from_xml(document.encode()) == {"root": {"a": ["1", "2"], "b": {"c": "<&>"}, "d": ""}}


def test_an_empty_list_leaves_nothing() -> None:
    """There is no element for it."""
    assert to_xml("root", {"a": []}).endswith("<root></root>")


def test_namespaces_do_not_matter() -> None:
    """The GSMA's documents have one."""
    assert from_xml(b'<n:a xmlns:n="urn:x"><n:b>1</n:b></n:a>') == {"a": {"b": "1"}}


@given(st.lists(TEXTS, min_size=2, max_size=4))
def test_texts_survive(texts: list[str]) -> None:
    """All that XML can hold."""
    assert from_xml(to_xml("root", {"t": texts}).encode()) == {"root": {"t": texts}}


def test_what_xml_cannot_hold_is_replaced() -> None:
    """And a carriage return is kept."""
    assert from_xml(to_xml("t", "a\x00b\r\n\ud800").encode()) == {"t": "a\ufffdb\r\n\ufffd"}


@given(st.binary())
def test_bytes_are_read_or_refused(document: bytes) -> None:
    """Never anything else."""
    with suppress(ValueError):
        assert isinstance(from_xml(document), dict)


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>" * 5_000,
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
    ],
)
def test_what_is_dangerous_is_refused(document: bytes) -> None:
    """No entities, no files, no abyss."""
    with pytest.raises(ValueError, match="safe"):
        from_xml(document)
