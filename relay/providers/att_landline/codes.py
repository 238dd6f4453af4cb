"""Landline Texting's status codes, in its own words, and what relay makes of each.

Two tables of the documentation (Status Codes), one line a code, the unknown code a line of its own. The last column of
the second is headed "Retry" there and means "final": a text is never sent again because of a progress code.
Codes of the first table also come in web hooks, where they are final.
"""

from enum import Enum, auto
from typing import NamedTuple

from relay.domain.errors import ErrorCode, Problem, ProviderDetail
from relay.domain.states import Fact
from relay.providerkit.outcome import Policy


class Fault(Enum):
    """What a failed call failed for: one of its recipients, so that the others may pass without it, or all of it."""

    RECIPIENT = auto()
    CALL = auto()


class NotSent(NamedTuple):
    """A row of "Status Codes: Message Not Sent".

    `at_send` is what to do when the code answers a call, `in_hook` what it says of a copy when it comes later.
    `rest` is how many seconds the line is to send nothing after it.
    """

    code: int | None
    description: str
    problem: ErrorCode
    at_send: Policy
    in_hook: Fact
    fault: Fault
    rest: float = 0.0


class Progress(NamedTuple):
    """A row of "Status Codes: Message Progress"."""

    code: int | None
    description: str
    state: str
    fact: Fact


_STOP = "Recipient sent STOP message. Recipient must send UNSTOP message"
_SPAM_REST = 3600.0  # "Contact to have spam flag removed": asking more often would only deepen the suspicion

NOT_SENT = (
    NotSent(-1234, _STOP, ErrorCode.OPTED_OUT, Policy.REFUSED, Fact.REFUSED, Fault.RECIPIENT),
    # "Retry: Yes", and only as the answer to a send: as a hook the text has been given up.
    NotSent(-855, "Internal Error", ErrorCode.PROVIDER_ERROR, Policy.LATER, Fact.REFUSED, Fault.CALL),
    NotSent(-801, "Spam Protection", ErrorCode.SPAM_BLOCKED, Policy.REFUSED, Fact.REFUSED, Fault.CALL, _SPAM_REST),
    NotSent(-704, "Internal Error", ErrorCode.PROVIDER_REFUSED, Policy.REFUSED, Fact.REFUSED, Fault.CALL),
    # In the notes and a sample only.
    NotSent(-703, "Bad arguments", ErrorCode.INVALID_REQUEST, Policy.REFUSED, Fact.REFUSED, Fault.RECIPIENT),
    NotSent(-700, "Internal Error", ErrorCode.PROVIDER_REFUSED, Policy.REFUSED, Fact.REFUSED, Fault.CALL),
    NotSent(-394, "Invalid Parameter Length", ErrorCode.INVALID_REQUEST, Policy.REFUSED, Fact.REFUSED, Fault.CALL),
    NotSent(
        -124, "Unable to determine carrier", ErrorCode.CARRIER_UNKNOWN, Policy.REFUSED, Fact.REFUSED, Fault.RECIPIENT
    ),
    # "Retry: Yes", and yet its state is "Unknown": the text may be on its way.
    NotSent(-1, "Unknown Error", ErrorCode.UNCERTAIN, Policy.UNKNOWN, Fact.DOUBTED, Fault.CALL),
)
# Also for a failure without any code.
UNKNOWN_FAILURE = NotSent(
    None, "a failure that is not documented", ErrorCode.PROVIDER_REFUSED, Policy.REFUSED, Fact.REFUSED, Fault.CALL
)
# A failure with a code of progress contradicts itself.
CONTRADICTION = NotSent(
    None, "a failure with a code of progress", ErrorCode.UNCERTAIN, Policy.UNKNOWN, Fact.DOUBTED, Fault.CALL
)

PROGRESS = (
    Progress(0, "Delivered-No Confirmation", "Success", Fact.DELIVERED_UNCONFIRMED),
    Progress(1, "In Progress", "Transient", Fact.SUBMITTED),
    Progress(2, "Queued", "Transient", Fact.SUBMITTED),
    Progress(3, "Queued", "Transient", Fact.SUBMITTED),
    Progress(4, "Delivery-Confirmed", "Success", Fact.DELIVERED),
    Progress(5, "Error-Confirmed", "Failure", Fact.UNDELIVERED),
    Progress(6, "Delivered-Confirmed by Delivery Receipt", "Success", Fact.DELIVERED),
    Progress(7, "Error-Confirmed by Delivery Receipt", "Failure", Fact.UNDELIVERED),
)
UNKNOWN_PROGRESS = Progress(None, "a code that is not documented", "Transient", Fact.SUBMITTED)

_NOT_SENT = {row.code: row for row in NOT_SENT}
# `messaging/send` fails with a text and no code. "Internal Error" stands for codes that contradict one another.
_BY_TEXT = (("sent stop", -1234), ("spam protection", -801), ("determine carrier", -124), ("unknown error", -1))
_PROGRESS = {row.code: row for row in PROGRESS}


class HookWord(NamedTuple):
    """What a web hook's status code says of a copy."""

    fact: Fact
    status: str
    problem: Problem | None


def documented_failure(code: int | None) -> NotSent | None:
    """The row of a code that answers a call, where it is documented."""
    return _NOT_SENT.get(code)


def described_failure(text: str) -> NotSent | None:
    """The row of a failure that came without a code, where its text is that of one row alone."""
    return next((_NOT_SENT[code] for words, code in _BY_TEXT if words in text.lower()), None)


def other_failure(code: int | None) -> NotSent:
    """The row of a code that answers a call and is not documented."""
    return UNKNOWN_FAILURE if code is None or code < 0 else CONTRADICTION


def hook_word(code: int) -> HookWord:
    """What `code` says when a web hook carries it."""
    if code >= 0:
        progress = _PROGRESS.get(code, UNKNOWN_PROGRESS)
        return HookWord(progress.fact, progress.description, None)
    row = documented_failure(code) or UNKNOWN_FAILURE
    detail = f"the provider gave the text up: {row.description}"
    if row.in_hook is Fact.DOUBTED:
        detail = f"the provider does not know what became of the text: {row.description}"
    return HookWord(
        row.in_hook, row.description, Problem(row.problem, detail, ProviderDetail(None, str(code), row.description))
    )
