"""A provider's answer -> nothing, or the error whose class says what to do: foreign failures are judged here.

Only the HTTP status is judged here, by one table. What a provider's own codes mean is in its folder's `codes.py`,
which looks first and leaves to this table what it does not know.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import NamedTuple, NoReturn

from relay.domain.errors import (
    ErrorCode,
    Gone,
    NotAuthorized,
    OutcomeUnknown,
    Problem,
    ProviderDetail,
    Refused,
    Throttled,
    TryLater,
)
from relay.providerkit.http import HttpAnswer

_LONGEST_TEXT = 200
_NUMBER = re.compile(r"\d(?:[\s().-]{0,3}\d){6,}")
_OPAQUE = re.compile(r"[\w~:-]{24,}")  # a token, a session key
_SHORTEST_WAIT, _LONGEST_WAIT = 1.0, 3600.0
_SECONDS = re.compile(r"\d{1,18}")
_SUCCESS = range(200, 300)


class Policy(Enum):
    """What is to be done about an answer; each is one class of `relay.domain.errors`."""

    LATER = auto()
    SLOW = auto()
    REFUSED = auto()
    GONE = auto()
    UNAUTHORIZED = auto()
    UNKNOWN = auto()


class Row(NamedTuple):
    """What a status means for a read, and for a request with an effect."""

    read: Policy
    effect: Policy
    code: ErrorCode
    detail: str


# Of the failures only 503 proves that nothing was done: 502 and 504 come from a gateway that had passed the request
# on, and a 500 says nothing about how far the service had come, not even with the provider's own error in it.
STATUSES: Mapping[int, Row] = {
    401: Row(Policy.UNAUTHORIZED, Policy.UNAUTHORIZED, ErrorCode.UNAUTHORIZED, "the provider refused the credentials"),
    403: Row(Policy.UNAUTHORIZED, Policy.UNAUTHORIZED, ErrorCode.UNAUTHORIZED, "the provider forbids this to the line"),
    404: Row(Policy.GONE, Policy.LATER, ErrorCode.UNKNOWN_ID, "the provider knows nothing under this address"),
    408: Row(Policy.LATER, Policy.LATER, ErrorCode.PROVIDER_ERROR, "the provider had not received the whole request"),
    410: Row(Policy.GONE, Policy.REFUSED, ErrorCode.UNKNOWN_ID, "the provider has nothing under this address any more"),
    413: Row(Policy.REFUSED, Policy.REFUSED, ErrorCode.TOO_LARGE, "the request is larger than the provider takes"),
    425: Row(Policy.LATER, Policy.LATER, ErrorCode.PROVIDER_ERROR, "the provider wants the request again later"),
    429: Row(Policy.SLOW, Policy.SLOW, ErrorCode.THROTTLED, "the provider asks for fewer requests"),
    500: Row(Policy.LATER, Policy.UNKNOWN, ErrorCode.PROVIDER_ERROR, "the provider failed"),
    502: Row(Policy.LATER, Policy.UNKNOWN, ErrorCode.PROVIDER_ERROR, "the provider's gateway got no good answer"),
    503: Row(Policy.LATER, Policy.LATER, ErrorCode.PROVIDER_ERROR, "the provider is unavailable"),
    504: Row(Policy.LATER, Policy.UNKNOWN, ErrorCode.PROVIDER_ERROR, "the provider's gateway got no answer in time"),
}
_OTHER_REDIRECT = Row(Policy.LATER, Policy.UNKNOWN, ErrorCode.PROVIDER_ERROR, "the provider redirects, unexpectedly")
_PLAIN_REDIRECT = Row(Policy.LATER, Policy.LATER, ErrorCode.PROVIDER_ERROR, "the provider redirects, unexpectedly")
_OTHER_REFUSAL = Row(Policy.REFUSED, Policy.REFUSED, ErrorCode.PROVIDER_REFUSED, "the provider refused the request")
_OTHER_FAILURE = Row(Policy.LATER, Policy.UNKNOWN, ErrorCode.PROVIDER_ERROR, "the provider failed")
# A web page that says "not found" comes from a gateway that has lost its way, not from the service.
_LOST_WAY = Row(Policy.LATER, Policy.LATER, ErrorCode.PROVIDER_ERROR, "the provider's gateway shows a page instead")
_NOT_FOUND = (404, 410)
_PERMANENT_REDIRECTS = (307, 308)  # by definition nothing was processed where the request was sent to


def judge(answer: HttpAnswer, *, effect: bool, now: datetime, said: ProviderDetail | None = None) -> None:
    """Return where the answer is a success (2xx); raise what it means otherwise.

    Args:
        answer: the provider's answer.
        effect: the request sends, changes or deletes something; reads that delete what they return are among them.
        now: the time, for a Retry-After that is a date.
        said: the provider's own error, where the body carried one.

    Raises:
        TryLater, Throttled: without effect; `after` is what the provider asked for.
        Refused, Gone, NotAuthorized: as they say; without effect.
        OutcomeUnknown: a request with an effect was passed on, and its fate is not known.
    """
    if answer.status not in _SUCCESS:
        row = _row(answer)
        detail = said or ProviderDetail(http=answer.status)
        fail(row.effect if effect else row.read, Problem(row.code, row.detail, detail), retry_after(answer, now))


def fail(policy: Policy, problem: Problem, after: float | None = None) -> NoReturn:
    """Raise the error that stands for `policy`."""
    match policy:
        case Policy.LATER:
            raise TryLater(_temporary(problem), after)
        case Policy.SLOW:
            raise Throttled(problem, after)
        case Policy.REFUSED:
            raise Refused(problem)
        case Policy.GONE:
            raise Gone(problem)
        case Policy.UNAUTHORIZED:
            raise NotAuthorized(problem)
        case Policy.UNKNOWN:
            raise OutcomeUnknown(Problem(ErrorCode.UNCERTAIN, problem.detail, problem.provider))


def provider_detail(status: int, code: str | None = None, text: str | None = None) -> ProviderDetail:
    """What the provider said, fit for logs and users: cut to 200 characters, numbers and keys masked."""
    return ProviderDetail(http=status, code=_shown(code), text=_shown(text))


def retry_after(answer: HttpAnswer, now: datetime) -> float | None:
    """The wait that the provider asks for, in seconds from 1 to 3600; None where it says nothing readable.

    A date is measured against the answer's own Date, where there is one, so that clocks need not agree.
    """
    value = answer.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return _clamped(float(value))
    until = _http_date(value)
    since = _http_date(answer.headers.get("Date", "")) or now
    return None if until is None else _clamped((until - since).total_seconds())


def _row(answer: HttpAnswer) -> Row:
    status = answer.status
    if status in _NOT_FOUND and answer.is_page:
        return _LOST_WAY
    if status in _PERMANENT_REDIRECTS:
        return _PLAIN_REDIRECT
    if status < 400:  # noqa: PLR2004 - HTTP's own number
        return _OTHER_REDIRECT
    return STATUSES.get(status, _OTHER_REFUSAL if status < 500 else _OTHER_FAILURE)  # noqa: PLR2004 - as above


def _temporary(problem: Problem) -> Problem:
    # "Try again" and a code that says "never again" must not stand side by side.
    code = problem.code if problem.code.retryable else ErrorCode.PROVIDER_ERROR
    return Problem(code, problem.detail, problem.provider)


def _shown(text: str | None) -> str | None:
    return _NUMBER.sub("#", _OPAQUE.sub("#", text))[:_LONGEST_TEXT] if text else None


def _clamped(seconds: float) -> float:
    return min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT)


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
