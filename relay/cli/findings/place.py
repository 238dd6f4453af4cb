"""The disk under the journal, attachments and the spool: is it local, does it last, and is there room?"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from relay.cli.findings import Finding, hint, wrong
from relay.settings import Settings
from relay.settings.types import is_loopback

_MOUNTS = Path("/proc/self/mounts")
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "fuse.glusterfs", "ceph", "afs"}
_MEMORY = {"tmpfs", "ramfs"}
_ROOM = 256 * 1024**2  # bytes: a hundred thousand texts and more


class _Kept(NamedTuple):
    part: str
    setting: str
    path: Path


def look_at_places(settings: Settings, mounts: Path = _MOUNTS) -> Sequence[Finding]:
    """What is wrong with the disks on which relay keeps something."""
    return [finding for kept in _kept(settings) for finding in _look(kept, settings, mounts)]


def _kept(settings: Settings) -> Iterator[_Kept]:
    journal = settings.journal
    yield (
        _Kept("journal", "journal.url", journal.path)
        if journal.path
        else _Kept("journal", "journal.spool", journal.spool)
    )
    directory = settings.media_directory
    if directory.parent != (journal.path or journal.spool).parent:
        yield _Kept("media", "media.directory", directory)


def _look(kept: _Kept, settings: Settings, mounts: Path) -> Iterator[Finding]:
    folder = next((each for each in kept.path.parents if each.is_dir()), Path("/"))
    kind = _file_system(folder, mounts)
    is_lab = all(is_loopback(line.base_url) for line in settings.lines.values())
    if kind in _NETWORK:
        what = f"{kept.path.parent} is on a network file system ({kind})"
        why = "SQLite's locks and syncs do not hold there: the journal may be damaged, and what was accepted lost"
        yield wrong(kept.part, what, why, f"name a place on a local disk in {kept.setting}, or use PostgreSQL")
    if kind in _MEMORY and not is_lab:
        cure = f"name a place on a disk in {kept.setting}, such as /var/lib/relay"
        yield wrong(kept.part, f"{kept.path.parent} is in memory ({kind})", "all of it is gone at the next boot", cure)
    yield from _room(kept, folder)


def _room(kept: _Kept, folder: Path) -> Iterator[Finding]:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free < _ROOM:
        what = f"the disk of {kept.path.parent} has {free // 1024**2} MiB left"
        cure = f"free some space there (df -h {folder}), or name another place in {kept.setting}"
        yield hint(kept.part, what, cure, "on a full disk relay takes no command and no web hook")
    if disk.f_files and not disk.f_favail:
        what = f"the file system of {kept.path.parent} has no file numbers left (inodes)"
        cure = f"delete files there: df -i {folder}"
        yield wrong(kept.part, what, "relay can make no file", cure)


def _file_system(folder: Path, mounts: Path) -> str:
    """The kind of file system that a folder is on: of its mount points the nearest, and there the last."""
    place, kind = -1, ""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return kind
    real = folder.resolve()
    for line in lines:
        _, point, found, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")
        if real.is_relative_to(point) and len(Path(point).parts) >= place:
            place, kind = len(Path(point).parts), found
    return kind
