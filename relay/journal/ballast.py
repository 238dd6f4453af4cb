"""Bytes held back beside the journal: given up when the disk is full, so that what is known can still be written."""

import os
from contextlib import suppress
from pathlib import Path

_BLOCK = 512  # bytes: the unit of st_blocks, whatever the file system
_LEAST_SPARE = 256 * 1024  # bytes
_SPARE = 4  # a fourth of the ballast


class Ballast:
    """The file `<journal>.ballast`, really allocated. Everything here blocks: it belongs on a thread.

    Args:
        journal: the journal's file.
        size: bytes; 0: none is held, and a file that is there is left alone.
    """

    def __init__(self, journal: Path, size: int) -> None:
        self._path = Path(f"{journal}.ballast")
        self._folder = journal.parent
        self._size = size

    @property
    def free(self) -> int:
        """The bytes that are left to relay's user on this file system; none where it does not answer."""
        try:
            found = os.statvfs(self._folder)
        except OSError:
            return 0
        return found.f_bavail * found.f_frsize

    def make(self, *, spare: bool = False) -> bool:
        """Hold all of it; whether that is so now. What could only be held in part is given up.

        Args:
            spare: only where so much more is free besides that the disk is not full again at once.
        """
        held = self._held()
        besides = max(self._size // _SPARE, _LEAST_SPARE) if spare else 0
        if self.free < max(self._size - held, 0) + besides:
            return False
        if held >= self._size:
            return True
        try:
            self._allocate()
        except OSError:
            self.give_up()
            return False
        return True

    def give_up(self) -> bool:
        """Give the bytes to whoever needs them; whether there were any."""
        if not self._held():
            return False
        with suppress(OSError):
            os.truncate(self._path, 0)
        return not self._held()

    def _held(self) -> int:
        """The bytes that are really allocated: a file may say that it is longer."""
        try:
            found = self._path.stat()
        except OSError:
            return 0
        return min(found.st_size, found.st_blocks * _BLOCK)

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
