"""A backup -> the journal, while relay is stopped. What was there is kept beside it under another name.

The new journal is made ready in a folder of its own: tables up to date, and what may have been sent meanwhile held.
Only then does it take the journal's place. A crash in between leaves the old journal, or none: then relay refuses to
start, and the same command brings the restore to its end.
"""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from sqlalchemy.engine import make_url

from relay.clock import Clock
from relay.ids import Ids
from relay.journal.backup import checked, media_of
from relay.journal.failures import JournalUnusable
from relay.journal.filecheck import mark_of, reading, remember_made, sync, sync_directory
from relay.journal.journal import Journal
from relay.journal.moved import unmark
from relay.journal.pgconnect import connected, connecting
from relay.journal.restored import Restored
from relay.journal.rows import PostgresRows
from relay.journal.sqlite import locked
from relay.journal.target import in_words, refuse_lived_in


@dataclass(frozen=True, slots=True)
class Restoration:
    """What was restored, and under which name the former journal is kept; None where there was none."""

    restored: Restored
    rows: int
    attachments: int
    former: Path | None


def restore(file: Path, journal: Path, media: Path, *, clock: Clock) -> Restoration:
    """Put the backup `file` in the place of `journal`, and its attachments into `media`.

    Raises:
        JournalInUse: relay is running; stop it first.
        JournalTooNew: a newer relay has made the backup.
        JournalUnusable: the file is no journal of relay's, is damaged, or cannot be put there. Nothing was changed.
    """
    _refuse(file, journal)
    lock = locked(journal)
    try:
        with _workshop(journal) as folder:
            ready = folder / "relay.db"
            rows = _copied(file, ready)
            restored = asyncio.run(made_ready(ready, clock))
            sync(ready)
            attachments = _put_media(media_of(file), media)
            _belong_to_its_owner(journal.parent, ready, Path(f"{journal}.lock"), media, *_files(media))
            former = _step_aside(journal, clock.now())
            ready.replace(journal)
            sync_directory(journal.parent)
            remember_made(journal)
            unmark(journal)
            _belong_to_its_owner(journal.parent, mark_of(journal))
    except OSError as error:
        raise JournalUnusable(f"the backup cannot be restored: {error.strerror}") from None
    finally:
        os.close(lock)
    return Restoration(restored, rows, attachments, former)


def hold_restored(url: str, password: str | None, *, clock: Clock) -> Restored:
    """Hold what waits in a database that PostgreSQL's own tools have restored, before any node works with it.

    Raises:
        JournalUnusable: it cannot be used, there is no journal in it, or a node works with it.
    """
    with in_words(), connected(connecting(url, password).engine()) as connection:
        if PostgresRows(connection).revision() is None:
            raise JournalUnusable("there is no journal in the database that journal.url names: restore it there first")
        refuse_lived_in(connection)
    return asyncio.run(_held(url, password, clock))


async def _held(url: str, password: str | None, clock: Clock) -> Restored:
    async with await Journal.open(url, clock=clock, ids=Ids(clock), node="restore", password=password) as journal:
        return await journal.restored.hold()


def _refuse(file: Path, journal: Path) -> None:
    if not file.is_file() or (journal.exists() and file.samefile(journal)):
        raise JournalUnusable(f"{file} is no backup: name a file that `relay backup` has made")
    if not journal.parent.is_dir():
        raise JournalUnusable(f"the directory {journal.parent} does not exist: make it, owned by relay's user")


@contextmanager
def _workshop(journal: Path) -> Iterator[Path]:
    """A folder for the new journal; what a restore that was cut short has left there is thrown away."""
    folder = journal.with_name(f".{journal.name}.restoring")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copied(file: Path, to: Path) -> int:
    """Copy a backup that is whole, with what only its WAL has; gives its rows."""
    try:
        rows = checked(file)
        with closing(reading(file)) as connection:
            connection.execute("VACUUM INTO ?", [str(to)])
        to.chmod(0o600)
        return sum(rows.values())
    except sqlite3.Error as error:
        if error.sqlite_errorname == "SQLITE_FULL":
            raise JournalUnusable(f"the backup cannot be restored: no room for it in {to.parent.parent}") from None
        raise JournalUnusable(f"{file} is no journal of relay's, or damaged: take another backup") from None
    except JournalUnusable as unusable:
        raise JournalUnusable(f"{file}: {unusable}") from None


async def made_ready(path: Path, clock: Clock) -> Restored:
    """Bring the tables of a journal that nobody uses up to date, and hold what may have been sent meanwhile."""
    url = make_url("sqlite://").set(database=str(path)).render_as_string()
    async with await Journal.open(url, clock=clock, ids=Ids(clock), node="restore") as journal:
        await journal.calls.recover()
        return await journal.restored.hold()


def _step_aside(journal: Path, now: datetime) -> Path | None:
    """Give what is there another name: the file loses its own before its WAL, and is never taken for whole without it.

    Both have their new names before they lose the old ones, so that they stay together whenever this is cut short.
    """
    there = [Path(f"{journal}{end}") for end in ("", "-wal", "-shm")]
    former = _unused(f"{journal}.before-restore-{now:%Y%m%dT%H%M%SZ}")
    kept = [file for file in there[:2] if file.exists() and (file == journal or file.stat().st_size)]
    for file in kept:
        _keep(file, Path(f"{former}{file.name.removeprefix(journal.name)}"))
    sync_directory(journal.parent)
    for file in there:
        file.unlink(missing_ok=True)
        sync_directory(journal.parent)
    return former if kept else None


def _unused(name: str) -> Path:
    names = (Path(f"{name}-{number}" if number > 1 else name) for number in count(1))
    return next(one for one in names if not one.exists())


def _keep(file: Path, name: Path) -> None:
    try:
        name.hardlink_to(file)
    except OSError:  # a file system without links
        shutil.copyfile(file, name)
        name.chmod(0o600)
        sync(name)


def _belong_to_its_owner(directory: Path, *paths: Path) -> None:
    """Give files to whom their directory belongs: root's would keep relay's user from starting relay."""
    if os.geteuid() == 0:
        owner = directory.stat()
        for path in filter(Path.exists, paths):
            os.chown(path, owner.st_uid, owner.st_gid)


def _files(directory: Path) -> list[Path]:
    return [file for file in directory.iterdir() if file.is_file()] if directory.is_dir() else []


def _put_media(kept: Path, media: Path) -> int:
    """Add the attachments that are not there."""
    if not kept.is_dir():
        return 0
    media.mkdir(mode=0o700, exist_ok=True)
    missing = [file for file in sorted(_files(kept)) if not (media / file.name).exists()]
    for file in missing:
        part = media / f"{file.name}.part"
        shutil.copyfile(file, part)
        sync(part)
        part.replace(media / file.name)
    sync_directory(media)
    return len(missing)
