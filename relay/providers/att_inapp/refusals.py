"""An answer of AT&T's that is no success -> the error whose class says what to do.

AT&T's codes are looked up first; what they do not settle is judged by the HTTP status. Of all requests only a send
has an effect that must not happen twice.
"""

from datetime import datetime
from enum import Enum, auto
from typing import NoReturn

import structlog

from relay.domain.errors import (
    CursorInvalid,
    Gone,
    NotAuthorized,
    NotReady,
    Problem,
    Refused,
    RefusedAsGroup,
    Throttled,
    TryLater,
)
from relay.providerkit.envelope import Complaint, complaint, said
from relay.providerkit.gateway import INVALID_NUMBER_WORDS, RATE_WORDS, general_policy, saw_no_credentials
from relay.providerkit.http import HttpAnswer
from relay.providerkit.outcome import judge, provider_detail, retry_after
from relay.providers.att_inapp import codes
from relay.providers.att_inapp.codes import Error, Meaning

log = structlog.get_logger()

_REFUSALS = range(400, 500)
_BY_STATUS_ALONE = (401, 408, 413, 429)
_BAD_REQUEST, _CONFLICT = 400, 409
_NOTHING_THERE = (404, 410)


class Asked(Enum):
    """What the request was for."""

    SEND = auto()
    STORE = auto()  # a page of the store, or how its index stands
    CHANGES = auto()  # since a state
    MESSAGE = auto()  # one message: to read it, one of its parts, to change or to delete it


class IndexOrState(NotReady):
    """A request for changes failed for the index or for the state: how the index stands tells which."""


def refuse(answer: HttpAnswer, asked: Asked, *, now: datetime, divisible: bool = False) -> NoReturn:
    """Raise what an answer that is not 2xx means.

    Args:
        answer: AT&T's answer.
        asked: what for.
        now: the time, for a Retry-After that is a date.
        divisible: it was a send to several recipients that may go out apart; one at fault is not named.

    Raises:
        TryLater, Throttled, Refused, RefusedAsGroup, Gone, NotAuthorized, OutcomeUnknown: as they say.
        NotReady, IndexOrState, CursorInvalid: about the message index, or the state.
    """
    about = complaint(answer)
    error = _error(answer, asked, about)
    if error is None:
        # A store cannot be gone as a message can: where nothing is there, a gateway has lost its way.
        lost = asked in (Asked.STORE, Asked.CHANGES) and answer.status in _NOTHING_THERE
        judge(answer, effect=asked is Asked.SEND or lost, now=now, said=said(answer, about))
        raise ValueError("an answer that is a success refuses nothing")
    problem = Problem(error.code, error.detail, said(answer, about) or provider_detail(answer.status))
    if error is codes.NO_CREDENTIALS:
        log.error("provider.credentials.unseen", http=answer.status, asked=asked.name.lower())
    _raise(error.meaning, problem, divisible=divisible, after=retry_after(answer, now))


def is_withdrawal(answer: HttpAnswer) -> bool:
    """Whether AT&T says that the subscriber's consent is no more: POL0002, to whatever was asked."""
    about = complaint(answer) if answer.status in _REFUSALS else None
    return about is not None and about.code == "POL0002"


def _raise(meaning: Meaning, problem: Problem, *, divisible: bool, after: float | None) -> NoReturn:
    match meaning:
        case Meaning.LATER:
            raise TryLater(problem, after)
        case Meaning.RATE:
            raise Throttled(problem, after)
        case Meaning.CREDENTIALS:
            raise NotAuthorized(problem)
        case Meaning.ID:
            raise Gone(problem)
        case Meaning.STATE:
            raise CursorInvalid(problem)
        case Meaning.INDEX:
            raise NotReady(problem, after)
        case Meaning.INDEX_OR_STATE:
            raise IndexOrState(problem, after)
        case Meaning.RECIPIENT if divisible:
            raise RefusedAsGroup(problem)
        case _:
            raise Refused(problem)


def _error(answer: HttpAnswer, asked: Asked, about: Complaint | None) -> Error | None:
    if answer.status not in _REFUSALS or answer.status in _BY_STATUS_ALONE or answer.is_page:
        return _unseen(answer)
    if about is None:
        return _unseen(answer) or _of_place(answer.status, asked)
    if about.code in {"", "POL0001"}:
        return _of_general_policy(answer.status, about) or _of_place(answer.status, asked)
    if about.code.startswith("POL"):
        rated = codes.RATE if about.says(RATE_WORDS) else codes.UNKNOWN_POLICY
        return codes.ERRORS.get(about.code) or rated
    return _of_words(answer.status, asked, about) or codes.ERRORS.get(about.code) or codes.UNKNOWN_SERVICE


def _unseen(answer: HttpAnswer) -> Error | None:
    return codes.NO_CREDENTIALS if saw_no_credentials(answer) else None


def _of_place(status: int, asked: Asked) -> Error | None:
    """What a status without a word of AT&T's means at the place that was asked."""
    match asked:
        case Asked.MESSAGE if status in _NOTHING_THERE:
            return codes.NO_SUCH_ID
        case Asked.STORE if status == _CONFLICT:
            return codes.NO_INDEX
        case Asked.CHANGES if status == _CONFLICT:
            return codes.NO_INDEX_OR_BAD_STATE
        case Asked.CHANGES if status == _BAD_REQUEST:
            return codes.BAD_STATE
        case _:
            return None


def _of_words(status: int, asked: Asked, about: Complaint) -> Error | None:
    match asked:
        case Asked.SEND:
            return _of_send(about)
        case Asked.MESSAGE if about.says(codes.INDEX_WORDS):
            return codes.NO_INDEX
        case Asked.MESSAGE:
            is_named = about.code == "SVC0001" and about.says(codes.GONE_WORDS)
            return codes.NO_SUCH_ID if is_named or status in _NOTHING_THERE else None
        case Asked.STORE:
            return codes.NO_INDEX if about.code == "SVC0001" or status == _CONFLICT else None
        case _:
            return _of_changes(status, about)


def _of_send(about: Complaint) -> Error | None:
    if about.code == "SVC0001" and about.says(INVALID_NUMBER_WORDS):
        return codes.RECIPIENT
    is_address = about.code in {"SVC0002", "SVC0003"} and about.says(codes.ADDRESS_FIELD_WORDS)
    return codes.RECIPIENT if is_address else None


def _of_changes(status: int, about: Complaint) -> Error:
    if about.says(codes.INDEX_WORDS):
        return codes.NO_INDEX
    if about.says(codes.STATE_WORDS):
        return codes.BAD_STATE
    if about.code == "SVC0001" or status == _CONFLICT:
        return codes.NO_INDEX_OR_BAD_STATE
    return codes.BAD_STATE


def _of_general_policy(status: int, about: Complaint) -> Error | None:
    general = general_policy(status, about)
    return codes.ERRORS.get(about.code) if general is None else codes.GENERAL[general]
