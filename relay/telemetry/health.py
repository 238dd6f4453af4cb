"""How each line stands, from what its parts report; and which stage has been at one step for too long.

A line has parts (`inbox`, `status`, `send`, `hooks`, …), and each reports for itself. The line's state is that of
the part that is worst off, so that a part that works does not hide another that does not.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from relay.clock import Clock
from relay.domain.errors import ConsentRequired, NotAuthorized, OutcomeUnknown, RelayError, Throttled, TryLater

TELL_SUCCESS_EVERY = timedelta(minutes=1)


class LineState(StrEnum):
    """The states of a line (contract, Topics), from the best to the worst."""

    READY = "ready"
    THROTTLED = "throttled"  # the provider asked for fewer calls
    UNREACHABLE = "unreachable"  # the provider does not answer, or does not answer usably
    STALE = "stale"  # nothing has been heard for longer than there should be
    SUSPENDED = "suspended"  # relay itself is in trouble with it, or a person stopped it
    CONSENT_REQUIRED = "consent_required"  # the subscriber has to agree
    UNAUTHORIZED = "unauthorized"  # the credentials are not accepted


_WORSE = {state: place for place, state in enumerate(LineState)}


def state_after(error: RelayError) -> LineState:
    """How the part of a line stands that met this error, where nothing more is known of it."""
    match error:
        case ConsentRequired():
            return LineState.CONSENT_REQUIRED
        case NotAuthorized():
            return LineState.UNAUTHORIZED
        case Throttled():
            return LineState.THROTTLED
        case TryLater() | OutcomeUnknown():
            return LineState.UNREACHABLE
    return LineState.SUSPENDED


@dataclass(frozen=True, slots=True)
class LineHealth:
    """How a line stands: its state since when and why, when the provider last served it, when it will discard.

    `circuit`, while calls to send are held back because the provider does not answer them: `since`, `reason` (for
    people), `next_try_at` and `failures`.
    """

    state: LineState
    since: datetime
    reason: str | None = None
    last_success: datetime | None = None
    loss_at: datetime | None = None
    circuit: Mapping[str, Any] | None = None

    def as_body(self) -> dict[str, Any]:
        """The body of the line's status topic."""
        return {
            "state": self.state.value,
            "reason": self.reason,
            "since": _written(self.since),
            "last_success": _written(self.last_success),
            "loss_at": _written(self.loss_at),
            "circuit": None if self.circuit is None else dict(self.circuit),
        }


Listener = Callable[[str, LineHealth], None]


class LineBoard:
    """Every line's health, and whom to tell when it changes.

    Args:
        clock: relay's time.
        lines: the aliases; all are ready at first.
    """

    def __init__(self, clock: Clock, lines: Iterable[str]) -> None:
        self._clock = clock
        self._listeners: list[Listener] = []
        self._gone: set[str] = set()
        self._health: dict[str, LineHealth] = {}
        self._parts: dict[str, dict[str, tuple[LineState, str | None]]] = {}
        self._ready_at: dict[tuple[str, str], datetime] = {}
        self._told: dict[str, LineHealth] = {}
        self._success_told: dict[str, datetime] = {}
        self._next_poll: dict[str, datetime] = {}
        for line in lines:
            self.add(line)

    def add(self, line: str) -> None:
        """There is one more, which is ready at first."""
        now = self._clock.now()
        self._gone.discard(line)
        self._health[line] = self._told[line] = LineHealth(LineState.READY, now)
        self._parts[line] = {}
        self._success_told[line] = now - TELL_SUCCESS_EVERY

    def begin_anew(self, line: str, *, but: Collection[str] = ()) -> None:
        """Nothing is known of its parts any more, for they are others from now on; but for these, which stay."""
        for part in self._parts[line].keys() - set(but):
            self.clear(line, part)
        self._change(line, loss_at=None, circuit=None)
        self._next_poll.pop(line, None)

    def remove(self, line: str) -> None:
        """There is none of this name any more; what is still said of it goes nowhere."""
        self._gone.add(line)
        for part in self._parts.pop(line):
            self._ready_at.pop((line, part), None)
        del self._health[line], self._told[line], self._success_told[line]
        self._next_poll.pop(line, None)

    def listen(self, listener: Listener) -> None:
        """Call `listener(line, health)` whenever there is something worth publishing.

        That is a change of the state, its reason, `loss_at` or `circuit`; a success alone at most once a minute.
        """
        self._listeners.append(listener)

    def report(self, line: str, part: str, state: LineState, reason: str | None = None) -> None:
        """Say how one part of a line stands; `ready` counts as a success."""
        if line in self._gone:
            return
        is_known = self._parts[line].get(part) == (state, reason)
        self._parts[line][part] = (state, reason)
        health = self._health[line] if is_known else self._judged(line)
        last = health.last_success
        if state is LineState.READY:
            last = self._ready_at[line, part] = self._clock.now()
        self._put(line, replace(health, last_success=last))

    def clear(self, line: str, part: str) -> None:
        """Say that what a part reported holds no longer, and that nothing is known of it yet."""
        self._ready_at.pop((line, part), None)
        if line in self._gone:
            return
        if self._parts[line].pop(part, None):
            self._put(line, self._judged(line))

    def success(self, line: str) -> None:
        """Say that the provider has just served the line, or called it."""
        self._change(line, last_success=self._clock.now())

    def loss_at(self, line: str, at: datetime | None) -> None:
        """Say when the provider will begin to discard what was not fetched; None where it will not."""
        self._change(line, loss_at=at)

    def circuit(self, line: str, body: Mapping[str, Any] | None) -> None:
        """Say that calls are held back because the provider does not answer, and how; None: they are not."""
        self._change(line, circuit=body)

    def polls_at(self, line: str, at: datetime | None) -> None:
        """Say when the provider is asked next for what came in; None: it is not, or is just being."""
        if at is None or line in self._gone:
            self._next_poll.pop(line, None)
        else:
            self._next_poll[line] = at

    def next_poll(self, line: str) -> datetime | None:
        """When the provider is asked next for what came in, as far as that is known here."""
        return self._next_poll.get(line)

    def of(self, line: str) -> LineHealth:
        """How one line stands; raises KeyError for a line that is not served."""
        return self._health[line]

    def all(self) -> Mapping[str, LineHealth]:
        """How every line stands."""
        return dict(self._health)

    def ready_at(self, line: str, part: str) -> datetime | None:
        """When a part of a line last reported that it is ready; None where it did not, or has been cleared since."""
        return self._ready_at.get((line, part))

    def parts(self, line: str) -> Mapping[str, LineState]:
        """How each part of a line stands that has reported; what a stage of its own reports counts for its kind."""
        found: dict[str, LineState] = {}
        for name, (state, _) in self._parts.get(line, {}).items():
            part = name.partition("/")[0]
            found[part] = max(state, found.get(part, state), key=_WORSE.__getitem__)
        return found

    def _change(self, line: str, **what: Any) -> None:
        if line not in self._gone:
            self._put(line, replace(self._health[line], **what))

    def _judged(self, line: str) -> LineHealth:
        """The line's health by that of its parts."""
        old = self._health[line]
        state, reason = max(self._parts[line].values(), key=_badness, default=(LineState.READY, None))
        since = old.since if state is old.state else self._clock.now()
        return replace(old, state=state, reason=_plain(reason), since=since)

    def _put(self, line: str, health: LineHealth) -> None:
        self._health[line] = health
        if self._worth_telling(line, health):
            self._told[line] = health
            self._success_told[line] = self._clock.now()
            for listener in self._listeners:
                listener(line, health)

    def _worth_telling(self, line: str, health: LineHealth) -> bool:
        told = self._told[line]
        if (health.state, health.reason, health.loss_at, health.circuit) != (
            told.state,
            told.reason,
            told.loss_at,
            told.circuit,
        ):
            return True
        due = self._clock.now() - self._success_told[line] >= TELL_SUCCESS_EVERY
        return due and health.last_success != told.last_success


class Pulse:
    """The progress of every stage, for the watchdog.

    Args:
        seconds: gives the machine's running seconds; a stuck stage is stuck in real time, whatever the lab's speed.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._busy_since: dict[str, float] = {}

    def busy(self, stage: str) -> None:
        """A stage begins a step."""
        self._busy_since[stage] = self._seconds()

    def resting(self, stage: str) -> None:
        """A stage has ended its step; it may rest for as long as it likes."""
        self._busy_since.pop(stage, None)

    def gone(self, stage: str) -> None:
        """A stage has stopped."""
        self._busy_since.pop(stage, None)

    def stuck(self, after: float) -> list[str]:
        """The stages that have been at one step for more than `after` real seconds."""
        now = self._seconds()
        return sorted(stage for stage, since in self._busy_since.items() if now - since > after)


def _badness(reported: tuple[LineState, str | None]) -> int:
    return _WORSE[reported[0]]


def _plain(reason: str | None) -> str | None:
    return None if reason is None else str(reason)


def _written(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
