"""The journal's file -> a copy of it, before a newer relay changes its tables: the way back to the relay before.

Only the newest such copy is kept. It holds texts and numbers: it is for a person to delete it.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import structlog

from relay.journal.failures import JournalUnwritten
from relay.journal.filecheck import sync_directory

log = structlog.get_logger()

_ENOUGH = 1.05  # of the journal's size


def copy_of(journal: Path, revision: str) -> Path:
    """The file that keeps a journal as it was with the tables of `revision`."""
    return Path(f"{journal}.revision-{revision}")


def keep_way_back(journal: Path, revision: str) -> Path:
    """Copy the journal, which nobody else writes to, and have the copy on disk; earlier ones are deleted then.

    Args:
        journal: its file.
        revision: the tables that it has now.

    Raises:
        JournalUnwritten: there is no room for the copy, or it cannot be written. Nothing was changed.
        sqlite3.Error: the journal cannot be read.
    """
    copy, part = copy_of(journal, revision), Path(f"{journal}.revision.part")
    _refuse_full(journal)
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(_reading(journal)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
        _sync(part)
        part.replace(copy)
        sync_directory(journal.parent)
    except (OSError, sqlite3.OperationalError) as error:
        part.unlink(missing_ok=True)
        raise JournalUnwritten(_unwritten(journal, str(error))) from None
    for former in journal.parent.glob(f"{journal.name}.revision-*"):
        if former != copy:
            former.unlink()
    log.info("journal.copied", file=str(copy), revision=revision)
    return copy


def _refuse_full(journal: Path) -> None:
    wal = Path(f"{journal}-wal")
    size = journal.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
    if shutil.disk_usage(journal.parent).free < size * _ENOUGH:
        raise JournalUnwritten(_unwritten(journal, f"it needs {size} bytes"))


def _unwritten(journal: Path, why: str) -> str:
    return (
        "this relay has newer tables than the journal, and keeps a copy before it changes them, for which there is no"
        f" room in {journal.parent} ({why}): free some space and start it again; nothing was changed"
    )


def _reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5.0)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
