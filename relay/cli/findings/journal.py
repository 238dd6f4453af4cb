"""The journal's place: can relay keep what it accepts? Nothing is made or changed there.

Made by root, the journal's file would be shut to relay's own user; so this looks, and does not open it.
"""

import asyncio
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from relay.cli.findings import Finding, good, wrong
from relay.settings import Settings

_PART = "journal"
_WHY = "relay accepts nothing that it cannot write down"
_BY_SYSTEMD = Path("/var/lib/relay")  # StateDirectory of the unit
_SQLITE = b"SQLite format 3\0"


async def look_at_journal(settings: Settings) -> Sequence[Finding]:
    """Whether the journal can be opened or made."""
    return [await asyncio.to_thread(_look, settings.journal.path)]


def _look(path: Path) -> Finding:
    folder = path.parent
    if not folder.is_dir():
        if folder == _BY_SYSTEMD:
            return good(_PART, f"{path}: systemd makes its directory when it starts relay")
        return wrong(_PART, f"the directory {folder} does not exist", _WHY, "make it, owned by relay's user")
    if not os.access(folder, os.W_OK | os.X_OK):
        cure = "give it to relay's user, or run this check as that user (or as root)"
        return wrong(_PART, f"the directory {folder} cannot be written", _WHY, cure)
    if not path.exists():
        return good(_PART, f"{path}: will be made at the first start")
    return _look_at_file(path)


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
