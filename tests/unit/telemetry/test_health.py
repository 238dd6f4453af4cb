"""How lines stand, when it is told, and which stage is stuck."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.clock import SystemClock
from relay.domain.errors import (
    ConsentRequired,
    ErrorCode,
    Malformed,
    NotAuthorized,
    NotReady,
    OutcomeUnknown,
    Problem,
    Refused,
    RelayError,
    Throttled,
    TryLater,
)
from relay.telemetry.health import LineBoard, LineHealth, LineState, Pulse, state_after

PROBLEM = Problem(ErrorCode.PROVIDER_ERROR, "as the test wants it")
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class HandClock(SystemClock):
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        """The time that was set."""
        return self.time

    def passes(self, seconds: float) -> None:
        """Move on."""
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> HandClock:
    """Stands at START."""
    return HandClock()


@pytest.fixture
def told() -> list[tuple[str, LineHealth]]:
    """What the board's listener heard."""
    return []


@pytest.fixture
def board(clock: HandClock, told: list[tuple[str, LineHealth]]) -> LineBoard:
    """A board of two lines, listened to."""
    board = LineBoard(clock, ["alerts", "office"])
    board.listen(lambda line, health: told.append((line, health)))
    return board


def test_a_line_is_ready_at_first(board: LineBoard) -> None:
    """Nothing has gone wrong yet, and nothing has succeeded."""
    assert board.of("alerts") == LineHealth(LineState.READY, START)
    assert list(board.all()) == ["alerts", "office"]


def test_a_lines_state_is_that_of_its_worst_part(board: LineBoard) -> None:
    """An inbox that is polled well does not hide that nothing can be sent."""
    board.report("alerts", "send", LineState.UNAUTHORIZED, "unauthorized")
    board.report("alerts", "inbox", LineState.THROTTLED, "throttled")
    board.report("alerts", "status", LineState.READY)
    assert (board.of("alerts").state, board.of("alerts").reason) == (LineState.UNAUTHORIZED, "unauthorized")
    board.report("alerts", "send", LineState.READY)
    assert (board.of("alerts").state, board.of("alerts").reason) == (LineState.THROTTLED, "throttled")
    assert board.of("office").state is LineState.READY


@pytest.mark.parametrize("state", [state for state in LineState if state is not LineState.READY])
def test_every_other_state_is_worse_than_ready(board: LineBoard, state: LineState) -> None:
    """So that one part's trouble always shows."""
    board.report("alerts", "inbox", LineState.READY)
    board.report("alerts", "send", state, "why")
    assert board.of("alerts").state is state


def test_since_is_when_the_state_began_and_not_when_it_was_last_reported(board: LineBoard, clock: HandClock) -> None:
    """An outage is as old as it is."""
    clock.passes(5)
    board.report("alerts", "inbox", LineState.UNREACHABLE, "unreachable")
    clock.passes(60)
    board.report("alerts", "inbox", LineState.UNREACHABLE, "provider_error")
    assert board.of("alerts").since == START + timedelta(seconds=5)
    assert board.of("alerts").reason == "provider_error"


def test_a_change_is_told_once(board: LineBoard, told: list[tuple[str, LineHealth]]) -> None:
    """A line that goes on failing publishes nothing new."""
    for _ in range(3):
        board.report("alerts", "inbox", LineState.UNREACHABLE, "unreachable")
    assert [(line, health.state) for line, health in told] == [("alerts", LineState.UNREACHABLE)]


def test_when_the_provider_will_discard_is_told_at_once(board: LineBoard, told: list[tuple[str, LineHealth]]) -> None:
    """A person may have half an hour."""
    board.loss_at("alerts", START + timedelta(minutes=30))
    board.loss_at("alerts", START + timedelta(minutes=30))
    board.loss_at("alerts", None)
    assert [health.loss_at for _, health in told] == [START + timedelta(minutes=30), None]


def test_a_success_alone_is_told_once_a_minute(
    board: LineBoard, clock: HandClock, told: list[tuple[str, LineHealth]]
) -> None:
    """A busy line does not fill the bus with its status."""
    for _ in range(120):
        board.success("alerts")
        clock.passes(1)
    assert [health.last_success for _, health in told] == [START, START + timedelta(minutes=1)]
    assert board.of("alerts").last_success == START + timedelta(seconds=119)


def test_readiness_that_is_reported_is_a_success(board: LineBoard, clock: HandClock) -> None:
    """A part says ready when it has just been served."""
    clock.passes(7)
    board.report("alerts", "send", LineState.READY)
    assert board.of("alerts").last_success == START + timedelta(seconds=7)


def test_a_line_that_is_not_served_is_nobodys(board: LineBoard) -> None:
    """A mistake in relay is not hidden."""
    with pytest.raises(KeyError):
        board.report("nobody", "send", LineState.READY)


def test_the_status_topics_body_has_plain_times_and_words(board: LineBoard) -> None:
    """As in the contract."""
    board.report("alerts", "inbox", LineState.UNREACHABLE, "unreachable")
    board.loss_at("alerts", START + timedelta(minutes=30))
    assert board.of("alerts").as_body() == {
        "state": "unreachable",
        "reason": "unreachable",
        "since": "2026-11-21T09:00:00.000Z",
        "last_success": None,
        "loss_at": "2026-11-21T09:30:00.000Z",
        "circuit": None,
    }


def test_a_circuit_that_opens_moves_or_closes_is_told_at_once(
    board: LineBoard, told: list[tuple[str, LineHealth]]
) -> None:
    """Nothing else of the line has to change for that."""
    first, second = {"failures": 3}, {"failures": 4}
    for body in (first, first, second, None):
        board.circuit("alerts", body)
    assert [health.circuit for _, health in told] == [first, second, None]
    board.circuit("alerts", first)
    assert board.of("alerts").as_body()["circuit"] == first


def test_a_stage_that_works_for_too_long_is_stuck_and_one_that_rests_is_not() -> None:
    """Rests are as long as they like; a step is not."""
    now = [100.0]
    pulse = Pulse(lambda: now[0])
    for stage in ("sender/alerts", "poller/alerts", "publisher", "janitor"):
        pulse.busy(stage)
    pulse.resting("poller/alerts")
    pulse.gone("janitor")
    now[0] += 180
    assert pulse.stuck(180) == []
    pulse.busy("publisher")
    now[0] += 1
    assert pulse.stuck(180) == ["sender/alerts"]


def test_a_stage_may_rest_or_go_without_having_worked() -> None:
    """Stopping is never an error."""
    pulse = Pulse()
    pulse.resting("sender/alerts")
    pulse.gone("sender/alerts")
    assert pulse.stuck(0) == []


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ConsentRequired(PROBLEM), LineState.CONSENT_REQUIRED),
        (NotAuthorized(PROBLEM), LineState.UNAUTHORIZED),
        (Throttled(PROBLEM), LineState.THROTTLED),
        (NotReady(PROBLEM), LineState.UNREACHABLE),
        (TryLater(PROBLEM), LineState.UNREACHABLE),
        (OutcomeUnknown(PROBLEM), LineState.UNREACHABLE),
        (Refused(PROBLEM), LineState.SUSPENDED),
        (Malformed("no JSON", b""), LineState.SUSPENDED),
    ],
)
def test_an_errors_class_says_how_the_line_stands(error: RelayError, state: LineState) -> None:
    """One table for every stage."""
    assert state_after(error) is state


def test_what_a_part_reported_can_be_taken_back(
    board: LineBoard, clock: HandClock, told: list[tuple[str, LineHealth]]
) -> None:
    """The line stands as its other parts say, and nothing has succeeded by that."""
    board.report("alerts", "inbox", LineState.THROTTLED, "throttled")
    board.report("alerts", "send", LineState.SUSPENDED, "spam_blocked")
    clock.passes(60)
    board.clear("alerts", "send")
    assert board.of("alerts") == LineHealth(LineState.THROTTLED, clock.now(), "throttled")
    board.clear("alerts", "inbox")
    assert board.of("alerts") == LineHealth(LineState.READY, clock.now())
    heard = len(told)
    board.clear("alerts", "send")
    assert len(told) == heard == 4


def test_each_part_says_how_it_stands(board: LineBoard, clock: HandClock) -> None:
    """A stage that reports for itself counts for its kind, and the worse of two does; what is cleared is not known."""
    board.report("alerts", "inbox", LineState.READY)
    board.report("alerts", "send", LineState.READY)
    board.report("alerts", "send/alerts", LineState.SUSPENDED)
    assert board.parts("alerts") == {"inbox": LineState.READY, "send": LineState.SUSPENDED}
    ready = clock.now()
    clock.passes(60)
    board.report("alerts", "inbox", LineState.UNREACHABLE)
    assert board.ready_at("alerts", "inbox") == ready
    board.clear("alerts", "inbox")
    assert board.ready_at("alerts", "inbox") is None
    assert board.parts("alerts").keys() == {"send"}
    assert board.parts("nowhere") == {}
