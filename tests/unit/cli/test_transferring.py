"""`relay migrate`, `export`, `import`, and what `backup` and `restore` say of PostgreSQL, as their user meets them."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from tests.contract.journal.desk import ALICE, Desk, SqlitePlace
from tests.databases import shared
from tests.postgres import Server
from tests.unit.cli.test_keeping import SETTINGS
from tests.unit.journal.movable import ask, empty_database


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


@pytest.fixture
def database() -> Iterator[str]:
    """A database with nothing in it."""
    with empty_database() as url:
        yield url


def on(config: Path, url: str) -> Path:
    """The same settings, with the journal in PostgreSQL."""
    other = config.with_name("postgresql.toml")
    other.write_text(config.read_text().replace(f"sqlite:///{config.parent}/relay.db", url))
    return other


def relay(config: Path, *words: str) -> Result:
    """Run relay, as another program would."""
    return CliRunner().invoke(app, [*words, "--config", str(config)])


def test_a_move_says_what_was_moved_and_what_is_next(config: Path, database: str) -> None:
    """Rows by table, then the setting to change; a second time it is told that it was done."""
    told = relay(config, "migrate", "--to", database)
    assert told.exit_code == 0, told.output
    assert "copy      1\n" in told.stdout
    assert f"now set journal.url to {database} and start relay" in told.stdout
    told = relay(config, "migrate", "--to", database)
    assert (told.exit_code, "was moved to PostgreSQL at" in told.stderr) == (1, True)
    for words in (("backup", str(config.parent / "b")), ("run",)):
        told = relay(config, *words)
        assert (told.exit_code, "set journal.url to that database" in told.stderr) == (1, True)
    told = relay(on(config, database), "migrate", "--to", database)
    assert (told.exit_code, "is in PostgreSQL already" in told.stderr) == (1, True)


def test_a_move_can_be_read_by_programs(config: Path, database: str) -> None:
    """One object, and nothing else."""
    told = relay(config, "migrate", "--to", database, "--json")
    body = json.loads(told.stdout)
    assert (told.exit_code, body["rows"]["copy"], body["new"]) == (0, 1, True)
    assert told.stderr == ""


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("postgresql://relay:MARKED-SECRET@127.0.0.1/relay", "must hold no password"),
        ("sqlite:////var/lib/relay/MARKED-SECRET.db", 'must begin with "postgresql://"'),
        ("postgresql://relay@127.0.0.1/relay?MARKED-SECRET=1", "must have only options that PostgreSQL knows"),
    ],
)
def test_an_address_that_is_none_is_refused_without_being_shown(config: Path, to: str, said: str) -> None:
    """It may hold a password."""
    told = relay(config, "migrate", "--to", to)
    assert (told.exit_code, said in told.stderr, "MARKED-SECRET" in told.output) == (78, True, False)


def test_a_database_that_is_not_there_is_told(config: Path) -> None:
    """The journal is as before."""
    told = relay(config, "migrate", "--to", shared().server.url("nowhere"))
    assert told.exit_code == 1
    assert "PostgreSQL" in told.stderr
    assert relay(config, "export", str(config.parent / "out")).exit_code == 0


def test_the_password_comes_from_a_file_or_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that everybody may read is refused."""
    secret = config.with_name("password")
    secret.write_text("let-me-in\n")
    with Server(password="let-me-in") as server:
        url = server.create_database("moving")
        secret.chmod(0o604)
        told = relay(config, "migrate", "--to", url, "--password-file", str(secret))
        assert (told.exit_code, "everyone may read" in told.stderr) == (78, True)
        assert relay(config, "migrate", "--to", url).exit_code == 1
        secret.chmod(0o600)
        told = relay(config, "migrate", "--to", url, "--password-file", str(secret))
        assert told.exit_code == 0, told.output
        monkeypatch.setenv("RELAY_JOURNAL__PASSWORD", "let-me-in")
        told = relay(on(config, url), "export", str(config.parent / "out"))
        assert told.exit_code == 0, told.output


def test_an_export_and_an_import_say_what_they_did(config: Path, database: str, tmp_path: Path) -> None:
    """From a file into PostgreSQL, and from there into a new file."""
    out, back = tmp_path / "out.jsonl", tmp_path / "back.jsonl.gz"
    told = relay(config, "export", str(out))
    assert (told.exit_code, "keep it safe" in told.stdout) == (0, True)
    told = relay(config, "export", str(out))
    assert (told.exit_code, "say --replace" in told.stderr) == (1, True)
    other = on(config, database)
    told = relay(other, "import", str(out))
    assert told.exit_code == 0, told.output
    assert "line alerts: 1 copy held, for they may have been sent since\n" in told.stdout
    assert json.loads(relay(other, "export", str(back), "--json").stdout)["rows"]["copy"] == 1
    (tmp_path / "new").mkdir()
    third = on(config, f"sqlite:///{tmp_path}/new/relay.db")
    told = relay(third, "import", str(back), "--json")
    body = json.loads(told.stdout)
    assert (told.exit_code, body["held"], body["former"]) == (0, {}, None)  # it is held already
    told = relay(third, "import", str(back))
    assert (told.exit_code, "is not empty" in told.stderr) == (1, True)


def test_postgresql_is_backed_up_by_its_own_tools(config: Path, database: str, tmp_path: Path) -> None:
    """What relay adds is to hold what waited when an older state came back."""
    assert relay(config, "migrate", "--to", database).exit_code == 0
    other = on(config, database)
    told = relay(other, "backup", str(tmp_path / "b"))
    assert (told.exit_code, "pg_dump" in told.stderr, "relay restore --database" in told.stderr) == (1, True, True)
    told = relay(other, "restore", str(tmp_path / "b"))
    assert (told.exit_code, "relay restore --database" in told.stderr) == (1, True)
    told = relay(other, "restore", "--database", "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout) == {"held": {"alerts": 1}, "newest": "2026-11-21T09:00:00Z"}
    assert ask(database, "SELECT why FROM call") == [("restored",)]


def test_what_waits_is_held_only_where_postgresql_was_restored(config: Path, database: str) -> None:
    """Not for a file, not in an empty database, and not while a node works with it."""
    told = relay(config, "restore", "--database")
    assert (told.exit_code, "the journal is a file" in told.stderr) == (1, True)
    for words in ((), ("b", "--database")):
        assert relay(config, "restore", *words).exit_code == 2
    other = on(config, database)
    told = relay(other, "restore", "--database")
    assert (told.exit_code, "there is no journal in the database" in told.stderr) == (1, True)
    assert relay(config, "migrate", "--to", database).exit_code == 0
    ask(
        database,
        "INSERT INTO node (id, name, token, version, process, since, until) VALUES ('n/1', 'n', 1, '1', 'p', 0,"
        " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 60000000)",
    )
    told = relay(other, "restore", "--database")
    assert (told.exit_code, "stop it on all nodes first" in told.stderr) == (1, True)
    assert ask(database, "SELECT why FROM call") == [(None,)]
