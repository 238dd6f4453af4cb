"""A long history in a journal, and how fast a request is accepted beside whatever happens to it."""

import time

from relay.domain.addresses import Address
from tests.contract.journal.desk import START, Desk
from tests.contract.journal.places import Place

SLOWER = 10  # times, at the most, that an accept may be meanwhile: no order of magnitude


async def accepted_in(desk: Desk, count: int, to: Address) -> float:
    """The seconds that it took to accept so many requests, one after the other."""
    began = time.perf_counter()
    for _ in range(count):
        await desk.send(to)
    return time.perf_counter() - began


def finished(place: Place, many: int) -> None:
    """Write `many` messages that ended at START, each with a copy to ALICE, a call, an id and an event."""
    values = {"text": b"text", "null": b"null", "answer": b"{}", "at": int(START.timestamp()) * 1_000_000}
    place.write("CREATE TEMP TABLE n (i INTEGER, id TEXT, at BIGINT)", _NUMBERED, *_FILLED, many=many, **values)


_NUMBERED = """
INSERT INTO n
WITH RECURSIVE counted(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM counted WHERE i < :many)
SELECT i, substr(CAST(100000000 + i AS TEXT), 2), :at + i FROM counted
"""
_FILLED = (
    """
INSERT INTO message (id, direction, line, request_id, content, sum, lane, class, receipts, on_uncertain, echo, echo_sum,
    sequence, open_copies, created_at, ended_at)
SELECT 'm' || id, 'out', 'alerts', 'k' || id, :text, 0, 0, 'normal', 1, 'hold', :null, 0,
    1, 0, at, at FROM n
""",
    """
INSERT INTO copy (id, message_id, call_id, ordinal, line, address_kind, address, address_raw, state, ended, attempt,
    changed_at)
SELECT 'm' || id || '-0', 'm' || id, 'c' || id, 0, 'alerts', 'e164', '+12065550101', '+12065550101', 'delivered', 1, 1,
    at FROM n
""",
    """
INSERT INTO call (id, line, message_id, lane, stage, due_at, attempts, looks)
SELECT 'c' || id, 'alerts', 'm' || id, 0, 'closed', at, 1, 1 FROM n
""",
    """
INSERT INTO command (key, line, client, digest, message_id, answer, created_at)
SELECT 'k' || id, 'alerts', '', 'd', 'm' || id, :answer, at FROM n
""",
    """
INSERT INTO event (id, kind, line, subject, sequence, occurred_at, recorded_at, body, published_at, sum)
SELECT 'e' || id, 'receipt', 'alerts', 'm' || id, 1, at, at, :answer, at, 0 FROM n
""",
)
