"""A checksum a row: a flipped bit in a row's payload passes every check that SQLite makes itself."""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from relay.journal.columns import as_json


def sum_of(*payload: Any) -> int:
    """The checksum of a row's payload: text, numbers, None, and bytes."""
    total = 0
    for value in payload:
        total = crc32(value if isinstance(value, bytes) else as_json(value), total)
    return total


def raw_sum(row: Mapping[str, Any]) -> int:
    """The checksum of a row of `raw`."""
    return sum_of(row["line"], row["source"], row["event"], row["about"], row["content_type"], row["body"])


def event_sum(row: Mapping[str, Any]) -> int:
    """The checksum of a row of `event`."""
    return sum_of(
        row["id"], row["kind"], row["line"], row["client"], row["subject"], row["sequence"], row["body"], row["reply"]
    )
