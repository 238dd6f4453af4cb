"""The charts' hour: what is counted, what is measured, and that it stays an hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.telemetry.minutes import COUNTED, KEPT, MINUTE, Minutes

BEGAN = datetime(2026, 11, 21, 9, 0, 30, tzinfo=UTC)
LATER = BEGAN + timedelta(minutes=10)


def receipt(status: str, previous: str, *, final: bool = False, late: bool = False) -> dict[str, Any]:
    """What a receipt says."""
    return {"status": status, "previous": previous, "final": final, "late": late}


def total(minutes: Minutes, name: str, now: datetime = LATER) -> float:
    """All of one count in the last hour."""
    return sum(row[name] or 0 for _, row in minutes.rows(now))


@pytest.mark.parametrize(
    ("kind", "body", "counted"),
    [
        ("message", {}, {"received": 1}),
        ("receipt", receipt("submitted", "sending"), {"sent": 1}),
        ("receipt", receipt("submitted", "uncertain"), {"sent": 1}),
        ("receipt", receipt("sent", "submitted"), {}),
        ("receipt", receipt("delivered", "sending", final=True), {"sent": 1, "delivered": 1}),
        ("receipt", receipt("delivered", "sent", final=True), {"delivered": 1}),
        ("receipt", receipt("delivered", "submitted", final=True, late=True), {}),
        ("receipt", receipt("undelivered", "sent", final=True), {"failed": 1}),
        ("receipt", receipt("failed", "sending", final=True), {"failed": 1}),
        ("receipt", receipt("expired", "queued", final=True), {"failed": 1}),
        ("receipt", receipt("unknown", "submitted", final=True), {"other": 1}),
        ("receipt", receipt("canceled", "queued", final=True), {"other": 1}),
        ("receipt", receipt("queued", "scheduled"), {}),
        ("result", {"outcome": "accepted"}, {}),
    ],
)
def test_each_event_is_counted_as_what_it_tells(kind: str, body: dict[str, Any], counted: dict[str, int]) -> None:
    """A copy is sent once, whatever else is told of it, and comes to its end once."""
    minutes = Minutes(BEGAN)
    minutes.of_event(LATER, kind, body)
    assert {name: total(minutes, name) for name in COUNTED if total(minutes, name)} == counted


def test_what_was_before_the_start_is_not_known() -> None:
    """It is not shown as nothing."""
    rows = dict(Minutes(BEGAN).rows(LATER))
    begun = BEGAN.replace(second=0)
    assert rows[begun - MINUTE]["sent"] is None
    assert rows[begun]["sent"] == 0
    assert rows[begun]["queue"] is None


def test_a_gauge_holds_until_it_is_read_again() -> None:
    """Between two readings it is what it was; after the last one nobody knows."""
    minutes = Minutes(BEGAN)
    minutes.gauge(BEGAN, queue=5, oldest=1.0)
    minutes.gauge(BEGAN, queue=7)
    minutes.gauge(BEGAN + 3 * MINUTE, queue=0)
    queue = [row["queue"] for _, row in minutes.rows(BEGAN + 5 * MINUTE)]
    assert queue[-6:] == [7, 7, 7, 0, None, None]
    assert set(queue[:-6]) == {None}


@given(ats=st.lists(st.integers(0, 10_000), max_size=200))
def test_it_never_holds_more_than_an_hour(ats: list[int]) -> None:
    """Whatever is counted, in whatever order; the newest minutes stay."""
    minutes = Minutes(BEGAN)
    for at in ats:
        minutes.count(BEGAN + at * MINUTE, "sent")
    assert len(minutes._rows) <= KEPT
    newest = max(ats, default=0)
    assert total(minutes, "sent", BEGAN + newest * MINUTE) == sum(newest - at < KEPT for at in ats)
    assert len(minutes.rows(LATER)) == KEPT
