"""The journal's file -> a copy of it: whole, checked, durable, and nothing waits for it while relay runs.

The copy is made in one read of SQLite's (`VACUUM INTO`): it is the journal as it was at one moment, without what was
erased from it. Whoever writes goes on meanwhile; the WAL grows until the copy is done. Every page and index of the
copy is looked at (`PRAGMA integrity_check`) before it has its name, so that a file of that name is a whole backup.
"""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from relay.journal.failures import JournalDamaged, JournalUnusable
from relay.journal.filecheck import reading, restored_by, sync, sync_directory
from relay.journal.sqlite import APPLICATION_ID

_OWN_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that is on disk.

    Attributes:
        bytes: the size of the journal's copy.
        rows: how many rows each table has.
        attachments: how many attachments are kept beside it, in `<file>.media`.
        attachment_bytes: their size.
    """

    bytes: int
    rows: Mapping[str, int]
    attachments: int
    attachment_bytes: int


def media_of(file: Path) -> Path:
    """Where the attachments of a backup are."""
    return Path(f"{file}.media")


def back_up(journal: Path, media: Path, to: Path, *, replace: bool = False) -> Backup:
    """Copy the journal to `to`, for relay's user alone, and the attachments that are kept to `<to>.media`.

    It works while relay runs, and while it does not. What is there already is replaced when the new copy is whole.

    Args:
        journal: the journal's file.
        media: the folder of kept attachments; it may be missing.
        to: the new file.
        replace: take the place of a backup of this name.

    Raises:
        JournalUnusable: there is no journal, the new file cannot be made, or is there already.
        JournalDamaged: the journal is damaged; nothing of this name was made.
    """
    _refuse(journal, media, to, replace=replace)
    part, part_media = Path(f"{to}.part"), Path(f"{media_of(to)}.part")
    with _in_words(journal), _alone_in(to.parent):
        try:
            _drop(part, part_media)
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            with closing(reading(journal)) as connection:
                connection.execute("VACUUM INTO ?", [str(part)])
            rows = checked(part)
            attachments, size = _copy_media(media, part_media)
            sync(part)
            _put(part, part_media, to)
        finally:
            _drop(part, part_media)
    return Backup(to.stat().st_size, rows, attachments, size)


def checked(path: Path) -> dict[str, int]:
    """How many rows each table of a whole journal has; every page and index of it is looked at.

    Raises:
        JournalDamaged: it is not whole.
        JournalUnusable: it is no journal of relay's.
        sqlite3.Error: it cannot be read.
    """
    with closing(reading(path)) as connection:
        tables = [name for (name,) in connection.execute(_OWN_TABLES)]
        if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,) or "copy" not in tables:
            raise JournalUnusable("this file is no journal of relay's")
        [(first, *_), *_] = connection.execute("PRAGMA integrity_check(1)").fetchall()
        if first != "ok":
            raise JournalDamaged("this journal is damaged: take an older backup")
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}  # noqa: S608 - the journal's own tables


def _refuse(journal: Path, media: Path, to: Path, *, replace: bool) -> None:
    if not journal.exists() or not journal.stat().st_size:
        raise JournalUnusable(f"there is no journal at {journal}: is this the right settings file?")
    if not to.parent.is_dir():
        raise JournalUnusable(f"the directory {to.parent} does not exist: make it first")
    if to.is_dir() or _is_own(journal, to):
        raise JournalUnusable(f"{to} is a directory, or a file of the journal itself: name a new file")
    if media.resolve().is_relative_to(media_of(to).resolve()):
        raise JournalUnusable(f"{media_of(to)} is where relay keeps its attachments: name another file")
    for there in (to, media_of(to)):
        if there.exists() and not replace:
            raise JournalUnusable(f"{there} is there already: name a new file, or say --replace")


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Keep a second backup out of the directory: the two would throw away what the other has made so far."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise JournalUnusable(f"another backup is being made in {directory}: wait for it") from None
    except OSError:
        return  # its file system has no such locks


def _is_own(journal: Path, to: Path) -> bool:
    own = ("", "-wal", "-shm", "-journal", ".lock", ".made", ".moved", ".ballast")
    return to.resolve() in {Path(f"{journal.resolve()}{end}") for end in own}


@contextmanager
def _in_words(journal: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise JournalDamaged(f"the journal {journal} is damaged ({name}): {restored_by(journal)}") from None
        raise JournalUnusable(f"no backup was made: {name}; is there room, and may this user write there?") from None
    except OSError as error:
        raise JournalUnusable(f"no backup was made: {error.strerror}") from None


def _copy_media(media: Path, to: Path) -> tuple[int, int]:
    """Copy what is kept; what expires while it is being copied is left out."""
    count = size = 0
    if media.is_dir():
        to.mkdir(mode=0o700)
        for file in sorted(media.iterdir()):
            with suppress(FileNotFoundError):
                if file.is_file() and not file.name.startswith(".") and not file.suffix:
                    shutil.copyfile(file, to / file.name)
                    sync(to / file.name)
                    count, size = count + 1, size + (to / file.name).stat().st_size
        sync_directory(to)
    return count, size


def _put(part: Path, part_media: Path, to: Path) -> None:
    """Give the whole copy its name: attachments first, so that a file of that name has them."""
    if media_of(to).exists():
        shutil.rmtree(media_of(to))
    if part_media.exists():
        part_media.rename(media_of(to))
    part.replace(to)
    sync_directory(to.parent)


def _drop(part: Path, part_media: Path) -> None:
    for each in (part, Path(f"{part}-journal")):
        each.unlink(missing_ok=True)
    shutil.rmtree(part_media, ignore_errors=True)
