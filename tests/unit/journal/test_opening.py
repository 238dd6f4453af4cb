"""Opening a journal on SQLite: what cannot be a journal is refused, with what is wrong and the cure."""

import asyncio
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.ids import Ids
from relay.journal import Journal, JournalInUse, JournalTooNew, JournalUnusable


async def _open(url: str | Path) -> Journal:
    clock = SystemClock()
    url = f"sqlite:///{url}" if isinstance(url, Path) else url
    return await Journal.open(url, clock=clock, ids=Ids(clock), node="relay-1")


def _tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")]


def _modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("relay.db", "expected sqlite:////"),
        ("mysql://localhost/relay", "must begin with sqlite"),
        ("sqlite://", "by its whole path"),
        ("sqlite:///:memory:", "by its whole path"),
        ("sqlite:///relay.db", "by its whole path"),
        ("sqlite:////no/such/directory/relay.db", "/no/such/directory of journal.url does not exist"),
        ("sqlite:////usr", "names a directory"),
        ("sqlite:////proc/relay.db", "cannot be opened"),
    ],
)
async def test_an_address_that_names_no_journal_is_refused(url: str, cure: str) -> None:
    """With what would be right."""
    with pytest.raises(JournalUnusable, match=cure):
        await _open(url)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 4080])
async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """It may be somebody's."""
    path = tmp_path / "relay.db"
    path.write_bytes(content)
    with pytest.raises(JournalUnusable, match=r"no SQLite database|damaged"):
        await _open(path)
    assert path.read_bytes() == content


async def test_another_program_s_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Not a byte of it changes."""
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE photos (id)")
    content = path.read_bytes()
    with pytest.raises(JournalUnusable, match="another program"):
        await _open(path)
    assert path.read_bytes() == content


async def test_a_newer_relay_s_journal_is_refused(tmp_path: Path) -> None:
    """Its tables are not known here."""
    path = tmp_path / "relay.db"
    await (await _open(path)).aclose()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(JournalTooNew, match="newer relay"):
        await _open(path)


async def test_a_journal_whose_opening_was_cut_is_opened_the_next_time(tmp_path: Path) -> None:
    """An empty file has no tables yet."""
    path = tmp_path / "relay.db"
    path.touch()
    await (await _open(path)).aclose()
    assert "event" in _tables(path)


async def test_opening_again_changes_no_table(tmp_path: Path) -> None:
    """Migrations run once."""
    path = tmp_path / "relay 100% full.db"
    await (await _open(path)).aclose()
    tables = _tables(path)
    await (await _open(path)).aclose()
    assert _tables(path) == tables


async def test_a_refused_opening_leaves_no_lock(tmp_path: Path) -> None:
    """The next try is judged for itself."""
    path = tmp_path / "relay.db"
    path.write_bytes(b"junk" * 1000)
    with pytest.raises(JournalUnusable):
        await _open(path)
    path.unlink()
    async with await _open(path):
        with pytest.raises(JournalInUse, match=f"process {os.getpid()}"):
            await _open(path)


async def test_the_files_are_relay_s_user_s_alone(tmp_path: Path) -> None:
    """They hold what people wrote to each other."""
    path = tmp_path / "relay.db"
    async with await _open(path) as journal:
        await journal.memory("alerts").put("token", b"secret")
        modes = await asyncio.to_thread(_modes, tmp_path)
    assert modes == dict.fromkeys(("relay.db", "relay.db-wal", "relay.db-shm", "relay.db.lock", "relay.db.made"), 0o600)


async def test_commits_are_synced(tmp_path: Path) -> None:
    """WAL and FULL are asked of SQLite, and read back; the reader cannot write."""
    async with await _open(tmp_path / "relay.db") as journal:
        writer, reader = journal._core.writer, journal._core.reader
        pragma = "PRAGMA {}"
        asked = {
            name: await writer.run(lambda tx, name=name: tx.connection.exec_driver_sql(pragma.format(name)).scalar())  # type: ignore[misc]
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
        assert asked == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5000}
        with pytest.raises(JournalUnusable, match="READONLY"):
            await reader.run(lambda connection: connection.exec_driver_sql("DELETE FROM raw"))
        assert await reader.run(lambda connection: connection.exec_driver_sql("SELECT count(*) FROM raw").scalar()) == 0
