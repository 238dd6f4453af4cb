"""Delivery reports whose copy is not known: kept until it is, and set aside for a person where it never was."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Row, bindparam, delete, insert, select, update

from relay.domain.messages import DeliveryReport
from relay.journal.announce import SetAside, set_aside
from relay.journal.codec import report_in, report_out
from relay.journal.listing import one_of
from relay.journal.schema import aside, aside_has_parked, aside_is_open, parked, parked_waits
from relay.journal.transaction import Transaction

log = structlog.get_logger()

_NEVER_SENT = "nothing that relay sent has this id: no answer told it in 72 hours"
_DAMAGED = "the journal's row is damaged: a delivery report is lost"
_NO_COPY = "the call is known, and none of its copies is the one that the report names"


def park(tx: Transaction, line: str, reports: Sequence[DeliveryReport]) -> None:
    """Keep reports until the answer comes that tells what they are about."""
    if reports:
        _keep(tx, line, reports)


def set_aside_reports(tx: Transaction, line: str, reports: Sequence[DeliveryReport]) -> None:
    """Keep reports for a person: their call is known, and none of its copies fits."""
    ids = _keep(tx, line, reports, aside_at=tx.now)
    set_aside(tx, *(SetAside("orphan", line, "report", _NO_COPY, parked_id=parked_id) for parked_id in ids))


def give_up_parked(tx: Transaction, before: datetime, limit: int) -> int:
    """Set aside what was parked before a moment, up to `limit`, with one notice for each line; gives how many."""
    rows = tx.execute(_OVERDUE, {"before": before, "most": limit}).all()
    for line, of_line in groupby(sorted(rows, key=_line_of), key=_line_of):
        things = [SetAside("orphan", line, "report", _NEVER_SENT, parked_id=row.id) for row in of_line]
        set_aside(tx, *things)
        log.warning("report.orphaned", line=line, reports=len(things))
    if rows:
        tx.execute(update(parked).where(one_of(parked.c.id, [row.id for row in rows])).values(aside_at=tx.now))
    return len(rows)


def is_report(row: Row[Any]) -> bool:
    """Whether a row of `parked` has the report that was kept in it."""
    try:
        report_in(row.report)
    except ValueError:
        return False
    return True


def whole_reports(tx: Transaction, rows: Iterable[Row[Any]]) -> list[tuple[Row[Any], DeliveryReport]]:
    """Rows of `parked` with their reports. A damaged one is listed as such, and forgotten."""
    whole, damaged = [], []
    for row in rows:
        try:
            whole.append((row, report_in(row.report)))
        except ValueError:
            damaged.append(row)
    if damaged:
        set_aside(tx, *(SetAside("damaged", row.line, "report", _DAMAGED) for row in damaged))
        forget_parked(tx, damaged)
    return whole


def forget_parked(tx: Transaction, rows: Iterable[Row[Any]]) -> None:
    """Forget reports that were applied, or given up: nobody waits for them any more."""
    rows = list(rows)
    tx.execute(delete(parked).where(one_of(parked.c.id, [row.id for row in rows])))
    listed = [row.id for row in rows if row.aside_at is not None]
    if listed:
        about_them = (aside_has_parked, one_of(aside.c.parked_id, listed), aside_is_open)
        tx.execute(update(aside).where(*about_them).values(state="settled"))


def _keep(
    tx: Transaction, line: str, reports: Sequence[DeliveryReport], aside_at: datetime | None = None
) -> Sequence[str]:
    rows = [
        {
            "id": tx.ids.new(),
            "line": line,
            "ref": one.ref,
            "report": report_out(one),
            "at": tx.now,
            "aside_at": aside_at,
        }
        for one in reports
    ]
    tx.execute(_PARK, rows)
    return [str(row["id"]) for row in rows]


def _line_of(row: Row[Any]) -> str:
    return str(row.line)


_PARK = insert(parked)
_OVERDUE = (
    select(parked.c.id, parked.c.line)
    .where(parked_waits, parked.c.at < bindparam("before"))
    .order_by(parked.c.at)
    .limit(bindparam("most"))
)
