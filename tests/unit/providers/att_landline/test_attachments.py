"""The list of a text's attachments: what is to be fetched, what is not there yet, and what never will be."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.errors import Malformed, TryLater
from relay.domain.messages import Part
from relay.providers.att_landline.attachments import read_parts

# Landline documentation, MMS Retrieve Process, with its quote put in and its last comma taken out.
PICTURE = {
    "fileName": "IMG_1827.jpg",
    "dateCreated": "2015-03-26T13:15:17-07:00",
    "fileSizeBytes": 40101,
    "mimeType": "image/jpeg",
    "storageKey": "be9396da-a6aa-442c-9406-asdfasdfasdf",
}
SMIL = {
    "fileName": "123_1.smil",
    "dateCreated": "2015-03-26T13:15:17-07:00",
    "fileSizeBytes": 300,
    "mimeType": "application/smil",
    "storageKey": "269023ec-67a0-4481-a820-asdfasdfasdf",
}


def read(value: Any) -> tuple[Part, ...]:
    """The parts that a list shows."""
    return read_parts(json.dumps(value).encode())


def test_the_documented_list_is_a_picture() -> None:
    """The layout of an MMS is nobody's attachment."""
    assert read({"total": 2, "response": [PICTURE, SMIL]}) == (
        Part("image/jpeg", filename="IMG_1827.jpg", ref="be9396da-a6aa-442c-9406-asdfasdfasdf", size=40101),
    )


@pytest.mark.parametrize("extra", [{"success": True}, {"total": None}, {"total": "1", "size": 1}])
def test_what_stands_around_the_list_does_not_matter(extra: dict[str, Any]) -> None:
    """The sample has no `success`; other calls have."""
    assert len(read({"total": 1, "response": [PICTURE], **extra})) == 1
    assert len(read({"response": PICTURE, **extra})) == 1


@pytest.mark.parametrize("response", [[], None, ""])
@pytest.mark.parametrize("total", [0, 2, None])
def test_none_means_not_yet(response: Any, total: int | None) -> None:
    """AT&T tells of a text before it has stored its attachments."""
    with pytest.raises(TryLater):
        read({"total": total, "response": response})


def test_a_layout_alone_has_nothing_to_fetch() -> None:
    """Also one that only its name betrays."""
    assert read({"total": 1, "response": [SMIL]}) == ()
    assert read({"total": 1, "response": [{**SMIL, "mimeType": None}]}) == ()


def test_what_cannot_be_had_is_shown_with_its_reason() -> None:
    """An attachment is never dropped silently."""
    for part in (
        read({"total": 1, "response": [{**PICTURE, "storageKey": None}]})[-1],
        read({"total": 3, "response": [PICTURE, SMIL]})[-1],
    ):
        assert part.ref is None
        assert part.problem is not None


@pytest.mark.parametrize(
    ("given", "kind", "size"),
    [
        ({"mimeType": "Image/PNG; name=a"}, "image/png", 40101),
        ({"mimeType": None}, "application/octet-stream", 40101),
        ({"fileSizeBytes": None}, "image/jpeg", None),
        ({"fileSizeBytes": "7"}, "image/jpeg", 7),
        ({"fileSizeBytes": -1}, "image/jpeg", None),
        ({"fileSizeBytes": "big"}, "image/jpeg", None),
    ],
)
def test_type_and_size_are_taken_as_far_as_they_go(given: dict[str, Any], kind: str, size: int | None) -> None:
    """An odd one does not cost the attachment."""
    (part,) = read({"total": 1, "response": [{**PICTURE, **given}]})
    assert (part.content_type, part.size, part.problem) == (kind, size, None)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
entries = st.fixed_dictionaries({}, optional=dict.fromkeys(PICTURE, anything))
lists = st.fixed_dictionaries({}, optional={"total": anything, "response": anything | st.lists(entries, max_size=3)})


@given(st.binary() | (lists | anything).map(lambda value: json.dumps(value).encode()))
def test_a_list_is_parts_or_an_error_whatever_the_bytes(body: bytes) -> None:
    """And every part has a key, or a reason why not."""
    try:
        parts = read_parts(body)
    except (Malformed, TryLater):
        return
    assert all((part.ref is None) == (part.problem is not None) for part in parts)
    assert all(part.content_type == part.content_type.lower() for part in parts)
