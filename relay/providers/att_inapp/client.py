"""relay -> AT&T -> relay: a consenting subscriber's number, by In-App Messaging, version 2."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from relay import __version__
from relay.domain.addresses import AddressKind
from relay.domain.errors import (
    CursorInvalid,
    ErrorCode,
    Gone,
    Malformed,
    NotReady,
    OutcomeUnknown,
    Problem,
    Refused,
)
from relay.domain.mailbox import Mail, MailChanges, MailPage, StoredMail
from relay.domain.messages import CallAnswer, Content, Handover, OutboundCall, Part, Plan, RawAnswer
from relay.domain.states import Fact
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.oauth import OAuthApp
from relay.providerkit.oauthconsent import ConsentedTokens
from relay.providerkit.outcome import provider_detail
from relay.providerkit.spec import ConsentStanding, LineContext
from relay.providers.att_inapp import codes, mail, multipart, operations, sending, wire
from relay.providers.att_inapp.calls import JSON, Calls
from relay.providers.att_inapp.consent import Consent
from relay.providers.att_inapp.index import MessageIndex
from relay.providers.att_inapp.refusals import Asked, IndexOrState, is_withdrawal
from relay.providers.att_inapp.settings import AttInAppSettings
from relay.providers.att_inapp.together import Together

log = structlog.get_logger()

_LARGEST_ANSWER = 16 << 20  # bytes; an attachment comes in one answer
_MOST_LISTED = 500  # OpenAPI, listMessages
_NO_CONTENT = 204
_TAKEN_WITHOUT_A_WORD = (202, _NO_CONTENT)


class AttInAppLine:
    """A subscriber's number; Sends, ManagesMailbox (and so SyncsMailbox and FetchesParts), NeedsConsent."""

    provider = "att-inapp"
    takes = frozenset({AddressKind.E164, AddressKind.SHORT_CODE, AddressKind.EMAIL})

    def __init__(self, context: LineContext) -> None:
        settings: AttInAppSettings = context.settings
        self.alias = context.alias
        self.number: str = settings.number
        self.syncs_mailbox: bool = settings.sync
        self.sync_interval: float = settings.sync_interval
        self.history: bool = settings.history
        self._settings = settings
        self._ids = context.ids
        self._http = Http(
            settings.base_url,
            timeout_seconds=settings.timeout,
            max_body=_LARGEST_ANSWER,
            user_agent=f"relay/{__version__}",
            watch=context.watch,
        )
        self._tokens = ConsentedTokens(
            self._http,
            OAuthApp(settings.app_key, settings.app_secret, settings.scope),
            alias=context.alias,
            subscriber=settings.number,
            withdrawn=is_withdrawal,
            state=context.state,
            sharing=context.sharing,
            clock=context.clock,
            ids=context.ids,
        )
        self._calls = Calls(self._http, self._tokens, context.clock)
        self._consent = Consent(settings, self._http, self._tokens, self._calls)
        self._index = MessageIndex(context.alias, self._calls, context.clock)
        self._updates = Together(self._update_one, self._update_many)
        self._deletions = Together(self._delete_one, self._delete_many, fits=lambda ref: "," not in ref)

    @property
    def token_expires_at(self) -> datetime | None:
        """When the token in use expires."""
        return self._tokens.expires_at

    async def verify(self) -> str:
        """Get a token that is good, and look at the message index; neither changes anything.

        Raises:
            ConsentRequired: the subscriber has not agreed, or not any more.
            NotAuthorized, TryLater: AT&T refuses, or cannot be asked.
        """
        await self._tokens.token()
        if not self._settings.may_read:
            return f"the subscriber agrees to the scope {self._settings.scope}"
        info = await self._index.info()
        return f"the subscriber agrees to the scope {self._settings.scope}; the message index is {info.status}"

    async def aclose(self) -> None:
        """Close connections."""
        await self._tokens.aclose()
        await self._http.aclose()

    def plan(self, content: Content) -> Plan:
        """As SMS or as MMS, by AT&T's rule; raises Refused, naming the limit, where AT&T takes neither."""
        if not self._settings.may_send:
            raise Refused(Problem(ErrorCode.UNSUPPORTED, "this line only reads: its scope has no IMMN"))
        return sending.plan(content)

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Make one call; raises as `Sends.send` says. No delivery report ever comes, and no id to ask by."""
        sending.check_recipients(call)
        flag = self._settings.group_flag
        body = wire.send_body(call, ("group", "isGroup") if flag == "both" else (flag,))
        operation, content_type = operations.SEND, JSON
        if call.media:
            operation = operations.SEND_MMS
            content_type, body = multipart.related(body, call.media, self._chance)
        divisible = sending.is_divisible(call)
        answer = await self._calls.make(
            operation,
            Asked.SEND,
            body=body,
            content_type=content_type,
            divisible=divisible,
            sending=call,
            hidden=(call.text or "", call.subject or ""),
        )
        log.info("call.traced", line=self.alias, call_id=call.call_id, provider_id=_trace_id(answer))
        return CallAnswer(None, tuple(Handover(Fact.SUBMITTED_UNTRACKED) for _ in call.recipients))

    async def prepare_mailbox(self) -> None:
        """Have the message index ready; raises as `SyncsMailbox.prepare_mailbox` says."""
        await self._index.prepare()

    async def list_mail(self, offset: int, limit: int, *, unread: bool = False) -> MailPage:
        """A page of the store; raises as `SyncsMailbox.list_mail` says."""
        page = await self._list(offset, limit, unread=unread)
        if page.cursor is not None or offset or unread or not self.syncs_mailbox:
            return page
        # As documented a list names no state. The index does, and its state must be older than the list: what
        # changes between the two would be missed otherwise.
        if self._index.state is None:
            self._index.state = (await self._index.info()).state
            page = await self._list(offset, limit, unread=unread)
        return replace(page, cursor=page.cursor or self._index.state)

    async def fetch_changes(self, cursor: str) -> MailChanges:
        """What changed since `cursor`; raises as `SyncsMailbox.fetch_changes` says."""
        try:
            return await self._changes(cursor)
        except (CursorInvalid, Malformed):
            # Everything will be compared: the next list is not to begin where this one could not go on.
            self._index.state = None
            raise

    async def fetch_mail(self, ref: str) -> RawAnswer:
        """One message, as bytes; raises as `SyncsMailbox.fetch_mail` says."""
        answer = await self._calls.make(operations.GET, Asked.MESSAGE, fill={"message_id": ref})
        return RawAnswer(answer.body, answer.content_type)

    def read_mail(self, ref: str, raw: RawAnswer) -> Mail:
        """The message's meaning; raises Malformed."""
        return mail.read_stored(self.number, ref, raw).mail

    async def list_parts(self, ref: str) -> Sequence[Part]:
        """The attachments of a message, which name them itself; raises as `FetchesParts.list_parts` says."""
        return self.read_mail(ref, await self.fetch_mail(ref)).parts

    async def fetch_part(self, message_ref: str, part: Part) -> bytes:
        """One attachment's bytes; raises as `FetchesParts.fetch_part` says."""
        if part.ref is None:
            raise Refused(part.problem or Problem(ErrorCode.UNKNOWN_ID, "the attachment has no id to fetch it by"))
        fill = {"message_id": message_ref, "part_id": part.ref}
        return (await self._calls.make(operations.GET_CONTENT, Asked.MESSAGE, fill=fill, accept="*/*")).body

    async def get_mail(self, ref: str) -> StoredMail:
        """One message with its flags; raises Gone, TryLater, Malformed."""
        return mail.read_stored(self.number, ref, await self.fetch_mail(ref))

    async def update_mail(self, ref: str, *, is_unread: bool) -> None:
        """Mark a message as read or unread; raises Gone, TryLater."""
        await self._updates.make(ref, is_unread)

    async def delete_mail(self, ref: str) -> None:
        """Delete a message; one that is gone already is fine. Raises TryLater."""
        await self._deletions.make(ref, None)

    def consent_url(self, redirect_uri: str, state: str) -> str:
        """AT&T's page on which the subscriber agrees; `redirect_uri` must be registered there, letter by letter."""
        return self._consent.url(redirect_uri, state)

    async def take_consent(self, code: str, redirect_uri: str) -> str:  # noqa: ARG002 - AT&T wants no address here
        """Exchange the code, see whose store it opens, and keep the tokens; raises as `NeedsConsent` says."""
        return await self._consent.take(code)

    async def consent(self) -> ConsentStanding:
        """How consent stands, from what is kept."""
        return await self._tokens.standing()

    async def revoke_consent(self) -> None:
        """Give the tokens back; raises as `NeedsConsent.revoke_consent` says."""
        await self._tokens.revoke()

    async def _list(self, offset: int, limit: int, *, unread: bool) -> MailPage:
        params = {"limit": str(min(limit, _MOST_LISTED)), "offset": str(offset)}
        params |= {"isUnread": "true"} if unread else {}
        answer = await self._calls.make(operations.LIST, Asked.STORE, params=params)
        if not answer.body and answer.status == _NO_CONTENT:
            return MailPage((), offset, offset)
        listing = wire.read_list(answer.body, offset)
        if listing.index not in (None, codes.Index.READY):
            raise NotReady(Problem(codes.NO_INDEX.code, codes.NO_INDEX.detail))
        return listing.page

    async def _changes(self, cursor: str) -> MailChanges:
        try:
            answer = await self._calls.make(operations.DELTA, Asked.CHANGES, params={"state": cursor})
        except IndexOrState as error:
            info = await self._index.info()
            if info.standing is not codes.Index.READY:
                raise NotReady(error.problem, error.after) from None
            problem = Problem(codes.BAD_STATE.code, codes.BAD_STATE.detail, error.problem.provider)
            raise CursorInvalid(problem) from None
        return wire.read_changes(cursor, answer.body) if answer.body else MailChanges(cursor)

    async def _update_one(self, ref: str, is_unread: bool) -> None:  # noqa: FBT001 - the change, as `Together` has it
        body = wire.update_body(is_unread=is_unread)
        await self._calls.make(operations.UPDATE, Asked.MESSAGE, fill={"message_id": ref}, body=body)

    async def _update_many(self, changes: Mapping[str, bool]) -> None:
        await self._calls.make(operations.UPDATE_MANY, Asked.MESSAGE, body=wire.updates_body(changes))

    async def _delete_one(self, ref: str, _: None) -> None:
        try:
            await self._calls.make(operations.DELETE, Asked.MESSAGE, fill={"message_id": ref})
        except Gone:
            log.debug("mailbox.deleted_already", line=self.alias)

    async def _delete_many(self, changes: Mapping[str, None]) -> None:
        await self._calls.make(operations.DELETE_MANY, Asked.MESSAGE, params={"messageIds": ",".join(changes)})

    def _chance(self) -> str:
        return f"{self._ids.chance.getrandbits(96):024x}"


def _trace_id(answer: HttpAnswer) -> str | None:
    if not answer.body and answer.status in _TAKEN_WITHOUT_A_WORD:
        return None
    try:
        return wire.read_sent(answer.body)
    except Malformed as error:
        detail = f"AT&T answered {answer.status} and not readably: {error.problem.detail}"
        raise OutcomeUnknown(Problem(ErrorCode.UNCERTAIN, detail, provider_detail(answer.status))) from None
