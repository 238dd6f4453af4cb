"""The one table of a copy's states: what may happen to a copy, and what it is afterwards.

Rule 1: every state and every transition of a copy lives in this file.
Rule 2: a pair that is not listed raises `IllegalTransition` and changes nothing.
Rule 3: a fact that is listed but teaches nothing (an old "sent" after "delivered") maps a state to itself.

A `State` is what the journal keeps. Its `status` is the word users see; four words stand for two states each,
because a copy may rest in them for good or still be followed, or proof may still come (section 5 of the contract).
"""

from collections.abc import Mapping
from enum import Enum, StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """The words users see, in the order of their rank."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    SUBMITTED = "submitted"
    SENT = "sent"
    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"


class State(Enum):
    """What the journal keeps of a copy: (its key, status, rank, final, confirmed)."""

    SCHEDULED = ("scheduled", Status.SCHEDULED, 10, False, None)
    QUEUED = ("queued", Status.QUEUED, 20, False, None)
    SENDING = ("sending", Status.SENDING, 30, False, None)
    UNCERTAIN = ("uncertain", Status.UNCERTAIN, 40, False, None)
    GIVEN_UP = ("given-up", Status.FAILED, 45, True, None)
    SUBMITTED = ("submitted", Status.SUBMITTED, 50, False, None)
    SUBMITTED_FOR_GOOD = ("submitted-for-good", Status.SUBMITTED, 50, True, None)
    SENT = ("sent", Status.SENT, 60, False, None)
    UNKNOWN = ("unknown", Status.UNKNOWN, 70, False, None)
    UNKNOWN_FOR_GOOD = ("unknown-for-good", Status.UNKNOWN, 70, True, None)
    DELIVERED_UNCONFIRMED = ("delivered-unconfirmed", Status.DELIVERED, 80, True, False)
    DELIVERED = ("delivered", Status.DELIVERED, 90, True, True)
    UNDELIVERED = ("undelivered", Status.UNDELIVERED, 90, True, None)
    FAILED = ("failed", Status.FAILED, 90, True, None)
    EXPIRED = ("expired", Status.EXPIRED, 90, True, None)
    CANCELED = ("canceled", Status.CANCELED, 90, True, None)

    def __init__(self, key: str, status: Status, rank: int, final: bool, confirmed: bool | None) -> None:  # noqa: FBT001 - a row of the table above
        self.key = key
        self.status = status
        self.rank = rank
        self.final = final
        self.confirmed = confirmed

    @classmethod
    def of(cls, key: str) -> "State":
        """The state kept under `key`; raises KeyError for a key that no state has."""
        return _BY_KEY[key]


_BY_KEY = {state.key: state for state in State}


class Fact(StrEnum):
    """What can happen to a copy."""

    POSTPONED = "postponed"  # it must wait for a time or a window
    DUE = "due"  # its time has come
    CLAIMED = "claimed"  # a sender took it
    RETRIED = "retried"  # the call failed without effect and will be made again
    RELEASED = "released"  # it was claimed and not handed over: given back
    UNANSWERED = "unanswered"  # the call was written and not answered
    RESENT = "resent"  # the request or a person wants an uncertain copy sent again
    ABANDONED = "abandoned"  # the request or a person gives an uncertain copy up
    FOUND_SENT = "found-sent"  # a person found out that the provider took an uncertain copy
    FOUND_UNSENT = "found-unsent"  # a person found out that it did not
    SUBMITTED = "submitted"  # the provider took it
    SUBMITTED_UNTRACKED = "submitted-untracked"  # the provider took it and no receipt can ever come
    ON_NETWORK = "on-network"  # it left the provider
    DOUBTED = "doubted"  # the provider does not know, and goes on trying
    FORGOTTEN = "forgotten"  # 72 hours are over, or the provider no longer knows the id
    DELIVERED_UNCONFIRMED = "delivered-unconfirmed"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"  # by the provider, or by relay's own rules
    EXPIRED = "expired"
    CANCELED = "canceled"


class IllegalTransition(Exception):  # noqa: N818 - it names what happened, as h11's does
    """A fact that cannot be true of a copy in this state. Nothing was changed."""

    def __init__(self, state: State, fact: Fact) -> None:
        super().__init__(f"a copy that is {state.key} cannot be {fact.value}")
        self.state = state
        self.fact = fact


# What a provider may tell of a copy that it may have been given.
_HANDED_OVER: Mapping[Fact, State] = {
    Fact.SUBMITTED: State.SUBMITTED,
    Fact.SUBMITTED_UNTRACKED: State.SUBMITTED_FOR_GOOD,
    Fact.ON_NETWORK: State.SENT,
    Fact.DOUBTED: State.UNKNOWN,
    Fact.DELIVERED_UNCONFIRMED: State.DELIVERED_UNCONFIRMED,
    Fact.DELIVERED: State.DELIVERED,
    Fact.UNDELIVERED: State.UNDELIVERED,
    Fact.REFUSED: State.FAILED,
}
_STOPPED: Mapping[Fact, State] = {Fact.EXPIRED: State.EXPIRED, Fact.CANCELED: State.CANCELED}
_TOLD_BY_PROVIDER = (*_HANDED_OVER, Fact.FORGOTTEN)


# How a call ended without effect; it teaches nothing of a copy that evidence has overtaken meanwhile.
_WITHOUT_EFFECT = (Fact.RETRIED, Fact.RELEASED, Fact.UNANSWERED)


def _rising(state: State) -> dict[Fact, State]:
    """What may still be told of a copy in `state`: rank never falls, equal rank and what opens an end teach nothing."""
    told = {**_HANDED_OVER, Fact.FORGOTTEN: State.UNKNOWN_FOR_GOOD}
    return {
        **dict.fromkeys(_WITHOUT_EFFECT, state),
        **{
            fact: after if after.rank > state.rank and after.final >= state.final else state
            for fact, after in told.items()
        },
    }


TRANSITIONS: Mapping[State, Mapping[Fact, State]] = MappingProxyType(
    {
        State.SCHEDULED: {
            # A resent copy may be postponed, and its first call may be answered late.
            **_HANDED_OVER,
            Fact.POSTPONED: State.SCHEDULED,
            Fact.DUE: State.QUEUED,
            Fact.CLAIMED: State.SENDING,
            **_STOPPED,
        },
        State.QUEUED: {
            **_HANDED_OVER,
            Fact.DUE: State.QUEUED,
            Fact.POSTPONED: State.SCHEDULED,
            Fact.CLAIMED: State.SENDING,
            **_STOPPED,
        },
        State.SENDING: {
            **_HANDED_OVER,
            Fact.CLAIMED: State.SENDING,
            Fact.RETRIED: State.SENDING,
            Fact.RELEASED: State.QUEUED,
            # It was to be tried again, and its hours are over.
            Fact.POSTPONED: State.SCHEDULED,
            Fact.UNANSWERED: State.UNCERTAIN,
            **_STOPPED,
        },
        State.UNCERTAIN: {
            **_HANDED_OVER,
            Fact.UNANSWERED: State.UNCERTAIN,
            Fact.RESENT: State.QUEUED,
            Fact.ABANDONED: State.GIVEN_UP,
            Fact.FOUND_SENT: State.SUBMITTED_FOR_GOOD,
            Fact.FOUND_UNSENT: State.GIVEN_UP,
        },
        # Nobody knew: what proves that it was sent after all is news; that it was not is none.
        State.GIVEN_UP: {**_rising(State.GIVEN_UP), **dict.fromkeys((Fact.REFUSED, Fact.FORGOTTEN), State.GIVEN_UP)},
        State.SUBMITTED: _rising(State.SUBMITTED),
        State.SUBMITTED_FOR_GOOD: _rising(State.SUBMITTED_FOR_GOOD),
        State.SENT: _rising(State.SENT),
        # Equal rank, and yet news: the copy is no longer followed.
        State.UNKNOWN: {**_rising(State.UNKNOWN), Fact.FORGOTTEN: State.UNKNOWN_FOR_GOOD},
        State.UNKNOWN_FOR_GOOD: _rising(State.UNKNOWN_FOR_GOOD),
        State.DELIVERED_UNCONFIRMED: _rising(State.DELIVERED_UNCONFIRMED),
        **{
            state: dict.fromkeys((*_TOLD_BY_PROVIDER, *_WITHOUT_EFFECT), state)
            for state in (State.DELIVERED, State.UNDELIVERED, State.FAILED, State.EXPIRED, State.CANCELED)
        },
    },
)


def advance(state: State, fact: Fact) -> State:
    """The state of a copy after `fact`; the same state where the fact teaches nothing.

    Raises:
        IllegalTransition: the pair is not in the table.
    """
    try:
        return TRANSITIONS[state][fact]
    except KeyError:
        raise IllegalTransition(state, fact) from None
