"""What a provider is to relay: a folder that exports one `Provider`, and lines with small capabilities.

A line has the capabilities it has: a stage asks `isinstance(line, FetchesInbox)` and leaves the line alone
otherwise. Every capability that reads takes bytes and gives domain values or raises `Malformed`; every capability
that calls raises the classes of `relay.domain.errors`, and nothing else: `TryLater` and `NotAuthorized`, before it has
had any effect, and those that it names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from relay.clock import Clock
from relay.domain.addresses import AddressKind
from relay.domain.mailbox import Mail, MailChanges, MailPage, StoredMail
from relay.domain.messages import (
    CallAnswer,
    Content,
    DeliveryReport,
    HookReading,
    InboxPage,
    OutboundCall,
    Part,
    Plan,
    RawAnswer,
    Salvage,
)
from relay.ids import Ids
from relay.providerkit.http import Watch, unwatched
from relay.providerkit.linesettings import LineSettings as LineSettings  # noqa: PLC0414 - a provider imports it from here
from relay.providerkit.operations import Operation
from relay.providerkit.sharing import Sharing


class ProviderState(Protocol):
    """A line's small durable memory: tokens, cursors, secrets. What was put is on disk when `put` returns."""

    async def get(self, key: str) -> bytes | None:
        """What was put under `key`, or None."""

    async def put(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`, on disk, in place of what was there."""


@dataclass(frozen=True, slots=True)
class LineContext:
    """What wiring hands to a provider to make a line of."""

    alias: str
    settings: Any  # the provider's own LineSettings
    state: ProviderState
    clock: Clock
    ids: Ids
    sharing: Sharing | None = None  # where other nodes have the same line, and the same memory
    watch: Watch = unwatched  # is told of every request


class Line(Protocol):
    """One number or short code, connected. Lines also have some of the capabilities below."""

    alias: str
    provider: str
    number: str  # the line's own number (E.164) or short code

    async def verify(self) -> str:
        """Try the credentials without any effect; says in a few words what was found (for `relay check`)."""

    async def aclose(self) -> None:
        """Close connections."""


@runtime_checkable
class Sends(Protocol):
    """A line that texts can be sent from."""

    takes: frozenset[AddressKind]  # the kinds of recipients that it can send to

    def plan(self, content: Content) -> Plan:
        """How this content will be sent; raises Refused, naming the limit, where the provider cannot take it."""

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Make one call.

        Raises:
            TryLater, Throttled: it had no effect.
            TooLate: its expiry came before the request was written (see `relay.providerkit.intime`).
            Refused, RefusedAsGroup: the provider refused it as a whole.
            RefusedForNow: it did, and will refuse whatever else is sent for some time.
            NotAuthorized: the line cannot send at all.
            OutcomeUnknown: it was written and not answered usably.
        """


@runtime_checkable
class FetchesInbox(Protocol):
    """A line whose inbox is polled. Reading deletes at the provider: keep the bytes before reading them."""

    polls_inbox: bool  # False where its settings say that it is not
    poll_interval: float  # seconds
    loss_after: float  # seconds without a poll after which the provider discards

    async def fetch_inbox(self) -> RawAnswer:
        """One page, as bytes; where the answer broke off, as far as it came (`RawAnswer.broken`).

        Raises OutcomeUnknown where a page may have been deleted and nothing of it was received, Refused.
        """

    def read_inbox(self, raw: RawAnswer) -> InboxPage:
        """The page's meaning; raises Malformed."""


@runtime_checkable
class SalvagesInbox(FetchesInbox, Protocol):
    """A line that can read single messages out of a page that broke off, or of which one message is unreadable."""

    def salvage_inbox(self, raw: RawAnswer) -> Salvage:
        """What can be read of a page that `read_inbox` cannot read; the rest still has everything else in it."""


@runtime_checkable
class AsksStatus(Protocol):
    """A line whose delivery status is asked for. A final status may be told only once: keep the bytes first."""

    asks_status: bool  # False where its settings say that it is not

    async def fetch_status(self, ref: str) -> RawAnswer:
        """The status of a call, as bytes; raises Gone where the id is not known, Refused, OutcomeUnknown."""

    def read_status(self, ref: str, raw: RawAnswer) -> Sequence[DeliveryReport]:
        """The answer's meaning; raises Malformed."""


@runtime_checkable
class FetchesParts(Protocol):
    """A line whose messages may have attachments, each fetched by a call of its own. Reading deletes nothing."""

    async def list_parts(self, ref: str) -> Sequence[Part]:
        """The attachments of the message `ref` which only said that it has some.

        Raises:
            TryLater: they are not there yet, or the provider cannot be asked.
            Gone: the message or its attachments are no more.
            Refused, Malformed: they cannot be had.
        """

    async def fetch_part(self, message_ref: str, part: Part) -> bytes:
        """One attachment's bytes.

        Raises:
            TryLater: it is not there yet, or the provider cannot be asked; OutcomeUnknown counts as the same.
            Refused, Gone, Malformed: it cannot be had.
        """


@runtime_checkable
class SyncsMailbox(FetchesParts, Protocol):
    """A line whose provider keeps the subscriber's messages: listed once, then followed by what changes.

    Nothing here deletes: what was answered can be asked again. Every call may raise ConsentRequired.
    """

    syncs_mailbox: bool  # False where its settings say that it is not
    sync_interval: float  # seconds
    history: bool  # messages that are older than the consent are published as well

    async def prepare_mailbox(self) -> None:
        """Have the provider make the store ready.

        Raises:
            NotReady: it is being made ready; ask again after `after` seconds.
            TryLater: the provider cannot be asked; Refused: it refuses.
        """

    async def list_mail(self, offset: int, limit: int, *, unread: bool = False) -> MailPage:
        """A page of the store, newest first; raises NotReady, TryLater, Refused, Malformed."""

    async def fetch_changes(self, cursor: str) -> MailChanges:
        """What changed since `cursor`; raises CursorInvalid, NotReady, TryLater, Refused, Malformed."""

    async def fetch_mail(self, ref: str) -> RawAnswer:
        """One message, as bytes; raises Gone where it is no more, TryLater, Refused."""

    def read_mail(self, ref: str, raw: RawAnswer) -> Mail:
        """The message's meaning: its parts are listed, and not fetched; raises Malformed."""


@runtime_checkable
class ManagesMailbox(SyncsMailbox, Protocol):
    """A line whose messages can be looked at and changed on request. Doing it twice does no harm."""

    async def get_mail(self, ref: str) -> StoredMail:
        """One message with its flags; raises Gone, Refused, Malformed."""

    async def update_mail(self, ref: str, *, is_unread: bool) -> None:
        """Mark a message as read or unread; raises Gone, Refused."""

    async def delete_mail(self, ref: str) -> None:
        """Delete a message; one that is gone already is fine. Raises Refused."""


@dataclass(frozen=True, slots=True)
class ConsentStanding:
    """Whether a subscriber has agreed: since when, and until when it can be renewed without asking again."""

    given: bool
    since: datetime | None = None
    renewable_until: datetime | None = None
    reason: str | None = None  # why there is none: "never_given", "refused", "withdrawn", "expired", "revoked"


@runtime_checkable
class NeedsConsent(Protocol):
    """A line that works only while its subscriber agrees, in a browser, on a page of the provider's."""

    def consent_url(self, redirect_uri: str, state: str) -> str:
        """The address that the subscriber has to open; the provider sends the browser back to `redirect_uri`."""

    async def take_consent(self, code: str, redirect_uri: str) -> str:
        """Exchange the code that came back, check that the subscriber is the line's, and keep the tokens.

        Says in a few words what was found.

        Raises:
            Refused: the code is not taken (any more), or the subscriber is another: nothing was kept.
            TryLater, OutcomeUnknown: the provider cannot be asked; the subscriber has to begin again.
        """

    async def consent(self) -> ConsentStanding:
        """How consent stands, from what is kept; asks nobody."""

    async def revoke_consent(self) -> None:
        """Give the tokens back to the provider and forget them; raises TryLater where the provider did not hear."""


@runtime_checkable
class HoldsToken(Protocol):
    """A line whose calls need a token that expires."""

    @property
    def token_expires_at(self) -> datetime | None:
        """When the token in use expires; None where there is none, or it does not. Asks nobody."""


@runtime_checkable
class TakesHooks(Protocol):
    """A line that the provider calls back, at `/hooks/<line>/<secret>/<event>`."""

    hook_events: tuple[str, ...]

    def read_hook(self, event: str, raw: RawAnswer) -> HookReading:
        """The hook's meaning; raises Malformed."""


@runtime_checkable
class ShowsSentInHooks(Protocol):
    """A line whose web hooks may tell of a call that was not answered, if its settings ask for them."""

    shows_sent_in_hooks: bool


@dataclass(frozen=True, slots=True)
class InstalledHook:
    """A web hook as the provider has it."""

    provider_id: str
    event: str
    url: str = field(repr=False)  # it holds the secret
    method: str


@runtime_checkable
class InstallsHooks(Protocol):
    """A line whose web hooks relay can install at the provider."""

    async def list_hooks(self) -> Sequence[InstalledHook]:
        """Every web hook of the account, other people's included; raises Refused, OutcomeUnknown, Malformed."""

    async def install_hook(self, event: str, url: str) -> None:
        """Add a web hook; raises Refused, OutcomeUnknown."""

    async def update_hook(self, provider_id: str, url: str) -> None:
        """Point a web hook at another address; raises Refused, OutcomeUnknown."""

    async def remove_hook(self, provider_id: str) -> None:
        """Remove a web hook; one that is gone already is fine. Raises Refused, OutcomeUnknown, Malformed."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider folder's one export, `PROVIDER`. `operations` are its rows of the operations table."""

    name: str
    settings: type[LineSettings]
    connect: Callable[[LineContext], Line]
    operations: tuple[Operation, ...] = ()
