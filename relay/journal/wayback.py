"""The journal's file -> a copy of it, before a newer relay changes its tables: the way back to the relay before.

Only the newest such copy is kept. It holds texts and numbers: it is for a person to delete it.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

from relay.journal.failures import JournalDamaged, JournalUnwritten
from relay.journal.filecheck import reading, restored_by, sync, sync_directory

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
        JournalDamaged: the journal cannot be read whole.
    """
    copy, part = copy_of(journal, revision), Path(f"{journal}.revision.part")
    _refuse_full(journal)
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(reading(journal)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
        sync(part)
        part.replace(copy)
        sync_directory(journal.parent)
        for former in journal.parent.glob(f"{journal.name}.revision-*"):
            if former != copy:
                former.unlink()
    except sqlite3.DatabaseError as error:
        part.unlink(missing_ok=True)
        raise _judged(journal, error) from None
    except OSError as error:
        part.unlink(missing_ok=True)
        raise JournalUnwritten(_unwritten(journal, error.strerror or type(error).__name__)) from None
    log.info("journal.copied", file=str(copy), revision=revision)
    return copy


def _refuse_full(journal: Path) -> None:
    wal = Path(f"{journal}-wal")
    size = journal.stat().st_size + (wal.stat().st_size if wal.exists() else 0)
    if shutil.disk_usage(journal.parent).free < size * _ENOUGH:
        raise JournalUnwritten(_unwritten(journal, f"it needs {size} bytes"))


def _judged(journal: Path, error: sqlite3.DatabaseError) -> JournalDamaged | JournalUnwritten:
    name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return JournalDamaged(f"the journal {journal} is damaged ({name}): {restored_by(journal)}")
    return JournalUnwritten(_unwritten(journal, name))


def _unwritten(journal: Path, why: str) -> str:
    return (
        "this relay has newer tables than the journal, and keeps a copy before it changes them, which has no room in"
        f" {journal.parent}, or cannot be written there ({why}): see to that and start it again; nothing was changed"
    )
