"""`relay migrate`, killed at each named moment: never are the file and the database both the journal, or neither."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

from relay.boundaries import Boundary
from relay.journal.moved import JournalMoved
from relay.journal.sqlite import SqliteStore
from tests.contract.journal.desk import ALICE, Desk, SqlitePlace
from tests.unit.cli.test_keeping import SETTINGS
from tests.unit.journal.movable import ask, empty_database

ROOT = Path(__file__).parents[2]
COPIES = 5
# Whether relay starts with the file after the kill, and how many copies the database has.
FALLS = {
    Boundary.MOVE_COPIED: (True, 0),
    Boundary.MOVE_MARKED: (False, 0),
    Boundary.MOVE_COMMITTED: (False, COPIES),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file, and the journal that it names with a queue."""
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "relay.toml").write_text(SETTINGS.format(folder=tmp_path))
    asyncio.run(_fill(tmp_path / "relay.db"))
    return tmp_path / "relay.toml"


async def _fill(path: Path) -> None:
    desk = await Desk.at(SqlitePlace(path))
    for _ in range(COPIES):
        await desk.send(ALICE)
    await desk.journal.aclose()


def relay(config: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run relay in a process that falls where it is armed to."""
    falling = config.with_name("fall-at")
    command = [sys.executable, "-m", "tests.battery.crashing", str(falling), *words, "--config", str(config)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def copies(url: str) -> int:
    """How many copies the database has."""
    [[there]] = ask(url, "SELECT count(*) FROM pg_tables WHERE tablename = 'copy'")
    return int(str(ask(url, "SELECT count(*) FROM copy")[0][0])) if there else 0


@pytest.mark.parametrize(("boundary", "became"), FALLS.items(), ids=map(str, FALLS))
def test_a_move_that_is_killed_leaves_one_journal_and_ends_well_the_next_time(
    config: Path, boundary: Boundary, became: tuple[bool, int]
) -> None:
    """The file as it was, or nothing that starts; the same command brings it to its end."""
    with empty_database() as url:
        config.with_name("fall-at").write_text(f"{boundary} 1 kill")
        assert relay(config, "migrate", "--to", url).returncode == -signal.SIGKILL
        # The server notices that its client has gone, and rolls back.
        ask(url, "SELECT pg_advisory_lock(hashtextextended('relay.' || current_schema(), 0))")
        may_start, there = became
        assert _starts(config) is may_start
        assert copies(url) == there

        told = relay(config, "migrate", "--to", url)

        assert told.returncode == 0, told.stderr
        assert ("had been moved before" in told.stdout) == (there > 0)
        assert copies(url) == COPIES
        assert not _starts(config)


def _starts(config: Path) -> bool:
    """Whether relay takes the file for its journal."""
    try:
        SqliteStore(make_url(f"sqlite:///{config.parent}/relay.db")).close()
    except JournalMoved:
        return False
    return True


def test_a_database_that_dies_in_the_middle_leaves_the_file_as_it_was(config: Path) -> None:
    """What it was given is gone with the transaction."""
    with empty_database() as url:
        config.with_name("fall-at").write_text(f"{Boundary.MOVE_COPIED} 1 block")
        falling = [sys.executable, "-m", "tests.battery.crashing", str(config.with_name("fall-at")), "migrate"]
        with subprocess.Popen(
            [*falling, "--to", url, "--config", str(config)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        ) as moving:
            try:
                while config.with_name("fall-at").exists():
                    assert moving.poll() is None
                    ask(url, "SELECT")
                ask(url, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE state LIKE 'idle in%'")
                assert copies(url) == 0
            finally:
                moving.kill()
        assert _starts(config)
        assert relay(config, "migrate", "--to", url).returncode == 0
        assert copies(url) == COPIES
