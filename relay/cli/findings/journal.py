"""The journal's place: can relay keep what it accepts? Nothing is made or changed there.

Made by root, the journal's file would be shut to relay's own user; so this looks, and does not open it.
"""

import asyncio
import fcntl
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from relay.cli.findings import Finding, good, hint, wrong
from relay.cli.findings.postgresql import look_at_postgresql
from relay.cli.findings.tables import look_at_tables
from relay.journal import JournalDamaged
from relay.journal.filecheck import refuse_lost
from relay.journal.moved import JournalMoved, refuse_moved
from relay.settings import Settings

_PART = "journal"
_WHY = "relay accepts nothing that it cannot write down"
_BY_SYSTEMD = Path("/var/lib/relay")  # StateDirectory of the unit
_SQLITE = b"SQLite format 3\0"


async def look_at_journal(settings: Settings, *, offline: bool = False) -> Sequence[Finding]:
    """Whether the journal can be opened or made; `offline`: look at nothing outside of this machine."""
    journal = settings.journal
    if journal.path is None:
        running = await asyncio.to_thread(is_running, settings)
        return await look_at_postgresql(settings, offline=offline, is_running=running)
    found = await asyncio.to_thread(_findings, journal.path, journal.ballast)
    if journal.password is None:
        return found
    return [*found, hint(_PART, "journal.password does nothing for a file", "take it out, or name PostgreSQL")]


def _findings(path: Path, ballast: int) -> Sequence[Finding]:
    found = _look(path)
    if not found.ok or not path.parent.is_dir():
        return [found]
    room = _look_for_room(path, ballast)
    return [found, *(look_at_tables(path) if path.exists() else ()), *([room] if room else ())]


def _look_for_room(path: Path, ballast: int) -> Finding | None:
    """Whether a start would find room for what it holds back; None where it would."""
    held = Path(f"{path}.ballast")
    wanted = ballast - (held.stat().st_size if held.is_file() else 0)
    disk = os.statvfs(path.parent)
    free = disk.f_bavail * disk.f_frsize
    if free >= wanted or disk.f_flag & os.ST_RDONLY:
        return None
    what = f"the disk of {path} has {free // 1024} KiB left, and journal.ballast wants {wanted // 1024} KiB more"
    return wrong(_PART, what, "relay would start, and take no command and no web hook", "free some space there")


def _look(path: Path) -> Finding:
    folder = path.parent
    if not folder.is_dir():
        if folder == _BY_SYSTEMD:
            return good(_PART, f"{path}: systemd makes its directory when it starts relay")
        return wrong(_PART, f"the directory {folder} does not exist", _WHY, "make it, owned by relay's user")
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        cure = "mount it for writing, or name another place in journal.url"
        return wrong(_PART, f"the file system of {folder} is read-only", _WHY, cure)
    if not os.access(folder, os.W_OK | os.X_OK):
        cure = "give it to relay's user, or run this check as that user (or as root)"
        return wrong(_PART, f"the directory {folder} cannot be written", _WHY, cure)
    return _look_at_past(path) or (
        _look_at_file(path) if path.exists() else good(_PART, f"{path}: will be made at the first start")
    )


def _look_at_past(path: Path) -> Finding | None:
    """What keeps relay from starting with a journal that was there once."""
    try:
        refuse_moved(path)
        refuse_lost(path)
    except JournalMoved as moved:
        what, _, cure = str(moved).partition(": ")
        return wrong(_PART, what, "relay does not start with it, so that it sends nothing twice", cure)
    except JournalDamaged as lost:
        what, _, cure = str(lost).partition(": ")
        return wrong(_PART, what, "relay does not start, so that it forgets no opt-out and sends nothing twice", cure)
    return None


def _look_at_file(path: Path) -> Finding:
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
        return wrong(_PART, f"{path} cannot be written", _WHY, "give the file to relay's user")
    if path.stat().st_size and _beginning(path) != _SQLITE:
        return wrong(
            _PART, f"{path} is no SQLite database", _WHY, "name another file in journal.url, or restore a backup"
        )
    if path.stat().st_uid != path.parent.stat().st_uid:
        cure = f"chown --reference={path.parent} {path}*"
        return wrong(_PART, f"{path} belongs to another user than its directory", "relay's user may not open it", cure)
    return good(_PART, f"{path}: {'a running relay has it open' if in_use(path) else 'in order, not in use'}")


def is_running(settings: Settings) -> bool:
    """Whether relay runs on this machine with these settings."""
    if settings.journal.path is not None:
        return in_use(settings.journal.path)
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(settings.admin.socket))
        except OSError:
            return False
    return True


def in_use(path: Path) -> bool:
    """Whether a running relay holds the journal at `path`."""
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_SQLITE))
