"""What `relay status` prints of a line's limits."""

from typing import Any

import pytest

from relay.telemetry.statuswords import circuit_row, limits_row

MONTH = {"limit": 1000000, "spent": 812000, "ends_at": "2026-11-25T07:00:00.000Z"}
HELD = "2026-11-21T09:00:00Z"
NEXT = "2026-11-22T00:00:00Z"


def line(today: int, per_day: int | None = None, month: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A line as the daemon tells of it."""
    limits = {"today": today, "calls_per_day": per_day, "month": month}
    return {"limits": limits, "held_at": None, "next_call_at": None, **more}


@pytest.mark.parametrize(
    ("standing", "shown"),
    [
        (line(7), ("7", "-", "-", "-")),
        (line(100, 100, next_call_at=NEXT), ("100 of 100", "-", "-", "2026-11-22 00:00:00Z")),
        (line(7, month=MONTH), ("7", "812000 of 1000000", "2026-11-25 07:00:00Z", "-")),
        (line(7, month=MONTH | {"ends_at": None}), ("7", "812000 of 1000000", "not this month", "-")),
        (line(7, held_at=HELD), ("7", "-", "-", "held since 2026-11-21 09:00:00Z: relay queue release --line alerts")),
    ],
)
def test_a_lines_limits_are_one_row(standing: dict[str, Any], shown: tuple[str, ...]) -> None:
    """What it has spent of what it may, when that is used up, and what it waits for."""
    assert limits_row("alerts", standing) == ("alerts", *shown)


def test_an_open_circuit_is_one_row_with_its_reason() -> None:
    """As the daemon tells of it, in words that people can read."""
    told = {"since": HELD, "next_try_at": NEXT, "reason": "3 calls in a row brought no usable answer", "failures": 3}
    assert circuit_row("alerts", told) == ("alerts", "2026-11-21 09:00:00Z", "2026-11-22 00:00:00Z", told["reason"])
