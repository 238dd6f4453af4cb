"""A checksum a row: a flipped bit in a row's payload passes every check that SQLite makes itself."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from json.encoder import encode_basestring_ascii as _quoted
from operator import attrgetter, itemgetter
from typing import Any
from zlib import crc32

from relay.journal.columns import BROKEN, as_json, printable

_BROKEN = b"\0"  # no JSON looks like this


def sum_of(*payload: Any) -> int:
    """The checksum of a row's payload: text, numbers, None, and bytes."""
    total = 0
    for value in payload:
        total = crc32(_part(value), total)
    return total


def _part(value: Any) -> bytes:
    return value if isinstance(value, bytes) else _json_of(value)


def _json_of(value: Any) -> bytes:
    """What `as_json` makes of it, sooner: it is asked eight times for every event."""
    if value is None:
        return b"null"
    kind = type(value)
    if kind is str:
        return _quoted(value).encode("ascii")
    return b"%d" % value if kind is int else as_json(value)


def fits(kept: int | None, *sums: int) -> bool:
    """Whether a row's checksum is one of these. A row that was made before there were sums is taken as it is."""
    return kept is None or kept in sums


def copy_sum(row: Mapping[Any, Any]) -> int:
    """The checksum of what never changes in a row of `copy`: which one it is, and to whom it goes."""
    return _words_sum(row, _COPY)


def copy_row_sum(row: Any) -> int:
    """The same, of a row as it was read."""
    return _words_sum(row, _COPY_READ)


def command_sum(row: Mapping[Any, Any]) -> int:
    """The checksum of what never changes in a row of `command`."""
    answer = row["answer"]
    return kept_command_sum(row, _BROKEN if answer is BROKEN else as_json(answer))


def kept_command_sum(row: Mapping[Any, Any], answer: bytes) -> int:
    """The same, where the answer is at hand as it is kept."""
    return crc32(answer, _words_sum(row, _COMMAND))


def optout_sum(row: Mapping[Any, Any]) -> int:
    """The checksum of what never changes in a row of `optout`. The address is not part of it: it may be erased."""
    at: datetime = row["at"]
    return crc32(at.isoformat().encode(), _words_sum(row, _OPTOUT))


def echo_sum(echo: bytes, row: Mapping[Any, Any]) -> int:
    """The checksum of what the receipts of a message repeat, and of the wishes that rule its copies."""
    send_at: datetime | None = row["send_at"]
    at = send_at.isoformat() if send_at else ""
    return crc32(at.encode(), crc32(echo, _words_sum(row, _ECHO)))


_IN_COPY = ("id", "message_id", "ordinal", "line", "address_kind", "address", "address_raw")
_COPY, _COPY_READ = itemgetter(*_IN_COPY), attrgetter(*_IN_COPY)
_COMMAND = itemgetter("key", "line", "client", "digest", "message_id")
_OPTOUT = itemgetter("id", "peer", "line", "line_group", "source", "word", "copy_id")
_ECHO = itemgetter("line", "client", "request_id", "class", "on_uncertain", "receipts")


def _words_sum(row: Any, named: Callable[[Any], Sequence[Any]]) -> int:
    """Of words and whole numbers, as the database has them. It is made for every copy: quick."""
    values = named(row)
    if None in values:
        values = [_NOTHING if value is None else value for value in values]
    words = "\n".join(map(str, values))
    return crc32((words if words.isascii() and "\0" not in words else printable(words)).encode())


_NOTHING = "\x1a"  # stands for NULL


def raw_sum(row: Mapping[str, Any]) -> int:
    """The checksum of a row of `raw`."""
    return sum_of(row["line"], row["source"], row["event"], row["about"], row["content_type"], row["body"])


def event_sum(row: Mapping[str, Any]) -> int:
    """The checksum of a row of `event`."""
    return sum_of_event(
        row["id"], row["kind"], row["line"], row["client"], row["subject"], row["sequence"], row["body"], row["reply"]
    )


def sum_of_event(*payload: Any) -> int:
    """The same, of the values by themselves: `sum_of` them, sooner, for it is made twice for every event."""
    id_, kind, line, client, subject, sequence, body, reply = payload
    try:
        about = (
            f"{_quoted(id_)}{_quoted(kind)}{_NULL if line is None else _quoted(line)}"
            f"{_NULL if client is None else _quoted(client)}{_quoted(subject)}{sequence:d}"
        )
        return crc32(_NULL_BYTES if reply is None else reply, crc32(body, crc32(about.encode("ascii"))))
    except (TypeError, ValueError):
        # Something is no such value: it is damaged.
        return sum_of(*payload)


_NULL, _NULL_BYTES = "null", b"null"
