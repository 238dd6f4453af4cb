"""A journal -> a file of JSON lines: a header, a row a line, and an end that counts and sums all before it.

The file holds everything: texts, numbers, and the tokens by which relay calls AT&T. It is for relay's user alone. A
journal's file is read from a copy, so that nothing waits for it; a database is read as it was at one moment.
"""

import base64
import gzip
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import Table, text

from relay.journal.backup import back_up
from relay.journal.failures import JournalUnusable
from relay.journal.filecheck import sync, sync_directory
from relay.journal.pgconnect import connected, connecting
from relay.journal.rows import TABLES, PostgresRows, Row, Rows, SqliteRows, Tally, names_in, refuse_other_tables
from relay.journal.target import in_words

FORMAT = 1
# Each row is fetched while the one before it is written to a disk, which may be slow.
_PATIENT = "SELECT set_config('idle_in_transaction_session_timeout', '60s', true)"


def export_file(journal: Path, to: Path, now: datetime, *, replace: bool = False) -> Mapping[str, int]:
    """Export a journal's file to `to`, also while relay runs; gives how many rows of each table.

    Raises:
        JournalUnusable: there is no journal, it has tables of another relay, or the new file cannot be made.
        JournalDamaged: the journal is damaged.
    """
    _refuse(to, replace=replace)
    with _workshop(to) as folder:
        copy = folder / "relay.db"
        back_up(journal, folder / "none", copy)
        with closing(SqliteRows(copy)) as rows:
            return _written(rows, to, now, f"the journal {journal}")


def export_database(
    url: str, password: str | None, to: Path, now: datetime, *, replace: bool = False
) -> Mapping[str, int]:
    """Export a database to `to`, also while nodes run; gives how many rows of each table.

    Raises:
        JournalUnusable: it cannot be read, has tables of another relay, or the new file cannot be made.
    """
    _refuse(to, replace=replace)
    with in_words(), connected(connecting(url, password).engine(isolation_level="REPEATABLE READ")) as connection:
        connection.execution_options(postgresql_readonly=True)
        connection.execute(text(_PATIENT))
        return _written(PostgresRows(connection), to, now, "the journal in PostgreSQL")


def _refuse(to: Path, *, replace: bool) -> None:
    if not to.parent.is_dir():
        raise JournalUnusable(f"the directory {to.parent} does not exist: make it first")
    if to.is_dir() or (to.exists() and not replace):
        raise JournalUnusable(f"{to} is there already: name a new file, or say --replace")


@contextmanager
def _workshop(to: Path) -> Iterator[Path]:
    """A folder beside the new file, for a copy of the journal; what was left of one before is thrown away."""
    folder = to.with_name(f".{to.name}.exporting")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _written(rows: Rows, to: Path, now: datetime, journal: str) -> Mapping[str, int]:
    revision = rows.revision()
    refuse_other_tables(revision, journal)
    part = Path(f"{to}.part")
    part.unlink(missing_ok=True)
    try:
        with _opened(part, gzipped=to.suffix == ".gz") as file:
            tally = _write(
                rows, file, {"relay_export": FORMAT, "tables": revision, "made_at": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
            )
        sync(part)
        part.replace(to)
        sync_directory(to.parent)
    finally:
        part.unlink(missing_ok=True)
    return tally.rows


@contextmanager
def _opened(part: Path, *, gzipped: bool) -> Iterator[Any]:
    with ExitStack() as stack:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        file: Any = stack.enter_context(os.fdopen(descriptor, "wb"))
        yield stack.enter_context(gzip.GzipFile("", "wb", 6, file, 0)) if gzipped else file


def _write(rows: Rows, file: BinaryIO, header: Mapping[str, Any]) -> Tally:
    digest, tally = sha256(), Tally()

    def line(body: Mapping[str, Any]) -> None:
        written = json.dumps(body, separators=(",", ":")).encode("ascii") + b"\n"
        digest.update(written)
        file.write(written)

    line(header)
    for table in TABLES.values():
        for row in tally.counting(table, rows.of(table)):
            line({table.name: spelled(table, row)})
    line({"end": {"rows": tally.rows, "position": rows.position()}})
    file.write(json.dumps({"sha256": digest.hexdigest()}).encode("ascii") + b"\n")
    return tally


def spelled(table: Table, row: Row) -> dict[str, Any]:
    """A row in JSON: what is NULL is left out, bytes are base64 in an object of their own."""
    named = zip(names_in(table), row, strict=True)
    return {
        name: {"base64": base64.b64encode(value).decode("ascii")} if isinstance(value, bytes) else value
        for name, value in named
        if value is not None
    }
