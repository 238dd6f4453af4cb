"""A provider's bytes -> values, tolerant of every spelling that was seen, or `Malformed`.

Readers of wire formats are written against folded values: every key in lower case, because AT&T documents
`inboundSMSMessageList` and serves `InboundSmsMessageList`. A reader raises `Unreadable` and says where; `understood`
turns that into `Malformed` with the bytes in it.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from pydantic_core import from_json

from relay.domain.errors import Malformed

T = TypeVar("T")

_BOM = b"\xef\xbb\xbf"
_INTEGER = re.compile(r"[+-]?\d{1,30}")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# What most texts have, read at once: the general way takes a hundred times as long.
_OWN_TIME = re.compile(r"([0-9]{2})-([0-9]{2})-([0-9]{4})T([0-9]{2}):([0-9]{2}):([0-9]{2})")
# SMS documentation, Receive SMS; and as seen in production.
_OWN_TIME_FORMATS = ("%m-%d-%YT%H:%M:%S", "%d/%b/%Y:%H:%M:%S:%f %z")


class Unreadable(ValueError):  # noqa: N818 - it says what the value is
    """A value is not what it must be. Says where and what was expected, never what was found."""


def understood(raw: bytes, what: str, read: Callable[[Any], T], fold: Callable[[bytes], Any] | None = None) -> T:
    """What `read` makes of the folded value in `raw`.

    Args:
        raw: a body, as it came.
        what: names the body in the error, as in "a send answer".
        read: gets the value with its keys folded; raises Unreadable.
        fold: gives that value, or raises Unreadable; JSON where it is not given.

    Raises:
        Malformed: no JSON (or whatever `fold` wants), or `read` could not read it.
    """
    try:
        return read((fold or folded_json)(raw))
    except Unreadable as error:
        raise Malformed(f"{what}: {error}", raw) from None


def folded_json(raw: bytes) -> Any:
    """The JSON value in `raw`, with all keys in lower case. Integers stay exact, however long.

    Control characters in strings are let through, and half a character (a lone surrogate) becomes U+FFFD: one odd
    text must not hold up the page it came in.

    Raises:
        Unreadable: it is no JSON in UTF-8, or too deep.
    """
    plain = raw.removeprefix(_BOM)
    try:
        value = from_json(plain, allow_inf_nan=False)
    except ValueError:
        value = _lenient_json(plain)
    return _folded(value)


def as_object(value: Any, where: str) -> Mapping[str, Any]:
    """`value`, which must be an object."""
    if not isinstance(value, dict):
        raise Unreadable(f"{where} must be an object")
    return value


def as_list(value: Any) -> list[Any]:
    """`value` as a list: none, null and "" are empty, and a single value stands for a list of one."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def as_id(value: Any) -> str | None:
    """An id as text: integers exactly, text without surrounding blanks; None for none, null, "" and anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() or None if isinstance(value, str) else None


def as_text(value: Any, where: str) -> str:
    """A text, unaltered; null and none are "", and a number is its digits."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unreadable(f"{where} must be a text")
    return str(value)


def as_int(value: Any, where: str) -> int:
    """A whole number, also one in quotes; null and "" are 0."""
    if value is None or value == "":
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    raise Unreadable(f"{where} must be a whole number")


def as_count(value: Any) -> int:
    """How many: like `as_int`, and 0 for what is no number or less than 0, because it is only advice."""
    try:
        return max(as_int(value, "a count"), 0)
    except Unreadable:
        return 0


def as_time(value: Any) -> datetime | None:
    """A provider's time, in UTC, from any of the formats seen; None for anything else.

    ISO 8601 (without a zone: UTC), `04-15-2011T12:00:00` (month first, UTC) and `26/Jul/2012:21:55:01:462 +0000`.
    """
    if not isinstance(value, str):
        return None
    if (seen := _OWN_TIME.fullmatch(value)) is not None:
        month, day, year, hour, minute, second = map(int, seen.groups())
        with suppress(ValueError):
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    for read in (datetime.fromisoformat, *(_time_reader(form) for form in _OWN_TIME_FORMATS)):
        try:
            time = read(value.strip())
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def _time_reader(form: str) -> Callable[[str], datetime]:
    return lambda value: datetime.strptime(value, form)  # noqa: DTZ007 - the caller adds the zone where there is none


def _lenient_json(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode(), strict=False, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unreadable("expected JSON in UTF-8") from None


def _no_constant(_: str) -> NoReturn:
    raise ValueError("not JSON")


def _folded(value: Any, depth: int = 200) -> Any:
    if not depth:
        raise Unreadable("expected JSON that is less deep")
    if isinstance(value, dict):
        # Most of what is in an object is text: for that, nothing is called.
        return {
            (key if key.isascii() else _whole(key)).lower(): (
                inner if type(inner) is str and inner.isascii() else _folded(inner, depth - 1)
            )
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_folded(inner, depth - 1) for inner in value]
    return _whole(value) if isinstance(value, str) else value


def _whole(text: str) -> str:
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
