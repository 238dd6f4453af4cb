"""What waits, as a person looks at it: lists of copies, and one request with its calls. No text, no number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, literal, select

from relay.domain.messages import Priority
from relay.domain.states import State
from relay.domain.waiting import Why
from relay.journal.copyrows import state_of
from relay.journal.listing import one_of
from relay.journal.named import copies_named
from relay.journal.schema import call, call_is_held_back, call_is_waiting, copy, copy_is_live, copy_waits, message
from relay.journal.tracewords import why_they_wait
from relay.rules.line import Rules

# What comes next stands first.
LISTED = (State.SENDING, State.QUEUED, State.SCHEDULED, State.UNCERTAIN)
STATUSES = tuple(state.status.value for state in LISTED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which copies are to be listed.

    Attributes:
        line: those of this line; None: of all lines.
        status: those with this one of `STATUSES`; None: with any of them.
        held: those that an operator holds.
        limit: how many at most.
    """

    line: str | None = None
    status: str | None = None
    held: bool = False
    limit: int = 100


def listed(connection: Connection, wanted: Wanted) -> list[dict[str, Any]]:
    """The copies that are wanted: by status, and of each status those first that were accepted first."""
    parts = _held(wanted) if wanted.held else _by_status(wanted)
    found: list[dict[str, Any]] = []
    for part in parts:
        if len(found) < wanted.limit:
            found += [_entry(row) for row in connection.execute(part.limit(wanted.limit - len(found)))]
    return found


def shown(connection: Connection, about: str, line: str | None, rules: Rules, now: datetime) -> dict[str, Any]:
    """A request, a message, a copy or a call: its copies, their calls, and why they wait.

    Args:
        connection: reads.
        about: its id.
        line: the line to look on; None: all of them.
        rules: the rules of sending.
        now: the time.

    Raises:
        UnknownId: nothing has this id.
        AmbiguousId: several things have it.
    """
    chosen = _COPIES.where(copies_named(connection, about, line)).order_by(copy.c.message_id, copy.c.ordinal)
    copies = connection.execute(chosen).all()
    ids = sorted({row.call_id for row in copies if row.call_id})
    waits = {one.call_id: one.waiting for one in why_they_wait(connection, ids, rules, now)}
    carried = connection.execute(select(call).where(one_of(call.c.id, ids)).order_by(call.c.id)).all() if ids else ()
    return {
        "id": about,
        "copies": [{**_entry(row), "final": state_of(row).final} for row in copies],
        "calls": [
            {**call_entry(row), "sentence": waits[row.id].sentence if row.id in waits else None} for row in carried
        ],
    }


def call_entry(row: Row[Any]) -> dict[str, Any]:
    """A call, as it stands."""
    held = row.stage == "waiting" and row.why in _HELD
    return {
        "call_id": row.id,
        "line": row.line,
        "stage": row.stage,
        "lane": _LANES.get(row.lane),
        "why": row.why if row.stage == "waiting" else None,
        "due_at": None if held or row.behind else row.due_at,
        "resume_at": row.resume_at if held else None,
        "expires_at": row.expires_at,
        "attempts": row.attempts,
        "behind": row.behind if row.stage == "waiting" else None,
    }


def _by_status(wanted: Wanted) -> Sequence[Select[Any]]:
    """A part for each status: the index has them in this order, so that nothing is read that is not shown."""
    here: list[ColumnElement[bool]] = [] if wanted.line is None else [copy.c.line == wanted.line]
    return [
        _COPIES.where(copy_is_live, copy.c.state == literal(state.key), *here).order_by(copy.c.line)
        for state in LISTED
        if wanted.status in {None, state.status.value}
    ]


def _held(wanted: Wanted) -> Sequence[Select[Any]]:
    here: list[ColumnElement[bool]] = [] if wanted.line is None else [call.c.line == wanted.line]
    if wanted.status is not None:
        here.append(copy.c.state.in_([state.key for state in LISTED if state.status.value == wanted.status]))
    held = and_(call_is_held_back, call_is_waiting, copy_waits, *here)
    return [_COPIES.where(held).order_by(call.c.line, call.c.id)]


def _entry(row: Any) -> dict[str, Any]:
    waits = row.stage == "waiting" and state_of(row).rank < State.UNCERTAIN.rank
    return {
        "copy_id": row.copy_id,
        "message_id": row.message_id,
        "request_id": row.request_id,
        "call_id": row.call_id,
        "line": row.line,
        "client": row.client,
        "status": state_of(row).status.value,
        "why": row.why if waits else None,
        "due_at": row.due_at if waits and row.why not in {*_HELD, Why.ORDER.value} else None,
        "expires_at": row.expires_at if waits else None,
        "attempts": row.attempt,
        "lane": _LANES.get(row.lane),
        "since": row.changed_at,
        "error": row.problem or None,
    }


_HELD = {why.value for why in Why if why.is_held}
_LANES = {priority.lane: priority.value for priority in Priority}
_COPIES = (
    select(
        copy.c.id.label("copy_id"),
        copy.c.message_id,
        message.c.request_id,
        copy.c.call_id,
        copy.c.line,
        message.c.client,
        copy.c.state,
        copy.c.ended,
        copy.c.waits,
        copy.c.attempt,
        message.c.lane,
        copy.c.changed_at,
        copy.c.problem,
        call.c.stage,
        call.c.why,
        call.c.due_at,
        call.c.expires_at,
    )
    .join(message, message.c.id == copy.c.message_id)
    .outerjoin(call, call.c.id == copy.c.call_id)
)
