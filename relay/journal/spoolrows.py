"""The rows of the spool: web hooks, with a checksum each, in the order in which they came."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from relay.domain.messages import RawAnswer
from relay.journal.columns import printable
from relay.journal.raw import HookDelivery
from relay.journal.sums import sum_of

ROW = 256  # bytes that a row is taken to need beside its body and its content type
TABLE = """
CREATE TABLE IF NOT EXISTS hook (
    id TEXT PRIMARY KEY,
    line TEXT NOT NULL,
    event TEXT NOT NULL,
    content_type TEXT NOT NULL,
    body BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    in_doubt INTEGER NOT NULL,
    sum INTEGER NOT NULL
) STRICT
"""
_KEEP = "INSERT INTO hook VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS = "SELECT id, line, event, content_type, body, received_at, in_doubt, sum FROM hook ORDER BY id LIMIT ?"
_BEGIN = "UPDATE hook SET in_doubt = 1 WHERE id = ?"
_COUNT = f"SELECT count(*), coalesce(sum(length(body) + length(content_type) + {ROW}), 0), min(received_at) FROM hook"  # noqa: S608 - a number of our own
_DROP = f"DELETE FROM hook WHERE id = ? RETURNING length(body) + length(content_type) + {ROW}"  # noqa: S608 - as above
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND

Operation = Callable[[sqlite3.Connection], Any]


@dataclass(frozen=True, slots=True)
class Held:
    """What is in the spool.

    Attributes:
        hooks: how many.
        weight: how much room they are taken to need, in bytes.
        since: when the first of them came; None where there are none.
    """

    hooks: int
    weight: int
    since: datetime | None


def counted(connection: sqlite3.Connection) -> Held:
    """What there is."""
    [(hooks, weight, oldest)] = connection.execute(_COUNT).fetchall()
    return Held(hooks, weight, None if oldest is None else _moment(oldest))


def weight_of(one: HookDelivery) -> int:
    """How much room a hook is taken to need, in bytes."""
    return len(one.raw.body) + len(printable(one.raw.content_type)) + ROW


def keeping(one: HookDelivery) -> Operation:
    """Keep a hook."""
    payload = _payload(one)

    def operation(connection: sqlite3.Connection) -> None:
        connection.execute(_KEEP, (*payload, int(one.in_doubt), sum_of(*payload)))

    return operation


def beginning(limit: int, most_bytes: int) -> Operation:
    """Give the first hooks, in the order in which they came, and note that it is begun to fold them in.

    Args:
        limit: how many at most.
        most_bytes: what they hold together at most; one is given, whatever it holds.
    """

    def operation(connection: sqlite3.Connection) -> list[HookDelivery]:
        found: list[HookDelivery] = []
        size = 0
        for row in connection.execute(_ROWS, (limit,)):
            one = _delivery(*row)
            size += weight_of(one)
            if found and size > most_bytes:
                break
            found.append(one)
        connection.executemany(_BEGIN, [(one.id,) for one in found if not one.in_doubt])
        return found

    return operation


def dropping(ids: Sequence[str]) -> Operation:
    """Delete hooks; gives the weight of each that was there."""

    def operation(connection: sqlite3.Connection) -> list[int]:
        return [weight for one in ids for (weight,) in connection.execute(_DROP, (one,)).fetchall()]

    return operation


def counting(wanted: Callable[[bytes], bool]) -> Operation:
    """Count the hooks whose bodies are wanted."""
    return lambda connection: sum(wanted(body) for (body,) in connection.execute("SELECT body FROM hook"))


def _payload(one: HookDelivery) -> tuple[str, str, str, str, bytes, int]:
    """What never changes in a row."""
    at = (one.received_at - _EPOCH) // _MICROSECOND
    return one.id, one.line, printable(one.event), printable(one.raw.content_type), one.raw.body, at


def _delivery(*row: Any) -> HookDelivery:
    *payload, in_doubt, kept_sum = row
    id_, line, event, content_type, body, at = payload
    is_whole = sum_of(*payload) == kept_sum
    return HookDelivery(id_, line, event, RawAnswer(body, content_type), _moment(at), bool(in_doubt), is_whole)


def _moment(value: int) -> datetime:
    """A damaged one comes back as the nearest time."""
    return _EPOCH + _MICROSECOND * min(max(value, 0), _LATEST)
