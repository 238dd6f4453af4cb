"""Delivery reports that are applied together: which copy each is about, read at once for all of them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import Row, Select, bindparam, select

from relay.domain.addresses import Address, AddressKind
from relay.domain.messages import DeliveryReport
from relay.domain.receipts import ProviderWord
from relay.journal.callrows import close_if_sent, ids_in, settle
from relay.journal.columns import Words, printable
from relay.journal.copies import Happening, copies_of_some, happen
from relay.journal.copyrows import Copy, copy_from
from relay.journal.listing import listed, unpacked
from relay.journal.schema import call, call_has_ref, copy, copy_has_ref
from relay.journal.transaction import Transaction


class Found(Enum):
    """What a report is about."""

    NOBODY = auto()  # the ref is not known, yet
    COPY = auto()
    UNCLEAR = auto()  # the call is known, and none of its copies fits


class Desk:
    """Reports, with their copies found, that are applied together: a call of fifty is read once and not fifty times."""

    def __init__(self, tx: Transaction, line: str) -> None:
        self._tx = tx
        self.line = line
        self._applied: Counter[int] = Counter()
        self._pairs: dict[str, tuple[Copy, DeliveryReport, int]] = {}
        self._now: dict[str, Copy] = {}  # the copies that are known, as what was applied has left them
        self._own: dict[str, str] = {}  # by ref: the copy that is known by it
        self._by_ref: dict[str, _Call] = {}
        self._by_id: dict[str, _Call] = {}

    def look_up(self, reports: Iterable[tuple[DeliveryReport, str | None]]) -> None:
        """Read the copies, and the calls, that these may be about: each report with the call that was asked about."""
        refs, asked = set[str](), set[str]()
        for report, call_id in reports:
            refs.add(printable(report.ref))
            asked |= {call_id} if call_id is not None else set()
        for row in self._rows(_COPIES, refs):
            one = copy_from(row)
            self._now[one.id] = one
            self._own.setdefault(str(one.remote_ref), one.id)
        unknown = refs - self._own.keys()
        self._know(self._rows(_BY_REFS, unknown))
        self._know(self._rows(_BY_IDS, (asked | (unknown - self._by_ref.keys())) - self._by_id.keys()))

    def _rows(self, statement: Select[Any], some: Collection[str]) -> Sequence[Row[Any]]:
        return self._tx.execute(statement, {"here": self.line, "some": listed(some)}).all() if some else ()

    def _know(self, rows: Sequence[Row[Any]]) -> None:
        copies: defaultdict[str | None, dict[str, Copy]] = defaultdict(dict)
        if not rows:
            return
        for one in copies_of_some(self._tx, [row.id for row in rows]):
            copies[one.call_id][one.id] = self._now.setdefault(one.id, one)
        for row in rows:
            there = copies[row.id]
            carried = [copy_id if copy_id in there else None for copy_id in ids_in(row.recipients) or there]
            self._by_id[row.id] = _Call(self._tx, row.stage, row.line, carried, list(there))
            if row.line == self.line and row.remote_ref is not None:
                self._by_ref.setdefault(row.remote_ref, self._by_id[row.id])

    def take(self, report: DeliveryReport, call_id: str | None, place: int = 0) -> "Found":
        """Find the copy that a report is about, and note that it is to be applied.

        Args:
            report: it was looked up.
            call_id: the call that was asked about.
            place: under which it is counted.
        """
        found = self._find(report, call_id)
        if isinstance(found, Found):
            return found
        if found.id in self._pairs:
            # The second word about a copy is judged by what the first has made of it.
            self.apply()
            found = self._now.get(found.id, found)
        self._pairs[found.id] = (found, report, place)
        return Found.COPY

    def apply(self) -> Counter[int]:
        """Apply what was noted; gives how many of all reports changed a copy, by place."""
        pairs, self._pairs = list(self._pairs.values()), {}
        happenings = [
            Happening(one, report.fact, ProviderWord(report.ref, report.status, report.code), report.problem)
            for one, report, _ in pairs
        ]
        afters = happen(self._tx, happenings)
        close_if_sent(self._tx, sorted({one.call_id for one, *_ in pairs if one.waits and one.call_id}))
        self._now.update((after.id, after) for after in afters)
        settle(self._tx, {one.call_id for one, *_ in pairs}, self._copies_now())
        self._applied.update(
            place for after, (one, _, place) in zip(afters, pairs, strict=True) if after.state is not one.state
        )
        return self._applied

    def _copies_now(self) -> dict[str, list[Copy]]:
        """The copies of the calls that were read, as they are now."""
        return {call_id: [self._now[one] for one in called.copy_ids] for call_id, called in self._by_id.items()}

    def _find(self, report: DeliveryReport, call_id: str | None) -> "Copy | Found":
        ref = printable(report.ref)
        own = self._own.get(ref)
        if own is not None:
            one = self._now[own]
            return one if report.address is None else self._confirmed(one, report.address)
        called = self._called(ref, call_id)
        return Found.NOBODY if called is None else called.copy_of(report, self._now) or Found.UNCLEAR

    def _called(self, ref: str, call_id: str | None) -> "_Call | None":
        named = self._by_ref.get(ref) if call_id is None else self._by_id.get(call_id)
        # A call that was not answered, where a provider repeats relay's own id of it: the report is the evidence.
        same = self._by_id.get(ref)
        is_evidence = same is not None and same.line == self.line and same.stage != "in_flight"
        return named or (same if is_evidence else None)

    def _confirmed(self, own: Copy, address: Address) -> Copy:
        """The copy whose id a report names, or the one of the same call whose number it names.

        Ids may have been given to copies in the order of the call, which is likely, and no more than that.
        """
        if own.call_id is None or _is_same(own.address, address):
            return own
        if own.call_id not in self._by_id:
            self._know(self._rows(_BY_IDS, [own.call_id]))
        carried = self._by_id.get(own.call_id)
        return (carried and carried.to(address, self._now)) or own


def _is_same(one: Address, other: Address) -> bool:
    return one.value == other.value or bool(one.digits10 and one.digits10 == other.digits10)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call with the ids of the copies that it has.

    `carried`: those that it was made for, in its order; None in the place of one that has moved to another call.
    """

    tx: Transaction
    stage: str
    line: str
    carried: Sequence[str | None]
    copy_ids: Sequence[str]

    def copy_of(self, report: DeliveryReport, copies: Mapping[str, Copy]) -> Copy | None:
        """By the address, else by the place; the only copy needs neither. Another's number is nobody's report."""
        if report.address is not None:
            by_address = self.to(report.address, copies)
            if by_address is not None or report.address.kind is AddressKind.E164:
                return by_address
        here = [copies[one] if one is not None else None for one in self.carried]
        if report.position is not None:
            return here[report.position] if 0 <= report.position < len(here) else None
        return here[0] if len(here) == 1 and report.address is None else None

    def to(self, address: Address, copies: Mapping[str, Copy]) -> Copy | None:
        """The copy to this address, in whatever spelling; None where several might be meant."""
        here = [copies[one] for one in self.carried if one is not None]
        found = [one for one in here if one.address.value == address.value]
        if not found and address.digits10:
            found = [one for one in here if one.address.digits10 == address.digits10]
        if not found:
            nameless = self.tx.name_of_forgotten(address.value)
            found = [one for one in here if one.address.value == nameless]
        return found[0] if len(found) == 1 else None


_KNOWN = (call.c.id, call.c.line, call.c.stage, call.c.remote_ref, call.c.recipients)
_SOME = select(unpacked(bindparam("some", type_=Words)).c.value)
_COPIES = select(copy).where(copy_has_ref, copy.c.line == bindparam("here"), copy.c.remote_ref.in_(_SOME))
_BY_REFS = select(*_KNOWN).where(call_has_ref, call.c.line == bindparam("here"), call.c.remote_ref.in_(_SOME))
_BY_IDS = select(*_KNOWN).where(call.c.id.in_(_SOME))
