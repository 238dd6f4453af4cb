"""A message with attachments as one body, taken apart again by the standard library's own reader."""

from email import message_from_bytes
from email.message import Message
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.messages import Media
from relay.providers.att_inapp.multipart import is_content_type, related, safe_name

ROOT = b'{"messageRequest":{}}'
PNG = Media("image/png", "map.png", b"\x89PNG\r\n\x00\xff")


def apart(media: tuple[Media, ...], root: bytes = ROOT) -> tuple[Message, list[Message]]:
    """The whole, and its parts."""
    numbers = count(1)
    content_type, body = related(root, media, lambda: f"{next(numbers):08x}")
    whole = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    parts = whole.get_payload()
    assert isinstance(parts, list)
    return whole, [part for part in parts if isinstance(part, Message)]


def test_the_body_is_byte_for_byte_what_at_t_s_clients_send() -> None:
    """CRLF everywhere, the JSON first and named as the start, a Content-ID for each part."""
    content_type, body = related(ROOT, (PNG,), lambda: "0123")
    assert content_type == ('multipart/related; type="application/json"; start="<startpart>"; boundary="relay-0123"')
    assert body == (
        b"--relay-0123\r\n"
        b"Content-Type: application/json; charset=UTF-8\r\n"
        b'Content-Disposition: form-data; name="root-fields"\r\n'
        b"Content-ID: <startpart>\r\n"
        b"\r\n" + ROOT + b"\r\n"
        b"--relay-0123\r\n"
        b"Content-Type: image/png\r\n"
        b'Content-Disposition: attachment; name="file0"; filename="map.png"\r\n'
        b"Content-ID: <file0>\r\n"
        b"Content-Transfer-Encoding: binary\r\n"
        b"\r\n" + PNG.data + b"\r\n"
        b"--relay-0123--\r\n"
    )


def test_every_part_has_an_id_of_its_own() -> None:
    """Also where two files have one name."""
    whole, parts = apart((PNG,) * 21)
    ids = [part["Content-ID"] for part in parts]
    assert len(set(ids)) == len(ids) == 22
    assert whole.get_param("start") == ids[0] == "<startpart>"


def test_a_boundary_that_occurs_in_a_part_is_not_used() -> None:
    """The next one is."""
    chances = iter(("aa", "bb", "cc"))
    trap = Media("text/plain", None, b"--relay-aa\r\n and relay-bb")
    content_type, _ = related(ROOT, (trap,), lambda: next(chances))
    assert 'boundary="relay-cc"' in content_type


@given(st.lists(st.tuples(st.binary(max_size=200), st.none() | st.text(max_size=40)), min_size=1, max_size=21))
def test_whatever_is_attached_comes_out_as_it_went_in(files: list[tuple[bytes, str | None]]) -> None:
    """And no name can add a header or end one."""
    media = tuple(Media("application/octet-stream", name, data) for data, name in files)
    _, parts = apart(media)
    assert [part.get_content_type() for part in parts] == [
        "application/json",
        *["application/octet-stream"] * len(files),
    ]
    assert [len(part.keys()) for part in parts] == [3, *[4] * len(files)]
    for part, (_, body) in zip(parts[1:], [(m.filename, m.data) for m in media], strict=True):
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        # The reader of e-mail takes any line end for one; what matters is that nothing is missing or added.
        assert payload.splitlines() == body.splitlines()


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("map.png", "map.png"),
        (None, "file3"),
        ("", "file3"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\me.jpg", "me.jpg"),
        ('a"; filename="b.exe', "a_ filename_b.exe"),
        ("a\r\nX-Evil: 1", "a_X-Evil_ 1"),
        ("Grüße.txt", "Gr_e.txt"),
        ("..", "file3"),
        ("\u200f", "file3"),
        ("x" * 300 + ".png", "x" * 96 + ".png"),
    ],
)
def test_a_file_name_is_made_safe(name: str | None, safe: str) -> None:
    """Its end stays, with what it says of the kind."""
    assert safe_name(name, 3) == safe


@given(st.text(), st.integers(0, 20))
def test_a_safe_name_never_breaks_a_header(name: str, place: int) -> None:
    """Whatever the name."""
    safe = safe_name(name, place)
    assert safe.isascii()
    assert safe.isprintable()
    assert not {'"', "\\", "/"} & set(safe)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("image/png", True),
        ("text/plain; charset=utf-8", True),
        ('text/plain;charset="utf-8"', True),
        ("application/vnd.ms-excel", True),
        ("image", False),
        ("image/", False),
        ("image/png\r\nX-Evil: 1", False),
        ("image/png; ", False),
        ("image/pñg", False),
        ("", False),
        ("image/" + "x" * 200, False),
    ],
)
def test_a_content_type_is_a_media_type_or_none(text: str, good: bool) -> None:
    """What is none is refused before it stands in a header."""
    assert is_content_type(text) is good
    if not good:
        with pytest.raises(ValueError, match="media type"):
            related(ROOT, (Media(text, None, b""),), lambda: "1")
