"""What the rules of sending say of copies: when they are accepted, and once more at the moment they would be sent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, bindparam, or_, select

from relay.domain.addresses import Address
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import MessageClass, Plan, SendRequest
from relay.domain.states import Fact
from relay.domain.waiting import Why
from relay.journal.callrows import KEPT_IN_ORDER_FOR, ORDER_CHECKED_AFTER, wait_until, wake_behind
from relay.journal.copies import Happening, happen
from relay.journal.copyrows import Copy
from relay.journal.listing import listed, unpacked
from relay.journal.optoutrows import OPTED_OUT, OptOut, confirm, opted_out, passes
from relay.journal.schema import call, copy, copy_waits
from relay.journal.tables import equals
from relay.journal.transaction import Transaction
from relay.rules.line import LineRules


@dataclass(frozen=True, slots=True)
class Due:
    """When a copy may be sent, and what it waits for until then; None: it is ready."""

    at: datetime
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of a request: for each recipient why it is not sent to, or when it is.

    `provider_waits`: the provider is given the time to send at, because nothing speaks against that time.
    """

    refusals: tuple[Problem | None, ...]
    due: tuple[Due, ...]
    provider_waits: bool


def judged_at_acceptance(
    tx: Transaction, request: SendRequest, plan: Plan, refusals: Sequence[Problem | None]
) -> Judged:
    """What the rules say of a request now; nothing is changed.

    Args:
        tx: reads.
        request: what is asked for.
        plan: how it will be sent.
        refusals: what is known already to be wrong with each recipient.
    """
    rules = tx.rules.of(request.line)
    found = opted_out(tx, request.line, [address.value for address in request.to])
    wished = max(request.send_at or tx.now, tx.now)
    opens = _openings(rules, request, found, wished)
    judged = tuple(
        refusal
        or (None if _passes(found, address, request.message_class, None) else OPTED_OUT)
        or (NEVER_OPEN if opening is None else None)
        for refusal, address, opening in zip(refusals, request.to, opens, strict=True)
    )
    as_wished = all(opening == wished for opening, problem in zip(opens, judged, strict=True) if problem is None)
    provider_waits = plan.provider_waits and request.send_at is not None and wished > tx.now and as_wished
    due = tuple(_due(tx.now, tx.now if provider_waits else opening or wished, wished) for opening in opens)
    return Judged(judged, due, provider_waits)


def _openings(
    rules: LineRules, request: SendRequest, found: Mapping[str, OptOut], wished: datetime
) -> list[datetime | None]:
    """For each recipient the first moment from `wished` on; a group goes when it may go to all."""
    to = [(address, _as(request.message_class, address, found)) for address in request.to]
    if not request.group or rules.hours is None:
        return [rules.opens(address, what, wished) for address, what in to]
    return [_together(rules, to, wished)] * len(to)


def _as(what: MessageClass, address: Address, found: Mapping[str, OptOut]) -> MessageClass:
    """What a copy is for. A confirmation is one only where an opt-out holds: to anybody else it is any text."""
    is_any = what is MessageClass.COMPLIANCE and address.value not in found
    return MessageClass.NORMAL if is_any else what


def _together(rules: LineRules, to: Sequence[tuple[Address, MessageClass]], at: datetime) -> datetime | None:
    """The first moment from `at` on at which the line may send to all of them; None: none is found soon."""
    for _ in range(_LOOKS_FOR_ALL):
        opens = [rules.opens(address, what, at) for address, what in to]
        latest = max((opening for opening in opens if opening is not None), default=None)
        if None in opens or latest is None or latest == at:
            return latest if None not in opens else None
        at = latest
    return None


def _due(now: datetime, at: datetime, wished: datetime) -> Due:
    if at <= now:
        return Due(now)
    return Due(at, Why.SEND_AT if at == wished else Why.HOURS)


def _passes(found: Mapping[str, OptOut], address: Address, what: MessageClass, copy_id: str | None) -> bool:
    out = found.get(address.value)
    return out is None or passes(out, what, copy_id)


def ready(
    tx: Transaction,
    row: Row[Any],
    waiting: Sequence[Copy],
    *,
    group: bool,
    what: MessageClass,
    send_at: datetime | None = None,
) -> list[Copy]:
    """Those of a call's waiting copies that may be sent now. The others are refused, or wait for what they must.

    Args:
        tx: where to.
        row: the call, which is due.
        waiting: its copies that were not handed over.
        group: they may only be sent together.
        what: what their message is for.
        send_at: when the provider will send them, where it waits.
    """
    found = opted_out(tx, row.line, [one.address.value for one in waiting])
    allowed = _not_opted_out(tx, found, waiting, what)
    addressed = [(one, _as(what, one.address, found)) for one in allowed]
    later = _later(tx.rules.of(row.line), addressed, max(send_at or tx.now, tx.now), group=group)
    never = [one for one, at in later if at is None]
    happen(tx, [Happening(one, Fact.REFUSED, problem=NEVER_OPEN) for one in never])
    closed = [(one, at) for one, at in later if at is not None]
    open_now = _without(allowed, [one for one, _ in later])
    behind = _behind(tx, row, open_now)
    if group and behind:
        behind = dict.fromkeys((one.id for one in open_now), next(iter(behind.values())))
    free = [one for one in open_now if one.id not in behind]
    left = [one for one in allowed if one not in never]
    _wait_for_hours(tx, row, closed, alone=len({at for _, at in closed}) == 1 and len(closed) == len(left))
    _wait_in_order(tx, row, open_now, behind, alone=len(set(behind.values())) == 1 and len(behind) == len(left))
    return free


def are_free(
    rules: LineRules,
    copies: Sequence[Copy],
    now: datetime,
    *,
    group: bool,
    what: MessageClass,
    send_at: datetime | None,
) -> bool:
    """Whether the line's hours allow all these copies now, of whom none has opted out. The arguments are `ready`'s."""
    return rules.hours is None or not _later(
        rules, [(one, _as(what, one.address, {})) for one in copies], max(send_at or now, now), group=group
    )


def held_up(tx: Transaction, line: str, lane: int, call_ids: Iterable[str]) -> set[str]:
    """Those of these calls of a lane of which some copy has to wait for an earlier text to its number."""
    asked = {"some": listed(call_ids), "here": line, "in_lane": lane, "now": tx.now}
    return set(tx.execute(_HELD_UP, asked).scalars())


def _not_opted_out(
    tx: Transaction, found: Mapping[str, OptOut], waiting: Sequence[Copy], what: MessageClass
) -> list[Copy]:
    if not found:
        return list(waiting)
    refused = [one for one in waiting if not _passes(found, one.address, what, one.id)]
    happen(tx, [Happening(one, Fact.REFUSED, problem=OPTED_OUT) for one in refused])
    allowed = _without(waiting, refused)
    for one in allowed:
        if one.address.value in found:
            confirm(tx, found[one.address.value], one.id)
    return allowed


def _later(
    rules: LineRules, copies: Sequence[tuple[Copy, MessageClass]], at: datetime, *, group: bool
) -> list[tuple[Copy, datetime | None]]:
    """The copies that may not be sent at this time, and when they may: None for never."""
    if rules.hours is None or not copies:
        return []
    if group:
        opens = _together(rules, [(one.address, what) for one, what in copies], at)
        return [] if opens == at else [(one, opens) for one, _ in copies]
    found = [(one, rules.opens(one.address, what, at)) for one, what in copies]
    return [(one, opens) for one, opens in found if opens != at]


def _wait_for_hours(tx: Transaction, row: Row[Any], closed: Sequence[tuple[Copy, datetime]], *, alone: bool) -> None:
    by_opening: dict[datetime, list[Copy]] = {}
    for one, at in closed:
        by_opening.setdefault(at, []).append(one)
    for at, copies in sorted(by_opening.items()):
        happen(tx, [Happening(one, Fact.POSTPONED, problem=one.problem) for one in copies])
        wait_until(tx, row, copies, at, why=Why.HOURS, alone=alone)
    if closed:
        wake_behind(tx, row.id)


def _wait_in_order(
    tx: Transaction, row: Row[Any], copies: Sequence[Copy], behind: Mapping[str, str], *, alone: bool
) -> None:
    by_call: dict[str, list[Copy]] = {}
    for one in copies:
        if one.id in behind:
            by_call.setdefault(behind[one.id], []).append(one)
    for ahead, held_up in sorted(by_call.items()):
        again_at = tx.now + ORDER_CHECKED_AFTER
        wait_until(tx, row, held_up, again_at, why=Why.ORDER, behind=ahead, alone=alone)


def _behind(tx: Transaction, row: Row[Any], copies: Sequence[Copy]) -> dict[str, str]:
    """The copies to whose number an earlier text is still to be handed over, and the call that carries it."""
    if not copies:
        return {}
    found = tx.execute(_AHEAD, {"this": row.id, "here": row.line, "in_lane": row.lane, "now": tx.now})
    here = {one.id for one in copies}
    return {each.id: each.ahead for each in found if each.ahead is not None and each.id in here}


def _without(copies: Sequence[Copy], taken: Sequence[Copy]) -> list[Copy]:
    ids = {one.id for one in taken}
    return [one for one in copies if one.id not in ids]


def _ahead(which: ColumnElement[bool]) -> Select[Any]:
    """For each copy of such calls the call of the latest text before it to the same number, in the same lane.

    What waits for a later time of its own lets it pass, as does what has failed too often, and what is held.
    """
    other, carrier = copy.alias(), call.alias()
    on_its_way = or_(
        equals(carrier.c.stage, "'in_flight'"),
        carrier.c.due_at <= bindparam("now"),
        *(equals(carrier.c.why, f"'{why.value}'") for why in (Why.ORDER, Why.RETRY, Why.COMPANY)),
    )
    latest = (
        select(other.c.call_id)
        .join(carrier, carrier.c.id == other.c.call_id)
        .where(
            equals(other.c.waits, "1"),
            other.c.line == bindparam("here"),
            other.c.address == copy.c.address,
            other.c.message_id < copy.c.message_id,
            carrier.c.lane == bindparam("in_lane"),
            carrier.c.attempts < KEPT_IN_ORDER_FOR,
            carrier.c.resume_at.is_(None),
            on_its_way,
        )
        .order_by(other.c.message_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return select(copy.c.id, copy.c.call_id, latest.label("ahead")).where(copy_waits, which)


_AHEAD = _ahead(copy.c.call_id == bindparam("this"))
_AHEAD_OF_SOME = _ahead(copy.c.call_id.in_(select(unpacked(bindparam("some", type_=Text)).c.value))).subquery()
_HELD_UP = select(_AHEAD_OF_SOME.c.call_id).where(_AHEAD_OF_SOME.c.ahead.is_not(None)).distinct()
_LOOKS_FOR_ALL = 50
NEVER_OPEN = Problem(
    ErrorCode.UNSUPPORTED,
    "the line's sending hours never come in all time zones that this recipient may be in: see `hours` of the line",
)
