"""What was deleted from SQLite's file -> gone from it.

Rows are overwritten as they are deleted (`secure_delete`), and the WAL is emptied here. That leaves little: when
SQLite moves rows between pages, bytes of the old place may stay in unused room. So a small file is written anew as a
whole; a large one is looked through, and written anew only where something was found: that holds up whoever writes.
"""

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from relay.journal.failures import JournalError
from relay.journal.writer import Writer

log = structlog.get_logger()

SMALL = 64 * 1024 * 1024  # bytes: such a file is written anew in less than a second
_PIECE = 1024 * 1024
_BUSY_FOR = 200  # milliseconds


class Remains:
    """Looks through a journal's file, which is open.

    The file is opened once, and closed with the journal: POSIX takes SQLite's own locks from a process that closes any
    descriptor of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    async def clear(self, writer: Writer, needles: Sequence[bytes]) -> bool:
        """Make sure that nothing of what was deleted is left in the file; gives whether that is so.

        Where a row that was left for another time, or a text of somebody else's, has a needle, it is False.
        """
        if not await writer.apart(_emptied):
            return False
        if not await asyncio.to_thread(self._is_small) and not await asyncio.to_thread(self._hold, needles):
            return True
        try:
            emptied = await writer.apart(_written_anew)
        except JournalError as error:
            log.warning("journal.not_rewritten", reason=str(error))
            return False
        log.info("journal.rewritten")
        return emptied and not await asyncio.to_thread(self._hold, needles)

    def close(self) -> None:
        """Close the file, after every connection to it."""
        if self._file is not None:
            os.close(self._file)

    def _is_small(self) -> bool:
        return self._path.stat().st_size <= SMALL

    def _hold(self, needles: Sequence[bytes]) -> bool:
        """Whether one of the needles is somewhere in the file."""
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        longest = max(map(len, needles), default=1)
        place = 0
        while piece := os.pread(self._file, _PIECE + longest, place):
            if any(needle in piece for needle in needles):
                return True
            place += _PIECE
        return False


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment] # untyped
    return driver


@contextmanager
def _as_sqlalchemys() -> Iterator[None]:
    """Raise an error of the driver's as one that the writer can judge."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise DatabaseError(None, None, error) from None


def _emptied(connection: Connection) -> bool:
    """Whether the WAL is empty now: everything is in the file.

    A backup under way may read from it for minutes: whoever writes waits for none of that.
    """
    driver = _driver(connection)
    [(usual,)] = driver.execute("PRAGMA busy_timeout").fetchall()
    driver.execute(f"PRAGMA busy_timeout={_BUSY_FOR}")
    with _as_sqlalchemys():
        busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    driver.execute(f"PRAGMA busy_timeout={usual}")
    return not busy


def _written_anew(connection: Connection) -> bool:
    """Write the file anew through the WAL, and empty that; gives whether it is empty."""
    driver = _driver(connection)
    # As large as the journal itself: not in memory.
    driver.execute("PRAGMA temp_store=FILE")
    try:
        with _as_sqlalchemys():
            driver.execute("VACUUM")
    finally:
        driver.execute("PRAGMA temp_store=MEMORY")
        # Above all where there was no room for it: it has filled the disk.
        emptied = _emptied(connection)
    return emptied
