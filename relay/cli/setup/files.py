"""texts -> files: all of them or none; what is there stays as it is, and secrets are for their owner alone."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PRIVATE, PUBLIC = 0o600, 0o644
_FOLDER_OF = {PRIVATE: 0o700, PUBLIC: 0o755}
_STOPS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@dataclass(frozen=True, slots=True)
class File:
    """A file to be written.

    Attributes:
        path: absolute.
        text: what it is to hold.
        mode: its rights; what only its owner may read is not shown either.
        replaces: it may take the place of a file that is there.
    """

    path: Path
    text: str = field(repr=False)
    mode: int = PUBLIC
    replaces: bool = False


@dataclass
class _Made:
    """What has been made so far, to be taken away again."""

    drafts: list[tuple[Path, File]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    def undo(self) -> None:
        """Leave nothing behind."""
        with _undisturbed():
            for path in [*(draft for draft, _ in self.drafts), *self.files]:
                path.unlink(missing_ok=True)
            for folder in reversed(self.folders):
                with suppress(OSError):
                    folder.rmdir()


def write_all(files: Sequence[File], folders: Sequence[Path]) -> None:
    """Write all files, the first of them last; whatever stops it before, nothing of it remains.

    Args:
        files: what to write. Folders that are missing are made, those of private files for their owner alone.
        folders: further folders, for their owner alone.

    Raises:
        OSError: it cannot be done; FileExistsError where a file is there that may not be replaced.
    """
    made = _Made()
    with ExitStack() as unless_done:
        unless_done.callback(made.undo)
        for folder in folders:
            _make_folder(folder, _FOLDER_OF[PRIVATE], made)
        for file in files:
            _make_folder(file.path.parent, _FOLDER_OF[file.mode], made)
            _write_draft(file, made)
        with _undisturbed():
            for draft, file in reversed(made.drafts):
                _publish(draft, file, made)
            unless_done.pop_all()
    for folder in {file.path.parent for file in files}:
        _sync(folder)


def _make_folder(folder: Path, mode: int, made: _Made) -> None:
    if folder.is_dir():
        if mode == _FOLDER_OF[PRIVATE] and folder.stat().st_mode & 0o077:
            folder.chmod(mode)
        return
    _make_folder(folder.parent, _FOLDER_OF[PUBLIC], made)
    made.folders.append(folder)
    folder.mkdir(mode=mode)
    folder.chmod(mode)  # whatever the umask


def _write_draft(file: File, made: _Made) -> None:
    draft = file.path.with_name(f".{file.path.name}.{os.getpid()}")
    made.drafts.append((draft, file))
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(file.text)
        opened.flush()
        os.fchmod(descriptor, file.mode)
        os.fsync(descriptor)


def _publish(draft: Path, file: File, made: _Made) -> None:
    if file.replaces:
        draft.replace(file.path)
        return
    file.path.hardlink_to(draft)  # fails where something is there
    made.files.append(file.path)
    draft.unlink()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals that would stop it half-way wait for the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
