"""An operator's word -> what waits: copies held, released, sent again or canceled, and lines held."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Row, bindparam, func, literal, select, update

from relay.domain.errors import ErrorCode, Problem
from relay.domain.states import Fact, State
from relay.domain.waiting import Left, Why
from relay.journal.again import send_again
from relay.journal.callrows import (
    CALLS_AT_ONCE,
    COPIES_AT_ONCE,
    FOREVER,
    close_if_sent,
    in_one_go,
    move_copies,
    set_call,
    settle,
    wake_behind,
)
from relay.journal.copies import Happening, copies_where, happen
from relay.journal.copyrows import Copy
from relay.journal.limitrows import steer
from relay.journal.listing import one_of
from relay.journal.named import copies_named
from relay.journal.outgoing import content_of
from relay.journal.reader import Reader
from relay.journal.restored import RestoreVerbs
from relay.journal.ruleschema import steering
from relay.journal.schema import call, call_is_waiting, copy, copy_is_live, copy_waits
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Steered:
    """What came of it: so many copies were steered as was asked; so many were left, by the reason and their status."""

    about: str
    copies: int
    left: Mapping[tuple[Left, str], int] = field(default_factory=dict)

    def as_body(self) -> dict[str, Any]:
        """It as JSON: `id`, `copies` and `left`."""
        left = [
            {"why": why.value, "status": status, "copies": copies, "detail": why.sentence}
            for (why, status), copies in sorted(self.left.items())
        ]
        return {"id": self.about, "copies": self.copies, "left": left}


class SteeringVerbs:
    """What an operator may do with what waits.

    Ids are those of requests, messages, copies or calls. Verbs with ids raise UnknownId and AmbiguousId for any of
    them, and then nothing was done.
    """

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def hold(self, ids: Sequence[str], line: str | None = None) -> list[Steered]:
        """Send none of these copies until they are released; what travelled with them goes on. They still expire.

        Args:
            ids: what they are known by.
            line: the line to look on; None: all of them.
        """
        return await self._steer(_HOLD, ids, line)

    async def release(self, ids: Sequence[str], line: str | None = None) -> list[Steered]:
        """Let copies that are held wait for what they waited for before, if that is not over."""
        return await self._steer(_RELEASE, ids, line)

    async def retry(self, ids: Sequence[str], line: str | None = None) -> list[Steered]:
        """Try at once what waits to be tried again, and send again what is uncertain, though it may be there twice."""
        return await self._steer(_RETRY, ids, line)

    async def resolve(self, ids: Sequence[str], line: str | None = None, *, sent: bool) -> list[Steered]:
        """End what is uncertain by what a person found out: the provider took it, or it did not.

        What evidence tells later is told as late.
        """
        return await self._steer(_FOUND_SENT if sent else _FOUND_UNSENT, ids, line)

    async def cancel(self, ids: Sequence[str], line: str | None = None) -> list[Steered]:
        """End what was not handed over."""
        return await self._steer(_CANCEL, ids, line)

    async def cancel_line(self, line: str, limit: int = 10_000) -> tuple[Steered, bool]:
        """End what waits on a line: about `limit` copies, in one transaction for each few of them.

        Returns:
            what came of it, and whether there may be more that waits.
        """
        counted: Counter[tuple[Left, str] | None] = Counter()
        while counted[None] < limit:
            some = await self._writer.run(partial(_cancel_some, line=line))
            if some is None:
                counted += await self._reader.run(lambda connection: Counter(dict(_left_on(connection, line))))
                return _told(_CANCEL.name, line, counted), False
            counted += some
        return _told(_CANCEL.name, line, counted), True

    async def hold_line(self, line: str) -> datetime:
        """Begin no call to send on this line until it is released; gives since when it is held."""

        def operation(tx: Transaction) -> datetime:
            steer(tx, line)
            since: datetime = tx.execute(_HELD, {"here": line}).scalar() or tx.now
            tx.execute(update(steering).where(steering.c.line == line).values(held_at=since))
            tx.bells.add(f"calls:{line}")
            return since

        since = await self._writer.run(operation)
        log.info("line.held", line=line, since=since.isoformat())
        return since

    async def release_line(self, line: str) -> bool:
        """Let a line send again, and what a restore held on it; gives whether anything was held."""

        def operation(tx: Transaction) -> bool:
            held = update(steering).where(steering.c.line == line, steering.c.held_at.is_not(None))
            tx.bells.add(f"calls:{line}")
            return tx.execute(held.values(held_at=None)).rowcount > 0

        was_held = await self._writer.run(operation)
        restored = await RestoreVerbs(self._writer).release(line)
        log.info("line.released", line=line, was_held=was_held, restored=restored)
        return was_held or restored > 0

    async def held(self, line: str) -> datetime | None:
        """Since when an operator holds this line; None: nobody does."""
        return await self._reader.run(lambda connection: connection.execute(_HELD, {"here": line}).scalar())

    async def _steer(self, verb: "_Verb", ids: Sequence[str], line: str | None) -> list[Steered]:
        named = [await self._named(about, line) for about in ids]
        done = []
        for about, copy_ids in zip(ids, named, strict=True):
            counted: Counter[tuple[Left, str] | None] = Counter()
            for some in copy_ids:
                counted += await self._writer.run(partial(_apply, verb=verb, copy_ids=some))
            done.append(_told(verb.name, about, counted))
        return done

    async def _named(self, about: str, line: str | None) -> list[list[str]]:
        """The copies with this id, in pieces for one transaction each; those of a call are in one piece."""

        def read(connection: Any) -> list[list[str]]:
            named = select(copy.c.id, copy.c.call_id).where(copies_named(connection, about, line))
            return list(_pieces(connection.execute(named.order_by(copy.c.call_id, copy.c.id)).all()))

        return await self._reader.run(read)


@dataclass(frozen=True, slots=True)
class _Group:
    """Copies that one call carries, to be steered; `alone`: it has no others that might be sent with them."""

    row: Row[Any]
    copies: list[Copy]
    alone: bool

    def own_call(self, tx: Transaction) -> str:
        """The call that has these copies and no others that wait."""
        return self.row.id if self.alone else move_copies(tx, self.row, self.copies, self.row.due_at)


@dataclass(frozen=True, slots=True)
class _Verb:
    """What is done with copies, unless something speaks against it."""

    name: str
    objection: Callable[[Copy, Row[Any] | None], Left | None]
    act: Callable[[Transaction, Sequence[_Group]], None]


def _pieces(rows: Sequence[Row[Any]]) -> Iterator[list[str]]:
    piece: list[str] = []
    calls = 0
    for _, travelling in groupby(rows, key=lambda row: row.call_id):
        together = [row.id for row in travelling]
        if piece and (len(piece) + len(together) > COPIES_AT_ONCE or calls == CALLS_AT_ONCE):
            yield piece
            piece, calls = [], 0
        piece += together
        calls += 1
    if piece:
        yield piece


def _apply(tx: Transaction, verb: _Verb, copy_ids: Sequence[str]) -> Counter[tuple[Left, str] | None]:
    """Do it with these copies; counts them under None, and what is left under its reason and status."""
    copies = copies_where(tx, one_of(copy.c.id, copy_ids))
    ids = sorted({one.call_id for one in copies if one.call_id})
    rows = {row.id: row for row in tx.execute(select(call).where(one_of(call.c.id, ids)))} if ids else {}
    judged = {one.id: verb.objection(one, rows.get(one.call_id or "")) for one in copies}
    free = _by_call(one for one in copies if judged[one.id] is None)
    groups: list[_Group] = []
    for call_id, others in _by_call(copies_where(tx, one_of(copy.c.call_id, sorted(free))) if free else ()).items():
        here = {one.id for one in free[call_id]}
        alone = not any(one.id not in here and one.state.rank <= State.UNCERTAIN.rank for one in others)
        if alone or not _is_group(tx, rows[call_id]):
            groups.append(_Group(rows[call_id], free[call_id], alone))
        else:
            judged |= dict.fromkeys(here, Left.GROUP)
    verb.act(tx, groups)
    told = ((judged[one.id], one.state.status.value) for one in copies)
    return Counter(None if why is None else (why, status) for why, status in told)


def _by_call(copies: Iterable[Copy]) -> dict[str, list[Copy]]:
    found: dict[str, list[Copy]] = {}
    for one in copies:
        found.setdefault(one.call_id or "", []).append(one)
    return found


def _is_group(tx: Transaction, row: Row[Any]) -> bool:
    content = content_of(tx, row.message_id)
    return content is not None and bool(content["group"])


def _fixed(one: Copy, row: Row[Any] | None) -> Left | None:
    """Why this copy cannot be steered any more."""
    if one.state is State.UNCERTAIN:
        return Left.UNCERTAIN
    if not one.waits:
        return Left.ENDED if one.state.final else Left.HANDED_OVER
    return Left.UNDER_WAY if row is None or row.stage != "waiting" else None


def _not_held(one: Copy, row: Row[Any] | None) -> Left | None:
    return _fixed(one, row) or (Left.NOT_HELD if row is not None and row.resume_at is None else None)


def _held_already(one: Copy, row: Row[Any] | None) -> Left | None:
    return _fixed(one, row) or (Left.HELD if row is not None and row.resume_at is not None else None)


def _not_to_be_tried(one: Copy, row: Row[Any] | None) -> Left | None:
    if one.state is State.UNCERTAIN and row is not None:
        return None
    no_retry = Left.NO_RETRY if row is not None and row.why != Why.RETRY.value else None
    return _held_already(one, row) or no_retry


def _certain(one: Copy, row: Row[Any] | None) -> Left | None:
    if one.state is State.UNCERTAIN:
        return None
    return _fixed(one, row) or Left.NOT_UNCERTAIN


def _hold(tx: Transaction, groups: Sequence[_Group]) -> None:
    for one in groups:
        # Order and company are looked at anew when it is released.
        resume_at = tx.now if one.row.why in {Why.ORDER.value, Why.COMPANY.value} else one.row.due_at
        held = {"due_at": FOREVER, "resume_at": resume_at, "why": Why.HELD.value, "behind": None, "company": None}
        set_call(tx, one.own_call(tx), **held)
        wake_behind(tx, one.row.id)
    ids = [one.id for group in groups for one in group.copies]
    if ids:
        tx.execute(update(copy).where(one_of(copy.c.id, ids)).values(changed_at=tx.now))


def _release(tx: Transaction, groups: Sequence[_Group]) -> None:
    for one in groups:
        timed = Why.SEND_AT if tx.rules.of(one.row.line).hours is None else Why.HOURS
        later = Why.RETRY if one.row.attempts else timed
        why = later.value if one.row.resume_at > tx.now else None
        set_call(tx, one.own_call(tx), due_at=one.row.resume_at, resume_at=None, why=why)
        tx.bells.add(f"calls:{one.row.line}")


def _retry(tx: Transaction, groups: Sequence[_Group]) -> None:
    for one in groups:
        if one.row.stage == "waiting":
            set_call(tx, one.own_call(tx), due_at=tx.now, why=None)
            tx.bells.add(f"calls:{one.row.line}")
        else:
            send_again(tx, one.copies)


def _resolve(tx: Transaction, groups: Sequence[_Group], *, sent: bool) -> None:
    fact, found = (Fact.FOUND_SENT, "it was sent") if sent else (Fact.FOUND_UNSENT, "it was not sent")
    problem = Problem(ErrorCode.UNCERTAIN, f"resolved by an operator: {found}")
    copies = [one for group in groups for one in group.copies]
    happen(tx, [Happening(one, fact, problem=problem) for one in copies])
    settle(tx, [group.row.id for group in groups])
    for one in copies:
        log.info("copy.resolved", line=one.line, message_id=one.message_id, copy_id=one.id, sent=sent)


def _cancel(tx: Transaction, groups: Sequence[_Group]) -> None:
    happen(tx, [Happening(one, Fact.CANCELED) for group in groups for one in group.copies])
    close_if_sent(tx, [group.row.id for group in groups])


_HOLD = _Verb("hold", _held_already, _hold)
_RELEASE = _Verb("release", _not_held, _release)
_RETRY = _Verb("retry", _not_to_be_tried, _retry)
_CANCEL = _Verb("cancel", _fixed, _cancel)
_FOUND_SENT = _Verb("resolve", _certain, partial(_resolve, sent=True))
_FOUND_UNSENT = _Verb("resolve", _certain, partial(_resolve, sent=False))


def _cancel_some(tx: Transaction, line: str) -> Counter[tuple[Left, str] | None] | None:
    """Cancel what the first of a line's waiting calls carry, each as a whole; None where none waits."""
    ids = in_one_go(tx.execute(_WAITING_CALLS, {"here": line}))
    if not ids:
        return None
    copies = list(tx.execute(select(copy.c.id).where(copy_waits, one_of(copy.c.call_id, ids))).scalars())
    counted = _apply(tx, _CANCEL, copies)
    close_if_sent(tx, ids)
    return counted


def _left_on(connection: Any, line: str) -> Iterator[tuple[tuple[Left, str], int]]:
    """What of a line's copies cannot be canceled and is not handed over: how many, by reason and status."""
    for why, state in ((Left.UNDER_WAY, State.SENDING), (Left.UNCERTAIN, State.UNCERTAIN)):
        live = select(func.count()).where(copy_is_live, copy.c.state == literal(state.key), copy.c.line == line)
        if copies := connection.execute(live).scalar():
            yield (why, state.status.value), copies


def _told(verb: str, about: str, counted: Counter[tuple[Left, str] | None]) -> Steered:
    left = {why: copies for why, copies in counted.items() if why is not None}
    log.info("queue.steered", verb=verb, about=about, copies=counted[None], left=sum(left.values()))
    return Steered(about, counted[None], left)


_HELD = select(steering.c.held_at).where(steering.c.line == bindparam("here"))
_WAITING_CALLS = (
    select(call.c.id, call.c.size).where(call_is_waiting, call.c.line == bindparam("here")).limit(CALLS_AT_ONCE)
)
