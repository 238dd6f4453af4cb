"""The migrations and the tables as the code knows them are the same."""

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine

from relay.journal import migrating, schema
from relay.journal.migrating import migrate
from tests.contract.journal.desk import ALICE, BOB, CAROL, ME, PROBLEM, Desk, SqlitePlace, seen, text


def _definitions(connection: Connection) -> set[str]:
    rows = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_schema WHERE sql NOT NULL AND tbl_name != 'alembic_version'"
    )
    return {re.sub(r"\s+", " ", row[0]) for row in rows}


def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    """Every column, key and index of them, STRICT and partial ones included."""
    migrated, known = create_engine(f"sqlite:///{tmp_path}/a.db"), create_engine(f"sqlite:///{tmp_path}/b.db")
    schema.metadata.create_all(known)
    with migrated.begin() as by_migration, known.begin() as by_code:
        migrate(by_migration)
        assert compare_metadata(MigrationContext.configure(by_migration), schema.metadata) == []
        assert _definitions(by_migration) == _definitions(by_code)
    migrated.dispose()
    known.dispose()


def test_every_table_is_strict(tmp_path: Path) -> None:
    """A value of the wrong type is an error, and not silently kept."""
    engine = create_engine(f"sqlite:///{tmp_path}/a.db")
    with engine.begin() as connection:
        migrate(connection)
        tables = {row for row in _definitions(connection) if row.startswith("CREATE TABLE") and "sqlite_" not in row}
    engine.dispose()
    assert len(tables) == len(schema.metadata.tables)
    assert all("STRICT" in table for table in tables)


async def test_a_journal_of_the_first_tables_is_brought_up_to_date_with_its_queue(tmp_path: Path) -> None:
    """What waited to be sent is sent, what was in flight is uncertain, what was uncertain still is."""
    now = await Desk.at(SqlitePlace(tmp_path / "now.db"))
    for _ in range(3):
        await now.send()
    doubtful = await now.claim()
    await now.journal.calls.unanswered(doubtful.call_id, ME, PROBLEM)
    await now.claim()
    await now.receive(text(key="k"))
    await now.journal.aclose()
    await asyncio.to_thread(_as_it_was, tmp_path / "now.db", tmp_path / "then.db")
    desk = await Desk.at(SqlitePlace(tmp_path / "then.db"), now.clock)
    assert (await desk.journal.calls.recover()).calls == 1
    assert len(await desk.uncertain()) == 2
    waited = await desk.claim()
    assert [to.address for to in waited.recipients] == [ALICE]
    await desk.hand_over(waited)
    assert (await desk.receive(text(key="k"))).duplicates == 1
    assert await desk.standing("key-1") == ["uncertain"]
    await desk.see(seen(ref="m-1"), seen(ref="m-2"))
    assert [await desk.standing(key) for key in ("key-1", "key-2")] == [["submitted"], ["submitted"]]
    await desk.journal.aclose()
    assert await asyncio.to_thread(_differences, tmp_path / "then.db") == []


async def test_what_waited_before_the_rules_of_sending_says_why_and_whose_it_is(tmp_path: Path) -> None:
    """It can be tried at once, what came after it waits behind it, and sent again it counts for its client."""
    now = await Desk.at(SqlitePlace(tmp_path / "now.db"))
    await now.send(BOB, client="shop")
    await now.journal.calls.unanswered((await now.claim()).call_id, ME, PROBLEM)
    await now.send(key="first")
    await now.journal.calls.retry((await now.claim()).call_id, ME, PROBLEM, 300)
    await now.journal.aclose()
    await asyncio.to_thread(_as_it_was, tmp_path / "now.db", tmp_path / "then.db")
    desk = await Desk.at(SqlitePlace(tmp_path / "then.db"), now.clock, waiting_per_client=1)
    await desk.send(key="second", text="Second")
    assert await desk.none_due()
    [done] = await desk.journal.steering.retry(["first"])
    assert (done.copies, (await desk.claim()).text) == (1, "Your order is on its way.")
    await desk.journal.dead.again((await desk.journal.dead.list(1))[0]["id"])
    assert (await desk.send(CAROL, client="shop")).outcome == "rejected"
    await desk.journal.aclose()


def _differences(path: Path) -> list[object]:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        found = compare_metadata(MigrationContext.configure(connection), schema.metadata)
    engine.dispose()
    return list(found)


def _as_it_was(new: Path, old: Path) -> None:
    """The rows of one journal in a journal of the first tables."""
    engine = create_engine(f"sqlite:///{old}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrating.__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with closing(sqlite3.connect(old)) as connection:
        connection.execute(f"PRAGMA application_id={int.from_bytes(b'rlay', 'big')}")
        connection.execute("ATTACH ? AS new", [str(new)])
        tables = connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if table.startswith(("sqlite_", "alembic")):
                continue
            columns = ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")  # noqa: S608 - the tables' own names
        connection.execute("DELETE FROM main.memory WHERE owner = ''")  # what a later migration made
        # Calls named what they carry by its place in its message: here each carries one.
        connection.execute("UPDATE main.call SET recipients = CAST('[0]' AS BLOB) WHERE recipients NOT NULL")
        connection.commit()
