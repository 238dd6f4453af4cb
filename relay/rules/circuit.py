"""Whether a call is worth beginning: a provider that does not answer is left alone, but for one try now and then."""

import math
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

from pydantic_core import from_json, to_json

from relay.domain.errors import Problem
from relay.domain.schedule import Backoff

KEPT_AS = "send.circuit"  # in the line's memory
OPENS_AFTER = 3  # calls in a row, each another, that brought no usable answer
PROBES = Backoff(first=10, ceiling=300)  # between two tries while it is open
# A provider asks for an hour at most. What lies further ahead was noted by a clock that has been put right since.
LONGEST_REST = 3600.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a line's calls went lately.

    Attributes:
        failures: calls in a row that brought no usable answer.
        last: what was wrong with the last of them, for people; no content.
        code: the same, for programs.
        since: since when no call begins but tries; None: it is closed.
        next_try_at: when the next try may begin.
        tries: those that failed since then.
    """

    failures: int = 0
    last: str = ""
    code: str = ""
    since: datetime | None = None
    next_try_at: datetime | None = None
    tries: int = 0

    @property
    def is_open(self) -> bool:
        """Whether nothing is to begin but one try at a time."""
        return self.since is not None

    @property
    def reason(self) -> str:
        """Why it is open, in words."""
        return f"{self.failures} calls in a row brought no usable answer; of the last one: {self.last}"

    def left(self, now: datetime) -> float:
        """Seconds until a call may begin; 0 where one may."""
        if self.next_try_at is None:
            return 0.0
        left = (self.next_try_at - now).total_seconds()
        return 0.0 if left > LONGEST_REST else max(left, 0.0)

    def failed(self, problem: Problem, now: datetime, chance: float, after: float | None = None) -> Self:
        """What it is after a call that brought no usable answer.

        Args:
            problem: what was wrong with it.
            now: the time.
            chance: spreads the tries.
            after: seconds for which the provider wants to be left alone, where it said so.
        """
        known = replace(self, failures=self.failures + 1, last=problem.detail, code=problem.code.value)
        if known.failures < OPENS_AFTER or self.left(now):
            # What began before it opened, and fails now, says nothing new.
            return known
        tries = self.tries + self.is_open
        rest = max(PROBES.delay(tries + 1, chance), min(after or 0.0, LONGEST_REST))
        return replace(known, since=self.since or now, next_try_at=now + timedelta(seconds=rest), tries=tries)

    def as_body(self) -> dict[str, Any] | None:
        """For the line's status topic; None where it is closed."""
        if not self.is_open:
            return None
        names = {"since": self.since, "next_try_at": self.next_try_at}
        times = {name: at.isoformat(timespec="milliseconds").replace("+00:00", "Z") for name, at in names.items() if at}
        return {**times, "reason": self.reason, "failures": self.failures}

    def written(self) -> bytes:
        """To be kept."""
        return to_json(asdict(self))

    @classmethod
    def read(cls, kept: bytes | None) -> Self:
        """What was kept; closed where nothing was."""
        found = from_json(kept) if kept else {}
        times = {name: datetime.fromisoformat(found[name]) for name in ("since", "next_try_at") if found.get(name)}
        return cls(**{**found, **times})


def places(size: int, passed: float = math.inf) -> int:
    """How many calls of a window of `size` may be in flight, when so many have passed since the circuit closed.

    One at first, and with every one that passes one more: a provider that has just come back meets no herd.
    """
    return int(min(size, 1 + passed))
