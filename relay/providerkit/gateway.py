"""What the gateway of AT&T's APIs says with its one general code, POL0001, or with none: which of many things it means.

Its words decide, and they are the same for every service behind it (wire facts, 1.5 and 2.8).
"""

import re
from enum import Enum, auto

from relay.providerkit.envelope import Complaint, complaint
from relay.providerkit.http import HttpAnswer

# "Too many" alone is said of addresses as well, and those are not cured by waiting.
RATE_WORDS = re.compile(
    r"\brates?\b|quota|throttl|exceed|too many (?:req|call)|limit (?:is |was )?reached", re.IGNORECASE
)
INVALID_NUMBER_WORDS = re.compile(r"msisdn|landline|invalid (?:address|number|recipient)", re.IGNORECASE)
_QUOTA_WORDS = re.compile(r"daily|monthly|per (?:day|month)|quota (?:is )?(?:used up|exhausted)", re.IGNORECASE)
_NO_CREDENTIALS_WORDS = re.compile(r"invalid request", re.IGNORECASE)
_BAD_REQUEST = 400


class General(Enum):
    """What the general code stands for."""

    RATE = auto()  # too many calls
    QUOTA = auto()  # too many for the day or the month
    NUMBER = auto()  # a number is invalid
    NO_CREDENTIALS = auto()  # the request showed none


def general_policy(status: int, about: Complaint) -> General | None:
    """What a complaint with the general code, or without a code, is about; None where its words do not tell."""
    if about.says(RATE_WORDS):
        return General.QUOTA if about.says(_QUOTA_WORDS) else General.RATE
    if about.says(INVALID_NUMBER_WORDS):
        return General.NUMBER
    if status == _BAD_REQUEST and (about.code or about.says(_NO_CREDENTIALS_WORDS)):
        return General.NO_CREDENTIALS
    return None


def saw_no_credentials(answer: HttpAnswer) -> bool:
    """Whether a request without credentials was refused: "400 Invalid Request", and not 401 (SMS documentation)."""
    if answer.status != _BAD_REQUEST or complaint(answer) is not None:
        return False
    return _NO_CREDENTIALS_WORDS.search(answer.body[:1000].decode("latin-1")) is not None
