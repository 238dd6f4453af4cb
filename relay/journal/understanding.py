"""What kept bytes mean -> message rows, copies, announcements: each once, in the order in which the bytes came."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby

from relay.domain.messages import DeliveryReport, InboundMessage, MailChange, Sighting
from relay.journal.inbound import take_messages
from relay.journal.looks import all_looked
from relay.journal.mailrows import tell_changes
from relay.journal.rawrows import KeptRaw, leave_all, settle_asides
from relay.journal.reports import Told, take_reports
from relay.journal.seen import Came
from relay.journal.segments import is_piece, take_pieces
from relay.journal.sightings import take_sightings
from relay.journal.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Reading:
    """What kept bytes mean.

    Attributes:
        kept: the bytes.
        messages: what came in: announced, unless it was seen before or something is still to be fetched of it.
        reports: what became of copies: told, or parked where the copy is not known yet.
        sightings: what went out: judged before the reports, which may be about it.
        changes: what happened to messages at the provider: announced.
        next_look: for a status: seconds until its call is to be asked for again; None: never.
    """

    kept: KeptRaw
    messages: Sequence[InboundMessage] = ()
    reports: Sequence[DeliveryReport] = ()
    sightings: Sequence[Sighting] = ()
    changes: Sequence[MailChange] = ()
    next_look: float | None = None

    @property
    def kind(self) -> "_Kind":
        """What is in it."""
        if self.sightings or self.changes or (self.messages and self.reports):
            return _Kind.MIXED
        return _Kind.REPORTS if self.reports or self.kept.source == "status" else _Kind.MESSAGES


class _Kind(Enum):
    MESSAGES = auto()  # nothing but messages that came in, or nothing at all
    REPORTS = auto()  # nothing but reports, or a status
    MIXED = auto()


@dataclass(frozen=True, slots=True)
class Understood:
    """What came of kept bytes.

    Attributes:
        messages: those that were new, and of which nothing more is to be fetched.
        duplicates: those that were seen before.
        applied: reports that changed a copy.
        parked: reports whose copy is not known yet.
        arriving: messages that were new, and of which something is still to be fetched.
        own: sightings of what relay sent.
        changes: events announced of messages at the provider.
    """

    messages: int = 0
    duplicates: int = 0
    applied: int = 0
    parked: int = 0
    arriving: int = 0
    own: int = 0
    changes: int = 0


def understand(tx: Transaction, readings: Sequence[Reading]) -> list[Understood]:
    """Write down what these mean and mark them read, as if one were read after the other.

    What was read before changes nothing.
    """
    left = leave_all(tx, [one.kept.id for one in readings], "read")
    unread = {one.kept.id: one for one in readings if one.kept.id in left}
    if unread:
        settle_asides(tx, *unread)
    done = {one.kept.id: meant for one, meant in _meant(tx, list(unread.values()))}
    return [done.pop(one.kept.id, Understood()) for one in readings]


def _meant(tx: Transaction, readings: Sequence[Reading]) -> Iterator[tuple[Reading, Understood]]:
    """What came of each. What comes one after the other and is alike is taken together."""
    for (line, kind), some in groupby(readings, key=lambda one: (one.kept.line, one.kind)):
        alike = list(some)
        if kind is _Kind.MIXED:
            yield from ((one, _all_of(tx, one)) for one in alike)
        else:
            take = _messages if kind is _Kind.MESSAGES else _reports
            yield from zip(alike, take(tx, line, alike), strict=True)


def _messages(tx: Transaction, line: str, readings: Sequence[Reading]) -> list[Understood]:
    came = [Came(one.kept.id, one.kept.received_at, one.messages) for one in readings]
    return [
        Understood(taken.messages, len(one.messages) - taken.messages - taken.arriving, arriving=taken.arriving)
        for one, taken in zip(readings, take_messages(tx, line, came), strict=True)
    ]


def _reports(tx: Transaction, line: str, readings: Sequence[Reading]) -> list[Understood]:
    told = [Told(one.reports, one.kept.about if one.kept.source == "status" else None) for one in readings]
    taken = take_reports(tx, line, told)
    looks = [(one.kept.about, one.next_look) for one in readings if one.kept.source == "status"]
    if looks:
        all_looked(tx, looks)
    return [Understood(applied=applied, parked=parked) for applied, parked in taken]


def _all_of(tx: Transaction, one: Reading) -> Understood:
    kept = one.kept
    [taken] = _messages(tx, kept.line, [one])
    take_pieces(tx, kept.line, one.sightings)
    own = take_sightings(tx, kept.line, [each for each in one.sightings if not is_piece(each)])
    [done] = _reports(tx, kept.line, [one])
    told = tell_changes(tx, kept.line, one.changes)
    return Understood(taken.messages, taken.duplicates, done.applied, done.parked, taken.arriving, own, told)
