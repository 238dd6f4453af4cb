"""A long history in a journal, and how fast a request is accepted beside whatever happens to it."""

import sqlite3
import time
from contextlib import closing

from relay.domain.addresses import Address
from tests.contract.journal.desk import START, Desk, SqlitePlace

SLOWER = 10  # times, at the most, that an accept may be meanwhile: no order of magnitude


async def accepted_in(desk: Desk, count: int, to: Address) -> float:
    """The seconds that it took to accept so many requests, one after the other."""
    began = time.perf_counter()
    for _ in range(count):
        await desk.send(to)
    return time.perf_counter() - began


def finished(place: SqlitePlace, many: int) -> None:
    """Write `many` messages that ended at START, each with a copy to ALICE, a call, an id and an event."""
    with closing(sqlite3.connect(place.path)) as connection, connection:
        connection.execute("CREATE TEMP TABLE n AS SELECT 0 AS i, '' AS id, 0 AS at")
        connection.execute(_NUMBERED, {"many": many, "at": int(START.timestamp()) * 1_000_000})
        for filled in _FILLED:
            connection.execute(filled)


_NUMBERED = """
WITH RECURSIVE counted(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM counted WHERE i < :many)
INSERT INTO n SELECT i, printf('%08d', i), :at + i FROM counted
"""
_FILLED = (
    """
INSERT INTO message (id, direction, line, request_id, content, sum, lane, class, receipts, on_uncertain, echo, echo_sum,
    sequence, open_copies, created_at, ended_at)
SELECT 'm' || id, 'out', 'alerts', 'k' || id, CAST('text' AS BLOB), 0, 0, 'normal', 1, 'hold', CAST('null' AS BLOB), 0,
    1, 0, at, at FROM n WHERE i
""",
    """
INSERT INTO copy (id, message_id, call_id, ordinal, line, address_kind, address, address_raw, state, ended, attempt,
    changed_at)
SELECT 'm' || id || '-0', 'm' || id, 'c' || id, 0, 'alerts', 'e164', '+12065550101', '+12065550101', 'delivered', 1, 1,
    at FROM n WHERE i
""",
    """
INSERT INTO call (id, line, message_id, lane, stage, due_at, attempts, looks)
SELECT 'c' || id, 'alerts', 'm' || id, 0, 'closed', at, 1, 1 FROM n WHERE i
""",
    """
INSERT INTO command (key, line, client, digest, message_id, answer, created_at)
SELECT 'k' || id, 'alerts', '', 'd', 'm' || id, CAST('{}' AS BLOB), at FROM n WHERE i
""",
    """
INSERT INTO event (id, kind, line, subject, sequence, occurred_at, recorded_at, body, published_at, sum)
SELECT 'e' || id, 'receipt', 'alerts', 'm' || id, 1, at, at, CAST('{}' AS BLOB), at, 0 FROM n WHERE i
""",
)
