"""What a hostile reading of the copy before a migration found: each fact failed once."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.ids import Ids
from relay.journal import Journal, JournalDamaged
from tests import journals


def _damage_revision(path: Path) -> None:
    """The page that holds the revision is no page any more."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        [root] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'alembic_version'").fetchone()
        [size] = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA journal_mode=WAL")
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)


async def test_a_journal_whose_revision_is_damaged_is_named_so_with_the_cure(tmp_path: Path) -> None:
    """Before anything is copied, its revision is looked at: that must not end relay with a stack."""
    path, clock = tmp_path / "relay.db", SystemClock()
    await asyncio.to_thread(journals.lay, path)
    await asyncio.to_thread(_damage_revision, path)
    with pytest.raises(JournalDamaged, match="relay restore"):
        await Journal.open(f"sqlite:///{path}", clock=clock, ids=Ids(clock), node="n1")
