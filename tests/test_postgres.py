"""The servers that tests of many nodes stand on: each does what its name says."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.databases import Database, borrowed, shared
from tests.pooler import Pooler
from tests.postgres import Server
from tests.standby import Standby, keep_pace

ROOT = Path(__file__).parents[1]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what a test has started."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def server(stack: ExitStack) -> Server:
    """A server of the test's own, with a table of numbers."""
    server = stack.enter_context(Server())
    server.create_database("relay")
    _run(server.url("relay"), "CREATE TABLE number (value INTEGER)")
    return server


def test_what_was_committed_outlives_every_way_to_end(server: Server) -> None:
    """A kill of all of its processes too; it keeps its port."""
    _run(server.url("relay"), "INSERT INTO number VALUES (1)")
    server.restart("fast")
    server.restart("immediate")
    server.kill()
    assert server.processes == []
    with pytest.raises(psycopg.OperationalError):
        _run(server.url("relay"), "SELECT 1")
    server.start()
    assert _run(server.url("relay"), "SELECT value FROM number") == [(1,)]


def test_a_paused_server_answers_when_it_goes_on(server: Server) -> None:
    """The connection stays."""
    with psycopg.connect(server.url("relay"), autocommit=True) as connection:
        server.pause()
        connection.pgconn.send_query(b"SELECT 7")
        connection.pgconn.flush()
        assert [_state(process) for process in server.processes] == ["T"] * len(server.processes)
        server.resume()
        answer = connection.pgconn.get_result()
        assert answer is not None
        assert answer.get_value(0, 0) == b"7"
        assert connection.pgconn.get_result() is None


def test_a_password_is_asked_for(stack: ExitStack) -> None:
    """Of relay's role, where there is one."""
    server = stack.enter_context(Server(password="SECRET-of-the-test"))
    url = server.create_database("relay")
    with pytest.raises(psycopg.OperationalError, match="password"):
        _run(url, "SELECT 1")
    with psycopg.connect(url, password="SECRET-of-the-test") as connection:
        assert connection.info.user == "relay"


def test_a_server_that_syncs_is_wanted_by_name(stack: ExitStack) -> None:
    """The others do not; all of them wait for their commits."""
    servers = [stack.enter_context(Server(durable=durable)) for durable in (True, False)]
    asked = "SELECT current_setting('fsync'), current_setting('synchronous_commit')"
    assert [one.execute(asked) for one in servers] == [[("on", "on")], [("off", "on")]]


@pytest.mark.long_only
def test_nothing_is_left_of_a_server_whose_tests_were_killed(stack: ExitStack) -> None:
    """No process, no directory; a pooler in front of it goes as well."""
    program = [sys.executable, "-c", _STARTED_AND_LEFT]
    process = stack.enter_context(
        subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    )
    assert process.stdout is not None
    folder, pooler, *processes = process.stdout.readline().split()
    ends = [os.pidfd_open(int(one)) for one in (pooler, *processes)]
    process.send_signal(signal.SIGKILL)
    for end in ends:
        stack.callback(os.close, end)
        assert _is_over(end)
    # The holder has the other end of standard output open as long as it tidies up.
    assert process.stdout.read() == ""
    assert not Path(folder).exists()


_STARTED_AND_LEFT = """
import sys
from tests.pooler import Pooler
from tests.postgres import Server
server = Server()
server.start()
pooler = Pooler(server)
pooler.start()
print(server.folder, pooler._running.pid, *server.processes, flush=True)
sys.stdin.read()
"""


def test_a_borrowed_database_is_as_relay_makes_it() -> None:
    """Whatever whoever had it before has done to its rows, and whoever is still connected to it."""
    with borrowed() as first:
        made = first.rows()
        _run(first.url, "INSERT INTO memory (owner, key, value) VALUES ('me', 'key', 'value')")
        _run(first.url, "DELETE FROM memory WHERE owner = ''")
        assert first.rows() != made
        left = psycopg.connect(first.url)
    with borrowed() as second:
        assert (second.name, second.rows()) == (first.name, made)
        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")
    left.close()


def test_two_databases_at_a_time_are_two() -> None:
    """And one can be made to hold what the other holds."""
    with borrowed() as first, borrowed() as second:
        _run(first.url, "INSERT INTO memory (owner, key, value) VALUES ('me', 'key', 'value')")
        assert first.rows() != second.rows()
        second.hold(first.rows())
        assert first.rows() == second.rows()
        second.check()


def test_a_database_that_was_used_often_is_made_anew() -> None:
    """What was deleted from its tables would make them slower and slower."""
    databases = shared()
    database = databases.take()
    often = Database(database.server, database.name, uses=10_000)
    database.close()
    databases.give_back(often)
    assert databases.server.execute("SELECT FROM pg_database WHERE datname = %s", often.name) == []


def test_behind_a_pooler_a_transaction_may_run_in_any_session(server: Server, stack: ExitStack) -> None:
    """So nothing may be kept in a session; inside one transaction it stays the same."""
    pooler = stack.enter_context(Pooler(server, sessions=2))
    clients = [stack.enter_context(psycopg.connect(pooler.url("relay"), prepare_threshold=None)) for _ in range(3)]
    first, second, third = clients
    held = _session(first)
    assert _session(first) == held
    second.execute("SELECT 1")
    first.commit()
    assert _session(third) == held
    second.commit()
    third.commit()


def test_a_pooler_can_be_restarted(server: Server, stack: ExitStack) -> None:
    """Connections through it break; new ones are taken at the same port."""
    pooler = stack.enter_context(Pooler(server))
    with psycopg.connect(pooler.url("relay")) as connection:
        connection.execute("SELECT 1")
        pooler.restart()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert _run(pooler.url("relay"), "SELECT 1") == [(1,)]


@pytest.mark.long_only
def test_a_standby_has_what_the_primary_had(server: Server, stack: ExitStack) -> None:
    """It can be read, and not written; promoted, it takes over."""
    standby = stack.enter_context(Standby(server))
    _run(server.url("relay"), "INSERT INTO number VALUES (1)")
    standby.catch_up()
    assert _run(standby.url("relay"), "SELECT value FROM number") == [(1,)]
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        _run(standby.url("relay"), "INSERT INTO number VALUES (2)")
    server.kill()
    standby.promote()
    _run(standby.url("relay"), "INSERT INTO number VALUES (2)")
    hosts = f"127.0.0.1:{server.port},127.0.0.1:{standby.port}"
    found = _run(f"postgresql://relay@{hosts}/relay?target_session_attrs=read-write", "SELECT value FROM number")
    assert found == [(1,), (2,)]
    again = stack.enter_context(Standby(standby))
    assert _run(again.url("relay"), "SELECT count(*) FROM number") == [(2,)]


@pytest.mark.long_only
def test_a_commit_waits_for_a_standby_that_keeps_pace(server: Server, stack: ExitStack) -> None:
    """While that stands still, it does not return; and what has returned is there after a fail-over."""
    standby = stack.enter_context(Standby(server))
    keep_pace(server, synchronous=True)
    connection = stack.enter_context(psycopg.connect(server.url("relay"), autocommit=True))
    connection.execute("INSERT INTO number VALUES (1)")
    standby.pause()
    connection.pgconn.send_query(b"INSERT INTO number VALUES (2)")
    connection.pgconn.flush()
    server.execute(_UNTIL_ONE_WAITS)
    standby.resume()
    answer = connection.pgconn.get_result()
    assert answer is not None
    assert answer.status == psycopg.pq.ExecStatus.COMMAND_OK
    assert connection.pgconn.get_result() is None
    server.kill()
    standby.promote()
    assert _run(standby.url("relay"), "SELECT value FROM number") == [(1,), (2,)]


@pytest.mark.long_only
def test_a_commit_does_not_wait_for_a_standby_that_follows(server: Server, stack: ExitStack) -> None:
    """As it is where nothing else is asked for: a fail-over may lose it."""
    standby = stack.enter_context(Standby(server))
    keep_pace(server, synchronous=True)
    keep_pace(server, synchronous=False)
    standby.kill()
    _run(server.url("relay"), "INSERT INTO number VALUES (1)")
    server.kill()
    standby.start()
    standby.promote()
    assert _run(standby.url("relay"), "SELECT value FROM number") == []


_UNTIL_ONE_WAITS = """
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep') LOOP
        PERFORM pg_sleep(0.01);
        PERFORM pg_stat_clear_snapshot();
    END LOOP;
END $$
"""


def _run(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return [] if cursor.description is None else cursor.fetchall()


def _session(connection: psycopg.Connection) -> int:
    return int(connection.execute("SELECT pg_backend_pid()").fetchone()[0])


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def _is_over(end: int) -> bool:
    return bool(select.select([end], [], [], 30)[0])
