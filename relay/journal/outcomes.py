"""How a call in flight ends. Only its owner may say so, and only while nobody else has judged it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import CallAnswer, Handover, OnUncertain
from relay.domain.receipts import ProviderWord
from relay.domain.schedule import RETRY_SEND
from relay.domain.states import Fact, State
from relay.domain.waiting import Why
from relay.journal.announce import SetAside, set_aside
from relay.journal.answering import Answered, handed, refs_of, take_answers
from relay.journal.callrows import (
    are_known,
    fenced,
    followed_from,
    move_copies,
    recipients_of,
    set_call,
    settle,
    wait_again,
)
from relay.journal.copies import Happening, happen
from relay.journal.copyrows import Copy
from relay.journal.jobs import Together
from relay.journal.late import answered_late
from relay.journal.limitrows import slow
from relay.journal.outgoing import echo_of
from relay.journal.reports import unpark
from relay.journal.sightings import match_answered, match_waiting
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

MOST_ATTEMPTS = (
    5  # a call that nobody ever answers is not made for ever, whatever its request wishes: each may be a text
)
AGAIN_AFTER = 60.0  # seconds until a copy is tried again that a call, answered for others, could not hand over


class OutcomeVerbs:
    """What may come of a call. Each gives False, and changes nothing, where `owner` has it no longer in flight."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def answered(
        self, call_id: str, owner: str, answer: CallAnswer, *, first_look: float | None, carried: Sequence[str] = ()
    ) -> bool:
        """The provider answered: write down what it says of each copy, and apply the reports that came before.

        Args:
            call_id: the call.
            owner: who claimed it.
            answer: one handover for each recipient, in their order.
            first_look: seconds until the call's status is to be asked for; None: never.
            carried: the ids of the copies, in their order, by which they are known where `owner` was given up for dead.

        Raises:
            ValueError: the answer has not one handover for each recipient.
        """
        return await self._writer.run(Together(_all_answered, Answered(call_id, owner, answer, first_look, carried)))

    async def retry(self, call_id: str, owner: str, problem: Problem, delay: float, *, counts: bool = True) -> bool:
        """It had no effect: make it again in `delay` seconds.

        `counts`: as a try of its own, of which there are so many before later texts to its number may pass.
        """

        def operation(tx: Transaction) -> bool:
            row = fenced(tx, call_id, owner)
            if row is None:
                return False
            uncounted = 0 if counts else -1
            happen(
                tx,
                [Happening(one, Fact.RETRIED, problem=problem, attempts=uncounted) for one in recipients_of(tx, row)],
            )
            set_call(tx, row.id, attempts=row.attempts + uncounted)
            wait_again(tx, row, tx.now + timedelta(seconds=delay))
            return True

        return await self._writer.run(operation)

    async def release(self, call_id: str, owner: str, delay: float = 0) -> bool:
        """It was not handed over, and not for its own sake: give it back. The line rests for `delay` seconds."""
        return await self._writer.run(lambda tx: release(tx, call_id, owner, delay))

    async def release_some(self, call_ids: Sequence[str], owner: str) -> None:
        """None of these was handed over, and not for its own sake: give them back together."""
        await self._writer.run(lambda tx: [release(tx, one, owner, 0) for one in call_ids])

    async def divide(self, call_id: str, owner: str) -> bool:
        """It was refused for one recipient, unnamed: two calls with half of the copies each, due now."""

        def operation(tx: Transaction) -> bool:
            row = fenced(tx, call_id, owner)
            if row is None:
                return False
            copies = recipients_of(tx, row)
            happen(tx, [Happening(one, Fact.RETRIED, problem=one.problem) for one in copies])
            middle = (len(copies) + 1) // 2
            for half in (copies[:middle], copies[middle:]):
                if half:
                    move_copies(tx, row, half, tx.now)
            set_call(tx, call_id, stage="followed", owner=None, recipients=None)
            settle(tx, [call_id])
            return True

        return await self._writer.run(operation)

    async def refused(self, call_id: str, owner: str, problem: Problem, *, carried: Sequence[str] = ()) -> bool:
        """The provider refused it, for good: every copy has failed. `carried`: as for `answered`."""
        late = CallAnswer(
            None, tuple(Handover(Fact.REFUSED, provider=problem.provider, problem=problem) for _ in carried)
        )

        def operation(tx: Transaction) -> bool:
            row = fenced(tx, call_id, owner)
            if row is None:
                return answered_late(tx, call_id, owner, late, carried, None)
            said = problem.provider
            word = ProviderWord(None, said.text if said else None, said.code if said else None)
            happen(tx, [Happening(one, Fact.REFUSED, word, problem) for one in recipients_of(tx, row)])
            set_call(tx, call_id, stage="followed", owner=None)
            settle(tx, [call_id])
            return True

        return await self._writer.run(operation)

    async def unanswered(
        self, call_id: str, owner: str, problem: Problem, *, evidence_within: float | None = None
    ) -> bool:
        """It was written and not answered usably: its copies are uncertain, and the request's wish is done.

        `evidence_within`: seconds for which a resend waits, so that a sighting can come first.
        """

        def operation(tx: Transaction) -> bool:
            row = fenced(tx, call_id, owner)
            if row is not None:
                unanswered(tx, row, problem, evidence_within or 0)
            return row is not None

        return await self._writer.run(operation)


def release(tx: Transaction, call_id: str, owner: str, delay: float) -> bool:
    """Give back a call that was claimed and not handed over."""
    row = fenced(tx, call_id, owner)
    if row is None:
        return False
    # No try: it counts neither among those after which others may pass, nor among those of a resend.
    happen(tx, [Happening(one, Fact.RELEASED, attempts=-1) for one in recipients_of(tx, row)])
    set_call(tx, row.id, attempts=row.attempts - 1)
    # It keeps its place in the queue, so that what came later does not overtake it: the whole line waits.
    wait_again(tx, row, row.due_at)
    if delay:
        slow(tx, row.line, tx.now + timedelta(seconds=delay))
    return True


def unanswered(tx: Transaction, row: Row[Any], problem: Problem, evidence_within: float = 0) -> int:
    """Judge a call that was not answered; gives how many copies are uncertain and stay so."""
    happen(tx, [Happening(one, Fact.UNANSWERED, problem=problem) for one in recipients_of(tx, row)])
    # What was seen already need not be guessed.
    match_waiting(tx, row.line)
    unpark(tx, row.line, [row.id], call_id=row.id)
    copies = _decide(tx, row, recipients_of(tx, row), problem)
    if any(one.waits for one in copies):
        pause = RETRY_SEND.delay(max(row.attempts, 1), tx.ids.chance.random())
        wait_again(tx, row, tx.now + timedelta(seconds=max(pause, evidence_within)))
    else:
        set_call(tx, row.id, stage="followed", owner=None)
        settle(tx, [row.id])
    return sum(1 for one in copies if one.state is State.UNCERTAIN)


def _all_answered(tx: Transaction, answers: Sequence[Answered]) -> list[bool]:
    """Write down what providers answered; gives for each whether it has changed anything."""
    taken = take_answers(tx, answers)
    return [one.call_id in taken or _answered(tx, one) or _answered_late(tx, one) for one in answers]


def _answered_late(tx: Transaction, one: Answered) -> bool:
    return answered_late(tx, one.call_id, one.owner, one.answer, one.carried, one.first_look)


def _answered(tx: Transaction, one: Answered) -> bool:
    about, answer, first_look = (one.call_id, one.owner), one.answer, one.first_look
    row = fenced(tx, *about)
    if row is None:
        return False
    recipients = recipients_of(tx, row)
    if len(recipients) != len(answer.handovers) and not are_known(tx, row):
        # Nobody can tell which answer is whose.
        set_aside(
            tx, SetAside("damaged", row.line, "call", "the journal's row is damaged: whom it was for"), about=row.id
        )
        unanswered(tx, row, _WHOSE)
        return True
    told = [
        handed(one, answer.ref, handover, unseen=bool(row.unseen))
        for one, handover in zip(recipients, answer.handovers, strict=True)
    ]
    copies = happen(tx, told)
    copies = _decide(
        tx, row, copies, Problem(ErrorCode.UNCERTAIN, "the provider does not say whether it took this copy")
    )
    look = answer.ref is not None and first_look is not None
    handed_over_at = followed_from(tx, row.message_id, tx.now)
    set_call(
        tx,
        row.id,
        stage="followed",
        owner=None,
        remote_ref=answer.ref,
        handed_over_at=handed_over_at,
        look_at=handed_over_at + timedelta(seconds=first_look or 0) if look else None,
    )
    tx.bells.add(f"looks:{row.line}")
    again = [one for one in copies if one.waits]
    if again:
        move_copies(tx, row, again, tx.now + timedelta(seconds=AGAIN_AFTER), why=Why.RETRY)
    refs = refs_of(answer)
    match_answered(tx, row.line, refs)
    unpark(tx, row.line, refs)
    settle(tx, [row.id])
    return True


_WHOSE = Problem(
    ErrorCode.UNCERTAIN, "the journal's row of this call is damaged: nobody knows whom the answer is about"
)


def _decide(tx: Transaction, row: Row[Any], copies: Sequence[Copy], problem: Problem) -> list[Copy]:
    """Do with the uncertain ones of `copies` what their request wishes; gives all of them as they are then."""
    doubtful = [one for one in copies if one.state is State.UNCERTAIN]
    if not doubtful:
        return list(copies)
    wish = echo_of(tx, row.message_id).on_uncertain
    if wish is OnUncertain.HOLD or (wish is OnUncertain.RESEND and row.attempts >= MOST_ATTEMPTS):
        _list(tx, row, doubtful, doubtful[0].problem or problem)
        return list(copies)
    fact = Fact.RESENT if wish is OnUncertain.RESEND else Fact.ABANDONED
    given_up = Problem(ErrorCode.UNCERTAIN, f"given up as the request wishes: {problem.detail}", problem.provider)
    why = None if wish is OnUncertain.RESEND else given_up
    decided = {one.id: one for one in happen(tx, [Happening(one, fact, problem=why) for one in doubtful])}
    return [decided.get(one.id, one) for one in copies]


def _list(tx: Transaction, row: Row[Any], doubtful: Sequence[Copy], problem: Problem) -> None:
    """One line for each copy in the list of what waits for a person, and one notice for the call.

    It is about their message; where they have several, about the call: that id finds all of them.
    """
    things = [SetAside("uncertain", row.line, "uncertain", problem.detail, copy_id=one.id) for one in doubtful]
    messages = {one.message_id for one in doubtful}
    set_aside(tx, *things, about=row.id if len(messages) > 1 else messages.pop(), call_id=row.id, copies=len(doubtful))
