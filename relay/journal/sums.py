"""A checksum a row: a flipped bit in a row's payload passes every check that SQLite makes itself."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zlib import crc32

from relay.journal.columns import BROKEN, as_json


_BROKEN = b"\0"  # no JSON looks like this


def sum_of(*payload: Any) -> int:
    """The checksum of a row's payload: text, numbers, None, and bytes."""
    total = 0
    for value in payload:
        total = crc32(_BROKEN if value is BROKEN else value if isinstance(value, bytes) else as_json(value), total)
    return total


def fits(kept: int | None, *sums: int) -> bool:
    """Whether a row's checksum is one of these. A row that was made before there were sums is taken as it is."""
    return kept is None or kept in sums


def copy_sum(row: Mapping[Any, Any]) -> int:
    """The checksum of what never changes in a row of `copy`: which one it is, and to whom it goes."""
    return sum_of(
        row["id"],
        row["message_id"],
        row["ordinal"],
        row["line"],
        row["address_kind"],
        row["address"],
        row["address_raw"],
    )


def command_sum(row: Mapping[Any, Any]) -> int:
    """The checksum of what never changes in a row of `command`."""
    return sum_of(row["key"], row["line"], row["client"], row["digest"], row["message_id"], row["answer"])


def optout_sum(row: Mapping[Any, Any]) -> int:
    """The checksum of what never changes in a row of `optout`. The address is not part of it: it may be erased."""
    at: datetime = row["at"]
    parts = (row["id"], row["peer"], row["line"], row["line_group"], row["source"], row["word"], row["copy_id"])
    return sum_of(*parts, at.isoformat())


def echo_sum(echo: bytes, row: Mapping[Any, Any]) -> int:
    """The checksum of what the receipts of a message repeat, and of the wishes that rule its copies."""
    names = ("line", "client", "request_id", "class", "on_uncertain", "receipts")
    send_at: datetime | None = row["send_at"]
    return sum_of(echo, *(row[name] for name in names), send_at and send_at.isoformat())


def raw_sum(row: Mapping[str, Any]) -> int:
    """The checksum of a row of `raw`."""
    return sum_of(row["line"], row["source"], row["event"], row["about"], row["content_type"], row["body"])


def event_sum(row: Mapping[str, Any]) -> int:
    """The checksum of a row of `event`."""
    return sum_of(
        row["id"], row["kind"], row["line"], row["client"], row["subject"], row["sequence"], row["body"], row["reply"]
    )
