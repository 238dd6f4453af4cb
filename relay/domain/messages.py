"""What is sent and what arrives: requests, copies, calls, inbound texts, delivery reports.

The field names of `Receipt` and friends are the contract's (section 4), so that the journal can keep them as they
are and the bus can publish them as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from relay.domain.addresses import Address
from relay.domain.errors import Problem, ProviderDetail
from relay.domain.states import Fact


class OnUncertain(StrEnum):
    """What to do with a copy that the provider may or may not have taken."""

    HOLD = "hold"
    RESEND = "resend"
    FAIL = "fail"


class Priority(StrEnum):
    """The lane a copy travels in."""

    HIGH = "high"
    NORMAL = "normal"
    BULK = "bulk"

    @property
    def lane(self) -> int:
        """The lane's place in the queue: lower goes first."""
        return ("high", "normal", "bulk").index(self.value)


class MessageClass(StrEnum):
    """What a message is for; decides which rules it may pass."""

    NORMAL = "normal"
    URGENT = "urgent"
    COMPLIANCE = "compliance"


@dataclass(frozen=True, slots=True)
class Media:
    """One attachment. `file` is where its bytes are still to be taken from, when a request is accepted."""

    content_type: str
    filename: str | None
    data: bytes = field(repr=False)
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """Where a client wants its answers besides the contract's topics (MQTT 5)."""

    topic: str | None = None
    correlation: bytes | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A send request, understood and checked for form (contract, section 4).

    `key` is the idempotency key; None where the client gave no id. `digest` is equal for equal bodies.
    """

    line: str
    client: str | None
    key: str | None
    digest: str
    to: tuple[Address, ...]
    text: str | None = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    media: tuple[Media, ...] = ()
    group: bool = False
    send_at: datetime | None = None
    expires_at: datetime | None = None
    ttl: float | None = None
    priority: Priority = Priority.NORMAL
    receipts: bool = True
    on_uncertain: OnUncertain = OnUncertain.HOLD
    message_class: MessageClass = MessageClass.NORMAL
    metadata: Mapping[str, Any] | None = None
    ref: str | None = None
    redelivered: bool = False
    reply: Reply = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be sent, as far as it decides how: to `recipients` of the kinds that the line takes."""

    text: str | None = field(repr=False)
    recipients: int = 1
    subject: str | None = field(default=None, repr=False)
    media: tuple[Media, ...] = ()
    group: bool = False
    send_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How a line will send a content: what the provider's limits make of it.

    `sent_as` is `sms` or `mms`. `provider_waits`: a `send_at` in the future is given to the provider, at once, and
    not waited for by relay. A group is never divided: its plan has room for all its recipients in one call. `size`:
    the bytes of text (in UTF-8), subject and attachments that the provider is given for a copy. `api`: the provider's
    call that carries it, in its own words.
    """

    encoding: str
    segments: int
    recipients_per_call: int
    sent_as: str = "sms"
    provider_waits: bool = False
    size: int = 0
    api: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One copy of a call: its id, where it goes, and nothing more."""

    copy_id: str
    address: Address


@dataclass(frozen=True, slots=True)
class OutboundCall:
    """One call to a provider, claimed and written down as begun: the copies that travel together."""

    call_id: str
    message_id: str
    line: str
    attempt: int
    recipients: tuple[Recipient, ...]
    text: str | None = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    media: tuple[Media, ...] = ()
    group: bool = False
    receipts: bool = True
    send_at: datetime | None = None  # only where the plan said that the provider waits
    expires_at: datetime | None = None  # the call is not to be begun from then on
    lane: int = 1
    trace: str | None = None

    @property
    def copy_ids(self) -> tuple[str, ...]:
        """The ids of its copies, in their order."""
        return tuple(one.copy_id for one in self.recipients)


@dataclass(frozen=True, slots=True)
class Handover:
    """What a provider's answer says of one recipient.

    `ref` is the id under which later reports will speak of this copy alone, where the provider gives one.
    """

    fact: Fact
    ref: str | None = None
    provider: ProviderDetail | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """A provider's answer to a call: one handover for each recipient, in their order.

    `ref` is the id under which the provider can be asked for the status of the whole call; None where it cannot.
    """

    ref: str | None
    handovers: tuple[Handover, ...]


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """Bytes as a provider sent them, kept before anybody reads them. `broken` says why they are not all of them."""

    body: bytes = field(repr=False)
    content_type: str = ""
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One attachment of a message that the provider shows: still there, fetched, or known to be lost.

    `ref` is what the provider hands it out under; None where there is nothing more to fetch. A fetched part has its
    bytes in `data`, or, where they are too many for a message on the bus, `token` and `href` say where they are kept.
    `problem` says why it could not be had.
    """

    content_type: str
    filename: str | None = None
    ref: str | None = field(default=None, repr=False)
    size: int | None = None  # bytes
    data: bytes | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    href: str | None = field(default=None, repr=False)
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """The place of a message in a longer one: `place` (from 1) of `total` that share `group`."""

    group: str
    place: int
    total: int


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """A text or MMS that somebody sent to a line.

    `dedupe_key` is equal when the provider delivers the same message again, and None where it gives nothing to
    recognise it by. `ref` is its id at the provider, where that lasts. `has_parts`: its attachments are not listed
    here; the line is to be asked for them (`FetchesParts.list_parts`).
    """

    sender: Address
    recipient: str
    text: str | None = field(repr=False)
    dedupe_key: str | None = None
    provider_time: datetime | None = None
    subject: str | None = field(default=None, repr=False)
    provider: Mapping[str, Any] = field(default_factory=dict)
    ref: str | None = None
    parts: tuple[Part, ...] = ()
    has_parts: bool = False
    segment: Segment | None = None

    @property
    def is_whole(self) -> bool:
        """Whether everything of it is here."""
        return not self.has_parts and all(part.ref is None for part in self.parts)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A message that went out from a line's number, as the provider shows it: relay's own, or another device's.

    `ref` is its id in the provider's store, which need not be the one that the send was answered with.
    """

    ref: str
    to: tuple[Address, ...]
    text: str | None = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    parts: tuple[Part, ...] = ()
    has_parts: bool = False
    provider_time: datetime | None = None
    provider: Mapping[str, Any] = field(default_factory=dict)
    fact: Fact = Fact.SUBMITTED_UNTRACKED  # what it is evidence of, for a copy of relay's own that was uncertain
    segment: Segment | None = None

    @property
    def is_whole(self) -> bool:
        """Whether everything of it is here."""
        return not self.has_parts and all(part.ref is None for part in self.parts)


@dataclass(frozen=True, slots=True)
class MailChange:
    """Something that happened to a message which the provider keeps: `name` is `read`, `updated` or `deleted`.

    `facts` is what the event shows of it, such as `is_unread`.
    """

    name: str
    ref: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    dedupe_key: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a provider tells of one copy after the hand-over.

    `ref` is a copy's or a call's id at the provider; `address` tells the copies of a call apart, and `position` is
    the place in the call (from 0) where the address does not. `code` is what the receipt shows as the provider's.
    """

    ref: str
    fact: Fact
    address: Address | None = None
    position: int | None = None
    status: str | None = None
    code: str | None = None
    problem: Problem | None = None
    dedupe_key: str | None = None


@dataclass(frozen=True, slots=True)
class InboxPage:
    """An inbox page, understood: its messages, and how many more wait at the provider."""

    messages: tuple[InboundMessage, ...]
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Salvage:
    """What can be read of an inbox page that is damaged, and the rest of it, as a page of its own."""

    messages: tuple[InboundMessage, ...]
    rest: RawAnswer


@dataclass(frozen=True, slots=True)
class HookReading:
    """A web hook, understood. All may be empty: an event that relay needs to know of and has nothing to do for."""

    messages: tuple[InboundMessage, ...] = ()
    reports: tuple[DeliveryReport, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    changes: tuple[MailChange, ...] = ()
