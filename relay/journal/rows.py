"""A journal's rows as they stand in its tables, the same from every database: what is moved, exported and imported.

No value is understood on the way: what is damaged arrives as damaged, and is met where it is met anyway.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Protocol

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, LargeBinary, Table, TypeDecorator, text

from relay.journal import mailschema, migrating, nodeschema, ruleschema, schema
from relay.journal.columns import printable
from relay.journal.failures import JournalUnusable
from relay.journal.filecheck import reading

Value = int | str | bytes | None
Row = tuple[Value, ...]

AT_ONCE = 2_000  # rows
# What belongs to the nodes that write, or is counted anew.
_STAY = {nodeschema.node.name, nodeschema.counter.name, schema.lease.name}
_ALL = (schema.metadata, mailschema.mail.metadata, ruleschema.optout.metadata)
TABLES: Mapping[str, Table] = {
    table.name: table
    for table in sorted(_ALL[0].tables.values(), key=lambda table: table.name)
    if table.name not in _STAY
}


class Rows(Protocol):
    """A journal that is read, as it was at one moment."""

    def revision(self) -> str | None:
        """Which tables it has; None: none at all."""

    def of(self, table: Table) -> Iterator[Row]:
        """The rows of a table, a few at a time, in no order; the values in that of `names_in`."""

    def position(self) -> int:
        """The highest position that an event ever had."""


@dataclass(slots=True)
class Tally:
    """How many rows there were, and their checksum, whatever their order."""

    rows: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)

    def counting(self, table: Table, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, counted as they pass."""
        count = total = 0
        for row in rows:
            count += 1
            total += int.from_bytes(blake2b(repr(row).encode(), digest_size=16).digest())
            yield row
        self.rows[table.name] = count
        self.sums[table.name] = total % (1 << 128)


class SqliteRows:
    """The rows of a file, in one read of it.

    Raises:
        sqlite3.Error: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._connection = reading(path)
        self._connection.text_factory = _text
        self._connection.execute("BEGIN")

    def revision(self) -> str | None:
        """Which tables it has."""
        row = self._connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row and str(row[0])

    def of(self, table: Table) -> Iterator[Row]:
        """The rows of a table."""
        yield from self._connection.execute(selecting(table))

    def position(self) -> int:
        """The highest position that an event ever had."""
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        """Let it go."""
        self._connection.close()


class PostgresRows:
    """The rows of a database, inside a transaction that sees one moment of it.

    Raises:
        DBAPIError: it cannot be read.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def revision(self) -> str | None:
        """Which tables it has."""
        if self._connection.execute(text("SELECT to_regclass('alembic_version')")).scalar() is None:
            return None
        revision: str | None = self._connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return revision

    def of(self, table: Table) -> Iterator[Row]:
        """The rows of a table, through a cursor of the server's."""
        streamed = text(selecting(table)).execution_options(yield_per=AT_ONCE)
        for rows in self._connection.execute(streamed).partitions():
            for row in rows:
                yield tuple(row)

    def position(self) -> int:
        """The highest position that an event ever had."""
        named = text("SELECT pg_get_serial_sequence('event', 'position')")
        sequence = self._connection.execute(named).scalar()
        row = self._connection.execute(text(f"SELECT last_value, is_called FROM {sequence}")).one()  # noqa: S608 - the server's own word
        return int(row.last_value) if row.is_called else 0


def newest() -> str:
    """The tables that this relay makes."""
    return str(_scripts().get_current_head())


def is_known(revision: str | None) -> bool:
    """Whether this relay knows these tables, and can bring them up to date."""
    return revision in {script.revision for script in _scripts().walk_revisions()}


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(migrating.__file__).parent / "migrations"))


def refuse_other_tables(found: str | None, where: str) -> None:
    """Raise JournalUnusable where a journal's tables are not those of this relay."""
    if found != newest():
        raise JournalUnusable(
            f"{where} has tables of another relay ({found or 'none'}, and this one has {newest()}): let this relay run"
            " with it once, or do it with the relay that wrote it"
        )


def names_in(table: Table) -> tuple[str, ...]:
    """The columns of a table, in the order in which they are read and written."""
    return tuple(column.name for column in table.columns)


def bytes_in(table: Table) -> frozenset[str]:
    """The columns that hold bytes."""
    return frozenset(
        column.name
        for column in table.columns
        if isinstance(column.type, LargeBinary)
        or (isinstance(column.type, TypeDecorator) and isinstance(column.type.impl_instance, LargeBinary))
    )


def selecting(table: Table) -> str:
    """SQL that reads a table."""
    return f"SELECT {quoted(table)} FROM {table.name}"  # noqa: S608 - the journal's own table


def quoted(table: Table) -> str:
    """The columns of a table, in SQL."""
    return ", ".join(f'"{name}"' for name in names_in(table))


def fill(connection: sqlite3.Connection, table: Table, rows: Iterable[Row]) -> None:
    """Write rows into a file's table, inside a transaction."""
    marks = ", ".join("?" * len(table.columns))
    left = iter(rows)
    while some := list(islice(left, AT_ONCE)):
        connection.executemany(f"INSERT INTO {table.name} ({quoted(table)}) VALUES ({marks})", some)  # noqa: S608 - as above


def _text(raw: bytes) -> str:
    return printable(raw.decode("utf-8", "backslashreplace"))
