"""Where a journal lies, on each database that keeps the promise, and what a test does there behind relay's back."""

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, NullPool, RowMapping, create_engine, text

from tests import journals
from tests.databases import Database, borrowed

DATABASES = ("sqlite", "postgresql")


def only(database: str, *, because: str) -> pytest.MarkDecorator:
    """Run a test with its `place` on one database alone, where it is about what no other has."""
    assert because
    return pytest.mark.parametrize("place", [database], indirect=True)


class Place(ABC):
    """Where a journal lies."""

    database: str

    @property
    @abstractmethod
    def url(self) -> str:
        """Its address."""

    @abstractmethod
    def lay(self) -> None:
        """Lay an empty journal here, unless there is one."""

    @abstractmethod
    def after_kill(self) -> "Place":
        """The same journal as a SIGKILL at this moment would leave it."""

    @abstractmethod
    def anywhere(self, needles: Sequence[bytes]) -> set[bytes]:
        """Which of them are somewhere in what relay keeps here."""

    @abstractmethod
    def check(self) -> None:
        """Let the database check itself; raises where it finds something."""

    @property
    @abstractmethod
    def _engine(self) -> Engine:
        """Connections of a test's own."""

    def read(self, statement: str, **values: Any) -> Sequence[RowMapping]:
        """The rows of a query; `:name` stands for a value."""
        with self._engine.connect() as connection:
            return connection.execute(text(statement), values).mappings().all()

    def write(self, *statements: str, **values: Any) -> None:
        """Change the journal behind relay's back, in one transaction; `:name` stands for a value."""
        with self._engine.begin() as connection:
            for statement in statements:
                asked = text(statement)
                connection.execute(asked, {name: values[name] for name in asked._bindparams})

    def flip_a_bit(self, table: str, column: str, row_id: str, at: bytes, *, key: str = "id") -> None:
        """Damage a row as a disk would, in the first letter of `at`: it can be read, and says something else."""
        [[value]] = [[*row.values()] for row in self.read(f"SELECT {column} FROM {table} WHERE {key} = :id", id=row_id)]  # noqa: S608 - the test's own names
        place = value.index(at)
        damaged = bytes([*value[:place], value[place] ^ 1, *value[place + 1 :]])
        self.write(f"UPDATE {table} SET {column} = :damaged WHERE {key} = :id", damaged=damaged, id=row_id)  # noqa: S608 - as above

    def column(self, table: str, column: str) -> list[Any]:
        """A column of a table, in the order of its values."""
        found = [row[column] for row in self.read(f"SELECT {column} FROM {table}")]  # noqa: S608 - as above
        return sorted(found, key=lambda value: (value is not None, value))

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.read(f"SELECT count(*) AS many FROM {table}")[0]["many"])  # noqa: S608 - as above


class SqlitePlace(Place):
    """Where a journal on SQLite lies: in a file."""

    database = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def url(self) -> str:
        """Its address."""
        return f"sqlite:///{self.path}"

    def lay(self) -> None:
        """Lay an empty journal here, unless there is one."""
        journals.lay(self.path)

    def after_kill(self) -> "SqlitePlace":
        """The file and what was not yet copied into it: the lock goes with the process."""
        left = SqlitePlace(self.path.with_name(f"left-{self.path.name}"))
        for end in ("", "-wal"):
            if self.path.with_name(self.path.name + end).exists():
                shutil.copy(f"{self.path}{end}", f"{left.path}{end}")
        return left

    def anywhere(self, needles: Sequence[bytes]) -> set[bytes]:
        """Which of them are somewhere in the journal's files."""
        files = [file for file in self.path.parent.iterdir() if file.name.startswith(self.path.name)]
        return {needle for file in files for needle in needles if needle in file.read_bytes()}

    def check(self) -> None:
        """All pages, and every index."""
        assert [[*row.values()] for row in self.read("PRAGMA integrity_check")] == [["ok"]]

    @cached_property
    def _engine(self) -> Engine:
        return create_engine(self.url, poolclass=NullPool)


class PostgresPlace(Place):
    """Where a journal on PostgreSQL lies: in a database of the server that the tests share."""

    database = "postgresql"

    def __init__(self, there: Database, stack: ExitStack) -> None:
        """Lie in `there`; the stack ends what is used of it."""
        self.there = there
        self._stack = stack

    @property
    def url(self) -> str:
        """Its address."""
        return self.there.url

    def lay(self) -> None:
        """Its tables are there."""

    def after_kill(self) -> "PostgresPlace":
        """Another database with what was committed here: the rest goes with the connections."""
        left = self._stack.enter_context(borrowed())
        left.hold(self.there.rows())
        return PostgresPlace(left, self._stack)

    def anywhere(self, needles: Sequence[bytes]) -> set[bytes]:
        """Which of them are in a row. How long the server's files keep what was deleted is its administrator's."""
        return {needle for rows in self.there.rows().values() for needle in needles if needle in rows}

    def check(self) -> None:
        """Every index, against its table."""
        self.there.check()

    @cached_property
    def _engine(self) -> Engine:
        engine = create_engine(self.there.server.url(self.there.name, driver="postgresql+psycopg"), pool_pre_ping=True)
        self._stack.callback(engine.dispose)
        return engine


@contextmanager
def ground(database: str, folder: Path | None = None) -> Iterator[Place]:
    """Where a new journal may lie, for as long as the block lasts.

    Args:
        database: "sqlite" or "postgresql".
        folder: for SQLite's file; None: one that is removed.
    """
    with ExitStack() as stack:
        if database == "postgresql":
            yield PostgresPlace(stack.enter_context(borrowed()), stack)
        else:
            folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            yield SqlitePlace(folder / "relay.db")
