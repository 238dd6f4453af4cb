"""A subscriber's line whose provider keeps the messages, as small as it can be: its store, and what goes wrong."""

import json
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from relay.domain.addresses import AddressKind, outbound
from relay.domain.errors import CursorInvalid, ErrorCode, Gone, Malformed, Problem, ProviderDetail
from relay.domain.mailbox import Mail, MailChanges, MailEntry, MailPage
from relay.domain.messages import (
    CallAnswer,
    Content,
    Handover,
    InboundMessage,
    OutboundCall,
    Part,
    Plan,
    RawAnswer,
    Sighting,
)
from relay.domain.states import Fact
from relay.providerkit.spec import ConsentStanding
from tests.unit.stages.house import ALICE, BOB, DESK

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
CONSENT = NOW - timedelta(hours=1)
NUMBER = "+12065550111"
INTERVAL = 60.0


def problem(code: ErrorCode = ErrorCode.PROVIDER_ERROR, provider: str | None = None) -> Problem:
    """What an error says."""
    return Problem(code, "as the test wants it", ProviderDetail(code=provider) if provider else None)


@dataclass
class Stored:
    """A message of the store. `parts`: name and bytes."""

    ref: str
    text: str = "Hello"
    incoming: bool = True
    time: datetime = NOW
    unread: bool = True
    parts: dict[str, bytes] = field(default_factory=dict)
    parts_unlisted: bool = False

    @property
    def entry(self) -> MailEntry:
        """As a listing shows it."""
        return MailEntry(self.ref, self.unread, self.incoming, self.time)


@dataclass
class DeskLine:
    """The line: every call is counted, and fails as `errors` says, one after the other."""

    alias: str = DESK
    provider: str = "desk"
    number: str = NUMBER
    takes: frozenset[AddressKind] = frozenset({AddressKind.E164})
    syncs_mailbox: bool = True
    sync_interval: float = INTERVAL
    history: bool = False
    page: int = 500  # the most that it lists at once
    standing: ConsentStanding = field(default_factory=lambda: ConsentStanding(given=True, since=CONSENT))
    store: dict[str, Stored] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)  # what happened, and to whom
    known_from: int = 0  # cursors that are older are forgotten
    errors: dict[str, deque[Exception | None]] = field(default_factory=lambda: defaultdict(deque))
    calls: Counter[str] = field(default_factory=Counter)
    garbled: set[str] = field(default_factory=set)
    sent: list[OutboundCall] = field(default_factory=list)
    during: dict[str, deque[Stored | str]] = field(default_factory=lambda: defaultdict(deque))

    # what people and other devices do

    def arrives(self, *mails: Stored) -> None:
        """These come in, or go out from another device."""
        for mail in mails:
            self.store[mail.ref] = mail
            self.log.append(("added", mail.ref))

    def changes(self, ref: str, *, unread: bool) -> None:
        """Somebody reads a message, or marks it as unread."""
        self.store[ref].unread = unread
        self.log.append(("updated", ref))

    def loses(self, ref: str) -> None:
        """Somebody deletes a message."""
        del self.store[ref]
        self.log.append(("deleted", ref))

    def fails(self, what: str, *errors: Exception | None) -> None:
        """The next calls of this kind fail so; None: not."""
        self.errors[what].extend(errors)

    def _called(self, what: str) -> None:
        self.calls[what] += 1
        error = self.errors[what].popleft() if self.errors[what] else None
        if error is not None:
            raise error

    # what relay does

    async def verify(self) -> str:
        """Nothing to try."""
        return ""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def prepare_mailbox(self) -> None:
        """Make the store ready."""
        self._called("prepare")

    async def list_mail(self, offset: int, limit: int, *, unread: bool = False) -> MailPage:
        """A page, newest first. What the test wants to happen while it is listed happens after the page."""
        self._called("list")
        entries = [mail.entry for mail in reversed(self.store.values()) if mail.unread or not unread]
        page = tuple(entries[offset : offset + min(limit, self.page)])
        cursor = str(len(self.log))
        if self.during["list"]:
            event = self.during["list"].popleft()
            self.loses(event) if isinstance(event, str) else self.arrives(event)
        return MailPage(page, len(entries), offset, cursor)

    async def fetch_changes(self, cursor: str) -> MailChanges:
        """Everything since the cursor."""
        self._called("changes")
        since = int(cursor)
        if since < self.known_from:
            raise CursorInvalid(problem())
        happened = self.log[since:]
        last = {ref: what for what, ref in happened}
        added = tuple(self.store[ref].entry for what, ref in happened if what == "added" and ref in self.store)
        updated = tuple(self.store[ref].entry for ref, what in last.items() if what == "updated")
        deleted = tuple(ref for ref, what in last.items() if what == "deleted")
        return MailChanges(str(len(self.log)), added, updated, deleted)

    async def fetch_mail(self, ref: str) -> RawAnswer:
        """One message, as JSON."""
        self._called("mail")
        if ref not in self.store:
            raise Gone(problem(ErrorCode.UNKNOWN_ID))
        if ref in self.garbled:
            return RawAnswer(b"garbage")
        mail = self.store[ref]
        shown = {"text": mail.text, "in": mail.incoming, "parts": list(mail.parts), "unlisted": mail.parts_unlisted}
        return RawAnswer(json.dumps(shown).encode(), "application/json")

    def read_mail(self, ref: str, raw: RawAnswer) -> Mail:
        """The message's meaning."""
        if raw.body in {b"garbage", b""}:
            raise Malformed("the message is no JSON", raw.body)
        shown = json.loads(raw.body)
        parts = () if shown["unlisted"] else tuple(Part("image/png", name, ref=name) for name in shown["parts"])
        if shown["in"]:
            address = outbound(BOB)
            return InboundMessage(
                address, NUMBER, shown["text"], ref=ref, parts=parts, has_parts=shown["unlisted"], provider_time=NOW
            )
        return Sighting(ref, (outbound(ALICE),), shown["text"], parts=parts, has_parts=shown["unlisted"])

    async def list_parts(self, ref: str) -> Sequence[Part]:
        """The attachments of a message."""
        self._called("parts")
        return [Part("image/png", name, ref=name) for name in self.store[ref].parts]

    async def fetch_part(self, message_ref: str, part: Part) -> bytes:
        """One attachment."""
        self._called("part")
        return self.store[message_ref].parts[part.ref or ""]

    def plan(self, content: Content) -> Plan:  # noqa: ARG002 - as the protocol has it
        """Ten recipients a call."""
        return Plan("latin-1", 1, 10)

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Take a call; what was sent is in the store at once."""
        self.sent.append(call)
        for recipient in call.recipients:
            self.arrives(Stored(f"out-{recipient.copy_id}", call.text or "", incoming=False))
        self._called("send")
        return CallAnswer(None, tuple(Handover(Fact.SUBMITTED_UNTRACKED) for _ in call.recipients))

    # consent

    def consent_url(self, redirect_uri: str, state: str) -> str:
        """Where the subscriber agrees."""
        return f"https://consent.example/?to={redirect_uri}&state={state}"

    async def take_consent(self, code: str, redirect_uri: str) -> str:  # noqa: ARG002 - as the protocol has it
        """It is given."""
        self.standing = ConsentStanding(given=True, since=NOW)
        return "given"

    async def consent(self) -> ConsentStanding:
        """How it stands."""
        self.calls["consent"] += 1
        return self.standing

    async def revoke_consent(self) -> None:
        """It is given back."""
        self.standing = ConsentStanding(given=False, reason="revoked")
