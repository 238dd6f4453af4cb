"""What a line has spent, and when it may call again: the pace, the day, the month, and the provider's own wish."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select, update

from relay.journal.columns import Moment, Whole
from relay.journal.ruleschema import steering, usage
from relay.journal.transaction import Transaction
from relay.rules.line import LineRules
from relay.rules.pace import next_call_at

SEND = "send"
_DAY = timedelta(days=1)
# Nobody asks for a longer one: a Retry-After is an hour at most, a pace has a call a day at least. What lies further
# ahead was noted by a clock that has been put right since.
LONGEST_REST = _DAY


_NEVER_SO_MANY = 10**9  # calls of one line on one day: such a row is damaged


class Limit(StrEnum):
    """What keeps a line from calling."""

    HELD = "held"  # an operator holds it
    PACE = "pace"  # its calls a second, or a pause that the provider asked for
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Permit:
    """When a line may begin its next call; `at` is None where only an operator can say. `limit`: what it waits for."""

    at: datetime | None
    limit: Limit | None = None


def permit(
    rows: Transaction | Connection, rules: LineRules, now: datetime, spent: Mapping[date, int] | None = None
) -> Permit:
    """When the line may begin its next call to send: now, or later and why.

    Args:
        rows: where it is written.
        rules: the line's.
        now: the time.
        spent: what `spent_by_day` gives, where it was asked already for this month at least.
    """
    return _permit(_steering(rows, rules.line), rules, now, _spent(rows, rules, now) if spent is None else spent)


def allowance(tx: Transaction, rules: LineRules, most: int) -> int:
    """How many calls to send the line may begin now, one after the other: up to `most`."""
    row, spent = _steering(tx, rules.line), _spent(tx, rules, tx.now)
    if rules.calls_per_second is not None or not _is_limited(rules):
        # With a pace, the first one closes the line for the next.
        most = 1 if rules.calls_per_second is not None else most
        return 0 if _permit(row, rules, tx.now, spent).limit is not None else most
    day = tx.now.date()
    for begun in range(most):
        if _permit(row, rules, tx.now, {**spent, day: spent.get(day, 0) + begun}).limit is not None:
            return begun
    return most


def _permit(row: Row[Any] | None, rules: LineRules, now: datetime, spent: Mapping[date, int]) -> Permit:
    if row is not None and row.held_at is not None:
        return Permit(None, Limit.HELD)
    out = _spent_out(rules, now, spent)
    if out is not None:
        return out
    if row is not None and row.next_call_at is not None and now < row.next_call_at <= now + LONGEST_REST:
        return Permit(row.next_call_at, Limit.PACE)
    return Permit(now)


def spend(tx: Transaction, rules: LineRules, calls: int = 1) -> None:
    """Count calls to send that begin now, and note when the next one may."""
    count_calls(tx, rules.line, SEND, calls)
    if rules.calls_per_second is not None:
        slow(tx, rules.line, next_call_at(tx.now, rules.calls_per_second))


def count_calls(tx: Transaction, line: str, kind: str, calls: int) -> None:
    """Count calls of a kind among what the line has spent today."""
    here = {"here": line, "today": today(tx.now), "of": kind}
    if not tx.execute(_COUNT, {**here, "more": calls}).rowcount:
        tx.execute(insert(usage), [{"line": line, "day": today(tx.now), "kind": kind, "calls": calls}])


def slow(tx: Transaction, line: str, until: datetime) -> None:
    """Begin no call on this line before `until`; a later time that is noted already, and is to be believed, stays."""
    steer(tx, line)
    tx.execute(_SLOW, {"here": line, "until": until, "last": tx.now + LONGEST_REST})


def steer(tx: Transaction, line: str) -> None:
    """Make sure that there is a row to steer the line by."""
    if _steering(tx, line) is None:
        tx.execute(insert(steering), [{"line": line}])


def spent_by_day(rows: Transaction | Connection, line: str, since: date) -> dict[date, int]:
    """How many calls of all kinds the line made on each day (UTC) from `since` on."""
    found = rows.execute(_BY_DAY, {"here": line, "since": since.isoformat()})
    return {day: int(row.calls) for row in found if (day := _day(row.day)) and 0 <= row.calls < _NEVER_SO_MANY}


def _day(word: str) -> date | None:
    """None for a damaged one."""
    try:
        return date.fromisoformat(word)
    except ValueError:
        return None


def today(now: datetime) -> str:
    """The day that a call counts for."""
    return now.date().isoformat()


def _spent(rows: Transaction | Connection, rules: LineRules, now: datetime) -> Mapping[date, int]:
    """What the line has spent this month, by day; nothing is read where nothing limits it."""
    return spent_by_day(rows, rules.line, now.date().replace(day=1)) if _is_limited(rules) else {}


def _is_limited(rules: LineRules) -> bool:
    """Whether the line has a budget."""
    return rules.calls_per_day is not None or rules.calls_per_month is not None


def _spent_out(rules: LineRules, now: datetime, spent: Mapping[date, int]) -> Permit | None:
    """Until when nothing is left to send with, where that is so: some calls are kept for reading the inbox."""
    if not _is_limited(rules):
        return None
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    next_month = (first + 32 * _DAY).replace(day=1)
    if rules.calls_per_month is not None:
        days_left = (next_month - now) / _DAY
        this_month = sum(calls for day, calls in spent.items() if first.date() <= day < next_month.date())
        if this_month + rules.calls_kept * days_left >= rules.calls_per_month:
            return Permit(next_month, Limit.MONTH)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if rules.calls_per_day is not None:
        kept = rules.calls_kept * ((midnight + _DAY - now) / _DAY)
        if spent.get(now.date(), 0) + kept >= rules.calls_per_day:
            return Permit(midnight + _DAY, Limit.DAY)
    return None


def _steering(rows: Transaction | Connection, line: str) -> Row[Any] | None:
    return rows.execute(_STEERING, {"here": line}).first()


_HERE = steering.c.line == bindparam("here")
_STEERING = select(steering).where(_HERE)
_UNTIL = bindparam("until", type_=Moment)
_SLOW = (
    update(steering)
    .where(
        _HERE,
        or_(
            steering.c.next_call_at.is_(None),
            steering.c.next_call_at < _UNTIL,
            steering.c.next_call_at > bindparam("last", type_=Moment),
        ),
    )
    .values(next_call_at=_UNTIL)
)
_COUNT = (
    update(usage)
    .where(usage.c.line == bindparam("here"), usage.c.day == bindparam("today"), usage.c.kind == bindparam("of"))
    .values(calls=usage.c.calls + bindparam("more", type_=Whole))
)
_BY_DAY = (
    select(usage.c.day, func.sum(usage.c.calls).label("calls"))
    .where(usage.c.line == bindparam("here"), usage.c.day >= bindparam("since"))
    .group_by(usage.c.day)
)
