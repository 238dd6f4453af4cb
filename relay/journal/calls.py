"""Calls: claimed before the request is written, ended by what came of it.

Whatever happens between the two, the call is found begun and not ended, and is uncertain: never simply made again.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, literal, or_, select, union_all

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import OutboundCall, Priority, Recipient
from relay.domain.states import Fact
from relay.journal.callrows import close_waiting, expire_calls, set_call
from relay.journal.copies import Copy, Happening, copies_of, happen
from relay.journal.outcomes import OutcomeVerbs, release, unanswered
from relay.journal.outgoing import content_of, echo_of
from relay.journal.reader import Reader
from relay.journal.schema import call, call_is_in_flight, call_is_waiting, copy, copy_is_live, message
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

LANES = tuple(sorted(priority.lane for priority in Priority))
EXPIRED_AT_ONCE = 20
EVIDENCE_WITHIN = 120.0  # seconds for which a resend waits after a start, where the provider shows what it was given


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a former life left in flight: so many calls, of which so many copies are uncertain now."""

    calls: int
    uncertain: int


class CallVerbs(OutcomeVerbs):
    """What may be done with calls."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        super().__init__(writer)
        self._reader = reader
        self._giving_back: set[asyncio.Future[None]] = set()

    async def claim(self, line: str, owner: str, *, unseen: bool = False) -> OutboundCall | None:
        """The next call that is due, written down as begun by `owner` when this returns; None where none is due.

        What is past its expiry is ended first. A caller that is cancelled gives the call back.

        Args:
            line: whose call.
            owner: who will make it.
            unseen: the provider will show what it was given: its copies are to be looked for among sightings.
        """
        claiming = asyncio.ensure_future(self._writer.run(lambda tx: _claim(tx, line, owner, unseen=unseen)))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # A task of its own, so that a caller who is cancelled once more does not cut it short.
            giving_back = asyncio.ensure_future(self._give_back(claiming, owner))
            self._giving_back.add(giving_back)
            giving_back.add_done_callback(self._giving_back.discard)
            await asyncio.shield(giving_back)
            raise

    async def _give_back(self, claiming: Awaitable[OutboundCall | None], owner: str) -> None:
        claimed = await claiming
        if claimed is not None:
            await self._writer.run(lambda tx: release(tx, claimed.call_id, owner, 0))

    async def next_due(self, line: str) -> datetime | None:
        """When the next call is due; None where none waits."""
        firsts = [
            select(func.min(call.c.due_at).label("due_at")).where(
                call_is_waiting, call.c.line == line, call.c.lane == lane
            )
            for lane in LANES
        ]
        every = union_all(*firsts).subquery()
        return await self._reader.run(lambda connection: connection.execute(select(func.min(every.c.due_at))).scalar())

    async def recover(self) -> Recovered:
        """Judge what a former life left in flight. To be called once, before anything is claimed.

        One process at a time has the journal open, so that whatever is in flight then belongs to nobody.
        """
        problem = Problem(ErrorCode.UNCERTAIN, "relay stopped while the call was under way")

        def operation(tx: Transaction) -> Recovered:
            rows = tx.execute(select(call).where(call_is_in_flight)).all()
            uncertain = sum(unanswered(tx, row, problem, EVIDENCE_WITHIN if row.unseen else 0) for row in rows)
            return Recovered(len(rows), uncertain)

        return await self._writer.run(operation)

    async def uncertain(self, limit: int) -> list[dict[str, Any]]:
        """The copies that are uncertain, oldest first, without their addresses."""

        def read(connection: Connection) -> list[dict[str, Any]]:
            rows = connection.execute(
                select(
                    copy.c.id.label("copy_id"),
                    copy.c.message_id,
                    message.c.request_id,
                    copy.c.call_id,
                    copy.c.line,
                    message.c.client,
                    copy.c.attempt,
                    copy.c.changed_at.label("since"),
                    copy.c.problem.label("error"),
                )
                .join(message, message.c.id == copy.c.message_id)
                .where(copy_is_live, copy.c.state == literal("uncertain"))
                .order_by(copy.c.changed_at, copy.c.id)
                .limit(limit)
            )
            return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

        return await self._reader.run(read)


def _claim(tx: Transaction, line: str, owner: str, *, unseen: bool) -> OutboundCall | None:
    expire_calls(tx, EXPIRED_AT_ONCE, line)
    while (row := _first_due(tx, line)) is not None:
        waiting = [one for one in copies_of(tx, row.id) if one.waits]
        content = content_of(tx, row.message_id) if waiting else None
        if content is not None:
            return _begin(tx, row, owner, waiting, content, unseen=unseen)
        happen(tx, [Happening(one, Fact.REFUSED, problem=_DAMAGED) for one in waiting])
        close_waiting(tx, [row.id])
    return None


def _first_due(tx: Transaction, line: str) -> Row[Any] | None:
    """The first by lane, then by time: one look into the index for each lane, however many wait for later."""
    for lane in LANES:
        row = tx.execute(_FIRST_DUE, {"here": line, "in_lane": lane, "now": tx.now}).first()
        if row is not None:
            return row
    return None


def _begin(
    tx: Transaction, row: Row[Any], owner: str, waiting: list[Copy], content: dict[str, Any], *, unseen: bool
) -> OutboundCall:
    copies = happen(tx, [Happening(one, Fact.CLAIMED, problem=one.problem, attempts=1) for one in waiting])
    set_call(
        tx,
        row.id,
        stage="in_flight",
        owner=owner,
        attempts=row.attempts + 1,
        began_at=tx.now,
        recipients=[one.ordinal for one in copies],
        unseen=int(unseen),
    )
    echo = echo_of(tx, row.message_id)
    return OutboundCall(
        call_id=row.id,
        message_id=row.message_id,
        line=row.line,
        attempt=row.attempts + 1,
        recipients=tuple(Recipient(one.id, one.address) for one in copies),
        text=content["text"],
        subject=content["subject"],
        media=content["media"],
        group=content["group"],
        receipts=echo.receipts,
        send_at=echo.send_at if echo.send_at is not None and echo.send_at > tx.now else None,
        trace=echo.reply.traceparent,
    )


_FIRST_DUE = (
    select(call)
    .where(
        call_is_waiting,
        call.c.line == bindparam("here"),
        call.c.lane == bindparam("in_lane"),
        call.c.due_at <= bindparam("now"),
        # More may have expired than is ended at one claim: none of them is sent.
        or_(call.c.expires_at.is_(None), call.c.expires_at > bindparam("now")),
    )
    .order_by(call.c.due_at, call.c.id)
    .limit(1)
)
_DAMAGED = Problem(ErrorCode.INTERNAL, "the journal's row of this message is damaged: it was not sent")
