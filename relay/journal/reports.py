"""provider's reports -> copies: each once; and what is kept until it is known whom a report is about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import structlog
from sqlalchemy import bindparam, select

from relay.domain.messages import DeliveryReport
from relay.journal.listing import one_of
from relay.journal.orphans import forget_parked, park, set_aside_reports, whole_reports
from relay.journal.reportdesk import Desk, Found
from relay.journal.schema import parked
from relay.journal.seen import are_first_seen
from relay.journal.transaction import Transaction

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """Reports that came together, in the order in which they are to be believed.

    `call_id`: the call that was asked about, where they are the answer to a question. Such reports are never parked.
    """

    reports: Sequence[DeliveryReport]
    call_id: str | None = None


def take_reports(tx: Transaction, line: str, told: Sequence[Told]) -> list[tuple[int, int]]:
    """Apply reports, as if they had come one after the other.

    A report of something that this line did not send, or whose call was not answered yet, is parked: the answer may
    come after it. One whose call is known, and none of its copies fits, is set aside.

    Args:
        tx: the transaction.
        line: whose reports they are.
        told: the reports.

    Returns:
        of each, how many of its reports changed a copy, and how many were parked.
    """
    told = _fresh(tx, line, told)
    desk = Desk(tx, line)
    desk.look_up((report, each.call_id) for each in told for report in each.reports)
    parked_of = [_take(tx, desk, place, each) for place, each in enumerate(told)]
    applied = desk.apply()
    return [(applied[place], parked_of[place]) for place in range(len(told))]


def _take(tx: Transaction, desk: Desk, place: int, each: Told) -> int:
    """Hand reports that came together to the desk, and keep those that are of no copy; gives how many were parked."""
    waiting: list[DeliveryReport] = []
    strange: list[DeliveryReport] = []
    for report in each.reports:
        found = desk.take(report, each.call_id, place)
        if found is Found.NOBODY and each.call_id is None:
            waiting.append(report)
        elif found is not Found.COPY:
            log.warning("report.unmatched", line=desk.line, call_id=each.call_id)
            strange.append(report)
    park(tx, desk.line, waiting)
    if strange and each.call_id is None:
        # An answer to a question is no news: it is asked for again.
        set_aside_reports(tx, desk.line, strange)
    return len(waiting)


def _fresh(tx: Transaction, line: str, told: Sequence[Told]) -> list[Told]:
    """These without the reports that were seen before."""
    reports = [report for each in told for report in each.reports]
    if all(report.dedupe_key is None for report in reports):
        return list(told)
    keys = [None if report.dedupe_key is None else ("report", report.dedupe_key) for report in reports]
    are_new = iter(are_first_seen(tx, line, keys))
    return [Told(list(compress(each.reports, are_new)), each.call_id) for each in told]


def unpark(tx: Transaction, line: str, refs: Iterable[str], *, call_id: str | None = None) -> None:
    """Apply the reports that came before the answer which told these refs, or about a call that was not answered."""
    waiting = (parked.c.line == line, one_of(parked.c.ref, sorted(set(refs))))
    rows = tx.execute(select(parked).where(*waiting).order_by(parked.c.id)).all()
    desk, whole = Desk(tx, line), whole_reports(tx, rows)
    desk.look_up((report, call_id) for _, report in whole)
    found = [row for row, report in whole if desk.take(report, call_id) is Found.COPY]
    desk.apply()
    if found:
        forget_parked(tx, found)


def match_parked(tx: Transaction, parked_id: str) -> bool:
    """Look for the copy of a report that was set aside, and apply it; gives whether there is one."""
    row = tx.execute(_PARKED, {"this": parked_id}).first()
    if row is None:
        return False
    desk, whole = Desk(tx, row.line), whole_reports(tx, [row])
    desk.look_up((report, None) for _, report in whole)
    if any(desk.take(report, None) is not Found.COPY for _, report in whole):
        return False
    desk.apply()
    forget_parked(tx, [row])
    return True


_PARKED = select(parked).where(parked.c.id == bindparam("this"))
