"""A journal in a file of JSON lines, and back, from either database to either; a damaged file leaves nothing behind."""

import asyncio
import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from relay.journal import JournalUnusable
from relay.journal.exporting import export_database, export_file
from relay.journal.importing import Imported, import_database, import_file
from relay.journal.moved import JournalMoved, Move, mark_moved, mark_of_move
from relay.journal.moving import migrate
from relay.journal.rows import TABLES, newest
from relay.journal.sqlite import SqliteStore
from relay.journal.target import taking
from tests.contract.journal.desk import ALICE, BOB, START, Desk, SqlitePlace, StillClock
from tests.unit.journal.movable import HIGHEST, TEXT, empty_database, lay_full, tallied

# What an import holds, or says, changes these.
_CHANGED = ("aside", "event", "call", "copy", "message", "memory")


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    """A journal with one text that waits, and one that is under way."""
    path = tmp_path / "relay.db"
    asyncio.run(_fill(path))
    return path


async def _fill(path: Path) -> None:
    desk = await Desk.at(SqlitePlace(path))
    await desk.send(BOB, text=TEXT)
    await desk.claim()
    await desk.send(ALICE)
    await desk.journal.aclose()


@pytest.fixture
def exported(waiting: Path, tmp_path: Path) -> Path:
    """An export of it."""
    export_file(waiting, tmp_path / "relay.jsonl", START)
    return tmp_path / "relay.jsonl"


def imported(file: Path, folder: Path) -> Imported:
    """Import into a new journal in a folder."""
    folder.mkdir(exist_ok=True)
    return import_file(file, folder / "relay.db", folder / "media", clock=StillClock())


def test_an_export_is_lines_of_json_for_its_owner_alone(tmp_path: Path) -> None:
    """A header, each row by the names of its columns, and an end that counts and sums."""
    lay_full(tmp_path / "relay.db")
    file = tmp_path / "relay.jsonl"

    rows = export_file(tmp_path / "relay.db", file, START)

    first, *between, end, seal = map(json.loads, file.read_text("ascii").splitlines())
    assert first == {"relay_export": 1, "tables": newest(), "made_at": "2026-11-21T09:00:00Z"}
    assert end == {"end": {"rows": dict(rows), "position": HIGHEST}}
    assert len(seal["sha256"]) == 64
    assert [name for line in between for name in line] == [name for name in TABLES for _ in range(rows[name])]
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith("relay.jsonl")) == ["relay.jsonl"]


def test_a_name_that_ends_in_gz_is_compressed(waiting: Path, tmp_path: Path) -> None:
    """It is told by its content when it is imported, whatever it is called then."""
    export_file(waiting, tmp_path / "relay.jsonl.gz", START)
    lines = gzip.decompress((tmp_path / "relay.jsonl.gz").read_bytes()).splitlines()
    (tmp_path / "relay.jsonl.gz").rename(tmp_path / "renamed")
    assert imported(tmp_path / "renamed", tmp_path / "new").rows == len(lines) - 3


def test_a_file_that_is_there_is_not_replaced_unasked(waiting: Path, exported: Path) -> None:
    """Nor is a directory."""
    for there in (exported, exported.parent):
        with pytest.raises(JournalUnusable, match="is there already"):
            export_file(waiting, there, START)
    export_file(waiting, exported, START, replace=True)
    with pytest.raises(JournalUnusable, match="does not exist: make it first"):
        export_file(waiting, exported.parent / "no" / "file", START)


def test_what_waited_is_held_after_an_import(exported: Path, tmp_path: Path) -> None:
    """Nobody knows whether it was sent since; what was under way is uncertain."""
    done = imported(exported, tmp_path / "new")
    assert (done.restored.held, done.former) == ({"alerts": 1}, None)
    with closing(sqlite3.connect(tmp_path / "new" / "relay.db")) as connection:
        assert connection.execute("SELECT why FROM call WHERE stage = 'waiting'").fetchall() == [("restored",)]
        assert connection.execute("SELECT state FROM copy ORDER BY state").fetchall() == [("queued",), ("uncertain",)]
    unchanged = tallied(tmp_path / "relay.db", *_CHANGED)
    assert tallied(tmp_path / "new" / "relay.db", *_CHANGED) == unchanged


def test_an_export_goes_through_postgresql_and_back(exported: Path, tmp_path: Path) -> None:
    """The same rows arrive; what waits is held there, too."""
    with empty_database() as url:
        done = import_database(exported, url, None, clock=StillClock(), told=lambda _: None)
        rows = export_database(url, None, tmp_path / "back.jsonl", START)
        with pytest.raises(JournalUnusable, match="holds a journal already"):
            import_database(exported, url, None, clock=StillClock(), told=lambda _: None)
    assert done.restored.held == {"alerts": 1}
    again = imported(tmp_path / "back.jsonl", tmp_path / "new")
    assert (again.rows, again.restored.held) == (sum(rows.values()), {})
    assert tallied(tmp_path / "new" / "relay.db", *_CHANGED) == tallied(tmp_path / "relay.db", *_CHANGED)


def test_a_database_without_a_journal_is_not_exported(tmp_path: Path) -> None:
    """Nor is anything made in it, or on the disk."""
    with empty_database() as url, pytest.raises(JournalUnusable, match="has tables of another relay"):
        export_database(url, None, tmp_path / "none.jsonl", START)
    assert list(tmp_path.iterdir()) == []


def test_a_moved_journal_comes_back_by_an_import(waiting: Path, tmp_path: Path) -> None:
    """The way back: the mark goes, and the former file is kept."""
    with empty_database() as url:
        migrate(waiting, url, None, clock=StillClock(), told=lambda _: None)
        export_database(url, None, tmp_path / "back.jsonl", START)
    done = import_file(tmp_path / "back.jsonl", waiting, tmp_path / "media", clock=StillClock())
    assert done.former is not None
    assert done.former.exists()
    assert not mark_of_move(waiting).exists()
    SqliteStore(make_url(f"sqlite:///{waiting}")).close()


def test_nothing_is_imported_while_nobody_knows_whether_a_move_is_done(exported: Path, waiting: Path) -> None:
    """The database may have become the journal."""
    mark_moved(waiting, Move("id", "1/relay/public", "2026-11-21T09:00:00Z"))
    with pytest.raises(JournalMoved, match="again"):
        import_file(exported, waiting, waiting.parent / "media", clock=StillClock())


def test_a_journal_that_is_not_empty_takes_no_import(exported: Path, waiting: Path) -> None:
    """It would be two journals in one."""
    before = waiting.read_bytes()
    with pytest.raises(
        JournalUnusable, match=r"is not empty \(call, command, copy, event, message, usage\): name a new file"
    ):
        import_file(exported, waiting, waiting.parent / "media", clock=StillClock())
    assert waiting.read_bytes() == before


def test_an_export_of_another_relay_is_not_guessed_at(exported: Path, tmp_path: Path) -> None:
    """Neither a newer format nor other tables."""
    first, rest = exported.read_text().split("\n", 1)
    for key, value in (("relay_export", 2), ("tables", "9999")):
        (tmp_path / "other").write_text(json.dumps({**json.loads(first), key: value}) + "\n" + rest)
        with pytest.raises(JournalUnusable, match="was made by another relay"):
            imported(tmp_path / "other", tmp_path / "new")
    with pytest.raises(JournalUnusable, match="is no export"):
        imported(tmp_path / "relay.db", tmp_path / "new")
    with pytest.raises(JournalUnusable, match="there is no file"):
        imported(tmp_path / "nowhere", tmp_path / "new")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["relay.db.lock"]


def _damaged(whole: bytes) -> Iterator[bytes]:
    lines = whole.splitlines(keepends=True)
    yield b"".join(lines[:-1])
    yield b"".join(lines[:-2])
    yield b"".join([*lines[:2], *lines[3:]])
    yield b"".join([lines[0], lines[2], lines[1], *lines[3:]])
    yield whole + lines[1]
    yield whole + lines[-1]
    yield whole[: len(whole) // 2]
    yield lines[0]
    yield gzip.compress(whole)[:-9]
    yield gzip.compress(whole)[:40]


def test_a_file_that_is_cut_off_or_changed_leaves_nothing_behind(exported: Path, tmp_path: Path) -> None:
    """Whether lines are missing, stand elsewhere, or were added."""
    for content in _damaged(exported.read_bytes()):
        (tmp_path / "damaged").write_bytes(content)
        with pytest.raises(JournalUnusable, match="nothing was imported"):
            imported(tmp_path / "damaged", tmp_path / "new")
        assert [file.name for file in (tmp_path / "new").iterdir()] == ["relay.db.lock"]


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A small export."""
    with TemporaryDirectory() as folder:
        asyncio.run(_fill(Path(folder) / "relay.db"))
        export_file(Path(folder) / "relay.db", Path(folder) / "out", START)
        return (Path(folder) / "out").read_bytes()


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_found(whole: bytes, place: float, bit: int) -> None:
    """And told without anything that stands there."""
    content = bytearray(whole)
    content[int(place * len(content))] ^= 1 << bit
    with TemporaryDirectory() as folder:
        (Path(folder) / "file").write_bytes(content)
        with pytest.raises(JournalUnusable) as refused:
            imported(Path(folder) / "file", Path(folder) / "new")
    assert "+1206" not in str(refused.value)


@given(content=st.binary(max_size=300) | st.builds(lambda text: text.encode(), st.text(max_size=100)))
def test_whatever_the_bytes_it_is_refused(content: bytes) -> None:
    """No file makes relay fall over."""
    with TemporaryDirectory() as folder:
        for start in (b"", json.dumps({"relay_export": 1, "tables": newest()}).encode() + b"\n"):
            (Path(folder) / "file").write_bytes(start + content)
            with pytest.raises(JournalUnusable):
                imported(Path(folder) / "file", Path(folder) / "new")


def test_a_target_that_fails_leaves_nothing(exported: Path) -> None:
    """The transaction is rolled back: the same import goes on to work."""
    with empty_database() as url:
        with taking(url, None) as target:
            target.empty_memory()
            assert target.tallied().rows["memory"] == 0
        done = import_database(exported, url, None, clock=StillClock(), told=lambda _: None)
    assert done.rows > 0
