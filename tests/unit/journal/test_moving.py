"""A journal's file in PostgreSQL: every row arrives, or nothing does; and no relay opens the file again."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from relay.ids import Ids
from relay.journal import Journal, JournalInUse, JournalUnusable
from relay.journal.moved import JournalMoved, Move, mark_moved, mark_of_move, move_of
from relay.journal.moving import Moved, migrate
from relay.journal.rows import TABLES
from relay.journal.sqlite import SqliteStore, locked
from relay.journal.target import taking
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, Desk, SqlitePlace, StillClock
from tests.databases import borrowed
from tests.unit.journal.movable import HIGHEST, ROWS, ask, empty_database, lay_full, tallied


@pytest.fixture
def database() -> Iterator[str]:
    """A database with nothing in it."""
    with empty_database() as url:
        yield url


def moved(path: Path, url: str, told: list[int] | None = None) -> Moved:
    """Move a journal."""
    return migrate(path, url, None, clock=StillClock(), told=(told if told is not None else []).append)


def opens(path: Path) -> bool:
    """Whether relay would open this file."""
    try:
        SqliteStore(make_url(f"sqlite:///{path}")).close()
    except JournalMoved:
        return False
    return True


def test_every_row_of_every_table_arrives(tmp_path: Path, database: str) -> None:
    """Values are the same, bit by bit, on both sides; the position goes on after the highest that ever was."""
    lay_full(tmp_path / "relay.db")
    before = tallied(tmp_path / "relay.db")

    done = moved(tmp_path / "relay.db", database)

    assert dict(done.rows) == before.rows
    assert set(done.rows) == set(TABLES)
    assert all(done.rows[name] == ROWS + (name == "memory") for name in TABLES)
    with taking(database, None) as target:
        arrived = target.tallied()
    assert arrived.rows.pop("memory") == before.rows["memory"] + 1  # the move's own id
    del arrived.sums["memory"], before.sums["memory"], before.rows["memory"]
    assert arrived == before
    assert ask(database, "SELECT nextval(pg_get_serial_sequence('event', 'position'))") == [(HIGHEST + 1,)]


def test_no_table_is_forgotten(tmp_path: Path) -> None:
    """One that a later relay adds is moved as well, or it is said here why not."""
    lay_full(tmp_path / "relay.db")
    with closing(sqlite3.connect(tmp_path / "relay.db")) as connection:
        there = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        names = {name for (name,) in there}
    assert names - set(TABLES) == {"alembic_version", "node", "lease", "counter"}


async def test_what_waited_is_sent_from_postgresql(tmp_path: Path) -> None:
    """With its order, its call in flight, and its counters."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    await desk.sent(BOB)
    await desk.send(ALICE)
    await desk.journal.aclose()
    with empty_database() as url:
        await asyncio.to_thread(moved, tmp_path / "relay.db", url)
        async with await Journal.open(url, clock=desk.clock, ids=Ids(desk.clock), node=ME) as journal:
            call = await journal.calls.claim(LINE, journal.owner)
            waiting = await journal.queries.status()
            again = await journal.calls.claim(LINE, journal.owner)

    assert call is not None
    assert [copy.address for copy in call.recipients] == [ALICE]
    assert again is None
    assert waiting["unpublished"]


def test_a_moved_file_is_opened_by_no_relay_and_says_where_to_go_on(tmp_path: Path, database: str) -> None:
    """Else everything that waited would be sent twice."""
    path = tmp_path / "relay.db"
    lay_full(path)
    moved(path, database)

    with pytest.raises(JournalMoved, match=r"was moved to PostgreSQL at 2026-11-21T09:00:00Z: set journal\.url"):
        SqliteStore(make_url(f"sqlite:///{path}"))
    with pytest.raises(JournalMoved, match="was moved to PostgreSQL"):
        moved(path, database)
    assert mark_of_move(path).stat().st_mode & 0o777 == 0o600


def test_a_journal_that_is_in_use_is_not_moved(tmp_path: Path, database: str) -> None:
    """What relay wrote meanwhile would be lost."""
    path = tmp_path / "relay.db"
    lay_full(path)
    lock = locked(path)
    try:
        with pytest.raises(JournalInUse, match="stop it"):
            moved(path, database)
    finally:
        os.close(lock)
    assert ask(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    assert opens(path)


def test_a_database_that_holds_a_journal_is_left_as_it_is(tmp_path: Path) -> None:
    """A second journal cannot be added to it; the file is the journal as before."""
    path = tmp_path / "relay.db"
    lay_full(path)
    with borrowed() as full:
        ask(full.url, "INSERT INTO usage VALUES ('alerts', '2026-11-21', 'send', 1)")
        before = full.rows()
        with pytest.raises(JournalUnusable, match=r"holds a journal already \(usage\): name a database of its own"):
            moved(path, full.url)
        assert full.rows() == before
    assert opens(path)


def test_a_database_with_which_a_node_works_is_left_as_it_is(tmp_path: Path) -> None:
    """Even where it is empty."""
    path = tmp_path / "relay.db"
    lay_full(path)
    with borrowed() as lived_in:
        ask(
            lived_in.url,
            "INSERT INTO node (id, name, token, version, process, since, until) VALUES ('n/1', 'n', 1, '1', 'p', 0,"
            " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 60000000)",
        )
        with pytest.raises(JournalUnusable, match=r"relay runs with that database \(n\): stop it on all nodes"):
            moved(path, lived_in.url)
    assert opens(path)


def test_a_database_of_another_program_is_left_as_it_is(tmp_path: Path, database: str) -> None:
    """A table that is called as one of relay's may be anybody's."""
    path = tmp_path / "relay.db"
    lay_full(path)
    ask(database, "CREATE TABLE message (id int)")
    with pytest.raises(JournalUnusable, match="tables of another program"):
        moved(path, database)
    assert ask(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(1,)]


def test_a_journal_that_is_not_there_is_told(tmp_path: Path, database: str) -> None:
    """Nothing is made in its place."""
    with pytest.raises(JournalUnusable, match="there is no journal at"):
        moved(tmp_path / "relay.db", database)
    assert list(tmp_path.iterdir()) == []


def test_a_journal_of_an_older_relay_is_opened_by_this_one_first(tmp_path: Path, database: str) -> None:
    """Its tables are changed where they are, with all that was tested for it."""
    path = tmp_path / "relay.db"
    lay_full(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
        connection.commit()
    with pytest.raises(JournalUnusable, match="let this relay run with it once"):
        moved(path, database)


def test_a_move_that_was_committed_is_ended_and_not_made_twice(tmp_path: Path, database: str) -> None:
    """The plug was pulled between the commit and the mark: the database knows the move's id."""
    path = tmp_path / "relay.db"
    lay_full(path)
    moved(path, database)
    done = move_of(path)
    assert done is not None
    mark_moved(path, Move(done.id, done.target, done.at))
    assert not opens(path)

    assert not moved(path, database).is_new
    assert move_of(path) == done


def test_a_move_that_was_not_committed_is_made_again(tmp_path: Path, database: str) -> None:
    """The plug was pulled between the mark and the commit."""
    path = tmp_path / "relay.db"
    lay_full(path)
    with taking(database, None) as target:
        mark_moved(path, Move("an-id", target.name(), "2026-11-21T09:00:00Z"))
    with pytest.raises(JournalMoved, match="run the same `relay migrate"):
        SqliteStore(make_url(f"sqlite:///{path}"))

    assert moved(path, database).is_new
    assert move_of(path) == Move("an-id", f"{target_name(database)}", "2026-11-21T09:00:00Z", is_done=True)


def target_name(url: str) -> str:
    """Which database it is."""
    with taking(url, None) as target:
        return target.name()


def test_a_move_that_may_be_elsewhere_is_not_begun_anew(tmp_path: Path, database: str) -> None:
    """Two databases would have the same queue."""
    path = tmp_path / "relay.db"
    lay_full(path)
    mark_moved(path, Move("an-id", "1/other/public", "2026-11-21T09:00:00Z"))
    with pytest.raises(JournalMoved, match="began at 2026-11-21T09:00:00Z to another database"):
        moved(path, database)


def test_a_mark_that_cannot_be_read_is_a_mark_all_the_same(tmp_path: Path) -> None:
    """Nothing is sent twice because a file is damaged."""
    path = tmp_path / "relay.db"
    lay_full(path)
    for content in (b"", b"[]", b"{}", b"\xff"):
        mark_of_move(path).write_bytes(content)
        with pytest.raises(JournalMoved, match="cannot be read"):
            SqliteStore(make_url(f"sqlite:///{path}"))


def test_it_is_said_now_and_then_how_far_it_is(tmp_path: Path, database: str) -> None:
    """A large journal takes a while."""
    path = tmp_path / "relay.db"
    lay_full(path)
    with closing(sqlite3.connect(path)) as connection:
        rows = [(f"line-{number}", "2026-11-21", "send", 1) for number in range(5_000)]
        connection.executemany("INSERT INTO usage VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    told: list[int] = []

    total = sum(moved(path, database, told).rows.values())

    assert told == [2_000, 4_000]
    assert total > 5_000
