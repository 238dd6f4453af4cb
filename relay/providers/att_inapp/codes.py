"""In-App Messaging's own words, one line each, and what they mean to relay.

Sources: OpenAPI of In-App Messaging v2; the errors page of AT&T's developer site; published clients.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

from relay.domain.errors import ErrorCode
from relay.providerkit.gateway import General


class Index(Enum):
    """What the status of a message index means."""

    READY = auto()
    WORKING = auto()
    MISSING = auto()  # it has to be created


# The OpenAPI file has three of these, published clients the other set; INITIALIZED is in both.
INDEX_STATUSES: Mapping[str, Index] = {
    "NOT_INITIALIZED": Index.MISSING,
    "INITIALIZING": Index.WORKING,
    "IN_PROGRESS": Index.WORKING,
    "INITIALIZED": Index.READY,
    "COMPLETE": Index.READY,
    "ERROR": Index.MISSING,
}


class Meaning(Enum):
    """What an error of AT&T's is about."""

    LATER = auto()  # the service failed; nothing was done
    REQUEST = auto()  # the request as it stands; never the same again
    RECIPIENT = auto()  # one of the recipients, unnamed
    CREDENTIALS = auto()  # the app, its token or its scope
    RATE = auto()  # too many calls, or the quota is used up
    ID = auto()  # the message or the part that was asked for
    STATE = auto()  # the state that changes were asked from
    INDEX = auto()  # the index is not there, or not ready
    INDEX_OR_STATE = auto()  # one of the two, and AT&T does not say which


class Error(NamedTuple):
    """One code: its meaning, relay's code for it, and what to tell people."""

    meaning: Meaning
    code: ErrorCode
    detail: str


# POL0002 is not here: it is the end of a consent, whatever was asked for (`refusals.is_withdrawal`).
ERRORS: Mapping[str, Error] = {
    "SVC0001": Error(Meaning.LATER, ErrorCode.PROVIDER_ERROR, "AT&T's service failed"),
    "SVC0002": Error(Meaning.REQUEST, ErrorCode.PROVIDER_REFUSED, "AT&T finds a field of the request invalid"),
    "SVC0003": Error(Meaning.REQUEST, ErrorCode.PROVIDER_REFUSED, "AT&T finds a value outside what it allows"),
    "SVC0004": Error(Meaning.RECIPIENT, ErrorCode.INVALID_RECIPIENT, "AT&T finds no valid address"),
    "POL0001": Error(Meaning.CREDENTIALS, ErrorCode.UNAUTHORIZED, "AT&T does not permit this to the app or its scope"),
    "POL0003": Error(Meaning.RECIPIENT, ErrorCode.INVALID_RECIPIENT, "AT&T finds too many addresses in the request"),
    "POL0013": Error(Meaning.RECIPIENT, ErrorCode.INVALID_RECIPIENT, "AT&T finds an address twice in the request"),
}
# Codes that are not listed. Only refusals (4xx) are looked up here: a failure (5xx) is judged by its HTTP status.
UNKNOWN_SERVICE = Error(Meaning.REQUEST, ErrorCode.PROVIDER_REFUSED, "AT&T refused the request")
UNKNOWN_POLICY = Error(Meaning.REQUEST, ErrorCode.PROVIDER_REFUSED, "a policy of AT&T's refuses the request")

# One code stands for many things: what else must be in the text or the variables.
ADDRESS_FIELD_WORDS = re.compile(r"\baddress", re.IGNORECASE)
INDEX_WORDS = re.compile(r"\bindex|\bcache|initiali[sz]|not ready", re.IGNORECASE)
STATE_WORDS = re.compile(r"\bstate\b", re.IGNORECASE)
GONE_WORDS = re.compile(
    r"not (?:be )?find|not (?:be )?found|no such|not exist|unknown (?:message|id)|\buuid", re.IGNORECASE
)
RATE = Error(Meaning.RATE, ErrorCode.THROTTLED, "AT&T asks for fewer calls")
QUOTA = Error(Meaning.RATE, ErrorCode.QUOTA_EXCEEDED, "the quota of AT&T's API is used up")
RECIPIENT = Error(Meaning.RECIPIENT, ErrorCode.INVALID_RECIPIENT, "AT&T finds an address invalid")
NO_SUCH_ID = Error(Meaning.ID, ErrorCode.UNKNOWN_ID, "AT&T has no such message in the store, or no longer")
NO_CREDENTIALS = Error(Meaning.CREDENTIALS, ErrorCode.UNAUTHORIZED, "AT&T saw no credentials in the request")
GENERAL: Mapping[General, Error] = {
    General.RATE: RATE,
    General.QUOTA: QUOTA,
    General.NUMBER: RECIPIENT,
    General.NO_CREDENTIALS: NO_CREDENTIALS,
}
BAD_STATE = Error(Meaning.STATE, ErrorCode.PROVIDER_REFUSED, "AT&T no longer knows the state that was asked from")
NO_INDEX = Error(Meaning.INDEX, ErrorCode.PROVIDER_ERROR, "the message index is not ready")
NO_INDEX_OR_BAD_STATE = Error(
    Meaning.INDEX_OR_STATE, ErrorCode.PROVIDER_ERROR, "the message index is not ready, or the state is unknown"
)


def index_standing(status: str) -> Index:
    """What an index's status means. Case does not matter; an unknown one is work in progress."""
    return INDEX_STATUSES.get(status.strip().upper(), Index.WORKING)
