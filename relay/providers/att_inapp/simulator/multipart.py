"""An MMS as it is sent: multipart/related, or multipart/form-data, with CRLF between all lines (RFC 2046, RFC 2387)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from relay.providerkit.simulated import wrong

_PARAMETER = re.compile(r';\s*([\w!#$&^.+*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;"]*)')
_TRANSPARENT = frozenset(("", "binary", "8bit", "7bit"))

Complain = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Head:
    """A header's value, and its parameters."""

    value: str
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, text: str) -> "Head":
        """What a header says."""
        pairs = ((name.lower(), _unquoted(value)) for name, value in _PARAMETER.findall(text))
        return cls(text.partition(";")[0].strip().lower(), dict(pairs))


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


@dataclass(frozen=True, slots=True)
class SentPart:
    """One part: its headers by their names in small letters, and its bytes."""

    headers: Mapping[str, str]
    data: bytes = field(repr=False)

    @property
    def content_id(self) -> str:
        """Its Content-ID, without the brackets."""
        return self.headers.get("content-id", "").strip().removeprefix("<").removesuffix(">")

    @property
    def content_type(self) -> str:
        """Its type, without parameters."""
        return Head.of(self.headers.get("content-type", "")).value

    @property
    def filename(self) -> str | None:
        """Its file name, from its disposition or its type."""
        disposition = Head.of(self.headers.get("content-disposition", "")).parameters
        if "filename*" in disposition:
            return unquote(disposition["filename*"].rpartition("'")[2])
        return disposition.get("filename") or Head.of(self.headers.get("content-type", "")).parameters.get("name")


def read_multipart(content_type: str, body: bytes, complain: Complain) -> tuple[SentPart, Sequence[SentPart]]:
    """The root, which is JSON, and the files.

    Args:
        content_type: the request's header.
        body: the request's bytes.
        complain: is told what the documents forbid.

    Raises:
        ApiError: it is no such body; both parts of the answer say no more than that.
    """
    head = Head.of(content_type)
    boundary = head.parameters.get("boundary", "")
    if not boundary:
        raise wrong("boundary")
    parts = [_part(piece, complain) for piece in _pieces(body, boundary.encode(errors="replace"), complain)]
    root = _root(head, parts, complain)
    files = [part for part in parts if part is not root]
    _check(head, parts, complain)
    return root, files


def _pieces(body: bytes, boundary: bytes, complain: Complain) -> Sequence[bytes]:
    """What stands between the boundaries."""
    delimiter = b"\r\n--" + boundary
    preamble, *pieces = (b"\r\n" + body).split(delimiter)
    if not pieces or not pieces[-1].startswith(b"--"):
        complain("a multipart body that does not end with its boundary; right is CRLF everywhere, and -- at the end")
        raise wrong("multipart")
    if preamble or pieces[-1].strip() != b"--":
        complain("a multipart body with something before its first boundary, or after its last")
    return pieces[:-1]


def _part(piece: bytes, complain: Complain) -> SentPart:
    if not piece.startswith(b"\r\n"):
        raise wrong("multipart")
    heads, blank, data = piece.partition(b"\r\n\r\n")
    if not blank:
        complain("a part without an empty line, of CRLF, between headers and bytes")
        raise wrong("multipart")
    lines = (line.partition(":") for line in heads.decode(errors="replace").split("\r\n") if line)
    part = SentPart({name.strip().lower(): value.strip() for name, _, value in lines}, data)
    if part.headers.get("content-transfer-encoding", "").lower() not in _TRANSPARENT:
        complain("a part in another transfer encoding; right is binary")
    return part


def _root(head: Head, parts: Sequence[SentPart], complain: Complain) -> SentPart:
    """The part that `start` names, or the first."""
    start = head.parameters.get("start", "").removeprefix("<").removesuffix(">")
    named = [part for part in parts if part.content_id == start] if start else list(parts)
    if not named:
        raise wrong("start")
    if named[0].content_type != "application/json":
        complain("a root of another type; right is application/json")
        raise wrong("messageRequest")
    return named[0]


def _check(head: Head, parts: Sequence[SentPart], complain: Complain) -> None:
    if head.value == "multipart/related" and head.parameters.get("type") != "application/json":
        complain('multipart/related without its type; right is type="application/json"')
    ids = [part.content_id for part in parts]
    if not all(ids):
        complain("a part without a Content-ID; right is one for each")
    if len(set(ids)) < len(ids):
        complain("a Content-ID twice; right is a distinct one for each part")
        raise wrong("Content-ID")
    if not all(part.content_type for part in parts):
        complain("a part without a Content-Type; right is that of its file")
