"""relay -> AT&T -> relay: a short code of AT&T's SMS service, version 3."""

from collections.abc import Mapping, Sequence
from typing import Any

from relay import __version__
from relay.domain.charset import one_byte_units, segmentation
from relay.domain.errors import ErrorCode, Malformed, OutcomeUnknown, Problem, Refused
from relay.domain.messages import (
    CallAnswer,
    DeliveryReport,
    Handover,
    InboxPage,
    Media,
    OutboundCall,
    Plan,
    RawAnswer,
)
from relay.domain.states import Fact
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.oauth import OAuthApp, TokenSource
from relay.providerkit.outcome import provider_detail
from relay.providerkit.spec import LineContext
from relay.providers.att_sms import wire
from relay.providers.att_sms.refusals import Asked, refuse
from relay.providers.att_sms.settings import LOSS_AFTER, AttSmsSettings

LONGEST_TEXT = 4096  # one-byte characters (SMS documentation, Considerations)
_OUTBOX = "/sms/v3/messaging/outbox"
_STATUS = "/sms/v3/messaging/outbox/{message_id}"
_INBOX = "/sms/v3/messaging/inbox/{registration_id}"
_NO_CONTENT = 204
# Content-Type is documented as required on every request, reads included.
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class AttSmsLine:
    """A short code: texts are sent from it, its inbox is polled, delivery status is asked for."""

    provider = "att-sms"
    loss_after = LOSS_AFTER

    def __init__(self, context: LineContext) -> None:
        settings: AttSmsSettings = context.settings
        self.alias = context.alias
        self.number = settings.short_code
        self.polls_inbox = settings.receive == "poll"
        self.poll_interval: float = settings.poll_interval
        self.asks_status = settings.receipts == "poll"
        self._settings = settings
        self._clock = context.clock
        self._http = Http(settings.base_url, timeout_seconds=settings.timeout, user_agent=f"relay/{__version__}")
        app = OAuthApp(settings.app_key, settings.app_secret, settings.scope)
        self._tokens = TokenSource(
            self._http,
            app,
            state=context.state,
            clock=context.clock,
            ids=context.ids,
            anew={"grant_type": "client_credentials"},
        )

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

    def plan(self, text: str | None, media: Sequence[Media], subject: str | None) -> Plan:
        """As one SMS of up to 4096 one-byte characters; raises Refused for anything else."""
        _check_content(text, media, subject)
        form = segmentation(text or "")
        return Plan(form.encoding.value, form.segments, self._settings.recipients_per_call)

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Make one call; raises as `Sends.send` says."""
        body = wire.send_body(call)
        answer = await self._call("POST", _OUTBOX, body=body)
        if not _is_success(answer):
            refuse(answer, Asked.SEND, now=self._clock.now(), recipients=len(call.recipients))
        ref = _sent_ref(answer)
        tracked = ref is not None and call.receipts and self.asks_status
        fact = Fact.SUBMITTED if tracked else Fact.SUBMITTED_UNTRACKED
        return CallAnswer(ref if tracked else None, tuple(Handover(fact) for _ in call.recipients))

    async def fetch_status(self, ref: str) -> RawAnswer:
        """The delivery status of the call `ref`; raises as `AsksStatus.fetch_status` says."""
        return await self._fetch(_STATUS, {"message_id": ref}, Asked.STATUS)

    def read_status(self, ref: str, raw: RawAnswer) -> Sequence[DeliveryReport]:
        """The answer's meaning; raises Malformed."""
        return wire.read_status(ref, raw)

    async def fetch_inbox(self) -> RawAnswer:
        """One page, which AT&T deletes as it hands it out; raises as `FetchesInbox.fetch_inbox` says."""
        return await self._fetch(_INBOX, {"registration_id": self._settings.registration_id}, Asked.INBOX)

    def read_inbox(self, raw: RawAnswer) -> InboxPage:
        """The page's meaning; raises Malformed."""
        return wire.read_inbox(self.number, raw)

    async def _fetch(self, path: str, fill: Mapping[str, str], asked: Asked) -> RawAnswer:
        answer = await self._call("GET", path, fill=fill, fresh=True)
        if not _is_success(answer):
            refuse(answer, asked, now=self._clock.now())
        if not answer.body and answer.status != _NO_CONTENT:
            detail = f"AT&T answered {answer.status} with nothing in it"
            raise OutcomeUnknown(Problem(ErrorCode.UNCERTAIN, detail, provider_detail(answer.status)))
        return RawAnswer(answer.body, answer.content_type)

    async def _call(self, method: str, path: str, **parts: Any) -> HttpAnswer:
        return await self._tokens.authorized(
            lambda authorization: self._http.call(method, path, headers={**_JSON, **authorization}, **parts)
        )


def _check_content(text: str | None, media: Sequence[Media], subject: str | None) -> None:
    if media:
        raise Refused(Problem(ErrorCode.UNSUPPORTED_MEDIA, "a short code sends plain texts only: leave out media"))
    if subject:
        raise Refused(Problem(ErrorCode.UNSUPPORTED, "a short code sends no subject: leave out subject"))
    if not text:
        raise Refused(Problem(ErrorCode.INVALID_REQUEST, "text must not be empty"))
    length = one_byte_units(text)
    if length > LONGEST_TEXT:
        raise Refused(
            Problem(ErrorCode.TOO_LONG, f"text is {length} one-byte characters long: AT&T takes at most {LONGEST_TEXT}")
        )


def _is_success(answer: HttpAnswer) -> bool:
    return 200 <= answer.status < 300  # noqa: PLR2004 - HTTP's own numbers


def _sent_ref(answer: HttpAnswer) -> str | None:
    try:
        return wire.read_sent(answer.body)
    except Malformed as error:
        detail = f"AT&T answered {answer.status} and not readably: {error.problem.detail}"
        raise OutcomeUnknown(Problem(ErrorCode.UNCERTAIN, detail, provider_detail(answer.status))) from None
