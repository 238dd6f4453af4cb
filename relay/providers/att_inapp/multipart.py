"""A message and its attachments -> one body: `multipart/related`, as AT&T's gateway takes it. Pure.

Source: published clients of In-App Messaging. The JSON comes first and is named as the start; lines end in CRLF;
each part has a Content-ID of its own.
"""

import re
from collections.abc import Callable, Sequence

from relay.domain.messages import Media

_START = "<startpart>"
_WORD = r"[A-Za-z0-9!#$&^_.+-]+"
_CONTENT_TYPE = re.compile(rf'({_WORD}/{_WORD})(?:\s*;\s*{_WORD}=(?:{_WORD}|"[\x20\x21\x23-\x5b\x5d-\x7e]*"))*')
_LONGEST_TYPE = 127
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]+")
_LONGEST_NAME = 100
_CRLF = b"\r\n"


def related(root: bytes, media: Sequence[Media], chance: Callable[[], str]) -> tuple[str, bytes]:
    """The Content-Type and the body.

    Args:
        root: the message, as JSON.
        media: the attachments, in their order; their content types were found good (`is_content_type`).
        chance: gives a text of letters and digits, another each time; the boundary is made of it.
    """
    boundary = _boundary([root, *(one.data for one in media)], chance)
    between = b"--" + boundary.encode() + _CRLF
    parts = [_part(_root_head(), root), *(_part(_head(place, one), one.data) for place, one in enumerate(media))]
    body = b"".join(between + part + _CRLF for part in parts) + b"--" + boundary.encode() + b"--" + _CRLF
    return f'multipart/related; type="application/json"; start="{_START}"; boundary="{boundary}"', body


def is_content_type(text: str) -> bool:
    """Whether `text` is a media type, such as `image/png`, and nothing that could break a header."""
    return len(text) <= _LONGEST_TYPE and _CONTENT_TYPE.fullmatch(text) is not None


def safe_name(name: str | None, place: int) -> str:
    """A file name without folders, quotes, line ends and anything but plain ASCII; `file0` where none is left."""
    last = re.split(r"[\\/]", name or "")[-1]
    return _UNSAFE.sub("_", last).strip(" ._")[-_LONGEST_NAME:] or f"file{place}"


def _boundary(contents: Sequence[bytes], chance: Callable[[], str]) -> str:
    while True:
        boundary = f"relay-{chance()}"
        if not any(boundary.encode() in content for content in contents):
            return boundary


def _part(head: Sequence[tuple[str, str]], content: bytes) -> bytes:
    lines = b"".join(f"{name}: {value}".encode("ascii") + _CRLF for name, value in head)
    return lines + _CRLF + content


def _root_head() -> Sequence[tuple[str, str]]:
    return (
        ("Content-Type", "application/json; charset=UTF-8"),
        ("Content-Disposition", 'form-data; name="root-fields"'),
        ("Content-ID", _START),
    )


def _head(place: int, media: Media) -> Sequence[tuple[str, str]]:
    if not is_content_type(media.content_type):
        raise ValueError("the content type of an attachment must be a media type")
    name = safe_name(media.filename, place)
    return (
        ("Content-Type", media.content_type),
        ("Content-Disposition", f'attachment; name="file{place}"; filename="{name}"'),
        ("Content-ID", f"<file{place}>"),
        ("Content-Transfer-Encoding", "binary"),
    )
