"""The migrations and the tables as the code knows them are the same."""

import re
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine

from relay.journal import schema
from relay.journal.migrating import migrate


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
