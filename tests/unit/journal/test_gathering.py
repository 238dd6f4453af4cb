"""Rows that wait to be written together: how many there may be, and what is asked of them meanwhile."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Insert

from relay.journal.gathering import MOST_COPIES, Gathered, Row


def message(name: str, size: int = 2) -> Row:
    """A message that says so many bytes."""
    return {"id": name, "content": b"x" * size, "sequence": 0}


def call(name: str, company: str | None) -> Row:
    """A call that waits."""
    return {"id": name, "line": "alerts", "company": company}


def copies(count: int, *, waits: int = 1) -> list[Row]:
    """Copies to different numbers."""
    return [{"line": "alerts", "address": f"+1206555{place:04d}", "waits": waits} for place in range(count)]


def written(gathered: Gathered) -> list[tuple[str, int]]:
    """The tables that are written to, and how many rows each gets."""
    tables: list[tuple[str, int]] = []

    def write(statement: Insert, rows: Sequence[dict[str, Any]]) -> None:
        tables.append((statement.table.name, len(rows)))

    gathered.write(write)
    return tables


def test_each_table_is_written_once() -> None:
    """Where there is anything for it; afterwards nothing is left."""
    gathered = Gathered()
    assert not gathered.any
    for place in range(3):
        gathered.add_message(message(f"m{place}"))
    gathered.add_copies(copies(4))
    assert gathered.any
    assert written(gathered) == [("message", 3), ("copy", 4)]
    assert not gathered.any
    assert written(gathered) == []


def test_many_copies_are_many() -> None:
    """From there on they should be written."""
    gathered = Gathered()
    gathered.add_copies(copies(MOST_COPIES - 1))
    assert not gathered.is_large
    gathered.add_copies(copies(1))
    assert gathered.is_large


def test_long_messages_are_many_soon() -> None:
    """They are held in memory."""
    gathered = Gathered()
    gathered.add_message(message("m1", 3 * 1024 * 1024))
    assert not gathered.is_large
    gathered.add_message(message("m2", 3 * 1024 * 1024))
    assert gathered.is_large
    written(gathered)
    assert not gathered.is_large


def test_a_key_stays_bound_and_a_company_formed() -> None:
    """Also when their rows are written: whoever was told before that there are none is told now that there are."""
    gathered = Gathered()
    gathered.add_command({"line": "alerts", "client": "", "key": "order-1"})
    gathered.add_call(call("c1", "words"))
    for _ in range(2):
        assert gathered.has_bound("alerts", "", "order-1")
        assert not gathered.has_bound("alerts", "shop", "order-1")
        assert gathered.has_formed("alerts", "words")
        assert not gathered.has_formed("other", "words")
        written(gathered)


def test_the_newest_call_of_a_company_is_found_until_it_is_written() -> None:
    """Then the database has it."""
    gathered = Gathered()
    for name, company in (("c1", "words"), ("c2", "words"), ("c3", None)):
        gathered.add_call(call(name, company))
    newest = gathered.newest_of("alerts", "words")
    assert newest is not None
    assert newest["id"] == "c2"
    written(gathered)
    assert gathered.newest_of("alerts", "words") is None


def test_a_number_is_awaited_by_copies_that_wait() -> None:
    """Not by those that are refused, nor on another line."""
    gathered = Gathered()
    gathered.add_copies(copies(1))
    assert gathered.awaited("alerts", ["+12065550000", "+12065550001"]) == {"+12065550000"}
    assert gathered.awaited("other", ["+12065550000"]) == set()
    refused = Gathered()
    refused.add_copies(copies(1, waits=0))
    assert refused.awaited("alerts", ["+12065550000"]) == set()


def test_sequence_numbers_are_taken_from_the_row() -> None:
    """Of a message that is not written yet; of any other the database is asked."""
    gathered = Gathered()
    gathered.add_message(message("m1"))
    assert [gathered.take_sequence("m1", 1), gathered.take_sequence("m1", 3)] == [1, 4]
    assert gathered.take_sequence("m2", 1) is None
