"""A backup -> the journal, while relay is stopped. What was there is kept beside it under another name.

The new journal is made ready in a folder of its own: tables up to date, and what may have been sent meanwhile held.
Only then does it take the journal's place. A crash in between leaves the old journal, or none: then relay refuses to
start, and the same command brings the restore to its end.
"""

import asyncio
import os
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from relay.clock import Clock
from relay.ids import Ids
from relay.journal.backup import checked, media_of, sync
from relay.journal.failures import JournalUnusable
from relay.journal.filecheck import remember_made, sync_directory
from relay.journal.journal import Journal
from relay.journal.restored import Restored
from relay.journal.sqlite import locked


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
        with tempfile.TemporaryDirectory(prefix=".relay-restore-", dir=journal.parent) as folder:
            ready = Path(folder) / "relay.db"
            rows = _copied(file, ready)
            restored = asyncio.run(_made_ready(ready, clock))
            sync(ready)
            attachments = _put_media(media_of(file), media)
            former = _step_aside(journal, clock.now())
            ready.replace(journal)
            sync_directory(journal.parent)
            remember_made(journal)
    except OSError as error:
        raise JournalUnusable(f"the backup cannot be restored: {error.strerror}") from None
    finally:
        os.close(lock)
    return Restoration(restored, rows, attachments, former)


def _refuse(file: Path, journal: Path) -> None:
    if not file.is_file() or (journal.exists() and file.samefile(journal)):
        raise JournalUnusable(f"{file} is no backup: name a file that `relay backup` has made")
    if not journal.parent.is_dir():
        raise JournalUnusable(f"the directory {journal.parent} does not exist: make it, owned by relay's user")


def _copied(file: Path, to: Path) -> int:
    """Copy a backup that is whole; gives its rows."""
    try:
        rows = checked(file)
        shutil.copyfile(file, to)
        to.chmod(0o600)
        return sum(rows.values())
    except sqlite3.Error:
        raise JournalUnusable(f"{file} is no journal of relay's, or damaged: take another backup") from None
    except JournalUnusable as unusable:
        raise JournalUnusable(f"{file}: {unusable}") from None


async def _made_ready(path: Path, clock: Clock) -> Restored:
    url = make_url("sqlite://").set(database=str(path)).render_as_string()
    async with await Journal.open(url, clock=clock, ids=Ids(clock), node="restore") as journal:
        await journal.calls.recover()
        return await journal.restored.hold()


def _step_aside(journal: Path, now: datetime) -> Path | None:
    """Rename what is there: the file before its WAL, so that it is never taken for whole without it."""
    if not journal.exists() and not Path(f"{journal}-wal").exists():
        return None
    former = Path(f"{journal}.before-restore-{now:%Y%m%dT%H%M%SZ}")
    for end in ("", "-wal"):
        left = Path(f"{journal}{end}")
        if end and left.exists() and not left.stat().st_size:
            left.unlink()
        elif left.exists():
            left.rename(f"{former}{end}")
            sync_directory(journal.parent)
    Path(f"{journal}-shm").unlink(missing_ok=True)
    return former


def _put_media(kept: Path, media: Path) -> int:
    """Add the attachments that are not there."""
    if not kept.is_dir():
        return 0
    media.mkdir(mode=0o700, exist_ok=True)
    missing = [file for file in sorted(kept.iterdir()) if file.is_file() and not (media / file.name).exists()]
    for file in missing:
        part = media / f"{file.name}.part"
        shutil.copyfile(file, part)
        sync(part)
        part.replace(media / file.name)
    sync_directory(media)
    return len(missing)
