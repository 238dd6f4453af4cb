"""Calls that are due -> written down as begun, with those of their copies that the rules allow at this moment.

As many as there are places for begin together, in the order and by the rules by which each would begin by itself.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from sqlalchemy import Row, bindparam, update

from relay.domain.messages import OutboundCall, Recipient
from relay.domain.states import Fact
from relay.journal.callrows import COPIES_AT_ONCE, close_waiting, end_expired, expire_calls, set_call
from relay.journal.copies import Happening, copies_of, happen
from relay.journal.copyrows import Copy
from relay.journal.damagedcopies import give_up_damaged
from relay.journal.duecalls import DueCall, Load, due_calls
from relay.journal.limitrows import allowance, spend
from relay.journal.outgoing import content_of, echo_of, sums_of
from relay.journal.schema import call
from relay.journal.terms import ready
from relay.journal.transaction import Transaction

EXPIRED_AT_ONCE = 20  # calls, whosever they are
LOOKED_AT_AT_ONCE = 50  # calls of which nothing may be sent now; nobody waits for more than that, or their copies
_READ_AT_FIRST = 32  # calls of a lane; then twice as many each time


class Turns(Protocol):
    """Says in which lanes to look for each of the next calls. `most`: how many may begin now."""

    most: int

    @property
    def open_lanes(self) -> Sequence[int]:
        """The lanes to look in for the next one, in this order; none where no more may begin."""

    def take(self, lane: int) -> None:
        """One of this lane begins."""

    def copy(self) -> Self:
        """The same, to be tried out."""


@dataclass(slots=True)
class OneOf:
    """One call, of the first of these lanes that has any."""

    lanes: Sequence[int]
    most: int = 1

    @property
    def open_lanes(self) -> Sequence[int]:
        """All of them, for the one call."""
        return self.lanes if self.most else ()

    def take(self, lane: int) -> None:  # noqa: ARG002 - one is enough, whichever it is
        """That was the one."""
        self.most = 0

    def copy(self) -> "OneOf":
        """The same."""
        return OneOf(self.lanes, self.most)


@dataclass(frozen=True, slots=True)
class Begun:
    """The calls that begin. `short_of`: the lanes in which nothing more may begin now, where there was room for it."""

    calls: Sequence[OutboundCall] = ()
    short_of: Sequence[int] = ()


def claim(tx: Transaction, line: str, owner: str, turns: Turns, *, unseen: bool) -> Begun:
    """The next calls of a line that may be made now, begun by `owner`, in their order.

    Args:
        tx: where to.
        line: whose.
        owner: who will make them.
        turns: how many, and in which lanes to look for each.
        unseen: the provider will show what it was given.
    """
    # Whosever they are: to look for those of one line would go through all that wait on it.
    expire_calls(tx, EXPIRED_AT_ONCE)
    return _Claim(tx, line, owner, turns.copy(), unseen).begun()


@dataclass(slots=True)
class _Claim:
    """One claim: what was read and not begun yet, by lane, and what was looked at."""

    tx: Transaction
    line: str
    owner: str
    turns: Turns
    unseen: bool
    _due: dict[int, deque[DueCall]] = field(default_factory=dict)
    _dry: set[int] = field(default_factory=set)  # lanes in which nothing is due that was not read
    _loads: list[Load] = field(default_factory=list)  # begin together
    _calls: list[OutboundCall] = field(default_factory=list)
    _reads: int = _READ_AT_FIRST
    _looked_at: int = 0
    _copies: int = 0

    def begun(self) -> Begun:
        rules = self.tx.rules.of(self.line)
        allowed = allowance(self.tx, rules, self.turns.most)
        while allowed and not self._is_enough and (due := self._next()) is not None:
            allowed -= self._take(due)
        self._begin()
        if self._calls:
            spend(self.tx, rules, len(self._calls))
        if allowed and self._is_enough:
            # There may be more.
            self.tx.bells.add(f"calls:{self.line}")
            return Begun(self._calls)
        return Begun(self._calls, self.turns.open_lanes)

    @property
    def _is_enough(self) -> bool:
        return self._looked_at >= LOOKED_AT_AT_ONCE or self._copies >= COPIES_AT_ONCE

    def _next(self) -> DueCall | None:
        """The first by lane, then by time."""
        for lane in self.turns.open_lanes:
            if not self._due.get(lane) and lane not in self._dry:
                self._read(lane)
            if self._due.get(lane):
                return self._due[lane].popleft()
        return None

    def _read(self, lane: int) -> None:
        self._begin()
        found, are_all = due_calls(self.tx, self.line, lane, min(self._reads, self.turns.most))
        self._due[lane] = deque(found)
        self._reads *= 2
        if are_all:
            self._dry.add(lane)

    def _take(self, due: DueCall) -> bool:
        """Let a call begin, if it may."""
        self._copies += due.row.size
        if due.load is not None:
            self._loads.append(due.load)
            self.turns.take(due.row.lane)
            return True
        self._begin()
        begins = self._alone(due.row)
        # What was read may be otherwise now: calls that waited behind this one may be due before the others.
        self._due.clear()
        self._dry.clear()
        self._reads = 1
        if begins:
            self.turns.take(due.row.lane)
        else:
            self._looked_at += 1
        return begins

    def _alone(self, row: Row[Any]) -> bool:
        load = _load(self.tx, row)
        if load is not None:
            self._loads.append(load)
            self._begin()
        return load is not None

    def _begin(self) -> None:
        """Write down as begun what may begin."""
        loads, self._loads = self._loads, []
        if loads:
            self._calls += _begin(self.tx, loads, self.owner, unseen=self.unseen)


def _load(tx: Transaction, row: Row[Any]) -> Load | None:
    """The call with those of its copies that may be sent; None where none may, and then it waits for nothing now."""
    if row.expires_at is not None and row.expires_at <= tx.now:
        # More may have expired than is ended at one claim: none of them is sent.
        end_expired(tx, [row.id])
        return None
    waiting, content = _whole(tx, row, [one for one in copies_of(tx, row.id) if one.waits])
    if content is None:
        close_waiting(tx, [row.id])
        return None
    echo = echo_of(tx, waiting[0].message_id)
    free = ready(tx, row, waiting, group=content["group"], what=echo.message_class, send_at=echo.send_at)
    if free:
        return Load(row, free, content, echo)
    if not any(one.waits for one in copies_of(tx, row.id)):
        close_waiting(tx, [row.id])
    return None


def _whole(tx: Transaction, row: Row[Any], waiting: Sequence[Copy]) -> tuple[list[Copy], dict[str, Any] | None]:
    """The copies of a call that may be sent, and what they say; what is damaged is set aside, and fails.

    What is said is what a copy's own message says: a call's row has no checksum. All messages of a call say the same;
    a copy whose message does not belongs elsewhere.
    """
    whole = [one for one in waiting if one.may_be_sent and one.line == row.line]
    # First the one whose words were found whole before, so that damage is told once.
    message_ids = dict.fromkeys(
        one.message_id for one in sorted(whole, key=lambda one: one.message_id != row.message_id)
    )
    sums = sums_of(tx, message_ids) if len(message_ids) > 1 else {}
    for message_id in message_ids:
        content = content_of(tx, message_id)
        if content is not None:
            if message_id != row.message_id:
                set_call(tx, row.id, message_id=message_id)
            # The first is the one whose wishes rule the call.
            alike = [one for one in whole if sums.get(one.message_id) == sums.get(message_id)]
            alike.sort(key=lambda one: one.message_id != message_id)
            give_up_damaged(tx, row.id, _without(waiting, alike))
            return alike, content
    give_up_damaged(tx, row.id, waiting)
    return [], None


def _without(copies: Sequence[Copy], taken: Sequence[Copy]) -> list[Copy]:
    ids = {one.id for one in taken}
    return [one for one in copies if one.id not in ids]


def _begin(tx: Transaction, loads: Sequence[Load], owner: str, *, unseen: bool) -> list[OutboundCall]:
    claimed = [Happening(one, Fact.CLAIMED, problem=one.problem, attempts=1) for load in loads for one in load.copies]
    happen(tx, claimed)
    common = {"owner": owner, "began_at": tx.now, "unseen": int(unseen)}
    tx.execute(_BEGIN, [{**common, **_carried(load)} for load in loads])
    return [_outbound(tx, load) for load in loads]


def _carried(load: Load) -> dict[str, Any]:
    recipients = [one.id for one in load.copies]
    return {"this": load.row.id, "attempts": load.row.attempts + 1, "recipients": recipients}


def _outbound(tx: Transaction, load: Load) -> OutboundCall:
    row, content, echo = load.row, load.content, load.echo
    return OutboundCall(
        call_id=row.id,
        message_id=load.copies[0].message_id,
        line=row.line,
        attempt=row.attempts + 1,
        recipients=tuple(Recipient(one.id, one.address) for one in load.copies),
        text=content["text"],
        subject=content["subject"],
        media=content["media"],
        group=content["group"],
        receipts=echo.receipts,
        send_at=echo.send_at if echo.send_at is not None and echo.send_at > tx.now else None,
        expires_at=row.expires_at,
        lane=row.lane,
        trace=echo.reply.traceparent,
    )


_BEGIN = (
    update(call)
    .where(call.c.id == bindparam("this"))
    .values(
        stage="in_flight",
        owner=bindparam("owner"),
        attempts=bindparam("attempts"),
        began_at=bindparam("began_at"),
        recipients=bindparam("recipients"),
        unseen=bindparam("unseen"),
        company=None,
        why=None,
    )
)
