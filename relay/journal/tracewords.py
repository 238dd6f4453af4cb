"""A call that waits -> what is known of why, to be said in words. No text, no number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, or_, select

from relay.domain.waiting import MOST_COUNTED, Gate, Waiting, Why
from relay.journal.codec import problem_detail
from relay.journal.limitrows import Limit, permit
from relay.journal.listing import one_of
from relay.journal.ruleschema import steering
from relay.journal.schema import call, call_is_waiting, copy, copy_waits, memory
from relay.rules.circuit import KEPT_AS, Circuit
from relay.rules.line import Rules


@dataclass(frozen=True, slots=True)
class CallWaits:
    """Why the copies of a call wait: so many of them."""

    call_id: str
    line: str
    copies: int
    waiting: Waiting


def why_they_wait(connection: Connection, call_ids: Sequence[str], rules: Rules, now: datetime) -> list[CallWaits]:
    """Those of these calls that wait, and why, in the order in which they are due.

    Args:
        connection: reads.
        call_ids: calls of any stage.
        rules: the rules of sending.
        now: the time.
    """
    chosen = select(call).where(call_is_waiting, one_of(call.c.id, call_ids)).order_by(call.c.due_at, call.c.id)
    rows = connection.execute(chosen).all()
    gates = {line: _gate(connection, rules, line, now) for line in {row.line for row in rows}}
    found = ((row, _waiting_copies(connection, row.id)) for row in rows)
    return [
        CallWaits(row.id, row.line, len(copies), _waiting(connection, row, copies, rules, gates[row.line], now))
        for row, copies in found
        if copies
    ]


def _waiting_copies(connection: Connection, call_id: str) -> Sequence[Any]:
    return connection.execute(_COPIES, {"this": call_id}).all()


def _waiting(
    connection: Connection, row: Row[Any], copies: Sequence[Any], rules: Rules, gate: Gate | None, now: datetime
) -> Waiting:
    why = Why(row.why) if row.why in frozenset(Why) else None
    held = why is not None and why.is_held
    problem = copies[0].problem
    return Waiting(
        now=now,
        why=why,
        due_at=None if held else row.due_at,
        held_since=copies[0].changed_at if held else None,
        behind=row.behind,
        attempts=row.attempts,
        problem=problem_detail(problem),
        company=rules.of(row.line).company,
        gate=gate,
        before=_before(connection, row, now),
    )


def _gate(connection: Connection, rules: Rules, line: str, now: datetime) -> Gate | None:
    may = permit(connection, rules.of(line), now)
    if may.limit is not Limit.HELD:
        circuit = Circuit.read(connection.execute(_CIRCUIT, {"here": line, "kept_as": KEPT_AS}).scalar())
        if circuit.next_try_at is not None:
            return Gate("circuit", max(circuit.next_try_at, now), circuit.reason)
    if may.limit is None:
        return None
    held_at = select(steering.c.held_at).where(steering.c.line == line)
    at = may.at or connection.execute(held_at).scalar() or now
    return Gate(may.limit.value, at)


def _before(connection: Connection, row: Row[Any], now: datetime) -> int:
    if row.due_at > now:
        return 0
    place = {"here": row.line, "in_lane": row.lane, "due": row.due_at, "this": row.id}
    return connection.execute(_BEFORE, place).scalar() or 0


_COPIES = select(copy.c.problem, copy.c.changed_at).where(copy_waits, copy.c.call_id == bindparam("this"))
_CIRCUIT = select(memory.c.value).where(memory.c.owner == bindparam("here"), memory.c.key == bindparam("kept_as"))
_EARLIER = (
    select(call.c.id)
    .where(
        call_is_waiting,
        call.c.line == bindparam("here"),
        call.c.lane == bindparam("in_lane"),
        call.c.due_at <= bindparam("due"),
        or_(call.c.due_at < bindparam("due"), call.c.id < bindparam("this")),
    )
    .limit(MOST_COUNTED + 1)
)
_BEFORE = select(func.count()).select_from(_EARLIER.subquery())
