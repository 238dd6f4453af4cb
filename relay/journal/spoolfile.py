"""The spool's file: web hooks on a local disk while the journal's database is away. It blocks: it belongs on a thread.

WAL with synchronous=FULL, as the journal on SQLite: a commit has been synced when it returns. Some room is held back,
so that on a full disk, which the spool itself may have filled, hooks can still leave it.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

from relay.journal.ballast import Ballast
from relay.journal.failures import JournalDamaged, JournalInUse, JournalUnusable, JournalUnwritten
from relay.journal.filecheck import sync_directory
from relay.journal.spoolrows import TABLE, Operation, counted
from relay.journal.sqlite import locked

APPLICATION_ID = int.from_bytes(b"rlsp", "big")
_FULL = 2
BALLAST = 4 * 1024**2  # bytes: more than it takes to delete what is folded in at once
# To overwrite what is deleted would take as much room as it has; the file is written anew when it is empty.
_PRAGMAS = (
    "busy_timeout=5000",
    "journal_mode=WAL",
    "synchronous=FULL",
    "temp_store=MEMORY",
    "secure_delete=FAST",
    "wal_autocheckpoint=256",
)


class SpoolFile:
    """The file, locked and ready.

    Args:
        path: where it is, or is to be made.

    Attributes:
        held: what was in it when it was opened.

    Raises:
        JournalInUse: another process has it.
        JournalDamaged: it cannot be read.
        JournalUnusable: it cannot be used; the text says why, and what to do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.parent.is_dir():
            raise JournalUnusable(
                f"the directory {path.parent} of journal.spool does not exist: make it, owned by relay's user"
            )
        self._lock = _locked(path)
        self._ballast = Ballast(path, BALLAST)
        self._connection: sqlite3.Connection | None = None
        with ExitStack() as undone:
            undone.callback(self.close)
            _make(path)
            self._prepare()
            undone.pop_all()

    def keep(self, operations: Sequence[Operation]) -> list[Any]:
        """Do what brings something new, while there is room to spare.

        Raises:
            JournalUnwritten: the disk does not take it; nothing was done.
            JournalDamaged: the file is damaged.
        """
        if not self._ballast.make():
            raise JournalUnwritten(_MEANING["SQLITE_FULL"])
        return self._write(operations)

    def settle(self, operations: Sequence[Operation]) -> list[Any]:
        """Do what leads to more room, be it in the last room that there is; raises as `keep` does."""
        try:
            return self._write(operations)
        except JournalUnwritten:
            if not self._ballast.give_up():
                raise
            return self._write(operations)

    def _write(self, operations: Sequence[Operation]) -> list[Any]:
        """What each operation gives, after all of them were committed and synced together."""
        with ExitStack() as undone:
            undone.callback(self._disconnect)
            try:
                connection = self._connected()
                connection.execute("BEGIN IMMEDIATE")
                results = [operation(connection) for operation in operations]
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._judged(error) from None
            undone.pop_all()
        return results

    def tidy(self) -> bool:
        """Leave nothing of what was deleted in the file, and none of its size; whether that could be done."""
        try:
            connection = self._connected()
            connection.execute("VACUUM")
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error:
            self._disconnect()
            return False
        return not busy

    def close(self) -> None:
        """Give it up."""
        self._disconnect()
        os.close(self._lock)

    def _prepare(self) -> None:
        try:
            connection = self._connected()
            [(owner,)] = connection.execute("PRAGMA application_id").fetchall()
            [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            if tables and owner != APPLICATION_ID:
                raise JournalUnusable(
                    "the file that journal.spool names is a database of another program: name a file of relay's own"
                )
            [(found,), *_] = connection.execute("PRAGMA quick_check(1)").fetchall()
            if found != "ok":
                raise JournalDamaged(self._damage())
            if not tables:
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(TABLE)
            self.held = counted(connection)
            if not self.held.hooks:
                # What the last life dropped, and could not wipe.
                self.tidy()
            self._ballast.make()
        except sqlite3.Error as error:
            raise self._judged(error) from None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            with ExitStack() as undone:
                connection = undone.enter_context(closing(sqlite3.connect(self._path, isolation_level=None)))
                connection.text_factory = _text
                for pragma in _PRAGMAS:
                    connection.execute(f"PRAGMA {pragma}")
                _check_synced(connection)
                undone.pop_all()
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _judged(self, error: sqlite3.Error) -> Exception:
        name = str(getattr(error, "sqlite_errorname", ""))
        if not name or isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            return error
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return JournalDamaged(self._damage())
        sentences = (sentence for beginning, sentence in _MEANING.items() if name.startswith(beginning))
        return JournalUnwritten(f"{next(sentences, 'SQLite failed at the spool')} ({name})")

    def _damage(self) -> str:
        return (
            f"the spool {self._path} is damaged: stop relay and move {self._path}* away, and keep it, because it may"
            " hold web hooks that were answered and are nowhere else"
        )


_MEANING = {
    "SQLITE_FULL": "the disk under the spool is full: free some space",
    "SQLITE_IOERR": "the disk under the spool fails: look at the system's log",
    "SQLITE_READONLY": "the spool cannot be written: mount its file system for writing, or give it to relay's user",
    "SQLITE_CANTOPEN": "the spool cannot be opened: give its file and directory to relay's user",
    "SQLITE_BUSY": "another program holds the spool's file locked: end it",
}


def _text(raw: bytes) -> str:
    """Text that is damaged so that it is no UTF-8 comes back as another text, and raises nothing."""
    return raw.decode("utf-8", "backslashreplace")


def _check_synced(connection: sqlite3.Connection) -> None:
    [(mode,)] = connection.execute("PRAGMA journal_mode").fetchall()
    [(synchronous,)] = connection.execute("PRAGMA synchronous").fetchall()
    if mode != "wal" or synchronous != _FULL:
        raise JournalUnusable(
            f"SQLite works here with journal_mode {mode} and synchronous {synchronous}, and relay needs wal and"
            f" {_FULL}: put journal.spool on a local file system"
        )


def _locked(path: Path) -> int:
    try:
        return locked(path)
    except JournalInUse:
        raise JournalInUse(
            f"another relay has the spool {path} open: stop it, or give each node a journal.spool of its own"
        ) from None
    except JournalUnusable:
        raise _unusable(path) from None


def _make(path: Path) -> None:
    """Make the file, for relay's user alone, with its entry in the directory on disk."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync_directory(path.parent)
    except OSError:
        raise _unusable(path) from None


def _unusable(path: Path) -> JournalUnusable:
    return JournalUnusable(
        f"the spool {path} cannot be opened: give its directory, on a local disk with free space, to relay's user,"
        " or name another place in journal.spool"
    )
