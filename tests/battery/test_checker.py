"""The checker finds what it is there to find: ledgers made by hand, each with one thing wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.battery.checker import ATT, PUBLISHER, SUBSCRIBER, Findings, LedgerReader, Ledgers, judge

TO = "+12065550123"
TEXT = "Your order is on its way."
PAGE = {"what": "handed-out", "service": "att-sms", "request": 7, "text": "Yes"}


def asked(request_id: str = "r", **more: Any) -> dict[str, Any]:
    """A send request that the broker took."""
    return {"what": "command", "topic": "relay/line/alerts/send", "payload": {"id": request_id, "text": TEXT, **more}}


def result(event_id: str = "e-1", request_id: str = "r", **more: Any) -> dict[str, Any]:
    """Its acceptance, with one copy."""
    copies = [{"copy_id": "c", "to": TO, "status": "queued"}]
    data = {"request_id": request_id, "outcome": "accepted", "replayed": False, "copies": copies, "ref": None, **more}
    return heard(event_id, "result", data)


def receipt(event_id: str = "e-2", status: str = "delivered", **more: Any) -> dict[str, Any]:
    """A receipt of that copy."""
    final = status not in {"uncertain", "sent", "submitted"}
    return heard(event_id, "receipt", {"copy_id": "c", "status": status, "final": final, **more})


def message(event_id: str = "e-3", text: str = "Yes") -> dict[str, Any]:
    """A text in."""
    return heard(event_id, "message", {"text": text})


def heard(event_id: str, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """What a subscriber wrote down."""
    return {"topic": "relay/line/alerts/any", "event": {"id": event_id, "type": f"relay.{kind}.v1", "data": data}}


TAKEN = {"what": "accepted", "text": TEXT, "to": "tel:" + TO}
TEXT_IN = {"what": "text-in", "text": "Yes"}
FLAWS: dict[str, tuple[Ledgers, str]] = {
    "a command without an answer": (Ledgers([TAKEN], [receipt()], [asked()]), "unanswered"),
    "another verb is not answered by the request's result": (
        Ledgers(
            [TAKEN],
            [result(), receipt()],
            [asked(), {"what": "command", "topic": "relay/line/alerts/cancel", "payload": {"id": "r"}}],
        ),
        "unanswered",
    ),
    "a copy without an end": (Ledgers([TAKEN], [result(), receipt(status="sent")], [asked()]), "endless"),
    "a copy that is told and was not sent": (Ledgers([], [result(), receipt()], [asked()]), "unsent"),
    "a text that nobody heard": (Ledgers([], [], [TEXT_IN]), "unheard"),
    "a page that was lost in silence": (Ledgers([PAGE], [], [TEXT_IN]), "unheard"),
    "a text that AT&T discarded in silence": (
        Ledgers([{"what": "purged", "text": "Yes"}], [], [TEXT_IN]),
        "unheard",
    ),
    "a text that was sent twice": (Ledgers([TAKEN, TAKEN], [result(), receipt()], [asked()]), "doubled"),
    "a text in that is two messages": (Ledgers([], [message("e-3"), message("e-4")], [TEXT_IN]), "heard_twice"),
    "a request with two answers": (
        Ledgers([TAKEN], [result(), result("e-9"), receipt()], [asked()]),
        "answered_twice",
    ),
    "a copy with two ends": (
        Ledgers([TAKEN], [result(), receipt(), receipt("e-5", "undelivered")], [asked()]),
        "two_ends",
    ),
    "an event id with two bodies": (
        Ledgers([], [message(), message(text="No")], [TEXT_IN]),
        "altered",
    ),
    "an uncertain copy that the message store shows": (
        Ledgers(
            [TAKEN, {"what": "stored", "send_id": "s", "text": TEXT}],
            [result(), receipt(status="uncertain")],
            [asked()],
        ),
        "unsettled",
    ),
    "a text from the phone that nobody was told of": (
        Ledgers([{"what": "sent-elsewhere", "text": "Hi"}], [], []),
        "untold",
    ),
    "a text from the phone that is none": (
        Ledgers([], [heard("e-6", "event.sent-elsewhere", {"text": "Hi"})], []),
        "mistaken",
    ),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_is_found_and_nothing_else(flaw: str) -> None:
    """Each ledger has one thing wrong, and that is what is found."""
    ledgers, name = FLAWS[flaw]
    found = judge(ledgers)
    assert len(getattr(found, name)) == 1
    assert (found.lost, found.twice) in {(1, 0), (0, 1)}
    assert not found.is_clean


def test_what_is_as_it_should_be_is_clean() -> None:
    """A text out with its end, a text in, and an event that came once more under its own id."""
    found = judge(Ledgers([TAKEN], [result(), receipt(), receipt(), message()], [asked(), TEXT_IN]))
    assert found.is_clean
    assert str(found) == "redelivered 1"


def test_what_is_allowed_is_counted_and_no_flaw() -> None:
    """A copy that waits for a person; a resend that is allowed; a page that is told lost or unreadable."""
    waits = judge(Ledgers([TAKEN], [result(), receipt(status="uncertain")], [asked()]))
    resent = judge(Ledgers([TAKEN, TAKEN], [result(), receipt()], [asked(on_uncertain="resend")]))
    allowed = judge(Ledgers([TAKEN, TAKEN], [result(), receipt()], [asked(), {"what": "leave", "text": TEXT}]))
    told = judge(Ledgers([PAGE], [heard("e-7", "event.loss-suspected", {"reason": "stopped"})], [TEXT_IN]))
    listed = judge(Ledgers([PAGE], [heard("e-7", "dead", {"kind": "raw", "what": "inbox"})], [TEXT_IN]))
    assert [found.is_clean for found in (waits, resent, allowed, told, listed)] == [True] * 5
    assert (waits.uncertain, resent.with_leave, allowed.with_leave, told.told_losses) == (1, 1, 1, 1)


def test_an_answer_again_a_late_fact_and_a_rejection_are_no_flaws() -> None:
    """A replayed result, a receipt that comes after the end, a request that was refused."""
    again = result("e-8", replayed=True)
    late = receipt("e-9", late=True)
    no = heard("e-10", "result", {"request_id": "s", "outcome": "rejected", "copies": [], "ref": None})
    found = judge(Ledgers([TAKEN], [result(), again, receipt(), late, no], [asked(), asked("s")]))
    assert found == Findings(**{**_empty(), "uncertain": 0})


def test_a_copy_that_was_refused_at_acceptance_has_its_end_in_the_result() -> None:
    """No receipt follows."""
    copies = [{"copy_id": "c", "to": TO, "status": "failed"}]
    assert judge(Ledgers([], [result(copies=copies)], [asked()])).is_clean


def test_the_files_are_read_as_they_grow_and_half_a_line_is_none(tmp_path: Path) -> None:
    """Whoever is killed while it writes leaves half a line."""
    path = tmp_path / SUBSCRIBER
    reader = LedgerReader(path)
    assert list(reader.lines()) == []
    path.write_text(json.dumps(message()) + "\n" + json.dumps(result())[:20])
    assert len(reader.lines()) == 1
    path.write_text(json.dumps(message()) + "\n" + json.dumps(result()) + "\n")
    assert [line["event"]["id"] for line in reader.lines()] == ["e-3", "e-1"]


def test_a_folder_has_all_three(tmp_path: Path) -> None:
    """Each in its file."""
    for name, line in ((ATT, TAKEN), (SUBSCRIBER, result()), (PUBLISHER, asked())):
        (tmp_path / name).write_text(json.dumps(line) + "\n")
    assert Ledgers.of(tmp_path) == Ledgers([TAKEN], [result()], [asked()])
    assert judge(Ledgers.of(tmp_path)).endless == ["c"]


def _empty() -> dict[str, Any]:
    numbers = ("uncertain", "told_losses", "redelivered", "with_leave", "unjudged")
    return {name: 0 if name in numbers else [] for name in Findings.__dataclass_fields__}
