"""An answer of AT&T's that is no success -> the error whose class says what to do.

AT&T's codes are looked up first; what they do not settle is judged by the HTTP status. Every request of this API has
an effect: a send sends, the inbox deletes what it hands out, and a final status is told only once.
"""

from datetime import datetime
from enum import Enum, auto
from typing import NoReturn

import structlog

from relay.domain.errors import Gone, NotAuthorized, Problem, Refused, RefusedAsGroup, Throttled, TryLater
from relay.providerkit.envelope import Complaint, complaint, said
from relay.providerkit.gateway import INVALID_NUMBER_WORDS, RATE_WORDS, general_policy, saw_no_credentials
from relay.providerkit.http import HttpAnswer
from relay.providerkit.outcome import judge, provider_detail, retry_after
from relay.providers.att_sms import codes
from relay.providers.att_sms.codes import Error, Meaning

log = structlog.get_logger()

_REFUSALS = range(400, 500)
_BY_STATUS_ALONE = (401, 408, 429)
_NOTHING_THERE = (404, 410)


class Asked(Enum):
    """What the request was for."""

    SEND = auto()
    STATUS = auto()
    INBOX = auto()


def refuse(answer: HttpAnswer, asked: Asked, *, now: datetime, recipients: int = 1) -> NoReturn:
    """Raise what an answer that is not 2xx means.

    Args:
        answer: AT&T's answer.
        asked: what for.
        now: the time, for a Retry-After that is a date.
        recipients: of a send; with several, one that is at fault is not named.

    Raises:
        TryLater, Throttled, Refused, RefusedAsGroup, Gone, NotAuthorized, OutcomeUnknown: as they say.
    """
    about = complaint(answer)
    error = _error(answer, asked, about)
    if error is None:
        judge(answer, effect=True, now=now, said=said(answer, about))
        raise ValueError("an answer that is a success refuses nothing")
    problem = Problem(error.code, error.detail, said(answer, about) or provider_detail(answer.status))
    if error is codes.NO_CREDENTIALS:
        log.error("provider.credentials.unseen", http=answer.status, asked=asked.name.lower())
    _raise(error.meaning, problem, asked, recipients, retry_after(answer, now))


def refuses_receipts(answer: HttpAnswer) -> bool:
    """Whether a send was refused for nothing but its wish to have delivery status called back.

    Nothing was sent then, and without the wish it may be (wire facts, 2.8: SVC0283; a wish without a registered
    listener is a bad request).
    """
    if answer.status not in _REFUSALS:
        return False
    error = _error(answer, Asked.SEND, complaint(answer))
    return error is not None and error.meaning is Meaning.RECEIPTS


def _raise(meaning: Meaning, problem: Problem, asked: Asked, recipients: int, after: float | None) -> NoReturn:
    match meaning:
        case Meaning.LATER:
            raise TryLater(problem, after)
        case Meaning.RATE:
            raise Throttled(problem, after)
        case Meaning.CREDENTIALS:
            raise NotAuthorized(problem)
        case Meaning.ID if asked is Asked.STATUS:
            raise Gone(problem)
        case Meaning.ID:
            raise NotAuthorized(problem)  # the registration: nothing comes in until a person puts it right
        case Meaning.RECIPIENT if recipients > 1:
            raise RefusedAsGroup(problem)
        case _:
            raise Refused(problem)


def _error(answer: HttpAnswer, asked: Asked, about: Complaint | None) -> Error | None:
    if answer.status not in _REFUSALS or answer.status in _BY_STATUS_ALONE:
        return None
    if asked is not Asked.SEND and answer.status in _NOTHING_THERE:
        return None if answer.is_page else codes.NO_SUCH_ID
    if about is None:
        return codes.NO_CREDENTIALS if saw_no_credentials(answer) else None
    return _of_code(answer.status, asked, about)


def _of_code(status: int, asked: Asked, about: Complaint) -> Error | None:
    if about.code in {"", "POL0001"}:
        return _of_general_policy(status, about)
    return _of_words(asked, about) or codes.ERRORS.get(about.code) or _of_unlisted(about)


def _of_words(asked: Asked, about: Complaint) -> Error | None:
    match about.code:
        case "SVC0001" if about.says(INVALID_NUMBER_WORDS):
            return codes.RECIPIENT
        case "SVC0002" | "SVC0003" if asked is not Asked.SEND:
            return codes.NO_SUCH_ID
        case "SVC0002" | "SVC0003" | "SVC0004" if about.says(codes.SENDER_FIELD_WORDS):
            return codes.SENDER
        case "SVC0002" | "SVC0003" if about.says(codes.RECEIPT_FIELD_WORDS):
            return codes.RECEIPTS
        case "SVC0002" | "SVC0003" if about.says(codes.ADDRESS_FIELD_WORDS):
            return codes.RECIPIENT
        case _:
            return None


def _of_unlisted(about: Complaint) -> Error | None:
    if about.code.startswith("POL"):
        return codes.RATE if about.says(RATE_WORDS) else codes.UNKNOWN_POLICY
    return codes.UNKNOWN_SERVICE if about.code.startswith("SVC") else None


def _of_general_policy(status: int, about: Complaint) -> Error | None:
    general = general_policy(status, about)
    return codes.ERRORS.get(about.code) if general is None else codes.GENERAL[general]
