"""A file of JSON lines -> an empty journal, of either kind. Nothing of it is sent by itself.

The rows go into a journal of their own first, in a folder that nobody else looks into. Only when the last line has
shown that the file is whole, and what may have been sent since is held, do they become the journal.
"""

import asyncio
import base64
import gzip
import json
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Table
from sqlalchemy.engine import make_url

from relay.clock import Clock
from relay.journal.exporting import FORMAT
from relay.journal.failures import JournalUnusable
from relay.journal.moved import move_of, refuse_moved
from relay.journal.moving import Told, copied_into
from relay.journal.restore import made_ready, restore
from relay.journal.restored import Restored
from relay.journal.rows import TABLES, Row, SqliteRows, Value, fill, names_in, newest
from relay.journal.sqlite import SqliteStore, locked
from relay.journal.target import taking


@dataclass(frozen=True, slots=True)
class Imported:
    """What was imported, what of it is held, and under which name a former empty journal is kept."""

    rows: int
    restored: Restored
    former: Path | None = None


def import_file(file: Path, journal: Path, media: Path, *, clock: Clock) -> Imported:
    """Make an export the journal's file, where there is none, an empty one, or one that was moved away.

    Raises:
        JournalInUse: relay is running; stop it first.
        JournalUnusable: the file is no export, or damaged, or the journal is not empty. Nothing was changed.
    """
    if not journal.parent.is_dir():
        raise JournalUnusable(f"the directory {journal.parent} does not exist: make it, owned by relay's user")
    lock = locked(journal)
    try:
        _refuse_filled(journal)
    finally:
        os.close(lock)
    with _workshop(journal.with_name(f".{journal.name}.importing")) as folder:
        ready = folder / "relay.db"
        rows = _filled(file, ready)
        done = restore(ready, journal, media, clock=clock)
    return Imported(rows, done.restored, done.former)


def import_database(file: Path, url: str, password: str | None, *, clock: Clock, told: Told) -> Imported:
    """Put an export into an empty database; for the time of it a copy lies in the system's folder of such things.

    Raises:
        JournalUnusable: the file is no export, or damaged, or the database cannot be used. Nothing was changed.
    """
    with tempfile.TemporaryDirectory(prefix="relay-import-") as folder:
        ready = Path(folder) / "relay.db"
        rows = _filled(file, ready)
        restored = asyncio.run(made_ready(ready, clock))
        with taking(url, password) as target, closing(SqliteRows(ready)) as source:
            copied_into(source, target, told)
            target.commit()
    return Imported(rows, restored)


def _refuse_filled(journal: Path) -> None:
    move = move_of(journal)
    if move is not None and not move.is_done:
        refuse_moved(journal)
    if move is not None or not journal.exists() or not journal.stat().st_size:
        return
    try:
        with closing(SqliteRows(journal)) as rows:
            filled = [name for name, table in TABLES.items() if name != "memory" and any(True for _ in rows.of(table))]
    except sqlite3.Error:
        raise JournalUnusable(f"{journal} is no journal of this relay's: name a new file in journal.url") from None
    if filled:
        raise JournalUnusable(
            f"the journal {journal} is not empty ({', '.join(filled)}): name a new file in journal.url, or move it away"
        )


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _filled(file: Path, to: Path) -> int:
    """Make a journal's file of an export; gives its rows."""
    lines = _Lines(file)
    lines.refuse_unfit()
    SqliteStore(make_url("sqlite://").set(database=str(to))).close()
    with closing(sqlite3.connect(to, isolation_level=None)) as connection:
        # It is copied before it is used, and that copy is synced.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        connection.execute("DELETE FROM memory")
        try:
            for table, rows in groupby(lines.rows(), key=lambda found: found[0]):
                fill(connection, table, (row for _, row in rows))
            connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'event'", [lines.position])
            if not connection.execute("SELECT changes()").fetchone()[0]:
                connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('event', ?)", [lines.position])
            connection.execute("COMMIT")
        except (sqlite3.Error, OverflowError, UnicodeEncodeError):
            raise lines.damaged() from None
    return lines.count


class _Lines:
    """The rows of an export, each looked at."""

    def __init__(self, file: Path) -> None:
        self.count = 0
        self.position = 0
        self._file = file
        self._number = 0

    def refuse_unfit(self) -> None:
        """Read the whole file once, before anything is made of it.

        Raises:
            JournalUnusable: it is no export, is another relay's, or is not as it was written.
        """
        digest, last = sha256(), b""
        for line in self._lines():
            if self._number == 1:
                self._refuse_other(self._parsed(line))
            digest.update(last)
            last = line
        if self._number == 0:
            raise self._foreign()
        if self._parsed(last) != {"sha256": digest.hexdigest()}:
            raise self.damaged("is cut off or changed")

    def rows(self) -> Iterator[tuple[Table, Row]]:
        """The rows of a file that is as it was written.

        Raises:
            JournalUnusable: whoever wrote it was no relay.
        """
        self._number = 0
        for line in self._lines():
            body = self._parsed(line)
            if "end" in body:
                self.position = self._position(body["end"])
            elif self._number > 1 and "sha256" not in body:
                self.count += 1
                yield self._row(body)

    def damaged(self, how: str = "is damaged") -> JournalUnusable:
        """What to say of a line that is not as it was written."""
        return JournalUnusable(f"{self._file} {how} (line {self._number}): nothing was imported; take another export")

    def _position(self, end: Any) -> int:
        if not isinstance(end, dict) or not isinstance(end.get("position"), int):
            raise self.damaged()
        position: int = end["position"]
        return position

    def _foreign(self) -> JournalUnusable:
        return JournalUnusable(f"{self._file} is no export: name a file that `relay export` has made")

    def _lines(self) -> Iterator[bytes]:
        try:
            with ExitStack() as stack:
                plain: Any = stack.enter_context(self._file.open("rb"))
                gzipped = plain.peek(2)[:2] == b"\x1f\x8b"
                for line in stack.enter_context(gzip.GzipFile(fileobj=plain)) if gzipped else plain:
                    self._number += 1
                    yield line
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise self.damaged("is cut off or changed") from None
        except FileNotFoundError:
            raise JournalUnusable(f"there is no file {self._file}") from None

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            body = json.loads(line)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            if self._number == 1:
                raise self._foreign()
            raise self.damaged()
        return body

    def _refuse_other(self, header: dict[str, Any]) -> None:
        if "relay_export" not in header:
            raise self._foreign()
        if header["relay_export"] != FORMAT or header.get("tables") != newest():
            raise JournalUnusable(
                f"{self._file} was made by another relay, with other tables: import it with that relay, and install"
                " this one then"
            )

    def _row(self, body: dict[str, Any]) -> tuple[Table, Row]:
        [(name, values)] = body.items() if len(body) == 1 else [("", None)]
        table = TABLES.get(name)
        if table is None or not isinstance(values, dict) or not values.keys() <= set(names_in(table)):
            raise self.damaged()
        return table, tuple(self._value(values.get(column)) for column in names_in(table))

    def _value(self, value: Any) -> Value:
        match value:
            case None | int() | str():
                return value
            case {"base64": str(written)}:
                try:
                    return base64.b64decode(written, validate=True)
                except ValueError:
                    raise self.damaged() from None
            case _:
                raise self.damaged()
