"""What providers answered to calls -> the copies' states, their receipts, and where the calls stand: many at once.

Of most answers nothing but that is to be written: of those that took all that their calls carried. Whatever else an
answer says, and whatever is out of the ordinary of a call, is written down by itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Text, bindparam, select, update

from relay.domain.messages import CallAnswer, Handover
from relay.domain.receipts import ProviderWord
from relay.domain.states import Fact, State
from relay.journal.callrows import ids_in, stage_of, wake_behind
from relay.journal.copies import Happening, copies_of_some, happen
from relay.journal.copyrows import Copy
from relay.journal.listing import listed, unpacked
from relay.journal.mailschema import sighting
from relay.journal.outgoing import send_times_of
from relay.journal.reports import unpark
from relay.journal.schema import call, call_is_behind, parked
from relay.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Answered:
    """A provider's answer to a call of `owner`'s.

    Attributes:
        call_id: the call.
        owner: who claimed it.
        answer: one handover for each recipient, in their order.
        first_look: seconds until the call's status is to be asked for; None: never.
        carried: the ids of the copies, in their order, by which they are known where `owner` was given up for dead.
    """

    call_id: str
    owner: str
    answer: CallAnswer
    first_look: float | None
    carried: Sequence[str] = ()


def take_answers(tx: Transaction, answers: Sequence[Answered]) -> set[str]:
    """Write down the answers of which nothing out of the ordinary is to be written; gives the ids of those calls."""
    around = _Around.read(tx, [one.call_id for one in answers])
    taken = [taken for one in answers if (taken := around.taken(one)) is not None]
    if taken:
        _write(tx, taken)
    return {one.row.id for one in taken}


def handed(one: Copy, ref: str | None, handover: Handover, *, unseen: bool) -> Happening:
    """What the provider said of a copy; it will show the copy only where it may have taken it.

    What is followed and has no id can be told by nothing else than being shown.
    """
    taken = handover.fact not in _NOT_TAKEN
    nameless = handover.fact is Fact.SUBMITTED and not (ref or handover.ref)
    shown = taken and (unseen or nameless)
    return Happening(one, handover.fact, word_of(ref, handover), handover.problem, handover.ref, unseen=shown)


def word_of(ref: str | None, handover: Handover) -> ProviderWord:
    """The provider's own words about a copy of the call that it knows as `ref`."""
    said = handover.provider
    return ProviderWord(handover.ref or ref, said.text if said else None, said.code if said else None)


def refs_of(answer: CallAnswer) -> list[str]:
    """All ids that an answer names."""
    return [ref for ref in (answer.ref, *(handover.ref for handover in answer.handovers)) if ref]


@dataclass(frozen=True, slots=True)
class _Taken:
    """An answer that takes all that its call carried. `others`: copies of that call that it did not carry."""

    row: Row[Any]
    said: Answered
    recipients: Sequence[Copy]
    others: Sequence[Copy]


@dataclass(frozen=True, slots=True)
class _Around:
    """What is known about some calls. `awaited`: the lines of which something that was seen waits for an answer."""

    rows: Mapping[str, Row[Any]]
    copies: Mapping[str, Sequence[Copy]]
    awaited: frozenset[str]

    @classmethod
    def read(cls, tx: Transaction, call_ids: Sequence[str]) -> "_Around":
        twice = {one for one, times in Counter(call_ids).items() if times > 1}
        rows = {row.id: row for row in tx.execute(_CALLS, {"some": listed(call_ids)}).all() if row.id not in twice}
        copies: defaultdict[str, list[Copy]] = defaultdict(list)
        for one in copies_of_some(tx, rows):
            copies[one.call_id or ""].append(one)
        lines = {row.line for row in rows.values()}
        return cls(rows, copies, frozenset(one for one in lines if tx.execute(_SEEN, {"here": one}).first()))

    def taken(self, said: Answered) -> _Taken | None:
        """The answer with what it is about, where it takes all of that and the call is its owner's; else None."""
        row = self.rows.get(said.call_id)
        if row is None or row.stage != "in_flight" or row.owner != said.owner or row.line in self.awaited:
            return None
        by_id = {one.id: one for one in self.copies.get(row.id, ())}
        ids = ids_in(row.recipients)
        if not ids or len(ids) != len(said.answer.handovers) or not by_id.keys() >= set(ids):
            return None
        recipients = [by_id.pop(one) for one in ids]
        facts = {handover.fact for handover in said.answer.handovers}
        if facts <= _TAKEN and all(one.state is State.SENDING and one.damage is None for one in recipients):
            return _Taken(row, said, recipients, list(by_id.values()))
        return None


def _write(tx: Transaction, taken: Sequence[_Taken]) -> None:
    told = [
        handed(one, each.said.answer.ref, handover, unseen=bool(each.row.unseen))
        for each in taken
        for one, handover in zip(each.recipients, each.said.answer.handovers, strict=True)
    ]
    copies = {one.id: one for one in happen(tx, told)}
    send_times = send_times_of(tx, {each.row.message_id for each in taken})
    tx.execute(_ANSWERED, [_call_row(tx, each, copies, send_times.get(each.row.message_id)) for each in taken])
    _apply_parked(tx, taken)
    # Those whose numbers they held up.
    for row in tx.execute(_BEHIND, {"some": listed(each.row.id for each in taken)}).all():
        wake_behind(tx, row.behind)


def _call_row(tx: Transaction, each: _Taken, copies: Mapping[str, Copy], send_at: datetime | None) -> dict[str, Any]:
    """How the row of an answered call is, by what has become of its copies."""
    stage = stage_of([*each.others, *(copies[one.id] for one in each.recipients)])
    ref, first_look = each.said.answer.ref, each.said.first_look
    handed_over_at = max(tx.now, send_at or tx.now)
    look_at = None
    if stage == "followed" and ref is not None and first_look is not None:
        look_at = handed_over_at + timedelta(seconds=first_look)
        tx.bells.add(f"looks:{each.row.line}")
    here = {"this": each.row.id, "stage": stage, "remote_ref": ref}
    return {**here, "handed_over_at": handed_over_at, "look_at": look_at}


def _apply_parked(tx: Transaction, taken: Iterable[_Taken]) -> None:
    """Apply the reports that came before these answers."""
    refs: defaultdict[str, list[str]] = defaultdict(list)
    for each in taken:
        refs[each.row.line] += refs_of(each.said.answer)
    for line, named in refs.items():
        waiting = [row.ref for row in tx.execute(_PARKED, {"here": line, "some": listed(named)}).all()] if named else ()
        if waiting:
            unpark(tx, line, waiting)


_NOT_TAKEN = frozenset({Fact.RETRIED, Fact.REFUSED})
_TAKEN = frozenset({Fact.SUBMITTED, Fact.SUBMITTED_UNTRACKED, Fact.ON_NETWORK, Fact.DELIVERED})
_SOME = unpacked(bindparam("some", type_=Text)).c.value
_NEEDED = ("id", "line", "message_id", "stage", "owner", "recipients", "unseen")
_CALLS = select(*(call.c[name] for name in _NEEDED)).where(call.c.id.in_(select(_SOME)))
_BEHIND = select(call.c.behind).where(call_is_behind, call.c.behind.in_(select(_SOME))).distinct()
_PARKED = select(parked.c.ref).where(parked.c.line == bindparam("here"), parked.c.ref.in_(select(_SOME))).distinct()
_SEEN = select(sighting.c.id).where(sighting.c.line == bindparam("here")).limit(1)
_ANSWERED = (
    update(call)
    .where(call.c.id == bindparam("this"))
    .values(
        stage=bindparam("stage"),
        owner=None,
        remote_ref=bindparam("remote_ref"),
        handed_over_at=bindparam("handed_over_at"),
        look_at=bindparam("look_at"),
    )
)
