"""`relay backup` and `relay restore` as their user meets them: sizes, exit codes, and what is refused."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from tests.contract.journal.desk import ALICE, Desk, SqlitePlace

SETTINGS = """
[node]
name = "relay-1"
[bus]
url = "mqtt://127.0.0.1:1883"
[journal]
url = "sqlite:///{folder}/relay.db"
[admin]
listen = "127.0.0.1:0"
socket = "{folder}/relay.sock"
[lines.alerts]
provider = "att-sms"
short_code = "12345"
app_key = "key"
app_secret_file = "{folder}/secret"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file, and the journal that it names with one text that waits."""
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / "secret").chmod(0o600)
    config = tmp_path / "relay.toml"
    config.write_text(SETTINGS.format(folder=tmp_path))
    asyncio.run(_fill(tmp_path / "relay.db"))
    return config


async def _fill(path: Path) -> None:
    desk = await Desk.at(SqlitePlace(path))
    await desk.send(ALICE)
    await desk.journal.aclose()


def relay(config: Path, *words: str) -> Result:
    """Run relay, as another program would."""
    return CliRunner().invoke(app, [*words, "--config", str(config)])


def test_a_backup_says_its_size_and_rows(config: Path, tmp_path: Path) -> None:
    """For people, and as JSON."""
    told = relay(config, "backup", str(tmp_path / "one.db"))
    assert told.exit_code == 0, told.output
    assert told.output.startswith(f"backed up to {tmp_path}/one.db: ")
    assert " rows, in " in told.output
    told = relay(config, "backup", str(tmp_path / "two.db"), "--json")
    made = json.loads(told.output)
    assert (made["file"], made["rows"]["copy"], made["attachments"]) == (str(tmp_path / "two.db"), 1, 0)
    assert made["bytes"] == (tmp_path / "two.db").stat().st_size
    assert (tmp_path / "two.db").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_not_replaced_unasked(config: Path, tmp_path: Path) -> None:
    """Nor is the journal itself, whatever is asked."""
    backup = tmp_path / "one.db"
    assert relay(config, "backup", str(backup)).exit_code == 0
    told = relay(config, "backup", str(backup))
    assert (told.exit_code, "say --replace" in told.stderr) == (1, True)
    assert relay(config, "backup", str(backup), "--replace").exit_code == 0
    for own in ("relay.db", "relay.db.lock", "relay.db.made"):
        told = relay(config, "backup", str(tmp_path / own), "--replace")
        assert (told.exit_code, "a file of the journal itself" in told.stderr) == (1, True)
    assert sorted(file.name for file in tmp_path.glob("*.part*")) == []


@pytest.mark.parametrize("where", ["no/such/folder/b.db", "."])
def test_a_place_that_cannot_be_is_refused(config: Path, tmp_path: Path, where: str) -> None:
    """With what is wrong."""
    told = relay(config, "backup", str(tmp_path / where))
    assert told.exit_code == 1
    assert told.stderr


def test_bad_settings_end_it_as_they_end_relay(tmp_path: Path) -> None:
    """With 78."""
    (tmp_path / "relay.toml").write_text('[journal]\nurl = "nonsense"\n')
    for words in (("backup", "b.db"), ("restore", "b.db")):
        assert relay(tmp_path / "relay.toml", *words).exit_code == 78


def test_without_a_journal_there_is_no_backup(config: Path, tmp_path: Path) -> None:
    """The settings file may be another's."""
    (tmp_path / "relay.db").unlink()
    told = relay(config, "backup", str(tmp_path / "b.db"))
    assert (told.exit_code, "there is no journal" in told.stderr) == (1, True)


def test_a_restore_says_what_is_held_and_where_the_former_journal_is(config: Path, tmp_path: Path) -> None:
    """For people, and as JSON."""
    assert relay(config, "backup", str(tmp_path / "b.db")).exit_code == 0
    told = relay(config, "restore", str(tmp_path / "b.db"))
    assert told.exit_code == 0, told.output
    assert "line alerts: 1 copy held" in told.output
    [former] = tmp_path.glob("relay.db.before-restore-*")
    assert str(former) in told.output
    (tmp_path / "relay.db").unlink()
    done = json.loads(relay(config, "restore", str(tmp_path / "b.db"), "--json").output)
    assert (done["held"], done["former"]) == ({"alerts": 1}, None)


def test_what_is_no_backup_is_refused(config: Path, tmp_path: Path) -> None:
    """Nothing is changed."""
    before = (tmp_path / "relay.db").read_bytes()
    for name in ("relay.toml", "relay.db", "nothing.db"):
        told = relay(config, "restore", str(tmp_path / name))
        assert told.exit_code == 1, name
        assert told.stderr
    assert (tmp_path / "relay.db").read_bytes() == before


@pytest.mark.parametrize("damage", ["header", "missing"])
def test_relay_does_not_start_on_a_damaged_journal(config: Path, tmp_path: Path, damage: str) -> None:
    """It says in one line how to restore a backup, and makes nothing new."""
    journal = tmp_path / "relay.db"
    damaged = b"\0" * 100 + journal.read_bytes()[100:]
    journal.unlink()
    if damage == "header":
        journal.write_bytes(damaged)
    words = [sys.executable, "-m", "relay", "run", "--config", str(config)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "relay restore FILE" in ended.stderr
    assert (ended.stderr.count("\n"), "Traceback" in ended.stderr) == (1, False)
    assert (journal.read_bytes() if journal.exists() else None) == (damaged if damage == "header" else None)


def test_a_check_finds_a_journal_that_is_gone(config: Path, tmp_path: Path) -> None:
    """With the command that restores a backup."""
    (tmp_path / "relay.db").unlink()
    told = relay(config, "check", "--offline")
    assert told.exit_code == 1
    assert "relay restore FILE" in told.output


def test_a_backup_needs_no_secrets(config: Path, tmp_path: Path) -> None:
    """At 3 a.m. nobody has the credentials at hand; what is wrong about the journal itself is told."""
    (tmp_path / "secret").unlink()
    told = relay(config, "backup", str(tmp_path / "one.db"))
    assert told.exit_code == 0, told.output
    config.write_text(config.read_text().replace('url = "sqlite:', 'ballast = "1 kB"\nurl = "sqlite:'))
    told = relay(config, "backup", str(tmp_path / "two.db"))
    assert (told.exit_code, "ballast" in told.output) == (78, True)
