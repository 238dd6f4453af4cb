"""A subscriber's message store, as a provider shows it: its entries, its pages, and what changed since a cursor."""

from dataclasses import dataclass, field
from datetime import datetime

from relay.domain.messages import InboundMessage, Sighting

Mail = InboundMessage | Sighting
"""A message of the store: one that came in, or one that went out from the subscriber's number."""


@dataclass(frozen=True, slots=True)
class MailEntry:
    """What a listing says of one message; what it does not say is None."""

    ref: str
    is_unread: bool | None = None
    is_incoming: bool | None = None
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class MailPage:
    """One page of a listing, newest first. `cursor` is where changes are to be followed from, if the page says so."""

    entries: tuple[MailEntry, ...]
    total: int
    offset: int
    cursor: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class MailChanges:
    """What changed since a cursor, and the cursor after it; the same cursor where nothing did."""

    cursor: str = field(repr=False)
    added: tuple[MailEntry, ...] = ()
    updated: tuple[MailEntry, ...] = ()
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A message of the store with what its listing says of it, for a `get` command."""

    entry: MailEntry
    mail: Mail
