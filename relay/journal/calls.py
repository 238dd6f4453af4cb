"""Calls: claimed before the request is written, ended by what came of it.

Whatever happens between the two, the call is found begun and not ended, and is uncertain: never simply made again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select

from relay.clock import Clock
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import OutboundCall, Priority
from relay.journal.claiming import OneOf, Turns, claim
from relay.journal.failures import JournalShut, JournalUnusable
from relay.journal.listing import one_of
from relay.journal.looks import free_looks
from relay.journal.nodeschema import node
from relay.journal.outcomes import OutcomeVerbs, release, unanswered
from relay.journal.outlook import Outlook, outlook
from relay.journal.reader import Reader
from relay.journal.schema import call, call_is_in_flight
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer
from relay.rules.line import Rules

LANES = tuple(sorted(priority.lane for priority in Priority))
EVIDENCE_WITHIN = 120.0  # seconds for which a resend waits after a start, where the provider shows what it was given


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a former life left in flight: so many calls, of which so many copies are uncertain now."""

    calls: int
    uncertain: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """Calls that were begun, in their order; and where there was room for more of them: how the line stands."""

    calls: Sequence[OutboundCall]
    outlook: Outlook | None


class CallVerbs(OutcomeVerbs):
    """What may be done with calls."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock, rules: Callable[[], Rules]) -> None:
        super().__init__(writer)
        self._reader = reader
        self._clock = clock
        self._rules = rules
        self._shows: frozenset[str] = frozenset()
        self._giving_back: set[asyncio.Future[None]] = set()
        # By line: claimed as far as anybody knows, and told to nobody, because the commit was said to have failed.
        self._doubtful: dict[str, list[str]] = {}

    async def claim(
        self, line: str, owner: str, *, lanes: Sequence[int] = LANES, unseen: bool = False
    ) -> OutboundCall | None:
        """The next call that may be made; None where there is none. As `claim_some`, for one of these lanes."""
        claimed = await self.claim_some(line, owner, OneOf(lanes), unseen=unseen)
        return claimed.calls[0] if claimed.calls else None

    async def claim_some(self, line: str, owner: str, turns: Turns, *, unseen: bool = False) -> Claimed:
        """The next calls that may be made, written down as begun by `owner` when this returns, in their order.

        They are those that would be claimed one by one, at this moment. What is past its expiry is ended first, and
        what the rules of sending do not allow now is refused, or waits. A caller that is cancelled gives them back.

        Args:
            line: whose calls.
            owner: who will make them.
            turns: how many there may be, and in which lanes to look for each; it is not changed.
            unseen: the provider will show what it was given: its copies are to be looked for among sightings.

        Raises:
            JournalShut: the disk takes no more: nothing was begun.
        """
        claiming = asyncio.ensure_future(self._claimed(line, owner, turns, unseen=unseen))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # A task of its own, so that a caller who is cancelled once more does not cut it short.
            giving_back = asyncio.ensure_future(self._give_back(line, claiming, owner))
            self._giving_back.add(giving_back)
            giving_back.add_done_callback(self._giving_back.discard)
            await asyncio.shield(giving_back)
            raise

    async def _claimed(self, line: str, owner: str, turns: Turns, *, unseen: bool) -> Claimed:
        doubtful = self._doubtful.get(line, [])
        tried: list[str] = []

        def operation(tx: Transaction) -> Claimed:
            for call_id in doubtful:
                release(tx, call_id, owner, 0)
            begun = claim(tx, line, owner, turns, unseen=unseen)
            tried[:] = [one.call_id for one in begun.calls]
            short = begun.short_of
            return Claimed(begun.calls, outlook(tx, tx.rules.of(line), short, tx.now) if short else None)

        try:
            found = await self._writer.run(operation, begins=True)
        except (JournalShut, JournalUnusable):
            # They may be on disk all the same, and then nobody would ever make them.
            self._doubtful[line] = list(dict.fromkeys([*doubtful, *tried]))
            raise
        self._doubtful.pop(line, None)
        return found

    async def give_back(self, line: str, owner: str) -> None:
        """Leave nothing that was claimed for this line and that nobody was told of: nobody claims for it any more."""
        doubtful = self._doubtful.get(line, [])
        if doubtful:
            await self.release_some(doubtful, owner)
            self._doubtful.pop(line, None)

    async def _give_back(self, line: str, claiming: Awaitable[Claimed], owner: str) -> None:
        claimed = [one.call_id for one in (await claiming).calls]
        if claimed:
            # Where they cannot be given back now, that is owed.
            self._doubtful[line] = [*self._doubtful.get(line, []), *claimed]
            await self.release_some(claimed, owner)
            self._doubtful[line] = [one for one in self._doubtful.get(line, []) if one not in claimed]

    async def next_due(self, line: str, lanes: Sequence[int] = LANES) -> datetime | None:
        """When a call may be due next, as far as is known now; None where none waits, or an operator holds the line.

        Args:
            line: whose call.
            lanes: the lanes to look in.
        """
        return (await self.outlook(line, lanes)).due

    async def outlook(self, line: str, lanes: Sequence[int] = LANES) -> Outlook:
        """When a call may be due next, as far as is known now, and what keeps the line from sending.

        Args:
            line: whose call.
            lanes: the lanes to look in.
        """
        rules, now = self._rules().of(line), self._clock.now()
        return await self._reader.run(lambda connection: outlook(connection, rules, lanes, now))

    async def recover(self, shows: Collection[str] = ()) -> Recovered:
        """Judge what former lives left in flight. To be called once, before anything is claimed.

        What is in flight belongs to nobody, but to nodes that live.

        Args:
            shows: the lines whose web hooks show what they were given: a resend of theirs waits for that.
        """
        self._shows = frozenset(shows)

        def operation(tx: Transaction) -> Recovered:
            nobodys = call.c.owner.not_in(select(node.c.id).where(node.c.ended_at.is_(None)))
            free_looks(tx, nobodys)
            return self._judge(tx, or_(call.c.owner.is_(None), nobodys))

        return await self._writer.run(operation)

    def judge(self, tx: Transaction, lives: Collection[str]) -> tuple[int, int]:
        """Judge what these lives have left in flight; gives how many calls, and how many copies are uncertain now.

        Also what a life before them has left, where the next one of its name never came to judge it.
        """
        ended = or_(
            one_of(call.c.owner, lives), call.c.owner.in_(select(node.c.id).where(node.c.ended_at.is_not(None)))
        )
        free_looks(tx, ended)
        judged = self._judge(tx, ended)
        return judged.calls, judged.uncertain

    def _judge(self, tx: Transaction, whose: ColumnElement[bool]) -> Recovered:
        rows = tx.execute(select(call).where(call_is_in_flight, whose)).all()
        uncertain = sum(
            unanswered(tx, row, _CUT, EVIDENCE_WITHIN if row.unseen or row.line in self._shows else 0) for row in rows
        )
        return Recovered(len(rows), uncertain)


_CUT = Problem(ErrorCode.UNCERTAIN, "relay stopped while the call was under way")
