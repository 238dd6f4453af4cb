"""Why a copy waits that is not being sent: one word, and the sentence that people read."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

MOST_COUNTED = 1_000  # calls that wait before another: more are not counted


class Why(StrEnum):
    """What a call waits for. One that is due and only waits for its turn has none of these."""

    SEND_AT = "send_at"
    HOURS = "hours"
    COMPANY = "company"
    ORDER = "order"
    RETRY = "retry"
    HELD = "held"
    RESTORED = "restored"  # it was in a backup: nobody knows whether it was sent since

    @property
    def is_held(self) -> bool:
        """It waits until a person lets it go."""
        return self in {Why.HELD, Why.RESTORED}


class Left(StrEnum):
    """Why a copy was left as it is, where an operator wanted it held, released, sent again or canceled."""

    UNDER_WAY = "under_way"
    HANDED_OVER = "handed_over"
    ENDED = "ended"
    UNCERTAIN = "uncertain"
    NOT_UNCERTAIN = "not_uncertain"
    HELD = "held"
    NOT_HELD = "not_held"
    NO_RETRY = "no_retry"
    GROUP = "group"

    @property
    def sentence(self) -> str:
        """The reason in words."""
        return _LEFT[self]


_LEFT = {
    Left.UNDER_WAY: "too late: a call is under way with it",
    Left.HANDED_OVER: "too late: it was handed over to the provider",
    Left.ENDED: "too late: it is at its end",
    Left.UNCERTAIN: "nobody knows whether it was handed over: `relay queue resolve` says what was found out,"
    " `relay queue retry` sends it again, and `relay dead discard` gives it up",
    Left.NOT_UNCERTAIN: "nobody needs to find out: what waits is sent, and it can be held or canceled",
    Left.HELD: "an operator holds it",
    Left.NOT_HELD: "nobody holds it",
    Left.NO_RETRY: "no call with it has failed: `relay trace` says what it waits for",
    Left.GROUP: "it belongs to a group, which is sent as a whole: name its request",
}


@dataclass(frozen=True, slots=True)
class Gate:
    """What keeps a whole line from calling.

    Attributes:
        limit: `held` by an operator, the `pace`, `day` or `month` of its calls, or its `circuit`: the provider does
            not answer.
        at: since when it is held; for everything else until when it lasts.
        reason: why, in words, where there is more to say.
    """

    limit: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is known of copies that wait to be sent together.

    Attributes:
        now: when this is asked.
        why: what they wait for until `due_at`; None: for nothing of their own.
        due_at: when their own time comes; None: an operator will say.
        held_since: since when an operator holds them.
        behind: the call that has to end first.
        attempts: how many calls were made with them.
        problem: how the last of these failed, in words.
        company: for how many seconds the line lets copies wait for others.
        gate: what keeps their line from calling at all.
        before: how many calls that are due come before theirs in its lane, counted up to `MOST_COUNTED`.
    """

    now: datetime
    why: Why | None
    due_at: datetime | None
    held_since: datetime | None = None
    behind: str | None = None
    attempts: int = 0
    problem: str | None = None
    company: float = 0.0
    gate: Gate | None = None
    before: int = 0

    @property
    def word(self) -> str:
        """What they wait for, for programs: one of `Why`, `line_held`, `pace`, `day`, `month`, `circuit`, or `turn`."""
        if self._own_time is not None and self.why is not None:
            return self.why.value
        if self.gate is None:
            return "turn"
        return "line_held" if self.gate.limit == "held" else self.gate.limit

    @property
    def until(self) -> datetime | None:
        """When this is over; None where nobody knows."""
        if self._own_time is not None:
            return None if self.why is None or self.why.is_held or self.why is Why.ORDER else self.due_at
        return None if self.gate is None or self.gate.limit == "held" else self.gate.at

    @property
    def sentence(self) -> str:
        """Why they wait, for people."""
        own = self._own_time
        if own is None:
            return _turn(self.before) if self.gate is None else _of_line(self.gate, self.before)
        if self.gate is not None and self.gate.limit in {"held", "circuit"}:
            return f"{own}; besides, {_of_line(self.gate, self.before)}"
        return own

    @property
    def _own_time(self) -> str | None:
        """What they wait for themselves, in words; None where that is over."""
        if self.why is Why.HELD:
            return f"held by an operator since {_moment(self.held_since or self.now)}"
        if self.why is Why.RESTORED:
            return "held because the journal was restored from a backup: it may have been sent since"
        if self.why is Why.ORDER and self.behind is not None:
            return f"waits behind an earlier text to the same number (call {self.behind})"
        return None if self.due_at is None or self.due_at <= self.now else self._for_time(_moment(self.due_at))

    def _for_time(self, at: str) -> str:
        match self.why:
            case Why.SEND_AT:
                return f"waits for its time: it is to be sent at {at}"
            case Why.HOURS:
                return f"waits for its sending hours: they open {at}"
            case Why.COMPANY:
                return f"waits up to {self.company:g}s for others with the same words"
            case Why.RETRY:
                return f"tried {_times(self.attempts)}, next try at {at}{f': {self.problem}' if self.problem else ''}"
            case _:
                return f"waits until {at}"


def _of_line(gate: Gate, before: int) -> str:
    at = _moment(gate.at)
    match gate.limit:
        case "held":
            return f"the line is held by an operator since {at}"
        case "day":
            return f"the line's calls of today are used up until {at}"
        case "month":
            return f"the line's month of calls is used up until {at}"
        case "circuit":
            return f"the line's circuit is open: {gate.reason}; next try {at}"
        case _:
            return f"{_turn(before)}; the line begins its next call at {at}, for its pace or as the provider asks"


def _turn(before: int) -> str:
    if before == 0:
        return "ready, waits for its turn: it is the next of its lane"
    if before > MOST_COUNTED:
        return f"ready, waits for its turn: more than {MOST_COUNTED} calls are before it in its lane"
    calls = "1 call is" if before == 1 else f"{before} calls are"
    return f"ready, waits for its turn: {calls} before it in its lane"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _moment(at: datetime) -> str:
    """As short as it is exact: to the minute, the second or less."""
    at = at.astimezone(UTC)
    exact = "milliseconds" if at.microsecond else "seconds" if at.second else "minutes"
    return at.isoformat(timespec=exact).replace("+00:00", "Z")
