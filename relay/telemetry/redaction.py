"""What may not be in a log line is taken out of it, last of all: secrets, message texts, phone numbers, addresses.

Two nets, one below the other: fields are known by their names, and whatever text is left is searched for patterns.
A number becomes the same `peer` as `peer()` gives, so that a line stays useful.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from pathlib import PurePath
from typing import Any, Literal

HIDDEN = "[hidden]"

_MOST_TEXT = 2000  # characters of one field
_MOST_DEPTH = 5
_HOME_NUMBER = 10  # digits of a number that is written without its country code

_SECRET_FIELD = re.compile(
    r"(^|_)(passwords?|secrets?|tokens?|authorization|cookies?|sessions?|credentials?|api_key|app_key|key_file)$",
    re.IGNORECASE,
)
_PRIVATE_FIELD = re.compile(
    r"^(text|body|payload|subject|message|to|from|sender|recipients?|numbers?|address(es)?|phone|contacts|media|raw)$",
    re.IGNORECASE,
)
# An id is left as it is but for what can only be a phone number; a client may build its ids from one.
_ID_FIELD = re.compile(r"(^|_)(id|ids|ref|key|digest|peer|node|stage|line|event|logger|timestamp)$")
_COUNT_FIELD = re.compile(r"(^|_)(id|ids|ref|position|at|bytes|seconds|ms|since|until|speed)$")
_MOST_NAMES = 1024  # of fields, whose sorts are remembered
_MOST_TEXTS = 4096  # that are remembered to be harmless, or not ...
_SHORT = 64  # ... of so many characters at most

_IDS = r"(?P<id>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\bSMS[0-9a-f]{16}\b)"
_NAMED = r"(?:session|(?:access_|refresh_)?token|client_(?:secret|id)|app_(?:secret|key)|password|secret|api_key)"
_MAIL = r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
# Every search is bounded: a text of any length takes milliseconds, whatever stands in it.
_PATTERNS = re.compile(
    rf"""
    {_IDS}
  | (?P<scheme>\b(?:Bearer|Basic)\s+)[^\s"',;]+
  | (?P<name>\b{_NAMED}["']?\s*(?:=|:|%3D)\s*["']?)[^\s"'&;,)}}\]]+
  | (?P<query>\?)(?=[^\s"'<>]{{0,99}}=)[^\s"'<>)\]]+
  | (?P<user>\b[a-z][a-z0-9+.-]{{0,9}}://)[^\s/@"']+@
  | (?P<hook>/(?:hooks|consent)/[a-z0-9-]+/)[^\s/?"']+
  | (?P<uri>\b(?:tel|ptn|short)(?::|%3A)/{{0,2}}(?:\+|%2B)?[0-9(][0-9().%-]*)
  | (?P<mail>{_MAIL})
  | (?P<grouped>(?<![\w.-])(?:\+?1[ .-]?)?(?:\(\d{{3}}\)[ ]?|\d{{3}}[ .-])\d{{3}}[ .-]\d{{4}}(?![\w-]))
  | (?P<digits>(?:\+|%2B)?(?<!\d)\d{{10,}})
    """,
    re.VERBOSE | re.IGNORECASE,
)
# What each of these begins with, or cannot do without; most texts have none of it, and are let through by this alone.
_SUSPECT = re.compile(r"[?@:/=%\s]|\d{3}")
_PEER_IN_ID = re.compile(rf"{_MAIL}|(?:\+\d{{10,15}}|(?<![0-9A-Za-z])1?[2-9]\d\d[2-9]\d{{6}})(?![0-9A-Za-z])")
_SUSPECT_ID = re.compile(r"[@\d]{10}|@")  # the same for an id
_NOT_DIGITS = re.compile(r"%[0-9A-F]{2}|\D", re.IGNORECASE)


def peer_of(number: str, key: bytes) -> str:
    """A number or address as a keyed hash, equal for equal numbers whatever their spelling."""
    bare = number[1:]
    digits = bare if number[:1] == "+" and bare.isdecimal() else _NOT_DIGITS.sub("", number)
    plain = number.strip().lower() if "@" in number or not digits else digits
    same = f"1{plain}" if plain == digits and len(digits) == _HOME_NUMBER else plain
    return blake2b(same.encode(errors="replace"), key=key, digest_size=6).hexdigest()


@lru_cache(_MOST_NAMES)
def _sort_of(name: str) -> Literal["hidden", "id", "text"]:
    """What a field's name says of its value."""
    if _PRIVATE_FIELD.match(name) or _SECRET_FIELD.search(name):
        return "hidden"
    return "id" if _ID_FIELD.search(name) else "text"


@lru_cache(_MOST_TEXTS)
def _stays(text: str, sort: Literal["id", "text"]) -> bool:
    """Whether there is nothing to be taken out of a text: most lines say what others have said before."""
    return not _SUSPECT_ID.search(text) if sort == "id" else _is_harmless(text)


@lru_cache(_MOST_NAMES)
def _is_plain(name: Any) -> bool:
    """Whether a field's name may stand in a log as it is."""
    return isinstance(name, str) and _is_harmless(name)


def _is_harmless(text: str) -> bool:
    """Whether there can be nothing in a text that must not be in a log; most are let through by this alone."""
    return len(text) <= _MOST_TEXT and (text.isalpha() or not _SUSPECT.search(text))


@dataclass(frozen=True, slots=True)
class Redactor:
    """Makes a log line's fields fit to be written.

    Args:
        peer: what stands for a number.
    """

    peer: Callable[[str], str]

    def fields(self, fields: Mapping[str, Any], depth: int = 0) -> dict[str, Any]:
        """The fields as plain JSON values, without what may not be in a log."""
        told = {}
        for name, value in fields.items():
            if not _is_plain(name):
                told[self.text(str(name))] = self.value(str(name), value, depth)
            elif type(value) is str and len(value) <= _SHORT and (sort := _sort_of(name)) != "hidden":
                told[name] = value if _stays(value, sort) else self.value(name, value, depth)
            else:
                told[name] = self.value(name, value, depth)
        return told

    def value(self, name: str, value: Any, depth: int = 0) -> Any:
        """One field's value as a plain JSON value; what has no plain form is named by its type."""
        if value is None or value is True or value is False:
            return value
        sort = _sort_of(name)
        if sort == "hidden":
            return HIDDEN
        if type(value) is str:
            return self._id(value) if sort == "id" else self.text(value)
        if isinstance(value, int | float) and not isinstance(value, Enum):
            return value if abs(value) < 10**9 or _COUNT_FIELD.search(name) else self.text(str(value))
        return self._compound(name, value, depth)

    def _compound(self, name: str, value: Any, depth: int) -> Any:
        match value:
            case str() | date() | PurePath():
                text = value.isoformat() if isinstance(value, date) else str(value)
                return self._id(text) if isinstance(value, date) or _sort_of(name) == "id" else self.text(text)
            case Enum():
                return self.value(name, value.value, depth)
            case Mapping() if depth < _MOST_DEPTH:
                return self.fields(value, depth + 1)
            case list() | tuple() | set() | frozenset() if depth < _MOST_DEPTH:
                return [self.value(name, part, depth + 1) for part in _steady(value)]
        return f"<{type(value).__name__}>"

    def text(self, text: str) -> str:
        """Free text without secrets, queries of URLs, numbers and mail addresses, and not too long."""
        if _is_harmless(text):
            return text
        # Twice as much is read as is shown, so that no cut goes through a number that is shown in part.
        fit = _PATTERNS.sub(self._replaced, text[: 2 * _MOST_TEXT])
        return fit if len(text) <= _MOST_TEXT else f"{fit[:_MOST_TEXT]}…"

    def _id(self, text: str) -> str:
        if not _SUSPECT_ID.search(text):
            return text[:_MOST_TEXT]
        return _PEER_IN_ID.sub(lambda found: f"[peer {self.peer(found[0])}]", text[:_MOST_TEXT])

    def _replaced(self, found: re.Match[str]) -> str:
        kind = found.lastgroup or ""
        if kind == "id":
            return found[0]
        if kind in {"uri", "mail", "grouped", "digits"}:
            return f"[peer {self.peer(found[0])}]"
        return f"{found[kind]}{HIDDEN}{'@' if kind == 'user' else ''}"


def _steady(values: Iterable[Any]) -> Iterable[Any]:
    return sorted(values, key=str) if isinstance(values, set | frozenset) else values
