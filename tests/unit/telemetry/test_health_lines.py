"""Lines that come to the board, are changed, and go."""

import pytest

from relay.simulator.virtual import ManualClock
from relay.telemetry.health import LineBoard, LineHealth, LineState

Told = list[tuple[str, LineState]]


@pytest.fixture
def told() -> Told:
    """What was told."""
    return []


@pytest.fixture
def board(told: Told) -> LineBoard:
    """A board with one line, which is not well."""
    clock = ManualClock()
    board = LineBoard(clock, ["alerts"])

    def tell(line: str, health: LineHealth) -> None:
        told.append((line, health.state))

    board.listen(tell)
    board.report("alerts", "inbox", LineState.UNREACHABLE, "away")
    board.report("alerts", "bus", LineState.SUSPENDED, "topic_denied")
    board.loss_at("alerts", clock.now())
    board.circuit("alerts", {"failures": 3})
    told.clear()
    return board


def test_a_line_that_comes_is_ready(board: LineBoard, told: Told) -> None:
    """And is told of like all others."""
    board.add("office")
    board.report("office", "inbox", LineState.THROTTLED, "throttled")
    assert (list(board.all()), told) == (["alerts", "office"], [("office", LineState.THROTTLED)])


def test_of_a_line_that_was_changed_nothing_is_known_but_what_stays(board: LineBoard) -> None:
    """Its parts are others, which have said nothing yet."""
    board.begin_anew("alerts", but=("bus",))
    health = board.of("alerts")
    assert (health.state, health.reason) == (LineState.SUSPENDED, "topic_denied")
    assert (health.loss_at, health.circuit) == (None, None)
    board.clear("alerts", "bus")
    assert board.of("alerts").state is LineState.READY


def test_what_is_still_said_of_a_line_that_has_gone_goes_nowhere(board: LineBoard, told: Told) -> None:
    """Some of its work may be just ending; a line that never was is a mistake all the same."""
    board.remove("alerts")
    board.report("alerts", "inbox", LineState.READY)
    board.clear("alerts", "inbox")
    board.success("alerts")
    board.loss_at("alerts", None)
    board.circuit("alerts", None)
    assert (dict(board.all()), told) == ({}, [])
    with pytest.raises(KeyError):
        board.success("never")
    board.add("alerts")
    assert board.of("alerts").state is LineState.READY
