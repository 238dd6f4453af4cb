"""What a database's own driver can do: a thread appends and marks whatever came meanwhile, in one transaction."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from queue import SimpleQueue
from typing import Protocol

import psycopg

Row = tuple[int, bytes]
Waiter = tuple[str, Row, asyncio.Future[None]]

# A table as a journal needs one at least: who has a row, what is due, and a key by which what comes twice is known.
_COLUMNS = """
CREATE TABLE rows (
    id {number} PRIMARY KEY, kind {number} NOT NULL, lane {number} NOT NULL, dedupe TEXT NOT NULL,
    state {number} NOT NULL, due_at {number} NOT NULL, owner TEXT, attempts {number} NOT NULL,
    created_at {number} NOT NULL, done_at {number}, remote_ref TEXT, last_error TEXT, payload {bytes} NOT NULL,
    UNIQUE (kind, dedupe)
) {more};
CREATE INDEX rows_due ON rows (due_at, id) WHERE state = 0;
CREATE INDEX rows_ref ON rows (remote_ref) WHERE remote_ref IS NOT NULL
"""
_SQLITE = _COLUMNS.format(number="INTEGER", bytes="BLOB", more="STRICT")
_POSTGRESQL = _COLUMNS.format(number="BIGINT", bytes="BYTEA", more="")
_ADD_SQLITE = """
INSERT INTO rows (id, kind, lane, dedupe, state, due_at, owner, attempts, created_at, payload)
VALUES (?, 1, 0, ?, 0, ?, 'me', 0, ?, ?) ON CONFLICT DO NOTHING RETURNING id
"""
_ADD_POSTGRESQL = """
INSERT INTO rows (id, kind, lane, dedupe, state, due_at, owner, attempts, created_at, payload)
SELECT id, 1, 0, 'key-' || id, 0, id, 'me', 0, id, body FROM unnest(%s::bigint[], %s::bytea[]) AS new (id, body)
ON CONFLICT DO NOTHING RETURNING id
"""
_MARK_SQLITE = "UPDATE rows SET state = 2, done_at = 1 WHERE id = ? AND owner = 'me'"
_MARK_POSTGRESQL = "UPDATE rows SET state = 2, done_at = 1 WHERE id = ANY (%s) AND owner = 'me'"


class Driver(Protocol):
    """One connection, used by one thread."""

    def write(self, added: Sequence[Row], marked: Sequence[int]) -> None:
        """In one transaction, synced."""

    def close(self) -> None:
        """Leave."""


class SqliteDriver:
    """sqlite3, with WAL and FULL."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SQLITE)

    def write(self, added: Sequence[Row], marked: Sequence[int]) -> None:
        """In one transaction, synced."""
        self._connection.execute("BEGIN IMMEDIATE")
        for one, body in added:
            # What does not come back was there: many at once would not say which.
            self._connection.execute(_ADD_SQLITE, (one, f"key-{one}", one, one, body)).fetchall()
        self._connection.executemany(_MARK_SQLITE, [(one,) for one in marked])
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Leave."""
        self._connection.close()


class PostgresDriver:
    """psycopg, with the batch as one parameter."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)
        self._connection.execute(_POSTGRESQL)
        self._connection.commit()

    def write(self, added: Sequence[Row], marked: Sequence[int]) -> None:
        """In one transaction, synced."""
        with self._connection.transaction():
            if added:
                self._connection.execute(_ADD_POSTGRESQL, ([one for one, _ in added], [body for _, body in added]))
            if marked:
                self._connection.execute(_MARK_POSTGRESQL, (list(marked),))

    def close(self) -> None:
        """Leave."""
        self._connection.close()


class RawJournal:
    """Appends and marks, each done once it is synced.

    Args:
        connect: makes the driver, on the thread that uses it.
    """

    def __init__(self, connect: Callable[[], Driver]) -> None:
        self._connect = connect
        self._orders: SimpleQueue[Waiter | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def write(self, what: str, row: Row) -> asyncio.Future[None]:
        """`add` a row, or `mark` it; the future is done once that is synced."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._orders.put((what, row, done))
        return done

    def close(self) -> None:
        """End the thread."""
        self._orders.put(None)
        self._thread.join()

    def _work(self) -> None:
        with closing(self._connect()) as driver:
            while (first := self._orders.get()) is not None:
                batch: list[Waiter] = [first]
                while not self._orders.empty():
                    more = self._orders.get()
                    if more is None:
                        return
                    batch.append(more)
                added = [row for what, row, _ in batch if what == "add"]
                driver.write(added, [row[0] for what, row, _ in batch if what == "mark"])
                self._loop.call_soon_threadsafe(_wake, [done for _, _, done in batch])


def _wake(waiting: Sequence[asyncio.Future[None]]) -> None:
    for done in waiting:
        done.set_result(None)
