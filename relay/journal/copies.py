"""A fact -> a copy's next state, its row (`copyrows`) and its receipt. Nothing else changes a copy's state."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Text, bindparam, case, literal, select, update

from relay.domain.errors import ErrorCode, Problem
from relay.domain.receipts import Change, ProviderWord, ReceiptContext, change, receipt_body
from relay.domain.states import Fact, IllegalTransition, State
from relay.journal.announce import News, SetAside, announce, set_aside
from relay.journal.columns import Moment, Whole
from relay.journal.copyrows import Copy, copy_from, write_copies
from relay.journal.listing import listed, one_of, unpacked
from relay.journal.optoutrows import Word, opt_out
from relay.journal.outgoing import Echo, Echoed, echoes_of
from relay.journal.schema import aside, command, copy, copy_has_ref, message
from relay.journal.sums import command_sum, fits
from relay.journal.transaction import Transaction

log = structlog.get_logger()
_NOTHING_SAID = ProviderWord()


class Happening(NamedTuple):
    """A fact about a copy, with what the provider said and what went wrong.

    `remote_ref`: the id under which reports will speak of this copy alone. `attempts`: how many calls begin with it.
    `unseen`: the provider may show it once more, and has not; so it is with every call that was not answered.
    """

    copy: Copy
    fact: Fact
    word: ProviderWord = _NOTHING_SAID
    problem: Problem | None = None
    remote_ref: str | None = None
    attempts: int = 0
    unseen: bool = False


def happen(tx: Transaction, happenings: Iterable[Happening]) -> list[Copy]:
    """Let facts be true: move the copies, tell the receipts, keep the counters.

    A fact that cannot be true of its copy changes nothing and is logged. What is damaged of a copy is told once.

    Returns:
        the copies as they are now, in the same order.
    """
    stirred = [(one, _stirred(one)) for one in happenings]
    told = {one.copy.message_id for one, what in stirred if what is not None and what.told}
    messages = echoes_of(tx, told) if told else {}
    moved = [_move(one, what, messages) for one, what in stirred]
    changed = [move for move in moved if move.change is not None]
    _write(tx, changed)
    tell_damaged(tx, [move.after for move in changed])
    _tell(tx, changed, messages)
    for move in changed:
        if _has_opted_out(move.after):
            opt_out(tx, _said_by_provider(tx, move.after))
    return [move.after for move in moved]


def copies_where(tx: Transaction, *conditions: Any, limit: int | None = None) -> list[Copy]:
    """The copies for which `conditions` hold, in the order of their request, those of the oldest first."""
    rows = tx.execute(select(copy).where(*conditions).order_by(copy.c.message_id, copy.c.ordinal).limit(limit))
    return [copy_from(row) for row in rows]


def copies_of(tx: Transaction, call_id: str) -> list[Copy]:
    """The copies of a call, in the order of their request."""
    return [copy_from(row) for row in tx.execute(_OF_CALL, {"this": call_id})]


def copies_of_some(tx: Transaction, call_ids: Iterable[str]) -> list[Copy]:
    """The copies of these calls, in the order of their requests, those of the oldest first."""
    return [copy_from(row) for row in tx.execute(_OF_CALLS, {"some": listed(call_ids)}).all()]


def copy_of(tx: Transaction, line: str, ref: str) -> Copy | None:
    """The copy of which the provider speaks as `ref` on this line."""
    row = tx.execute(_OF_REF, {"here": line, "ref": ref}).first()
    return row and copy_from(row)


class _Move(NamedTuple):
    before: Copy
    after: Copy
    change: Change | None  # None: nothing changed
    word: ProviderWord


def tell_damaged(tx: Transaction, copies: Iterable[Copy]) -> None:
    """List those of these copies whose rows are damaged, each once."""
    for one in copies:
        if one.damage is not None and tx.execute(_LISTED, {"this": one.id}).first() is None:
            why = f"the journal's row is damaged: {_LOST[one.damage]}"
            set_aside(tx, SetAside("damaged", one.line, "copy", why, copy_id=one.id), about=one.id)


def _stirred(one: Happening) -> Change | None:
    """What a fact does to its copy, where every receipt is wanted; None where it cannot be true of it."""
    try:
        return _change(one.copy.state, one.fact, ended=one.copy.ended, receipts=True)
    except IllegalTransition as error:
        line, copy_id = one.copy.line, one.copy.id
        log.warning("copy.contradicted", line=line, copy_id=copy_id, state=error.state.key, fact=one.fact.value)
        return None


def _move(one: Happening, what: Change | None, messages: Mapping[str, Echoed]) -> _Move:
    before = one.copy
    if what is None or (what.after is before.state and not before.waits):
        return _Move(before, before, None, one.word)
    if what.told and not messages[before.message_id].echo.receipts:
        what = _change(before.state, one.fact, ended=before.ended, receipts=False)
    attempt = before.attempt + one.attempts
    after = before._replace(
        state=what.after,
        ended=before.ended or what.final,
        attempt=attempt,
        remote_ref=one.remote_ref or before.remote_ref,
        provider_status=one.word.status,
        provider_code=one.word.code,
        problem=one.problem,
        unseen=min(before.unseen + (one.unseen or one.fact is Fact.UNANSWERED), attempt),
    )
    return _Move(before, after, what, one.word)


def _write(tx: Transaction, moves: Sequence[_Move]) -> None:
    waiting: Counter[tuple[str, str | None]] = Counter()
    for before, after, _, _ in moves:
        if after.waits is not before.waits:
            waiting[after.line, after.client] += after.waits - before.waits
    for (line, client), more in waiting.items():
        tx.count_waiting(line, client, more)
    write_copies(tx, [(before, after) for before, after, _, _ in moves])
    decided = [move.after.id for move in moves if move.before.state is State.UNCERTAIN]
    if decided:
        listed = (one_of(aside.c.copy_id, decided), aside.c.kind == "uncertain")
        tx.execute(update(aside).where(*listed).values(state="settled"))


def _tell(tx: Transaction, moves: Sequence[_Move], messages: Mapping[str, Echoed]) -> None:
    """Announce the receipts that are due, in the order of the facts; note when a message's last copy ended."""
    ended: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for move in moves:
        message_id, what = move.before.message_id, move.change
        if what is None:
            continue
        ended[message_id] += what.final
        if what.told:
            echoed = messages[message_id]
            told[message_id] += 1
            _announce(tx, move, what, echoed.echo, echoed.sequence + told[message_id])
    _count(tx, ended, told)


def _count(tx: Transaction, ended: Counter[str], told: Counter[str]) -> None:
    """Write down how many copies of each message ended, and how many sequence numbers were taken."""
    counts = {one: {"this": one, "told": told[one], "ended": ended[one]} for one in ended | told}
    if last := [counts[one] | {"now": tx.now} for one in counts if ended[one]]:
        tx.execute(_END_COPIES, last)
    if others := [{"this": one, "told": told[one]} for one in counts if not ended[one]]:
        tx.execute(_TAKE_SEQUENCES, others)


def _announce(tx: Transaction, move: _Move, what: Change, echo: Echo, sequence: int) -> None:
    answered = None
    if not echo.is_whole or move.after.damage == "identity":
        answered = _as_answered(tx, move.after)
        if answered is None:
            # Nobody could tell whose it is, and to whom it went: the notice has to do.
            return
    announce(tx, _receipt(echo, move, what, sequence, answered))


def _receipt(echo: Echo, move: _Move, what: Change, sequence: int, answered: "_Answered | None") -> News:
    after = move.after
    request_id, line, client = echo.request_id, echo.line, echo.client
    if answered is not None:
        request_id, line, client = answered.request_id, answered.line, answered.client
    about = ReceiptContext(
        request_id=request_id,
        message_id=after.message_id,
        copy_id=after.id,
        to=answered.to if answered else after.address.value,
        attempt=after.attempt,
        metadata=echo.metadata,
    )
    body = receipt_body(about, what, move.word, after.problem)
    return News("receipt", line, after.message_id, body, client=client, sequence=sequence, reply=echo.reply)


@dataclass(frozen=True, slots=True)
class _Answered:
    """What is known of a copy whose own row, or whose message's, is damaged."""

    request_id: str
    line: str
    client: str | None
    to: str


def _as_answered(tx: Transaction, one: Copy) -> _Answered | None:
    """Whose copy it is, as its request was accepted; None where nobody knows which copy it is."""
    row = tx.execute(_COMMAND, {"this": one.message_id}).first()
    if row is not None and not fits(row.sum, command_sum(row._mapping)):  # noqa: SLF001 - SQLAlchemy's public name
        row = None
    if one.damage != "identity":
        return _Answered(row.key if row else "", one.line, one.client, one.address.value)
    if row is None or one.id != f"{one.message_id}-{one.ordinal}":
        return None
    # To whom it was to go is what may be damaged: no address is told rather than a wrong one.
    return _Answered(row.key, row.line, row.client or None, "")


def _has_opted_out(after: Copy) -> bool:
    """Whether a copy has failed because its recipient had sent STOP, as the provider says."""
    problem = after.problem
    return problem is not None and problem.code is ErrorCode.OPTED_OUT and problem.provider is not None and after.ended


def _said_by_provider(tx: Transaction, after: Copy) -> Word:
    code = after.problem.provider.code if after.problem and after.problem.provider else None
    return Word(after.address.value, after.line, tx.now, "provider", code, after.message_id, after.id)


_change = cache(change)  # of one call there are many alike
_LOST = {
    "identity": "whose copy it is, or to whom it was to go, is lost, so that it is not sent",
    "state": "how far it had come is lost, so that it is not sent",
    "problem": "what went wrong with it last is lost",
}
_LISTED = select(aside.c.id).where(aside.c.copy_id == bindparam("this"), aside.c.kind == literal("damaged")).limit(1)
_COMMAND = select(command).where(command.c.message_id == bindparam("this")).limit(1)

_LEFT = message.c.open_copies - bindparam("ended", type_=Whole)
_TAKEN = message.c.sequence + bindparam("told", type_=Whole)
_TAKE_SEQUENCES = update(message).where(message.c.id == bindparam("this")).values(sequence=_TAKEN)
_END_COPIES = (
    update(message)
    .where(message.c.id == bindparam("this"))
    .values(
        sequence=_TAKEN,
        open_copies=_LEFT,
        ended_at=case((_LEFT == 0, bindparam("now", type_=Moment)), else_=message.c.ended_at),
    )
)
_OF_REF = (
    select(copy).where(copy_has_ref, copy.c.line == bindparam("here"), copy.c.remote_ref == bindparam("ref")).limit(1)
)
_OF_CALLS = (
    select(copy)
    .where(copy.c.call_id.in_(select(unpacked(bindparam("some", type_=Text)).c.value)))
    .order_by(copy.c.message_id, copy.c.ordinal)
)
_OF_CALL = select(copy).where(copy.c.call_id == bindparam("this")).order_by(copy.c.message_id, copy.c.ordinal)
