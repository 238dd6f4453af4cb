"""The mark that says that there was a journal, and what a start makes of what is left."""

import asyncio
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.ids import Ids
from relay.journal import Journal, JournalDamaged, JournalUnusable
from relay.journal.filecheck import mark_of, refuse_lost, remember_made


def _open(path: Path) -> None:
    async def opened() -> None:
        clock = SystemClock()
        await (await Journal.open(f"sqlite:///{path}", clock=clock, ids=Ids(clock), node="relay-1")).aclose()

    asyncio.run(opened())


def test_a_first_start_makes_the_mark_after_the_tables(tmp_path: Path) -> None:
    """What a crash leaves before is begun anew: an empty file, and no mark."""
    path = tmp_path / "relay.db"
    path.touch()
    refuse_lost(path)
    _open(path)
    assert mark_of(path).exists()
    _open(path)


@pytest.mark.parametrize("left", [None, b""])
def test_a_journal_that_is_gone_is_never_made_anew(tmp_path: Path, left: bytes | None) -> None:
    """The text names the command that restores it, and what to move away for a new one."""
    path = tmp_path / "relay.db"
    _open(path)
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    with pytest.raises(JournalDamaged, match=r"`relay restore FILE`.*move .*relay\.db\* away"):
        _open(path)
    mark_of(path).unlink()
    path.unlink(missing_ok=True)
    _open(path)


def test_a_wal_without_its_journal_is_evidence_too(tmp_path: Path) -> None:
    """SQLite would delete it."""
    Path(f"{tmp_path}/relay.db-wal").write_bytes(b"frames")
    with pytest.raises(JournalDamaged, match="is missing"):
        _open(tmp_path / "relay.db")
    assert Path(f"{tmp_path}/relay.db-wal").exists()


def test_another_program_s_file_is_not_called_damaged(tmp_path: Path) -> None:
    """Where no journal was, no backup helps."""
    (tmp_path / "relay.db").write_bytes(b"SQLite format 3\0" + bytes(84))
    with pytest.raises(JournalUnusable):
        _open(tmp_path / "relay.db")
    assert not mark_of(tmp_path / "relay.db").exists()


def test_the_mark_is_made_once(tmp_path: Path) -> None:
    """And is empty: nothing in it can be lost."""
    remember_made(tmp_path / "relay.db")
    made = mark_of(tmp_path / "relay.db").stat()
    remember_made(tmp_path / "relay.db")
    assert mark_of(tmp_path / "relay.db").stat().st_mtime_ns == made.st_mtime_ns
    assert made.st_size == 0
