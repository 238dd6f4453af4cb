"""A row of `copy` <-> Copy: read as far as it is to be believed, and written with what changed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import compress
from typing import Any, NamedTuple

from sqlalchemy import Text, Update, bindparam, select, update

from relay.domain.addresses import Address, AddressKind
from relay.domain.errors import Problem
from relay.domain.states import State
from relay.journal.codec import problem_in
from relay.journal.listing import listed, unpacked
from relay.journal.schema import copy
from relay.journal.sums import copy_row_sum, fits
from relay.journal.transaction import Transaction


class Copy(NamedTuple):
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
        return self.damage is None or self.damage == "problem"

    @property
    def waits(self) -> bool:
        """It has not been handed over, nor may have been."""
        return self.state.rank < State.UNCERTAIN.rank

    @property
    def followed(self) -> bool:
        """The provider has it, and its end is not known."""
        return not self.state.final and self.state.rank > State.UNCERTAIN.rank


def state_of(row: Any) -> State:
    """The state of a row of `copy`; where that word is damaged, what is safe to believe."""
    known = _BY_KEY.get(row.state)
    if known is not None:
        return known
    # It waits, it has ended, or it was handed over: that stands in its row besides.
    return State.QUEUED if row.waits else State.UNKNOWN_FOR_GOOD if row.ended else State.SUBMITTED


def status_of(key: str) -> str:
    """The status that users see, of a state as it is kept; a damaged word is an unknown state."""
    return _BY_KEY.get(key, State.UNKNOWN).status.value


def copy_from(row: Any) -> Copy:
    """A row of `copy`, also of one that is damaged: then it is what is safe to believe of it, and says so."""
    damage, state, problem = None, state_of(row), None
    try:
        problem = problem_in(row.problem)
    except ValueError:
        damage = "problem"
    if state.key != row.state:
        damage = "state"
    kind = _KINDS.get(row.address_kind)
    if kind is None or not fits(row.sum, copy_row_sum(row)):
        damage = "identity"
    return Copy(
        id=row.id,
        message_id=row.message_id,
        call_id=row.call_id,
        ordinal=row.ordinal,
        line=row.line,
        address=Address(kind or AddressKind.OTHER, row.address, row.address_raw),
        state=state,
        ended=bool(row.ended),
        attempt=row.attempt,
        remote_ref=row.remote_ref,
        provider_status=row.provider_status,
        provider_code=row.provider_code,
        problem=problem,
        unseen=row.unseen,
        client=row.client,
        damage=damage,
    )


def write_copies(tx: Transaction, moves: Sequence[tuple[Copy, Copy]]) -> None:
    """Write how copies are now: those that become alike, as the copies of a call mostly do, with one statement.

    Args:
        tx: where to.
        moves: each as it is written, and as it is now.
    """
    alike: defaultdict[tuple[Any, ...], list[Copy]] = defaultdict(list)
    once = len({after.id for _, after in moves}) == len(moves)
    for before, after in moves:
        columns = _changed(
            after.ended is not before.ended,
            after.remote_ref != before.remote_ref,
            after.unseen != before.unseen,
            after.waits is not before.waits,
        )
        # What was moved twice is written in that order.
        what = (
            after.attempt,
            after.provider_status,
            after.provider_code,
            after.problem,
            after.remote_ref,
            after.unseen,
        )
        alike[columns, after.state.key, after.ended, once or after.id, *what].append(after)
    rows: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for (columns, *_), copies in alike.items():
        row = _row(tx, copies[0], columns)
        if len(copies) > 1:
            tx.execute(_updating_alike(columns), {"copies": listed([one.id for one in copies]), **row})
        else:
            rows[columns].append({"copy_id": copies[0].id, **row})
    for columns, others in rows.items():
        tx.execute(_updating(columns), others)


def _row(tx: Transaction, after: Copy, columns: Iterable[str]) -> dict[str, Any]:
    row = {
        "state": after.state.key,
        "attempt": after.attempt,
        "provider_status": after.provider_status,
        "provider_code": after.provider_code,
        "problem": after.problem.as_body() if after.problem else None,
        "changed_at": tx.now,
    }
    for name in columns:
        row[name] = _as_kept(getattr(after, name))
    return row


def _as_kept(value: str | int | None) -> str | int | None:
    return int(value) if isinstance(value, bool) else value


@cache
def _changed(*is_other: bool) -> tuple[str, ...]:
    """Those of `_SELDOM` that are to be written."""
    return tuple(compress(_SELDOM, is_other))


@cache
def _updating(columns: tuple[str, ...]) -> Update:
    """A copy's row is written with those of `_SELDOM` that change: what is not set needs no index to be kept."""
    return _setting(columns).where(copy.c.id == bindparam("copy_id"))


@cache
def _updating_alike(columns: tuple[str, ...]) -> Update:
    """The same of several copies, with the same values."""
    return _setting(columns).where(copy.c.id.in_(select(unpacked(bindparam("copies", type_=Text)).c.value)))


def _setting(columns: tuple[str, ...]) -> Update:
    return update(copy).values({name: bindparam(name) for name in (*_ALWAYS, *columns)})


_ALWAYS = ("state", "attempt", "provider_status", "provider_code", "problem", "changed_at")
_SELDOM = ("ended", "remote_ref", "unseen", "waits")
_BY_KEY = {state.key: state for state in State}
_KINDS: Mapping[Any, AddressKind] = {kind.value: kind for kind in AddressKind}
