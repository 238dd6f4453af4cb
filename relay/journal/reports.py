"""provider's reports -> copies: which copy a report is about, and what is kept until that is known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import structlog
from sqlalchemy import Row, bindparam, literal, select

from relay.domain.addresses import Address, AddressKind
from relay.domain.messages import DeliveryReport
from relay.domain.receipts import ProviderWord
from relay.journal.callrows import close_if_sent, ids_in, settle
from relay.journal.copies import Copy, Happening, copies_of, copy_of, happen
from relay.journal.listing import one_of
from relay.journal.orphans import forget_parked, park, set_aside_reports, whole_reports
from relay.journal.schema import call, call_has_ref, parked
from relay.journal.seen import first_seen
from relay.journal.transaction import Transaction

log = structlog.get_logger()


class _Found(Enum):
    NOBODY = auto()  # the ref is not known, yet
    COPY = auto()
    UNCLEAR = auto()  # the call is known, and none of its copies fits


def take_reports(
    tx: Transaction, line: str, reports: Sequence[DeliveryReport], *, call_id: str | None = None
) -> tuple[int, int]:
    """Apply reports; gives how many changed a copy, and how many were parked.

    A report of something that this line did not send, or whose call was not answered yet, is parked: the answer may
    come after it. One whose call is known, and none of its copies fits, is set aside.

    Args:
        tx: the transaction.
        line: whose reports they are.
        reports: in the order in which they are to be believed.
        call_id: for the answer to a question about a call: that call. Such reports are never parked.
    """
    desk = _Desk(tx, line, call_id)
    waiting, strange = 0, []
    for report in reports:
        if report.dedupe_key is not None and not first_seen(tx, line, "report", report.dedupe_key):
            continue
        found = desk.take(report)
        if found is _Found.NOBODY and call_id is None:
            park(tx, line, report)
            waiting += 1
        elif found is not _Found.COPY:
            log.warning("report.unmatched", line=line, call_id=call_id)
            strange.append(report)
    if strange and call_id is None:
        # An answer to a question is no news: it is asked for again.
        set_aside_reports(tx, line, strange)
    return desk.apply(), waiting


def unpark(tx: Transaction, line: str, refs: Iterable[str], *, call_id: str | None = None) -> None:
    """Apply the reports that came before the answer which told these refs, or about a call that was not answered."""
    waiting = (parked.c.line == line, one_of(parked.c.ref, sorted(set(refs))))
    rows = tx.execute(select(parked).where(*waiting).order_by(parked.c.id)).all()
    desk = _Desk(tx, line, call_id)
    found = [row for row, report in whole_reports(tx, rows) if desk.take(report) is _Found.COPY]
    desk.apply()
    if found:
        forget_parked(tx, found)


def match_parked(tx: Transaction, parked_id: str) -> bool:
    """Look for the copy of a report that was set aside, and apply it; gives whether there is one."""
    row = tx.execute(_PARKED, {"this": parked_id}).first()
    if row is None:
        return False
    desk = _Desk(tx, row.line, None)
    if any(desk.take(report) is not _Found.COPY for _, report in whole_reports(tx, [row])):
        return False
    desk.apply()
    forget_parked(tx, [row])
    return True


class _Desk:
    """Reports, with their copies found, that are applied together: a call of fifty is read once and not fifty times."""

    def __init__(self, tx: Transaction, line: str, call_id: str | None) -> None:
        self._tx = tx
        self._line = line
        self._call_id = call_id
        self._applied = 0
        self._pairs: dict[str, tuple[Copy, DeliveryReport]] = {}
        self._own: dict[str, Copy | None] = {}
        self._called: dict[str, _Call | None] = {}

    def take(self, report: DeliveryReport) -> "_Found":
        """Find the copy that a report is about, and note that it is to be applied."""
        found = self._find(report)
        if isinstance(found, _Found):
            return found
        if found.id in self._pairs:
            # The second word about a copy is judged by what the first has made of it.
            self.apply()
            return self.take(report)
        self._pairs[found.id] = (found, report)
        return _Found.COPY

    def apply(self) -> int:
        """Apply what was noted; gives how many of all reports changed a copy."""
        pairs, self._pairs = list(self._pairs.values()), {}
        self._own.clear()
        self._called.clear()
        happenings = [
            Happening(one, report.fact, ProviderWord(report.ref, report.status, report.code), report.problem)
            for one, report in pairs
        ]
        afters = happen(self._tx, happenings)
        close_if_sent(self._tx, sorted({one.call_id for one, _ in pairs if one.waits and one.call_id}))
        settle(self._tx, {one.call_id for one, _ in pairs})
        self._applied += sum(after.state is not one.state for after, (one, _) in zip(afters, pairs, strict=True))
        return self._applied

    def _find(self, report: DeliveryReport) -> "Copy | _Found":
        ref = report.ref
        if ref not in self._own:
            self._own[ref] = copy_of(self._tx, self._line, ref)
        own = self._own[ref]
        if own is not None:
            return own if report.address is None else _confirmed(self._tx, own, report.address)
        if ref not in self._called:
            found = _Call.find(self._tx, self._line, ref, self._call_id)
            self._called[ref] = found or _Call.unanswered(self._tx, self._line, ref)
        called = self._called[ref]
        return _Found.NOBODY if called is None else called.copy_of(report) or _Found.UNCLEAR


def _confirmed(tx: Transaction, own: Copy, address: Address) -> Copy:
    """The copy whose id a report names, or the one of the same call whose number it names.

    Ids may have been given to copies in the order of the call, which is likely, and no more than that.
    """
    if own.call_id is None or _is_same(own.address, address):
        return own
    carried = _Call.find(tx, own.line, "", own.call_id)
    return (carried and carried.to(address)) or own


def _is_same(one: Address, other: Address) -> bool:
    return one.value == other.value or bool(one.digits10 and one.digits10 == other.digits10)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call's copies, in its order; None in the place of one that has moved to another call."""

    tx: Transaction
    copies: Sequence[Copy | None]

    @classmethod
    def find(cls, tx: Transaction, line: str, ref: str, call_id: str | None) -> "_Call | None":
        named: Any = {"here": line, "ref": ref} if call_id is None else {"this": call_id}
        return cls._of(tx, tx.execute(_BY_REF if call_id is None else _BY_ID, named).first())

    @classmethod
    def unanswered(cls, tx: Transaction, line: str, ref: str) -> "_Call | None":
        """A call that was not answered, where a provider repeats relay's own id of it: the report is the evidence."""
        return cls._of(tx, tx.execute(_UNANSWERED, {"here": line, "this": ref}).first())

    @classmethod
    def _of(cls, tx: Transaction, row: Row[Any] | None) -> "_Call | None":
        if row is None:
            return None
        copies = {one.id: one for one in copies_of(tx, row.id)}
        return cls(tx, [copies.get(copy_id) for copy_id in ids_in(row.recipients) or copies])

    def copy_of(self, report: DeliveryReport) -> Copy | None:
        """By the address, else by the place; the only copy needs neither. Another's number is nobody's report."""
        if report.address is not None:
            by_address = self.to(report.address)
            if by_address is not None or report.address.kind is AddressKind.E164:
                return by_address
        if report.position is not None:
            return self.copies[report.position] if 0 <= report.position < len(self.copies) else None
        return self.copies[0] if len(self.copies) == 1 and report.address is None else None

    def to(self, address: Address) -> Copy | None:
        """The copy to this address, in whatever spelling; None where several might be meant."""
        here = [one for one in self.copies if one is not None]
        exact = [one for one in here if one.address.value == address.value]
        same_digits = [one for one in here if address.digits10 and one.address.digits10 == address.digits10]
        nameless = self.tx.name_of_forgotten(address.value)
        found = exact or same_digits or [one for one in here if one.address.value == nameless]
        return found[0] if len(found) == 1 else None


_PARKED = select(parked).where(parked.c.id == bindparam("this"))
_BY_ID = select(call.c.id, call.c.recipients).where(call.c.id == bindparam("this"))
_UNANSWERED = select(call.c.id, call.c.recipients).where(
    call.c.id == bindparam("this"), call.c.line == bindparam("here"), call.c.stage != literal("in_flight")
)
_BY_REF = select(call.c.id, call.c.recipients).where(
    call_has_ref, call.c.line == bindparam("here"), call.c.remote_ref == bindparam("ref")
)
