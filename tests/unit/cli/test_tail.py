"""What `relay tail` shows, and what it hides when it is told to."""

from typing import Any

import pytest

from relay.cli.tail import Kind, Wanted, masked, sentence

NUMBER, TEXT = "+12065550123", "a marked text"
RECEIPT: dict[str, Any] = {
    "request_id": f"order-{NUMBER}",
    "message_id": "m-1",
    "copy_id": "m-1.1",
    "to": NUMBER,
    "status": "delivered",
    "final": True,
    "metadata": {"said": TEXT},
}


def event(kind: str, data: dict[str, Any], line: str | None = "alerts") -> dict[str, Any]:
    """An event as the daemon gives it."""
    source = f"/relay/line/{line}" if line else "/relay"
    return {
        "type": f"relay.{kind}.v1",
        "source": source,
        "subject": "m-1",
        "time": "2026-11-21T09:00:00Z",
        "data": data,
    }


@pytest.mark.parametrize(
    ("wanted", "takes"),
    [
        (Wanted(), True),
        (Wanted(line="alerts"), True),
        (Wanted(line="office"), False),
        (Wanted(kinds=(Kind.RESULT, Kind.RECEIPT)), True),
        (Wanted(kinds=(Kind.EVENT,)), False),
        (Wanted(message="m-1"), True),
        (Wanted(message="m-2"), False),
        (Wanted(request=f"order-{NUMBER}"), True),
        (Wanted(request="order"), False),
        (Wanted(line="alerts", kinds=(Kind.RECEIPT,), message="m-1", request="other"), False),
    ],
)
def test_an_event_is_shown_where_every_filter_takes_it(wanted: Wanted, takes: bool) -> None:
    """What is not given takes all."""
    assert wanted.takes(event("receipt", RECEIPT)) is takes


def test_event_is_the_kind_of_every_events_name() -> None:
    """`event.read` and `event.opt-out` are both `event`, and an event of no line is of no line."""
    wanted = Wanted(kinds=(Kind.EVENT,))
    assert wanted.takes(event("event.opt-out", {}))
    assert wanted.takes(event("event.read", {}, line=None))
    assert not Wanted(line="alerts").takes(event("dead", {}, line=None))


@pytest.mark.parametrize(
    "shown",
    [
        event("receipt", RECEIPT),
        event("message", {"from": NUMBER, "to": "12345", "text": TEXT, "media": [{"data": TEXT}], "message_id": "m-1"}),
        event(
            "result",
            {
                "outcome": "accepted",
                "request_id": f"order-{NUMBER}",
                "copies": [{"to": NUMBER}],
                "ref": NUMBER,
                "metadata": {"said": TEXT},
                "message": {"text": TEXT, "from": NUMBER},
                "error": None,
            },
        ),
        event("event.opt-out", {"address": NUMBER, "to": NUMBER, "word": "stop", "source": "keyword"}),
        event("event.sent-elsewhere", {"from": None, "to": [NUMBER], "text": TEXT}),
    ],
    ids=lambda one: str(one["type"]),
)
def test_no_text_hides_texts_and_numbers(shown: dict[str, Any]) -> None:
    """In the sentence and in JSON; the ids that relay made stay."""
    hidden = masked({**shown, "subject": f"order-{NUMBER}"})
    told = sentence(hidden) + str(hidden)
    assert TEXT not in told
    assert NUMBER[1:] not in told
    if "message_id" in shown["data"]:
        assert hidden["data"]["message_id"] == "m-1"
