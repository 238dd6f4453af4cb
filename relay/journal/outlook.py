"""When a line's next call may be due, and what keeps it from sending."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal, select, union_all

from relay.journal.limitrows import Limit, permit
from relay.journal.schema import call, call_is_waiting
from relay.journal.transaction import Transaction
from relay.rules.line import LineRules


@dataclass(frozen=True, slots=True)
class Outlook:
    """When a line's next call may be due, if one waits that no operator holds; and what keeps the line from sending."""

    due: datetime | None
    limit: Limit | None


def outlook(rows: Transaction | Connection, rules: LineRules, lanes: Collection[int], now: datetime) -> Outlook:
    """What is known now of some lanes of the line that `rules` are of."""
    waiting: datetime | None = rows.execute(_next_due(frozenset(lanes)), {"here": rules.line}).scalar()
    may = permit(rows, rules, now)
    return Outlook(None if waiting is None or may.at is None else max(waiting, may.at), may.limit)


@cache
def _next_due(lanes: frozenset[int]) -> Select[Any]:
    """One look into the index for each lane."""
    firsts = [
        select(func.min(call.c.due_at).label("due_at")).where(
            call_is_waiting, call.c.line == bindparam("here"), call.c.lane == literal(lane)
        )
        for lane in sorted(lanes)
    ]
    return select(func.min(union_all(*firsts).subquery().c.due_at))
