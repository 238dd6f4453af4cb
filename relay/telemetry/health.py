"""How each line stands, from what its parts report; and which stage has been at one step for too long.

A line has parts (`inbox`, `status`, `send`, `hooks`, …), and each reports for itself. The line's state is that of
the part that is worst off, so that a part that works does not hide another that does not.
"""

import time
from collections.abc import Callable, Iterable, Mapping
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
        now = clock.now()
        self._health = {line: LineHealth(LineState.READY, now) for line in lines}
        self._parts: dict[str, dict[str, tuple[LineState, str | None]]] = {line: {} for line in self._health}
        self._told = dict(self._health)
        self._success_told = dict.fromkeys(self._health, now - TELL_SUCCESS_EVERY)

    def listen(self, listener: Listener) -> None:
        """Call `listener(line, health)` whenever there is something worth publishing.

        That is a change of the state, its reason, `loss_at` or `circuit`; a success alone at most once a minute.
        """
        self._listeners.append(listener)

    def report(self, line: str, part: str, state: LineState, reason: str | None = None) -> None:
        """Say how one part of a line stands; `ready` counts as a success."""
        self._parts[line][part] = (state, reason)
        last = self._clock.now() if state is LineState.READY else self._health[line].last_success
        self._put(line, replace(self._judged(line), last_success=last))

    def clear(self, line: str, part: str) -> None:
        """Say that what a part reported holds no longer, and that nothing is known of it yet."""
        if self._parts[line].pop(part, None):
            self._put(line, self._judged(line))

    def success(self, line: str) -> None:
        """Say that the provider has just served the line, or called it."""
        self._put(line, replace(self._health[line], last_success=self._clock.now()))

    def loss_at(self, line: str, at: datetime | None) -> None:
        """Say when the provider will begin to discard what was not fetched; None where it will not."""
        self._put(line, replace(self._health[line], loss_at=at))

    def circuit(self, line: str, body: Mapping[str, Any] | None) -> None:
        """Say that calls are held back because the provider does not answer, and how; None: they are not."""
        self._put(line, replace(self._health[line], circuit=body))

    def of(self, line: str) -> LineHealth:
        """How one line stands; raises KeyError for a line that is not served."""
        return self._health[line]

    def all(self) -> Mapping[str, LineHealth]:
        """How every line stands."""
        return dict(self._health)

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
