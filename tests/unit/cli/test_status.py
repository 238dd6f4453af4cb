"""What `relay status` prints of a line's limits."""

from typing import Any

import pytest

from relay.cli.status import screen
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


AT, NOW = "2026-11-20T09:00:00.000Z", "2026-11-21T10:00:00.000Z"
SOON = "2026-11-21T10:29:00.000Z"


def full(alias: str) -> dict[str, Any]:
    """A line of which there is much to say."""
    circuit = {"since": AT, "next_try_at": SOON, "reason": "3 calls in a row brought no usable answer", "failures": 3}
    times = {"since": AT, "last_success": AT, "loss_at": SOON, "last_in": AT, "last_out": AT, "next_poll_at": SOON}
    health = {"state": "suspended", "reason": "topic_denied", "circuit": circuit if alias == "alerts" else None}
    return line(20000, 20000, MONTH, **times, **health) | {"held_at": AT if alias == "office" else None}


def test_three_lines_fit_on_one_screen() -> None:
    """All that `relay status` names, of lines in every trouble, below the sentence: 100 columns, 40 lines."""
    lines = ("alerts", "office", "desk")
    calls = {"waiting": 100000, "in_flight": 8, "followed": 100000}
    waiting = {"calls": calls, "oldest_due": AT, "copies": {"queued": 100000, "sending": 8, "uncertain": 12}}
    found = {
        "node": "relay-1",
        "version": "1.0.0",
        "state": "degraded",
        "since": AT,
        "now": NOW,
        "reason": "lines: alerts, desk, office",
        "bus": {"connected": True, "protocol": "3.1.1"},
        "lines": {alias: full(alias) for alias in lines},
        "consent": {"desk": {"given": False, "since": None, "renewable_until": None}},
        "mailboxes": {"desk": {"followed": True, "since": AT}},
        "nodes": [],
        "spool": {"hooks": 1, "since": AT},
        "needs_restart": ["log.level"],
        "journal": {
            "lines": dict.fromkeys(lines, waiting),
            "unpublished": 1,
            "unread": 0,
            "parked": 2,
            "asides": 3,
            "set_aside": {"raw": 1, "event": 2, "orphan": 0},
        },
    }
    shown = screen(found)
    assert len(shown) <= 40
    assert [text for text in shown[1:] if len(text) > 100] == []  # the first is as long as there are reasons
    told = "\n".join(shown)
    for word in ("last in", "last out", "next poll", "discards", "oldest waits", "for 1 d", "calls this month", "why"):
        assert word in told
