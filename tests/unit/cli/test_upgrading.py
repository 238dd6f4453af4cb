"""`relay migrate` alone: the journal's tables are changed, and as it was before it is kept."""

import asyncio
import filecmp
import json
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from relay.journal import JournalDamaged
from relay.journal.wayback import keep_way_back
from tests.smalldisk import SmallDisk, small_disk
from tests.unit.cli.test_keeping import SETTINGS
from tests.unit.journal.movable import empty_database

OLD = Path(__file__).parents[2] / "data" / "journal-0003.sql"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file, and the journal of an older relay that it names."""
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / "secret").chmod(0o600)
    config = tmp_path / "relay.toml"
    config.write_text(SETTINGS.format(folder=tmp_path))
    _lay(tmp_path / "relay.db")
    return config


@pytest.fixture
def database() -> Iterator[str]:
    """A database with nothing in it."""
    with empty_database() as url:
        yield url


def relay(config: Path, *words: str) -> Result:
    """Run relay, as another program would."""
    return CliRunner().invoke(app, [*words, "--config", str(config)])


def test_the_journal_as_it_was_is_kept_before_its_tables_change(config: Path) -> None:
    """Under a name that says which tables it has, for relay's user alone, whole."""
    journal = config.parent / "relay.db"
    before = _counted(journal)
    told = relay(config, "migrate")
    assert told.exit_code == 0, told.output
    copy = config.parent / "relay.db.revision-0003"
    assert f"kept in {copy}" in told.output.replace("\n", "")
    assert _counted(copy) == before
    assert before[0] == "0003" != _counted(journal)[0]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_a_journal_that_is_up_to_date_is_left_as_it_is(config: Path) -> None:
    """A second time there is nothing to change, and the copy is the one of the first."""
    relay(config, "migrate")
    kept = (config.parent / "relay.db.revision-0003").stat().st_mtime_ns
    told = relay(config, "migrate", "--json")
    assert (told.exit_code, json.loads(told.output)["before"]) == (0, None)
    assert (config.parent / "relay.db.revision-0003").stat().st_mtime_ns == kept


def test_only_the_newest_copy_is_kept(config: Path) -> None:
    """Each holds texts."""
    former = config.parent / "relay.db.revision-0002"
    former.write_bytes(b"an older one")
    assert relay(config, "migrate").exit_code == 0
    assert not former.exists()


def test_the_copy_leads_back(config: Path) -> None:
    """`relay restore` puts it in the journal's place, with the tables that the relay before knows."""
    relay(config, "migrate")
    told = relay(config, "restore", str(config.parent / "relay.db.revision-0003"))
    assert told.exit_code == 0, told.output
    assert relay(config, "migrate").exit_code == 0


def test_a_journal_that_is_not_there_is_not_begun(config: Path) -> None:
    """A wrong settings file is the likelier cause."""
    for file in config.parent.glob("relay.db*"):
        file.unlink()
    told = relay(config, "migrate")
    assert told.exit_code == 1
    assert "there is no journal at" in told.output
    assert not (config.parent / "relay.db").exists()


def test_a_database_of_this_relay_has_nothing_to_change(config: Path, database: str) -> None:
    """Its first tables are made; nothing is copied: its administrator makes backups."""
    config.write_text(config.read_text().replace(f"sqlite:///{config.parent}/relay.db", database))
    first, again = relay(config, "migrate", "--json"), relay(config, "migrate")
    assert json.loads(first.output)["copy"] is None
    assert "there was nothing to change" in again.output


def test_a_journal_that_is_cut_off_is_told_as_damaged_and_leaves_no_copy(config: Path) -> None:
    """Not as a disk without room: the cure is another."""
    journal = config.parent / "relay.db"
    whole = journal.read_bytes()
    journal.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JournalDamaged, match="relay restore"):
        keep_way_back(journal, "0003")
    assert not [*config.parent.glob("relay.db.revision*")]


def test_without_room_for_the_copy_nothing_is_changed(config: Path) -> None:
    """The start says so, and the next one with room goes on."""
    folder, large = config.parent / "disk", config.with_name("large.db")
    config.write_text(config.read_text().replace(f"{config.parent}/relay.db", f"{folder}/relay.db"))
    _lay(large, padding=4_000_000)
    asyncio.run(_no_room_then_room(config, folder, large))


async def _no_room_then_room(config: Path, folder: Path, large: Path) -> None:
    async with small_disk(folder, "12m") as disk:
        shutil.copy(large, disk.outside / "relay.db")
        disk.fill(leave=3_000_000)
        code, said = await _inside(disk, "migrate", "--config", str(config))
        assert code == 1
        assert "no room" in said
        assert "nothing was changed" in said
        assert await asyncio.to_thread(filecmp.cmp, disk.outside / "relay.db", large, shallow=False)
        disk.free()
        code, said = await _inside(disk, "migrate", "--config", str(config))
        assert (code, "revision-0003" in said) == (0, True)


async def _inside(disk: SmallDisk, *words: str) -> tuple[int | None, str]:
    """Run relay where the disk is seen: its exit code, and what it said."""
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = await asyncio.create_subprocess_exec(*disk.inside(sys.executable, "-m", "relay", *words), **both)
    said, _ = await done.communicate()
    return done.returncode, said.decode()


def _lay(path: Path, padding: int = 0) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(OLD.read_text())
        if padding:
            connection.execute("UPDATE raw SET body = zeroblob(?) WHERE id = (SELECT min(id) FROM raw)", [padding])


def _counted(path: Path) -> tuple[str, dict[str, int]]:
    with closing(sqlite3.connect(path)) as connection:
        [[revision]] = connection.execute("SELECT version_num FROM alembic_version")
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return revision, {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - their own names
            for name in tables
        }
