"""What the simulator remembers for tests."""

import json
from pathlib import Path
from typing import Any

import pytest

from relay.providerkit.simulated import Ledger, Overrun, Violations
from relay.simulator.ledgerfile import LedgerFile
from relay.simulator.virtual import ManualClock


def test_lines_are_numbered_and_dated(clock: ManualClock) -> None:
    """From one, in the order they were written."""
    ledger = Ledger(clock)
    ledger.record("accepted", {"to": "+12065550101"})
    ledger.record("status", {})
    first, second = ledger.lines()
    assert first == {"n": 1, "at": "2026-11-21T09:00:00.000+00:00", "what": "accepted", "to": "+12065550101"}
    assert second["n"] == 2


def test_a_reader_goes_on_where_it_was(clock: ManualClock) -> None:
    """`since` leaves out what is known."""
    ledger = Ledger(clock)
    for _ in range(5):
        ledger.record("status", {})
    assert [line["n"] for line in ledger.lines(since=3)] == [4, 5]
    assert ledger.lines(since=5) == []
    assert ledger.lines(since=99) == []


def test_what_is_not_kept_any_more_is_not_kept_silent_about(clock: ManualClock) -> None:
    """Asking for it raises, so that no test compares with half a ledger."""
    ledger = Ledger(clock, keep=2)
    for _ in range(5):
        ledger.record("status", {})
    assert [line["n"] for line in ledger.lines(since=3)] == [4, 5]
    with pytest.raises(Overrun, match="last 2 of 5"):
        ledger.lines(since=2)


def test_a_copy_goes_to_whoever_wants_one(clock: ManualClock) -> None:
    """Each line, as it is written, whether or not it is kept."""
    ledger = Ledger(clock, keep=0)
    copies: list[dict[str, Any]] = []
    ledger.copy = copies.append
    ledger.record("accepted", {"text": "one"})
    assert [line["text"] for line in copies] == ["one"]


@pytest.mark.parametrize("sync", [False, True])
def test_a_file_gets_every_line_by_the_time_it_is_closed(tmp_path: Path, sync: bool) -> None:
    """As JSON; a second one appends."""
    path = tmp_path / "ledger.jsonl"
    for text in ("\u00e9", "two\nlines"):
        file = LedgerFile(path, sync=sync)
        file.append({"text": text})
        file.close()
        assert json.loads(path.read_text().splitlines()[-1])["text"] == text
    assert len(path.read_text().splitlines()) == 2


def test_a_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    """Before anything is lost in it."""
    with pytest.raises(OSError, match="directory"):
        LedgerFile(tmp_path)


def test_violations_say_who_did_what_wrong(clock: ManualClock) -> None:
    """The latest are kept, and can be cleared."""
    violations = Violations(clock, keep=2)
    for number in range(3):
        violations.record("att-sms", "inbox", f"wrong {number}")
    assert [line["what"] for line in violations.lines()] == ["wrong 1", "wrong 2"]
    assert violations.lines()[0]["service"] == "att-sms"
    assert violations.lines()[0]["operation"] == "inbox"
    violations.clear()
    assert violations.lines() == []
