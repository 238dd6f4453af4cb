"""A line's circuit: calls without a usable answer open it, one with an answer closes it; kept over restarts, shown."""

import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from relay.clock import Clock
from relay.domain.errors import (
    NotAuthorized,
    NotReady,
    OutcomeUnknown,
    Refused,
    RelayError,
    Throttled,
    TooLate,
    TryLater,
)
from relay.ids import Ids
from relay.journal import Journal
from relay.rules.circuit import KEPT_AS, Circuit, places
from relay.telemetry.health import LineBoard, LineState

log = structlog.get_logger()

_PART = "circuit"  # the name under which it reports to the board

End = Callable[[], Awaitable[object]]


class Breaker:
    """Says how many calls of a line may be in flight, by how the last ones went.

    What a provider says of one text, such as a refusal, is an answer like any other. What it says of the line, as
    that it is throttled or not authorized, has rests of its own: they do not open the circuit, and they close it.

    Args:
        line: whose.
        journal: remembers that it is open.
        board: shows it.
        clock: relay's time.
        ids: chance, for the tries.
    """

    def __init__(self, line: str, journal: Journal, board: LineBoard, clock: Clock, ids: Ids) -> None:
        self._line = line
        self._memory = journal.memory(line)
        self._board = board
        self._clock = clock
        self._ids = ids
        self._now = Circuit()
        self._passed = math.inf  # calls since it closed
        self._failing: set[str] = set()  # the calls that failed in a row: one text that never passes stops no line
        self._log = log.bind(line=line)

    async def recall(self) -> None:
        """Stand as a former life left it."""
        self._now = Circuit.read(await self._memory.get(KEPT_AS))
        if self._now.is_open:
            self._show()

    @property
    def left(self) -> float:
        """Seconds for which no call is to begin; 0 where one may."""
        return self._now.left(self._clock.now())

    @property
    def is_open(self) -> bool:
        """Whether one call at a time is tried."""
        return self._now.is_open

    def places(self, size: int) -> int:
        """How many calls may be in flight where there are `size` places: one while it is open, then more and more."""
        return places(size, 0 if self._now.is_open else self._passed)

    def failed(self, call_id: str, error: RelayError) -> Sequence[End]:
        """A call failed; what is to be kept of that. Until it opens, the same call counts once."""
        answered = _is_answer(error)
        if answered is None:
            return ()
        if answered:
            return self.answered()
        if not self._now.is_open:
            if call_id in self._failing:
                return ()
            self._failing.add(call_id)
        before, after = self._now, error.after if isinstance(error, TryLater) else None
        self._now = before.failed(error.problem, self._clock.now(), self._ids.chance.random(), after)
        if not self._now.is_open:
            return ()
        self._show()
        if not before.is_open:
            told = self._now.as_body() or {}
            self._log.warning(
                "circuit.opened",
                code=self._now.code,
                reason=self._now.last,
                failures=self._now.failures,
                next_try_at=told["next_try_at"],
            )
        return (partial(self._memory.put, KEPT_AS, self._now.written()),)

    def answered(self) -> Sequence[End]:
        """The provider answered a call; what is to be kept of that."""
        self._passed += 1
        self._failing.clear()
        before, self._now = self._now, Circuit()
        if before.since is None:
            return ()
        self._passed = 1
        lasted = round((self._clock.now() - before.since).total_seconds(), 3)
        self._board.circuit(self._line, None)
        self._board.clear(self._line, _PART)
        self._log.info("circuit.closed", lasted=lasted, tries=before.tries)
        return (partial(self._memory.drop, KEPT_AS),)

    def _show(self) -> None:
        self._board.circuit(self._line, self._now.as_body())
        self._board.report(self._line, _PART, LineState.UNREACHABLE, self._now.code)


def _is_answer(error: RelayError) -> bool | None:
    """Whether the provider answered usably; None where the error says nothing of that."""
    said = error.problem.provider
    match error:
        case TooLate() | NotReady():
            return None
        case Throttled():
            return True
        case TryLater():
            # A word of the provider's own about this one text, which may have to be tried again, is no trouble.
            is_about_text = said is not None and said.code is not None and (said.http or 0) < 500  # noqa: PLR2004 - HTTP's own number
            return None if is_about_text else False
        case OutcomeUnknown():
            # Whatever it said: the next one would be as uncertain.
            return False
        case Refused() | NotAuthorized():
            # Without a word of the provider's it was refused here.
            return True if said else None
    return None
