"""The log lines of a text's life say what happened, and show no number and no text."""

from datetime import UTC, datetime
from typing import Any

from structlog.testing import capture_logs

from relay.domain.announcements import Announcement
from relay.domain.messages import Reply
from relay.telemetry.lifelines import tell

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RECEIPT = {
    "request_id": "order-1",
    "copy_id": "m-1-0",
    "to": "+12065550123",
    "status": "delivered",
    "final": True,
    "late": False,
    "error": None,
}


def told(kind: str, body: dict[str, Any], reply: Reply | None = None) -> list[dict[str, Any]]:
    """What is logged of one announcement."""
    with capture_logs() as lines:
        tell(Announcement("e-1", kind, "alerts", None, "m-1", 1, NOW, NOW, body, reply or Reply()))
    return [dict(line) for line in lines]


def test_the_end_of_a_copy_is_one_line_at_info():
    """With the ids that a person looks for, and the trace that the request came with."""
    (line,) = told("receipt", RECEIPT, Reply(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
    assert (line["event"], line["log_level"], line["status"], line["final"]) == (
        "copy.changed",
        "info",
        "delivered",
        True,
    )
    assert (line["request_id"], line["message_id"], line["copy_id"]) == ("order-1", "m-1", "m-1-0")
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert "2065550123" not in str(line)


def test_a_change_on_the_way_is_for_debugging():
    """A busy line would fill the log with them."""
    (line,) = told("receipt", {**RECEIPT, "status": "submitted", "final": False})
    assert line["log_level"] == "debug"


def test_a_text_that_came_in_is_one_line_without_its_text():
    """The sender appears as a hash that is equal for equal numbers."""
    body = {"from": "+12065550177", "text": "marked-text", "keyword": "stop", "duplicate_suspect": False}
    (line,), (again,) = told("message", body), told("message", {**body, "text": "other"})
    assert (line["event"], line["keyword"]) == ("message.received", "stop")
    assert line["peer"] == again["peer"]
    assert "marked-text" not in str(line)
    assert "2065550177" not in str(line)


def test_other_announcements_are_not_told_twice():
    """What a command was answered is logged where it is taken."""
    assert told("result", {"outcome": "accepted"}) == []
