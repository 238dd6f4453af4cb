"""relay -> AT&T -> relay: a short code of AT&T's SMS service, in any of its dialects."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from relay import __version__
from relay.domain.addresses import AddressKind
from relay.domain.charset import one_byte_units, segmentation
from relay.domain.errors import ErrorCode, Malformed, OutcomeUnknown, Problem, Refused
from relay.domain.messages import (
    CallAnswer,
    Content,
    DeliveryReport,
    Handover,
    HookReading,
    InboxPage,
    OutboundCall,
    Plan,
    RawAnswer,
    Salvage,
)
from relay.domain.states import Fact
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.intime import check_in_time
from relay.providerkit.oauth import OAuthApp, TokenSource
from relay.providerkit.operations import Operation
from relay.providerkit.outcome import provider_detail
from relay.providerkit.spec import LineContext
from relay.providers.att_sms import callbacks, wire
from relay.providers.att_sms.bodies import Sending
from relay.providers.att_sms.dialects import Dialect, dialect_of
from relay.providers.att_sms.refusals import Asked, refuse, refuses_receipts
from relay.providers.att_sms.salvage import salvage
from relay.providers.att_sms.settings import LOSS_AFTER, AttSmsSettings

log = structlog.get_logger()

LONGEST_TEXT = 4096  # one-byte characters (SMS documentation, Considerations)
_NO_CONTENT = 204
# Content-Type is documented as required on every request, reads included.
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class AttSmsLine:
    """A short code: texts are sent from it; what comes in is fetched or called back, and so is delivery status."""

    provider = "att-sms"
    # "The SMS API does not support sending messages to users that are not on the AT&T Wireless network" (SMS
    # documentation, Considerations): neither to short codes nor to e-mail addresses.
    takes = frozenset({AddressKind.E164})
    loss_after = LOSS_AFTER

    def __init__(self, context: LineContext) -> None:
        settings: AttSmsSettings = context.settings
        self.alias = context.alias
        self.number = settings.short_code
        self.polls_inbox = settings.receive == "poll"
        self.poll_interval: float = settings.poll_interval
        self.asks_status = settings.receipts == "poll"
        self.hook_events = _hook_events(settings)
        self._settings = settings
        self._dialect: Dialect = dialect_of(settings)
        self.shows_sent_in_hooks = self._dialect.repeats_call_id and callbacks.DELIVERY in self.hook_events
        self._clock = context.clock
        self._http = Http(
            settings.base_url,
            timeout_seconds=settings.timeout,
            user_agent=f"relay/{__version__}",
            watch=context.watch,
        )
        app = OAuthApp(settings.app_key, settings.app_secret, settings.scope)
        self._tokens = TokenSource(
            self._http,
            app,
            state=context.state,
            sharing=context.sharing,
            clock=context.clock,
            ids=context.ids,
            anew={"grant_type": "client_credentials"},
        )

    @property
    def token_expires_at(self) -> datetime | None:
        """When the token in use expires."""
        return self._tokens.expires_at

    async def verify(self) -> str:
        """Get a new token, which has no other effect; says for how long it is good.

        Raises:
            NotAuthorized, TryLater: the credentials were refused, or could not be tried.
        """
        token = await self._tokens.anew()
        left = (token.expires_at - self._clock.now()).total_seconds() if token.expires_at else None
        life = "does not expire" if left is None else f"is good for {left / 3600:.1f} h"
        return f"AT&T accepts the credentials for scope {self._settings.scope}; the token {life}"

    async def aclose(self) -> None:
        """Close connections."""
        await self._tokens.aclose()
        await self._http.aclose()

    def plan(self, content: Content) -> Plan:
        """As one SMS of up to 4096 one-byte characters to each recipient; raises Refused for anything else."""
        _check(content)
        form = segmentation(content.text or "")
        size = len((content.text or "").encode(errors="surrogatepass"))
        most = self._settings.recipients_per_call
        return Plan(form.encoding.value, form.segments, most, size=size, api=self._dialect.api)

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Make one call; raises as `Sends.send` says.

        Where AT&T refuses it only because it has no receipts to call back, it is made once more without that wish.
        """
        notify = call.receipts and callbacks.DELIVERY in self.hook_events
        answer = await self._post(call, notify=notify)
        if notify and refuses_receipts(answer):
            log.warning("provider.receipts.refused", line=self.alias, call_id=call.call_id, http=answer.status)
            notify = False
            answer = await self._post(call, notify=notify)
        if not _is_success(answer):
            refuse(answer, Asked.SEND, now=self._clock.now(), recipients=len(call.recipients))
        # The id is read in any case: without a readable answer nobody knows whether it was taken.
        sent_id = self._sent_id(answer)
        if notify:
            return self._called_back(call, sent_id)
        return _taken(call, sent_id if call.receipts and self.asks_status else None)

    async def fetch_status(self, ref: str) -> RawAnswer:
        """The delivery status of the call `ref`; raises as `AsksStatus.fetch_status` says."""
        return await self._fetch(self._dialect.status, Asked.STATUS, message_id=ref)

    def read_status(self, ref: str, raw: RawAnswer) -> Sequence[DeliveryReport]:
        """The answer's meaning; raises Malformed."""
        return wire.read_status(ref, raw)

    async def fetch_inbox(self) -> RawAnswer:
        """One page, which AT&T deletes as it hands it out; raises as `FetchesInbox.fetch_inbox` says."""
        return await self._fetch(self._dialect.inbox, Asked.INBOX, registration_id=self._settings.registration_id)

    def read_inbox(self, raw: RawAnswer) -> InboxPage:
        """The page's meaning; raises Malformed."""
        return wire.read_inbox(self.number, raw)

    def salvage_inbox(self, raw: RawAnswer) -> Salvage:
        """The messages that can be read in a damaged page, and the rest."""
        return salvage(self.number, raw)

    def read_hook(self, event: str, raw: RawAnswer) -> HookReading:
        """A callback's meaning; raises Malformed."""
        return callbacks.read_hook(event, raw, short_code=self.number)

    async def _post(self, call: OutboundCall, *, notify: bool) -> HttpAnswer:
        secret = self._settings.oneapi_notify_url
        url = secret.get_secret_value() if secret else ""
        return await self._call(
            self._dialect.send,
            sending=call,
            body=self._dialect.body(Sending(call, self.number, notify, notify_url=url)),
            hidden=(call.text or "", url),
        )

    def _called_back(self, call: OutboundCall, sent_id: str | None) -> CallAnswer:
        """The answer to a call whose status AT&T will call back, under the name that it will call it by."""
        if not self._dialect.repeats_call_id:
            return _taken(call, sent_id)
        # Should AT&T call it by its own id all the same, that names the only copy as well.
        return _taken(call, call.call_id, sent_id if len(call.recipients) == 1 else None)

    async def _fetch(self, operation: Operation, asked: Asked, **ids: str) -> RawAnswer:
        answer = await self._call(operation, ids, fresh=True, partly=asked is Asked.INBOX)
        if not _is_success(answer):
            refuse(answer, asked, now=self._clock.now())
        if not answer.body and answer.status != _NO_CONTENT:
            detail = f"AT&T answered {answer.status} with nothing in it"
            raise OutcomeUnknown(Problem(ErrorCode.UNCERTAIN, detail, provider_detail(answer.status)))
        return RawAnswer(answer.body, answer.content_type, answer.broken)

    async def _call(
        self,
        operation: Operation,
        ids: Mapping[str, str] | None = None,
        *,
        sending: OutboundCall | None = None,
        **parts: Any,
    ) -> HttpAnswer:
        fill = {"sender_address": self.number, **(ids or {})}

        async def make(authorization: Mapping[str, str]) -> HttpAnswer:
            if sending is not None:
                check_in_time(sending, self._clock.now())
            headers = {**_JSON, **authorization}
            return await self._http.call(operation.method, operation.path, fill=fill, headers=headers, **parts)

        return await self._tokens.authorized(make)

    def _sent_id(self, answer: HttpAnswer) -> str | None:
        try:
            return self._dialect.sent_id(RawAnswer(answer.body, answer.content_type))
        except Malformed as error:
            detail = f"AT&T answered {answer.status} and not readably: {error.problem.detail}"
            raise OutcomeUnknown(Problem(ErrorCode.UNCERTAIN, detail, provider_detail(answer.status))) from None


def _taken(call: OutboundCall, ref: str | None, copy_ref: str | None = None) -> CallAnswer:
    """AT&T took the call; without a `ref` nothing more can be known of it."""
    fact = Fact.SUBMITTED_UNTRACKED if ref is None else Fact.SUBMITTED
    return CallAnswer(ref, tuple(Handover(fact, copy_ref) for _ in call.recipients))


def _hook_events(settings: AttSmsSettings) -> tuple[str, ...]:
    wanted = {callbacks.MESSAGE: settings.receive, callbacks.DELIVERY: settings.receipts}
    return tuple(event for event, by in wanted.items() if by == "callback")


def _check(content: Content) -> None:
    """Raises Refused, with the reason, for what a short code cannot send."""
    if content.media:
        raise Refused(Problem(ErrorCode.UNSUPPORTED_MEDIA, "a short code sends plain texts only: leave out media"))
    if content.subject:
        raise Refused(Problem(ErrorCode.UNSUPPORTED, "a short code sends no subject: leave out subject"))
    if content.group:
        detail = "a short code has no groups: leave out group, and every recipient gets a text of their own"
        raise Refused(Problem(ErrorCode.UNSUPPORTED, detail))
    if not content.text:
        raise Refused(Problem(ErrorCode.INVALID_REQUEST, "text must not be empty"))
    length = one_byte_units(content.text)
    if length > LONGEST_TEXT:
        raise Refused(
            Problem(ErrorCode.TOO_LONG, f"text is {length} one-byte characters long: AT&T takes at most {LONGEST_TEXT}")
        )


def _is_success(answer: HttpAnswer) -> bool:
    return 200 <= answer.status < 300  # noqa: PLR2004 - HTTP's own numbers
