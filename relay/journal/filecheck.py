"""Whether a journal's file is there and whole, as far as can be told at a start. What is not is never begun anew.

A durable mark beside the journal, `<journal>.made`, says that there was one. It is made after the first tables are on
disk, so that a crash before leaves nothing that would have to be missed, and it is never emptied or replaced.

Every page is not looked at: `PRAGMA quick_check` reads the whole file, which takes minutes for a journal of many
gigabytes. A damaged page is met when it is read: then relay says so, and how to restore a backup. `relay backup`
looks at every page of what it has copied.
"""

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection

from relay.journal.failures import JournalDamaged

_MAGIC = b"SQLite format 3\0"
_HEADER = 100  # bytes; SQLite documentation, Database File Format, 1.3
_PAGES_AT = 28


def restored_by(path: Path) -> str:
    """What to do about a journal that is lost or damaged."""
    return (
        f"with relay stopped, `relay restore FILE` puts a backup in its place; to begin with an empty journal, which"
        f" has no opt-outs and knows nothing of what was sent, move {path}* away"
    )


def refuse_lost(path: Path) -> None:
    """Raise JournalDamaged where there was a journal before, and its file is missing, empty or no journal now."""
    size = path.stat().st_size if path.exists() else 0
    if size:
        _refuse_versions(path)
        return
    wal = Path(f"{path}-wal")
    if mark_of(path).exists() or (wal.exists() and wal.stat().st_size):
        what = "is empty" if path.exists() else "is missing"
        raise JournalDamaged(f"the journal {path} {what}, and there was one before: {restored_by(path)}")


def _refuse_versions(path: Path) -> None:
    """SQLite takes a file of another version for one that may only be read, which sounds as if its disk were."""
    header = _header(path)
    if len(header) == _HEADER and header.startswith(_MAGIC) and not set(header[18:20]) <= {1, 2}:
        raise JournalDamaged(f"the header of the journal {path} is damaged: {restored_by(path)}")


def refuse_truncated(path: Path, connection: Connection) -> None:
    """Raise JournalDamaged where the file is shorter than it says, after what its WAL has was put into it."""
    if _is_short(path):
        # A crash in the middle of a checkpoint leaves it so, and the WAL has the rest.
        connection.exec_driver_sql("PRAGMA wal_checkpoint(FULL)")
        connection.rollback()
        if _is_short(path):
            raise JournalDamaged(f"the journal {path} is cut off: {restored_by(path)}")


def remember_made(path: Path) -> None:
    """Mark, durably, that there is a journal here."""
    mark = mark_of(path)
    if mark.exists():
        return
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    sync_directory(mark.parent)


def mark_of(path: Path) -> Path:
    """The file that says that there was a journal here."""
    return Path(f"{path}.made")


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEADER)
    except PermissionError:
        return b""  # whoever opens it next says so


def _is_short(path: Path) -> bool:
    header = _header(path)
    page = int.from_bytes(header[16:18], "big")
    page = 65536 if page == 1 else page
    return path.stat().st_size < page * int.from_bytes(header[_PAGES_AT : _PAGES_AT + 4], "big")


def reading(path: Path) -> sqlite3.Connection:
    """A connection that reads a file and never changes it, not even its WAL."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None, timeout=5.0)


def sync(path: Path) -> None:
    """Have a file on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
