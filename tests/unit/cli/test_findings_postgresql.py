"""What `relay check` finds of a journal in PostgreSQL: each thing that would hurt later, with its cure."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.cli.findings import Finding
from relay.cli.findings.journal import look_at_journal
from relay.cli.findings.postgresql import look_at_postgresql
from relay.clock import SystemClock
from relay.journal.postgres import PostgresStore
from relay.providers import discover
from relay.settings import Settings, load_settings
from tests.brokers import free_port
from tests.pooler import Pooler
from tests.postgres import Server
from tests.standby import Standby

MODELS = {name: provider.settings for name, provider in discover().items()}
MAKES = Callable[..., Settings]
OTHER_NODE = (
    "INSERT INTO node (id, name, token, version, process, since, until) VALUES ('n/1', 'relay-1', 1, '1', 'p', 0,"
    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 60000000)"
)


class Ahead(SystemClock):
    """A machine whose clock is wrong."""

    def now(self) -> datetime:
        """A minute too much."""
        return datetime.now(UTC) + timedelta(minutes=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL that keeps its promises, behind a password."""
    with Server(durable=True, password="let-me-in") as made:
        yield made


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """A database of relay's, with nothing in it."""
    yield server.create_database("checked")
    server.drop_database("checked")


@pytest.fixture
def settings(tmp_path: Path) -> MAKES:
    """Makes settings with a journal in PostgreSQL."""
    (tmp_path / "relay.toml").write_text("")

    def make(url: str, password: str | None = "let-me-in", **journal: Any) -> Settings:  # noqa: S107 - a test's
        line = {"provider": "att-sms", "short_code": "12345", "app_key": "key", "app_secret": "secret"}
        tree = {
            "node": {"name": "relay-1"},
            "bus": {"url": "mqtt://127.0.0.1:1"},
            "journal": {"url": url, **({"password": password} if password else {}), **journal},
            "admin": {"socket": str(tmp_path / "relay.sock")},
            "lines": {"alerts": line},
        }
        return load_settings(path=tmp_path / "relay.toml", environment={}, line_models=MODELS, overrides=tree)

    return make


def found(settings: Settings, **how: Any) -> Sequence[Finding]:
    """What is found."""
    return asyncio.run(look_at_postgresql(settings, **how))


def whats(findings: Sequence[Finding]) -> list[str]:
    """What is not in order."""
    return [finding.what for finding in findings if not finding.ok]


def test_a_database_that_is_ready_is_said_to_be(server: Server, url: str, settings: MAKES) -> None:
    """Before the first start, after it, and while a node of another name lives."""
    version = ask_as_owner(server, "SHOW server_version").split()[0]
    host = f"127.0.0.1:{server.port}: PostgreSQL {version}"
    [new] = found(settings(url))
    assert (new.ok, new.what) == (True, f"{host}, relay will make its tables at the first start")
    PostgresStore(url, "let-me-in").close()
    [made] = found(settings(url))
    assert (made.ok, made.what) == (True, f"{host}, no node lives")
    server.execute(OTHER_NODE.replace("'relay-1'", "'relay-2'"), database="checked")
    [lives] = found(settings(url))
    assert (lives.ok, lives.what) == (True, f"{host}, nodes that live: relay-2")


def ask_as_owner(server: Server, statement: str) -> str:
    """What the administrator is told."""
    return str(server.execute(statement)[0][0])


def test_a_check_without_the_network_asks_nobody(url: str, settings: MAKES) -> None:
    """The settings are all it has."""
    [only] = asyncio.run(look_at_journal(settings(url, password="wrong"), offline=True))
    assert (only.ok, only.what) == (True, "PostgreSQL: not looked at")


@pytest.mark.parametrize(
    ("password", "what", "cure"),
    [
        ("wrong", "PostgreSQL refuses the password", "set journal.password_file"),
        (None, "PostgreSQL asks for a password", "set journal.password_file"),
    ],
)
def test_a_password_that_does_not_fit_is_told(
    url: str, settings: MAKES, password: str | None, what: str, cure: str
) -> None:
    """Without showing it."""
    [only] = found(settings(url, password=password))
    assert what in only.what
    assert cure in str(only.cure)
    assert "wrong" not in f"{only}"


def test_a_database_or_a_server_that_is_not_there_is_told(server: Server, settings: MAKES) -> None:
    """Each with its own cure."""
    [missing] = found(settings(server.url("nowhere")))
    assert "does not exist" in missing.what
    assert "create" in str(missing.cure)
    [away] = found(settings(f"postgresql://relay@127.0.0.1:{free_port()}/relay"))
    assert "PostgreSQL cannot be reached" in away.what
    [unknown] = found(settings("postgresql://relay@db.invalid/relay?sslmode=require"))
    assert "the host's name is not known" in unknown.what or "cannot be reached" in unknown.what


def test_each_of_several_hosts_is_asked(server: Server, url: str, settings: MAKES) -> None:
    """One that is away is told while the other one works, and so is an address by which any of them will do."""
    gone = free_port()
    several = url.replace(f"127.0.0.1:{server.port}", f"127.0.0.1:{gone},127.0.0.1:{server.port}")
    findings = found(settings(several))
    assert f"127.0.0.1:{gone}: PostgreSQL cannot be reached" in whats(findings)
    assert "journal.url names several hosts, and any of them will do" in whats(findings)
    findings = found(settings(f"{several}?target_session_attrs=read-write"))
    assert whats(findings) == [f"127.0.0.1:{gone}: PostgreSQL cannot be reached"]
    assert any(finding.ok and "PostgreSQL 1" in finding.what for finding in findings)


def test_a_clock_that_is_wrong_is_told(url: str, settings: MAKES) -> None:
    """More than two seconds apart."""
    [what] = whats(found(settings(url), clock=Ahead()))
    assert what == "this machine's clock is 60 s ahead of the database's"


def test_a_user_without_rights_is_told(server: Server, url: str, settings: MAKES) -> None:
    """It can neither make tables nor change those of somebody else."""
    PostgresStore(url, "let-me-in").close()
    server.execute("ALTER TABLE copy OWNER TO postgres", database="checked")
    server.execute("ALTER DATABASE checked OWNER TO postgres")
    server.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC, pg_database_owner", database="checked")
    said = whats(found(settings(url)))
    assert said == ["relay's user may not make tables in the database", "tables belong to another user: copy"]


def test_promises_that_are_not_kept_are_told(server: Server, url: str, settings: MAKES) -> None:
    """A database that does not sync forgets what relay has promised."""
    server.configure(fsync="off", full_page_writes="off", synchronous_commit="off")
    server.control("reload")
    try:
        findings = found(settings(url))
    finally:
        server.configure(fsync="on", full_page_writes="on", synchronous_commit="on")
        server.control("reload")
    assert whats(findings) == ["PostgreSQL runs with fsync = off", "PostgreSQL runs with full_page_writes = off"]
    assert any("synchronous_commit = off: relay turns it on" in finding.what for finding in findings)


def test_a_name_that_is_taken_is_told_unless_it_is_this_relay(server: Server, url: str, settings: MAKES) -> None:
    """Two nodes of one name put each other out."""
    PostgresStore(url, "let-me-in").close()
    server.execute(OTHER_NODE, database="checked")
    [what] = whats(found(settings(url)))
    assert what == "a node with the name relay-1 lives, and it is not on this machine"
    assert whats(found(settings(url), is_running=True)) == []


def test_tables_of_another_relay_are_told(server: Server, url: str, settings: MAKES) -> None:
    """A newer one's keep it from starting; an older one's are brought up to date."""
    PostgresStore(url, "let-me-in").close()
    server.execute("UPDATE alembic_version SET version_num = '9999'", database="checked")
    [what] = whats(found(settings(url)))
    assert what == "the journal has tables that this relay does not know (revision 9999)"
    server.execute("UPDATE alembic_version SET version_num = '0005'", database="checked")
    [older] = found(settings(url))
    assert (older.ok, "tables of an older relay" in older.what) == (True, True)


def test_a_server_with_few_connections_is_told(url: str, server: Server, settings: MAKES) -> None:
    """Relay would stand still when none is left."""
    server.configure(max_connections="12")
    server.restart()
    try:
        [what] = whats(found(settings(url)))
    finally:
        server.configure(max_connections="100")
        server.restart()
    assert what.startswith("PostgreSQL has ")
    assert what.endswith(" connections to spare")


def test_an_encoding_that_cannot_keep_every_text_is_told(server: Server, settings: MAKES) -> None:
    """A database is made anew with another one."""
    server.execute("CREATE DATABASE latin OWNER relay ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    assert whats(found(settings(server.url("latin")))) == ["the database has the encoding LATIN1"]
    server.drop_database("latin")


def test_what_does_nothing_or_is_not_safe_is_a_hint(url: str, settings: MAKES) -> None:
    """Nothing fails for it."""
    hints = [finding.what for finding in found(settings(url, ballast="2 MiB")) if finding.cure]
    assert hints == ["journal.ballast does nothing with PostgreSQL"]
    away = settings("postgresql://relay@db.example,127.0.0.1/relay")
    [first, *_] = found(away, offline=True)
    assert (first.ok, first.what.startswith("journal.url asks for no encryption that is checked")) == (True, True)
    local = settings("postgresql:///relay?host=/run/postgresql")
    assert [finding.cure for finding in found(local, offline=True)] == [None]
    file = settings("sqlite:////var/lib/relay/relay.db")
    assert "journal.password does nothing for a file" in [one.what for one in asyncio.run(look_at_journal(file))]


def test_a_standby_is_known_and_one_alone_is_not_enough(settings: MAKES) -> None:
    """With its primary it is what takes over."""
    with Server() as primary:
        url = primary.create_database("followed")
        with Standby(primary) as standby:
            both = url.replace(f":{primary.port}", f":{standby.port},127.0.0.1:{primary.port}")
            findings = found(settings(f"{both}?target_session_attrs=read-write"))
            [alone] = whats(found(settings(url.replace(str(primary.port), str(standby.port)))))
    assert [finding.what for finding in findings if "a standby" in finding.what and finding.ok] != []
    assert {what.partition(" = ")[0] for what in whats(findings)} == {
        "PostgreSQL runs with fsync",
        "PostgreSQL runs with full_page_writes",
    }
    assert alone == "every host that answers is a standby"


def test_a_pooler_is_told(settings: MAKES) -> None:
    """Nodes work through it, and find each other's work a little later."""
    with Server(durable=True) as server, Pooler(server) as pooler:
        url = server.create_database("pooled").replace(str(server.port), str(pooler.port))
        findings = found(settings(url, password=None))
    assert any(finding.ok and finding.what.startswith("a pooler stands between") for finding in findings)
