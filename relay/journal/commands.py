"""Commands: each gets exactly one answer, on disk and announced before it is acknowledged to the broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import Plan, Reply, SendRequest
from relay.domain.states import Fact, State
from relay.journal.acceptance import Acceptance, Room, refused
from relay.journal.answers import Answer, Asker, answer, rejected, result, standing
from relay.journal.callrows import CALLS_AT_ONCE, close_if_sent, in_one_go
from relay.journal.columns import Words
from relay.journal.copies import Happening, copies_where, happen
from relay.journal.copyrows import Copy
from relay.journal.damagedcommands import COMMAND_DAMAGED, is_damaged, whole_command
from relay.journal.failures import JournalFenced
from relay.journal.foresight import Keys
from relay.journal.listing import listed, one_of, unpacked
from relay.journal.nodes import is_anothers
from relay.journal.outgoing import echo_of
from relay.journal.schema import call, call_is_waiting, command, copy, copy_waits
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer


class CommandVerbs:
    """What may be done with commands. All of them raise JournalFull and JournalUnusable, and then nothing was done.

    But for a cancel of many copies, which may have stopped some of them: whoever asks again goes on from there.

    Args:
        writer: where to.
        room: how many copies may wait to be sent.
        life: of this node; None: nobody else writes here.
    """

    def __init__(self, writer: Writer, room: Room, life: str | None = None) -> None:
        self._writer = writer
        self._room = room
        self._life = life
        self._keys = Keys()

    async def accept(
        self,
        request: SendRequest,
        plan: Plan,
        refusals: Sequence[Problem | None],
        raw_digest: str | None = None,
        *,
        heard_under: str | None = None,
    ) -> Answer:
        """Accept a send request, in one transaction with its answer.

        A key that is known answers with the first result and sends nothing; with another body it is a `conflict`.
        Only acceptance binds a key.

        The broker delivers again to the next node what this one did not acknowledge in its turn: of a request without
        a key nobody could tell any more that both are one.

        Args:
            request: what is asked for.
            plan: how the line will send it.
            refusals: for each recipient why it is not sent to, or None.
            raw_digest: equal for equal bytes; recognises the broker's redelivery of a request without a key.
            heard_under: the turn in which it was heard on the bus; None: nobody delivers it to another node.

        Raises:
            JournalFenced: other nodes have given this one up for dead, or one of them has that turn by now.
        """
        acceptance = Acceptance(request, plan, refusals, raw_digest, self._room, self._keys)

        def operation(tx: Transaction) -> Answer:
            if heard_under is not None and request.key is None and is_anothers(tx, heard_under, self._life):
                raise JournalFenced
            return acceptance(tx)

        if request.key is None:
            return await self._writer.run(operation, brings=_weight(request), begins=True)
        ticket = self._keys.expect((request.line, request.client or "", request.key), request, plan)
        try:
            return await self._writer.run(operation, brings=_weight(request), begins=True)
        finally:
            self._keys.met(ticket)

    async def acknowledged(self, message_ids: Sequence[str]) -> None:
        """The broker will not deliver again the commands of these messages: who says the same now means another."""

        def operation(tx: Transaction) -> None:
            tx.execute(_ACKNOWLEDGED, {"some": listed(message_ids)})

        await self._writer.run(operation)

    async def refuse(self, request: SendRequest, problem: Problem, raw_digest: str | None = None) -> Answer:
        """Answer a send request that cannot be sent as things are now.

        One that is known is answered as it was, whatever has changed since: its copies are on their way.

        Args:
            request: what is asked for.
            problem: why it cannot be sent.
            raw_digest: as for `accept`.
        """
        return await self._writer.run(lambda tx: refused(tx, request, raw_digest, problem), brings=0)

    async def reject(  # noqa: PLR0913, PLR0917 - the fields of a result
        self,
        line: str | None,
        client: str | None,
        request_id: str | None,
        ref: str | None,
        problem: Problem,
        reply: Reply,
        metadata: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Answer a command that has no effect. `line` is None where it names none."""
        body = rejected(request_id, ref, problem, metadata)
        return await self._writer.run(lambda tx: answer(tx, Asker(line, client, reply), body), brings=0)

    async def checked(
        self, request: SendRequest, plan: Plan, refusals: Sequence[Problem | None], duplicates: int = 0
    ) -> Answer:
        """Answer a request that was only to be checked, as `accept` would judge it; nothing but the answer is kept.

        `duplicates`: how many recipients were named more than once.
        """
        acceptance = Acceptance(request, plan, refusals, None, self._room, self._keys)
        return await self._writer.run(lambda tx: acceptance.check(tx, duplicates), brings=0)

    async def told(
        self,
        line: str,
        client: str | None,
        ref: str | None,
        reply: Reply,
        outcome: str,
        *,
        request_id: str | None = None,
        **known: Any,
    ) -> Answer:
        """Answer a command that was done outside the journal, such as a look into a mailbox.

        `outcome` is `done` or `found`; `known` has what the answer says besides, such as `page` or `message`.
        """
        body = result(outcome, request_id, ref, **known)
        return await self._writer.run(lambda tx: answer(tx, Asker(line, client, reply), body), brings=0)

    async def lookup(self, line: str, client: str | None, key: str, ref: str | None, reply: Reply) -> Answer:
        """Answer with a request's copies as they stand now."""

        def operation(tx: Transaction) -> Answer:
            asked = _Asked.find(tx, Asker(line, client, reply), key, ref)
            return asked.unknown(tx) if asked.message_id is None else asked.found(tx)

        return await self._writer.run(operation, brings=0)

    async def cancel(self, line: str, client: str | None, key: str, ref: str | None, reply: Reply) -> Answer:
        """Stop the copies that no call carries and that were not handed over, and answer with every copy.

        Many are stopped some at a time, so that others write in between; the last of them with the answer.
        """
        asker = Asker(line, client, reply)

        def whole(tx: Transaction) -> Answer:
            asked = _Asked.find(tx, asker, key, ref)
            return asked.unknown(tx) if asked.message_id is None else asked.canceled(tx)

        def first(tx: Transaction) -> Answer | list[_Some]:
            pieces = _Asked.find(tx, asker, key, ref).in_pieces(tx)
            return pieces if len(pieces) > 1 else whole(tx)

        found = await self._writer.run(first, brings=0)
        if isinstance(found, Answer):
            return found
        for some in found:
            await self._writer.run(some.stop, brings=0)
        return await self._writer.run(whole, brings=0)


@dataclass(frozen=True, slots=True)
class _Some:
    """What a message has in some calls, to be canceled in one go."""

    message_id: str
    call_ids: Sequence[str]

    def stop(self, tx: Transaction) -> None:
        """Cancel what still waits of it. Copies of other messages may travel with them."""
        copies = copies_where(tx, one_of(copy.c.call_id, self.call_ids))
        _stop(tx, [one for one in copies if one.message_id == self.message_id])


class _Asked:
    """A command about an earlier request."""

    def __init__(self, asker: Asker, key: str, ref: str | None, message_id: str | None, *, damaged: bool) -> None:
        self._asker = asker
        self._key = key
        self._ref = ref
        self.message_id = None if damaged else message_id
        self._is_damaged = damaged

    @classmethod
    def find(cls, tx: Transaction, asker: Asker, key: str, ref: str | None) -> "_Asked":
        mine = (command.c.line == asker.line, command.c.client == (asker.client or ""))
        row = whole_command(tx, tx.execute(select(command).where(command.c.key == key, *mine)).first())
        # An id may outlive its message.
        message_id = None if row is None or row.ended_at is not None else row.message_id
        return cls(asker, key, ref, message_id, damaged=row is not None and is_damaged(row))

    def unknown(self, tx: Transaction) -> Answer:
        problem = Problem(
            ErrorCode.UNKNOWN_ID, "no request of this id is known on this line: it was not accepted, or long ago"
        )
        known = COMMAND_DAMAGED if self._is_damaged else problem
        return answer(tx, self._asker, rejected(self._key, self._ref, known))

    def found(self, tx: Transaction) -> Answer:
        copies = [standing(one) for one in self._copies(tx)]
        return answer(tx, self._asker, self._result(tx, "found", copies))

    def in_pieces(self, tx: Transaction) -> list[_Some]:
        """What waits of it, a few calls together, first those that are due first."""
        rows = tx.execute(_WAITING, {"this": self.message_id}).all() if self.message_id is not None else []
        pieces = []
        while rows:
            ids = in_one_go(rows[:CALLS_AT_ONCE])
            pieces.append(_Some(str(self.message_id), ids))
            rows = rows[len(ids) :]
        return pieces

    def canceled(self, tx: Transaction) -> Answer:
        before = self._copies(tx)
        stopped = _stop(tx, before)
        entries = [
            standing(one, None if one.state is State.CANCELED else _TOO_LATE)
            for one in (stopped.get(one.id, one) for one in before)
        ]
        # A cancel that the broker delivers again finds its own work done.
        if stopped or any(one.state is State.CANCELED for one in before):
            return answer(tx, self._asker, self._result(tx, "canceled", entries))
        body = {**rejected(self._key, self._ref, _TOO_LATE), "message_id": self.message_id, "copies": entries}
        return answer(tx, self._asker, body)

    def _copies(self, tx: Transaction) -> list[Copy]:
        return copies_where(tx, copy.c.message_id == self.message_id)

    def _result(self, tx: Transaction, outcome: str, copies: list[dict[str, Any]]) -> dict[str, Any]:
        metadata = echo_of(tx, str(self.message_id)).metadata
        return result(outcome, self._key, self._ref, message_id=self.message_id, copies=copies, metadata=metadata)


def _stop(tx: Transaction, copies: Sequence[Copy]) -> dict[str, Copy]:
    """Cancel the copies whose calls wait; gives them as they are now, by id."""
    ids = sorted({one.call_id for one in copies if one.waits and one.call_id})
    waiting = {row.id for row in tx.execute(select(call.c.id).where(call_is_waiting, one_of(call.c.id, ids)))}
    stopping = [one for one in copies if one.waits and one.call_id in waiting]
    if not stopping:
        return {}
    after = happen(tx, [Happening(one, Fact.CANCELED) for one in stopping])
    # Copies of other requests may travel with them.
    close_if_sent(tx, sorted(waiting))
    return {one.id: one for one in after}


def _weight(request: SendRequest) -> int:
    return len(request.text or "") + sum(len(one.data) for one in request.media) + 100 * len(request.to)


_ACKNOWLEDGED = (
    update(command)
    .where(command.c.message_id.in_(select(unpacked(bindparam("some", type_=Words)).c.value)))
    .values(raw_digest=None)
)
_OF_MESSAGE = select(copy.c.call_id).where(copy_waits, copy.c.message_id == bindparam("this"))
_WAITING = (
    select(call.c.id, call.c.size).where(call_is_waiting, call.c.id.in_(_OF_MESSAGE)).order_by(call.c.due_at, call.c.id)
)
_TOO_LATE = Problem(ErrorCode.TOO_LATE, "this copy is under way or at its end: it cannot be stopped")
