"""Journals with something in every table, for whoever moves them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import psycopg

from relay.journal.rows import TABLES, SqliteRows, Tally, bytes_in, fill, names_in
from tests import journals
from tests.databases import shared

_NAMES = (f"move_{number}" for number in count(1))
TEXT = "schön \\x00 \\ \t\"'; DROP -- 🎉"
ROWS = 3  # of each table
HIGHEST = 4_711  # position that an event ever had


def lay_full(path: Path) -> None:
    """Lay a journal with some rows in each table; an event with a higher position was purged."""
    journals.lay(path)
    with closing(sqlite3.connect(path)) as connection:
        for name, table in TABLES.items():
            texts = {column.name for column in table.columns if column.type.python_type is str}
            for number in range(ROWS):
                row = tuple(
                    None
                    if column.nullable and number == 1
                    else bytes([0, number, 255]) * 5
                    if column.name in bytes_in(table)
                    else f"{TEXT}{number}"
                    if column.name in texts
                    else number + 1
                    for column in table.columns
                )
                fill(connection, table, [row])
            assert names_in(table), name
        connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'event'", [HIGHEST])
        connection.commit()


def tallied(path: Path, *without: str) -> Tally:
    """What a journal's file holds."""
    tally = Tally()
    with closing(SqliteRows(path)) as rows:
        for name, table in TABLES.items():
            if name not in without:
                for _ in tally.counting(table, rows.of(table)):
                    pass
    return tally


@contextmanager
def empty_database() -> Iterator[str]:
    """The address of a database with nothing in it."""
    name, server = next(_NAMES), shared().server
    try:
        yield server.create_database(name)
    finally:
        server.drop_database(name)


def ask(url: str, statement: str) -> list[tuple[object, ...]]:
    """What a database answers."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload] # a test's own text
        return cursor.fetchall() if cursor.description else []
