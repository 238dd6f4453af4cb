"""AT&T's own words for delivery and for errors, one line each, and what they mean to relay.

Sources: SMS documentation, Delivery Info Object and Errors; OpenAPI of SMS v3, DeliveryInfo; GSMA OneAPI.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import NamedTuple

from relay.domain.errors import ErrorCode
from relay.domain.states import Fact
from relay.providerkit.gateway import General

DELIVERY_STATUSES: Mapping[str, Fact] = {
    "MessageWaiting": Fact.SUBMITTED,
    "DeliveredToNetwork": Fact.ON_NETWORK,
    "DeliveryUncertain": Fact.DOUBTED,
    "DeliveredToTerminal": Fact.DELIVERED,
    "DeliveryImpossible": Fact.UNDELIVERED,
    "DeliveryNotificationNotSupported": Fact.SUBMITTED,
}
UNKNOWN_STATUS = Fact.SUBMITTED  # teaches nothing; the status itself is kept in AT&T's words


class Meaning(Enum):
    """What an error of AT&T's is about."""

    LATER = auto()  # the service failed; nothing was done
    REQUEST = auto()  # the request as it stands; never the same again
    RECEIPTS = auto()  # that delivery status is to be called back
    RECIPIENT = auto()  # one of the recipients, unnamed
    CREDENTIALS = auto()  # the app, its token or its scope
    RATE = auto()  # too many calls, or the quota is used up
    ID = auto()  # the message id or the registration that was asked for


class Error(NamedTuple):
    """One code: its meaning, relay's code for it, and what to tell people."""

    meaning: Meaning
    code: ErrorCode
    detail: str


ERRORS: Mapping[str, Error] = {
    "SVC0001": Error(Meaning.LATER, ErrorCode.PROVIDER_ERROR, "AT&T's service failed"),
    "SVC0002": Error(Meaning.REQUEST, ErrorCode.PROVIDER_REFUSED, "AT&T finds a field of the request invalid"),
    "SVC0003": Error(Meaning.REQUEST, ErrorCode.PROVIDER_REFUSED, "AT&T finds a value outside what it allows"),
    "SVC0004": Error(Meaning.RECIPIENT, ErrorCode.INVALID_RECIPIENT, "AT&T finds no valid address"),
    "SVC0283": Error(Meaning.RECEIPTS, ErrorCode.PROVIDER_REFUSED, "AT&T gives no delivery receipts for this"),
    "POL0001": Error(Meaning.CREDENTIALS, ErrorCode.UNAUTHORIZED, "AT&T does not permit this to the app or its scope"),
    "POL0002": Error(Meaning.RECIPIENT, ErrorCode.PROVIDER_REFUSED, "the recipient has not agreed to receive texts"),
    "POL0003": Error(Meaning.RECIPIENT, ErrorCode.INVALID_RECIPIENT, "AT&T finds too many addresses in the request"),
    "POL0013": Error(Meaning.RECIPIENT, ErrorCode.INVALID_RECIPIENT, "AT&T finds an address twice in the request"),
}
# Codes that are not listed. Only refusals (4xx) are looked up here: a failure (5xx) is judged by its HTTP status.
UNKNOWN_SERVICE = Error(Meaning.REQUEST, ErrorCode.PROVIDER_REFUSED, "AT&T refused the request")
UNKNOWN_POLICY = Error(Meaning.REQUEST, ErrorCode.PROVIDER_REFUSED, "a policy of AT&T's refuses the request")

# One code stands for many things: what else must be in the text or the variables.
ADDRESS_FIELD_WORDS = re.compile(r"\baddress", re.IGNORECASE)
SENDER_FIELD_WORDS = re.compile(r"\bsender_?address", re.IGNORECASE)
RECEIPT_FIELD_WORDS = re.compile(r"notify_?delivery_?status|receipt_?request", re.IGNORECASE)
RATE = Error(Meaning.RATE, ErrorCode.THROTTLED, "AT&T asks for fewer calls")
QUOTA = Error(Meaning.RATE, ErrorCode.QUOTA_EXCEEDED, "the quota of AT&T's API is used up")
RECIPIENT = Error(Meaning.RECIPIENT, ErrorCode.INVALID_RECIPIENT, "AT&T finds an address invalid")
SENDER = Error(Meaning.CREDENTIALS, ErrorCode.UNAUTHORIZED, "AT&T does not take the short code as the app's")
RECEIPTS = ERRORS["SVC0283"]
NO_SUCH_ID = Error(Meaning.ID, ErrorCode.UNKNOWN_ID, "AT&T does not know this id, or no longer")
NO_CREDENTIALS = Error(Meaning.CREDENTIALS, ErrorCode.UNAUTHORIZED, "AT&T saw no credentials in the request")
GENERAL: Mapping[General, Error] = {
    General.RATE: RATE,
    General.QUOTA: QUOTA,
    General.NUMBER: RECIPIENT,
    General.NO_CREDENTIALS: NO_CREDENTIALS,
}


def delivery_fact(status: str) -> Fact:
    """What a delivery status says of a copy. Case does not matter; an unknown one teaches nothing."""
    return _FACTS.get(status.strip().lower(), UNKNOWN_STATUS)


_FACTS = {status.lower(): fact for status, fact in DELIVERY_STATUSES.items()}
