"""Landline Texting's bytes <-> values: the form of every request, the envelope of every answer. Pure.

Every call but one is a form-encoded POST, and every answer `{"success": ..., "response": ...}`. `success` decides, the
HTTP status comes second: failures were seen with 200 (wire facts, 4.1).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from relay.domain.addresses import Address, AddressKind
from relay.domain.errors import (
    ErrorCode,
    Malformed,
    NotAuthorized,
    OutcomeUnknown,
    Problem,
    ProviderDetail,
    Refused,
    RefusedAsGroup,
    RefusedForNow,
    RelayError,
    TryLater,
)
from relay.domain.messages import Handover, OutboundCall
from relay.domain.states import Fact
from relay.providerkit.http import HttpAnswer
from relay.providerkit.outcome import fail, judge, provider_detail
from relay.providerkit.parse import Unreadable, as_id, as_int, as_list, as_object, as_text, folded_json
from relay.providerkit.spec import InstalledHook
from relay.providers.att_landline.codes import Fault, NotSent, described_failure, documented_failure, other_failure
from relay.providers.att_landline.schedule import scheduled_date

FORM_TYPE = "application/x-www-form-urlencoded"

_LONGEST_ENVELOPE = 1 << 16

_BAD_SESSION = re.compile(
    r"unauthori[sz]ed|not (?:logged in|authenticated)|(?:invalid|expired|bad) session", re.IGNORECASE
)
_BAD_RECIPIENT = re.compile(r"invalid (?:recipient|phone number)", re.IGNORECASE)


def form(fields: Iterable[tuple[str, str]]) -> bytes:
    """The fields as a form body; a plus goes as `%2B`, a name may be repeated."""
    return urlencode(list(fields), quote_via=quote).encode()


def send_fields(call: OutboundCall, contacts_as: str, *, now: datetime, shift: str = "none") -> list[tuple[str, str]]:
    """The fields of `message/send` beside the session; a time that has passed is left out.

    Raises:
        Refused, RefusedAsGroup: a recipient is no phone number.
    """
    contacts = [("contacts", _contact(to.address, contacts_as, len(call.recipients))) for to in call.recipients]
    later = call.send_at if call.send_at and call.send_at > now else None
    date = [("scheduledDate", scheduled_date(later, shift))] if later else []
    return [*contacts, ("body", call.text or ""), *date]


def mms_fields(call: OutboundCall, body: str) -> dict[str, str]:
    """The query of `messaging/send` beside the session.

    Raises:
        RefusedAsGroup: the call has several recipients.
        Refused: its recipient is no phone number.
    """
    if len(call.recipients) > 1:
        raise RefusedAsGroup(Problem(ErrorCode.UNSUPPORTED, "Landline Texting sends an MMS to one recipient a call"))
    fields = {"to": _contact(call.recipients[0].address, "e164", 1)}
    return {**fields, "body": body} if body else fields


def response_of(
    answer: HttpAnswer, *, now: datetime, effect: bool, recipients: int = 1, hidden: Sequence[str] = ()
) -> Any:
    """What a call that succeeded answered, with folded keys: object, list, text, bool or None.

    Args:
        answer: the answer.
        now: the time, for a Retry-After that is a date.
        effect: the call sends or changes something.
        recipients: how many the call had: where one of several may be at fault, the call is to be divided.
        hidden: the session and the text; taken out of what the provider says, should it repeat them.

    Raises:
        OutcomeUnknown: a success that cannot be read, of a call with an effect; or the provider's own "unknown".
        RefusedForNow: the line is taken for a spammer.
        Malformed: a success that cannot be read, of any other call.
        TryLater, Throttled, Refused, RefusedAsGroup, NotAuthorized: as the code, or else the HTTP status, means.
    """
    try:
        envelope = _envelope(answer.body)
    except Unreadable as error:
        judge(answer, effect=effect, now=now)
        raise _unreadable(answer, error, effect=effect) from None
    if envelope.success:
        return envelope.response
    return _failed(answer, envelope.complaint(hidden), now=now, effect=effect, recipients=recipients)


def bare_body(answer: HttpAnswer, *, now: datetime, hidden: Sequence[str] = ()) -> bytes:
    """The body of a read that is answered without an envelope.

    Raises:
        TryLater: a gateway's page came instead.
        TryLater, Throttled, Refused, Gone, NotAuthorized: it failed; as in `response_of`.
    """
    if len(answer.body) <= _LONGEST_ENVELOPE and says_failure(answer.body):
        response_of(answer, now=now, effect=False, hidden=hidden)
    judge(answer, effect=False, now=now)
    if answer.is_page:
        raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, "the provider's gateway shows a page instead"))
    return answer.body


def says_failure(body: bytes) -> bool:
    """Whether `body` is an envelope that says so; anything else is none."""
    try:
        return not _envelope(body).success
    except Unreadable:
        return False


def handovers(response: Any, recipients: int, *, reported: bool) -> tuple[Handover, ...]:
    """One handover for each recipient, in their order: the provider took the call, whatever its answer looks like.

    `message/send` answers tokens, without numbers and in the order of the contacts (wire facts, 4.2); `messaging/send`
    a single id. Where they do not match the recipients one to one, no copy gets a ref: a wrong one would tell one
    recipient's fate of another.

    Args:
        response: what the provider answered.
        recipients: how many the call had.
        reported: the line takes the web hooks that tell what becomes of a text.
    """
    refs = _message_ids(response)
    known = [ref for ref in refs if ref]
    if len(refs) != recipients or len(set(known)) < len(known):
        refs = [None] * recipients
    lost = ProviderDetail(text=f"{len(known)} message ids for {recipients} recipients: no receipts can be matched")
    fact = Fact.SUBMITTED if reported else Fact.SUBMITTED_UNTRACKED
    return tuple(Handover(fact, ref, provider=None if ref else lost) for ref in refs)


def installed_hooks(response: Any, raw: bytes) -> tuple[InstalledHook, ...]:
    """The web hooks in the answer `raw` to `webhook/list`, whose `response` is a list, one object, or nothing.

    Raises:
        Malformed: an entry is no object or has no id.
    """
    try:
        return tuple(_installed(as_object(entry, "a web hook")) for entry in as_list(response or None))
    except Unreadable as error:
        raise Malformed(f"the list of web hooks: {error}", raw) from None


@dataclass(frozen=True, slots=True)
class _Complaint:
    code: int | None
    text: str

    def detail(self, status: int) -> ProviderDetail:
        return provider_detail(status, None if self.code is None else str(self.code), self.text)


@dataclass(frozen=True, slots=True)
class _Envelope:
    success: bool
    response: Any
    description: Any

    def complaint(self, hidden: Sequence[str]) -> _Complaint:
        """`response.code` and `desc`, `errorDesc`, or `response` itself where it is a text."""
        inner = self.response if isinstance(self.response, dict) else {"desc": self.response}
        text = as_id(inner.get("desc")) or as_id(self.description) or ""
        for secret in filter(None, hidden):
            text = text.replace(secret, "#")
        return _Complaint(_code(inner.get("code")), text)


def _envelope(body: bytes) -> _Envelope:
    value = as_object(folded_json(body), "the body")
    success = value.get("success")
    if isinstance(success, str):
        success = {"true": True, "false": False}.get(success.strip().lower())
    if not isinstance(success, bool):
        raise Unreadable("success must be true or false")
    return _Envelope(success, value.get("response"), value.get("errordesc"))


def _unreadable(answer: HttpAnswer, error: Unreadable, *, effect: bool) -> RelayError:
    detail = f"the answer: {error}"
    if not effect:
        return Malformed(detail, answer.body)
    return OutcomeUnknown(Problem(ErrorCode.MALFORMED_RESPONSE, detail, ProviderDetail(answer.status)))


def _failed(answer: HttpAnswer, said: _Complaint, *, now: datetime, effect: bool, recipients: int) -> NoReturn:
    detail = said.detail(answer.status)
    row = documented_failure(said.code) or (described_failure(said.text) if said.code is None else None)
    if row is None:
        _judge_text(said.text, detail, recipients)
        judge(answer, effect=effect, now=now, said=detail)
    _fail_by(row or other_failure(said.code), detail, recipients)


def _judge_text(text: str, detail: ProviderDetail, recipients: int) -> None:
    """Raise what a failure without a documented code means, where its text is one of those known."""
    if _BAD_SESSION.search(text):
        raise NotAuthorized(Problem(ErrorCode.UNAUTHORIZED, "the provider refused the session", detail))
    if _BAD_RECIPIENT.search(text):
        problem = Problem(ErrorCode.INVALID_RECIPIENT, "the provider takes a recipient for no phone number", detail)
        raise _refusal(recipients)(problem)


def _fail_by(row: NotSent, detail: ProviderDetail, recipients: int) -> NoReturn:
    problem = Problem(row.problem, f"the provider answered: {row.description}", detail)
    if row.rest:
        raise RefusedForNow(problem, row.rest)
    if row.fault is Fault.RECIPIENT:
        raise _refusal(recipients)(problem)
    fail(row.at_send, problem)


def _refusal(recipients: int) -> type[Refused]:
    return RefusedAsGroup if recipients > 1 else Refused


def _contact(address: Address, contacts_as: str, recipients: int) -> str:
    if address.kind is not AddressKind.E164:
        problem = Problem(ErrorCode.INVALID_RECIPIENT, "Landline Texting sends to phone numbers only")
        raise _refusal(recipients)(problem)
    home = contacts_as == "10digits" and address.value.startswith("+1")
    return address.digits10 if home else address.value


def _message_ids(response: Any) -> list[str | None]:
    if not isinstance(response, dict):
        return []
    tokens = as_list(response.get("tokens"))
    if not tokens and (only := as_id(response.get("id"))):
        return [only]
    return [as_id(token.get("message")) if isinstance(token, dict) else None for token in tokens]


def _installed(entry: Any) -> InstalledHook:
    provider_id = as_id(entry.get("webhookid"))
    if provider_id is None:
        raise Unreadable("webhookId must be there")
    return InstalledHook(
        provider_id=provider_id,
        event=as_text(entry.get("event"), "event").strip().lower(),
        url=as_text(entry.get("url"), "url").strip(),
        method=(as_id(entry.get("method")) or "POST").upper(),
    )


def _code(value: Any) -> int | None:
    if value is None or value == "":
        return None
    try:
        return as_int(value, "code")
    except Unreadable:
        return None
