"""A fact -> a copy's next state, its row and its receipt. Nothing else changes a copy's state."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import structlog
from sqlalchemy import Text, Update, bindparam, case, literal, select, update

from relay.domain.addresses import Address, AddressKind
from relay.domain.errors import ErrorCode, Problem
from relay.domain.receipts import Change, ProviderWord, ReceiptContext, change, receipt_body
from relay.domain.states import Fact, IllegalTransition, State
from relay.journal.announce import News, SetAside, announce, set_aside
from relay.journal.codec import problem_in
from relay.journal.columns import Moment, Whole
from relay.journal.listing import listed, one_of, unpacked
from relay.journal.optoutrows import Word, opt_out
from relay.journal.outgoing import Echo, Echoed, echoes_of
from relay.journal.schema import aside, command, copy, copy_has_ref, message
from relay.journal.sums import command_sum, copy_sum, fits
from relay.journal.transaction import Transaction

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Copy:
    """One recipient's copy, as the journal has it."""

    id: str
    message_id: str
    call_id: str | None
    ordinal: int
    line: str
    address: Address
    state: State
    ended: bool
    attempt: int
    remote_ref: str | None
    provider_status: str | None
    provider_code: str | None
    problem: Problem | None
    unseen: int
    client: str | None
    damage: str | None = None  # what of its row is damaged: its `identity` or address, its `state` or its `problem`

    @property
    def may_be_sent(self) -> bool:
        """Whether it is known which copy it is, to whom it goes, and that it was not sent."""
        return self.damage in {None, "problem"}

    @property
    def waits(self) -> bool:
        """It has not been handed over, nor may have been."""
        return self.state.rank < State.UNCERTAIN.rank

    @property
    def followed(self) -> bool:
        """The provider has it, and its end is not known."""
        return not self.state.final and self.state.rank > State.UNCERTAIN.rank


@dataclass(frozen=True, slots=True)
class Happening:
    """A fact about a copy, with what the provider said and what went wrong.

    `remote_ref`: the id under which reports will speak of this copy alone. `attempts`: how many calls begin with it.
    `unseen`: the provider may show it once more, and has not; so it is with every call that was not answered.
    """

    copy: Copy
    fact: Fact
    word: ProviderWord = field(default_factory=ProviderWord)
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


@dataclass(frozen=True, slots=True)
class _Move:
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
        return change(one.copy.state, one.fact, ended=one.copy.ended, receipts=True)
    except IllegalTransition as error:
        line, copy_id = one.copy.line, one.copy.id
        log.warning("copy.contradicted", line=line, copy_id=copy_id, state=error.state.key, fact=one.fact.value)
        return None


def _move(one: Happening, what: Change | None, messages: Mapping[str, Echoed]) -> _Move:
    before = one.copy
    if what is None or (what.after is before.state and not before.waits):
        return _Move(before, before, None, one.word)
    if what.told and not messages[before.message_id].echo.receipts:
        what = change(before.state, one.fact, ended=before.ended, receipts=False)
    attempt = before.attempt + one.attempts
    after = replace(
        before,
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
    by_change: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for move in moves:
        columns = tuple(name for name in _SELDOM if getattr(move.after, name) != getattr(move.before, name))
        by_change[columns].append(_row(tx, move.after, columns))
        if move.after.waits is not move.before.waits:
            tx.count_waiting(move.after.line, move.after.client, move.after.waits - move.before.waits)
    for columns, rows in by_change.items():
        tx.execute(_updating(columns), rows)
    decided = [move.after.id for move in moves if move.before.state is State.UNCERTAIN]
    if decided:
        listed = (one_of(aside.c.copy_id, decided), aside.c.kind == "uncertain")
        tx.execute(update(aside).where(*listed).values(state="settled"))


def _row(tx: Transaction, after: Copy, columns: Iterable[str]) -> dict[str, Any]:
    return {
        "copy_id": after.id,
        "state": after.state.key,
        "attempt": after.attempt,
        "provider_status": after.provider_status,
        "provider_code": after.provider_code,
        "problem": after.problem.as_body() if after.problem else None,
        "changed_at": tx.now,
        **{name: _as_kept(getattr(after, name)) for name in columns},
    }


def _as_kept(value: str | int | None) -> str | int | None:
    return int(value) if isinstance(value, bool) else value


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


def state_of(row: Any) -> State:
    """The state of a row of `copy`; where that word is damaged, what is safe to believe."""
    return _state_of(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


def _state_of(values: Mapping[Any, Any]) -> State:
    known = _BY_KEY.get(values["state"])
    if known is not None:
        return known
    # It waits, it has ended, or it was handed over: that stands in its row besides.
    return State.QUEUED if values["waits"] else State.UNKNOWN_FOR_GOOD if values["ended"] else State.SUBMITTED


def status_of(key: str) -> str:
    """The status that users see, of a state as it is kept; a damaged word is an unknown state."""
    return _BY_KEY.get(key, State.UNKNOWN).status.value


def copy_from(row: Any) -> Copy:
    """A row of `copy`, also of one that is damaged: then it is what is safe to believe of it, and says so."""
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    damage, state, problem = None, _state_of(values), None
    try:
        problem = problem_in(values["problem"])
    except ValueError:
        damage = "problem"
    if state.key != values["state"]:
        damage = "state"
    if values["address_kind"] not in _KINDS or not fits(values["sum"], copy_sum(values)):
        damage = "identity"
    kind = _KINDS.get(values["address_kind"], AddressKind.OTHER)
    return Copy(
        id=values["id"],
        message_id=values["message_id"],
        call_id=values["call_id"],
        ordinal=values["ordinal"],
        line=values["line"],
        address=Address(kind, values["address"], values["address_raw"]),
        state=state,
        ended=bool(values["ended"]),
        attempt=values["attempt"],
        remote_ref=values["remote_ref"],
        provider_status=values["provider_status"],
        provider_code=values["provider_code"],
        problem=problem,
        unseen=values["unseen"],
        client=values["client"],
        damage=damage,
    )


_BY_KEY = {state.key: state for state in State}
_KINDS: Mapping[Any, AddressKind] = {kind.value: kind for kind in AddressKind}
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


@cache
def _updating(columns: tuple[str, ...]) -> Update:
    """A copy's row is written with those of `_SELDOM` that change: what is not set needs no index to be kept."""
    names = (*_ALWAYS, *columns)
    return update(copy).where(copy.c.id == bindparam("copy_id")).values({name: bindparam(name) for name in names})


_ALWAYS = ("state", "attempt", "provider_status", "provider_code", "problem", "changed_at")
_SELDOM = ("ended", "remote_ref", "unseen", "waits")
