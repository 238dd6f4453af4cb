"""Everything that is SQLite's own: the file, its lock, the pragmas, and what its errors mean.

WAL with synchronous=FULL: a commit has been synced when it returns. One connection writes and checkpoints, because
SQLite up to 3.51.2 may damage a database whose WAL two connections reset at once; another one reads.
"""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.pool import NullPool

from relay.journal.compiled import sharing
from relay.journal.failures import JournalDamaged, JournalInUse, JournalMisindexed, JournalUnusable, JournalUnwritten
from relay.journal.filecheck import mark_of, refuse_lost, refuse_truncated, remember_made, restored_by, sync_directory
from relay.journal.migrating import migrate, older_revision
from relay.journal.moved import refuse_moved
from relay.journal.remains import Remains
from relay.journal.store import Entered
from relay.journal.wayback import keep_way_back

T = TypeVar("T")

APPLICATION_ID = int.from_bytes(b"rlay", "big")
_FULL = 2
# In memory what SQLite sorts or may have to undo: the disk of its temporary files may be full as well.
_WRITER = (
    "busy_timeout=5000",
    "journal_mode=WAL",
    "synchronous=FULL",
    "wal_autocheckpoint=1000",
    "temp_store=MEMORY",
    "secure_delete=ON",
)
_STATEMENTS = 512  # that the driver keeps prepared; relay has some hundreds
_READER = ("busy_timeout=5000", "query_only=ON")


class SqliteStore:
    """A journal's file, locked and migrated. Everything here blocks: it belongs on a thread.

    Attributes:
        remains: sees to it that what was deleted is gone from the file.
        before: the revision of the tables that it had, where opening it has changed them.

    Raises:
        JournalInUse: another process has it.
        JournalTooNew: a newer relay has written it.
        JournalUnusable: it cannot be opened, and why.
    """

    is_shared = False
    trouble = "journal.full"
    answers_within: float | None = None

    def __init__(self, url: URL) -> None:
        self._path = _path_of(url)
        self.before: str | None = None
        self.remains = Remains(self._path)
        self._lock = locked(self._path)
        with ExitStack() as undone:
            undone.callback(os.close, self._lock)
            refuse_moved(self._path)
            refuse_lost(self._path)
            _create(self._path)
            self._writing = _engine(url, _WRITER, "BEGIN IMMEDIATE")
            self._reading = _engine(url, _READER, "BEGIN")
            self._prepare()
            undone.pop_all()

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._path

    def writing(self, *, sparing: bool = False) -> Connection:
        """The connection that writes. There is to be one at a time.

        Args:
            sparing: on a full disk; the WAL is copied back and used again early, so that it does not grow.
        """
        connection = self._connect(self._writing)
        if sparing:
            driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment] # untyped
            driver.execute("PRAGMA wal_autocheckpoint=16")
        return connection

    def enter(self, connection: Connection) -> Entered:  # noqa: ARG002 - nobody else writes to the file
        """Nothing more."""
        return Entered()

    def committed(self, entered: Entered) -> None:
        """Nothing more."""

    def finish(self, connection: Connection, counts: Mapping[str, int], bells: Collection[str]) -> None:
        """Nothing more: the counters are this process's, and so are the bells."""

    def counters(self, connection: Connection, kept: Mapping[str, int]) -> Mapping[str, int]:  # noqa: ARG002 - as above
        """Nobody else changes them."""
        return kept

    def was_committed(self, connection: Connection, mark: int) -> bool:  # noqa: ARG002 - there are no marks
        """Nobody can tell: a file that fails fails its readers, too."""
        return False

    def prove(self, connection: Connection) -> None:
        """Write something that changes nothing: its commit shows whether the disk takes it."""
        connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")

    def mend(self, connection: Connection) -> None:
        """Make the indexes anew: where a row was damaged, they do not fit it, and it cannot even be set aside."""
        with connection.begin():
            connection.exec_driver_sql("REINDEX")

    def reading(self) -> Connection:
        """A connection that reads what was committed, and cannot write."""
        return self._connect(self._reading)

    def judged(self, error: DBAPIError) -> Exception:
        """What an error means."""
        return judged(error)

    def close(self) -> None:
        """Give the file up. Every connection must be closed before."""
        self.remains.close()
        os.close(self._lock)

    def _connect(self, engine: Engine) -> Connection:
        try:
            return engine.connect()
        except DatabaseError as error:
            raise judged(error) from None

    def _prepare(self) -> None:
        with self._connect(self._reading) as connection:
            self._refuse_foreign(connection)
            try:
                self.before = older_revision(connection)
            except DatabaseError as error:
                raise self._at_start(error) from None
        if self.before is not None:
            keep_way_back(self._path, self.before)
        with self._connect(self._writing) as connection:
            try:
                with connection.begin():
                    self._check_synced(connection)
                    # Only where it is missing: a full disk would not take it.
                    if connection.exec_driver_sql("PRAGMA application_id").scalar() != APPLICATION_ID:
                        connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
                    migrate(connection)
            except DatabaseError as error:
                raise self._at_start(error) from None
            refuse_truncated(self._path, connection)
        _or_unusable(self._path, lambda: remember_made(self._path))

    def _at_start(self, error: DatabaseError) -> Exception:
        """What an error means for a file that was relay's: the same as any, with what to do."""
        meant = judged(error)
        unknown = isinstance(meant, JournalUnusable) and str(meant).startswith(_UNKNOWN)
        if not (unknown or isinstance(meant, JournalDamaged | JournalMisindexed)):
            return meant
        return JournalDamaged(f"the journal {self._path} cannot be read ({meant}): {restored_by(self._path)}")

    def _refuse_foreign(self, connection: Connection) -> None:
        try:
            owner = connection.exec_driver_sql("PRAGMA application_id").scalar()
            tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_schema").scalar()
        except DatabaseError as error:
            raise self._at_start(error) from None
        if tables and owner != APPLICATION_ID:
            if mark_of(self._path).exists():
                raise JournalDamaged(f"the header of the journal {self._path} is damaged: {restored_by(self._path)}")
            raise JournalUnusable(
                "the file that journal.url names is a database of another program: name a file of relay's own"
            )

    def _check_synced(self, connection: Connection) -> None:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar()
        if mode != "wal" or synchronous != _FULL:
            raise JournalUnusable(
                f"SQLite works here with journal_mode {mode} and synchronous {synchronous}, and relay needs wal and"
                f" {_FULL}: put the journal on a local file system"
            )


def judged(error: DBAPIError) -> Exception:
    """What a database's error means: JournalUnusable with the cure, or the error itself where it is a defect."""
    if isinstance(error, IntegrityError | ProgrammingError | DataError):
        return error
    name = str(getattr(error.orig, "sqlite_errorname", "SQLITE_ERROR"))
    for beginning, sentence in _MEANING.items():
        if name.startswith(beginning):
            kind = JournalUnwritten if beginning in _OF_THE_DISK else _KINDS.get(beginning, JournalUnusable)
            return kind(f"{sentence} ({name})")
    return error if isinstance(error.orig, sqlite3.ProgrammingError) else JournalUnusable(f"{_UNKNOWN}: {name}")


_UNKNOWN = "SQLite failed"
_MEANING = {
    "SQLITE_FULL": "the disk under the journal is full: free some space",
    "SQLITE_IOERR": "the disk under the journal fails: look at the system's log, and have a backup at hand",
    "SQLITE_READONLY": "the journal cannot be written: mount its file system for writing, or give it to relay's user",
    "SQLITE_CANTOPEN": "the journal cannot be opened: give its file and directory to relay's user",
    "SQLITE_CORRUPT_INDEX": "an index of the journal does not fit its table",
    "SQLITE_CORRUPT": "the journal's file is damaged: stop relay, and run `relay restore FILE` with a backup",
    "SQLITE_NOTADB": "the file that journal.url names is no SQLite database: name another, or run `relay restore FILE`",
    "SQLITE_BUSY": "another program holds the journal's file locked: end it",
}
_KINDS = {
    "SQLITE_CORRUPT_INDEX": JournalMisindexed,
    "SQLITE_CORRUPT": JournalDamaged,
    "SQLITE_NOTADB": JournalDamaged,
}
_OF_THE_DISK = {"SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN"}


def _path_of(url: URL) -> Path:
    path = Path(url.database or "")
    if not path.is_absolute():
        raise JournalUnusable("journal.url must name a file by its whole path: sqlite:////var/lib/relay/relay.db")
    if not path.parent.is_dir():
        raise JournalUnusable(
            f"the directory {path.parent} of journal.url does not exist: make it, owned by relay's user"
        )
    if path.is_dir():
        raise JournalUnusable(f"journal.url names a directory, {path}: add the name of a file")
    return path


def locked(path: Path) -> int:
    """A lock beside the database, held until it is closed. SQLite's own locks do not keep a second daemon out."""
    descriptor = _or_unusable(path, lambda: os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise JournalUnusable(f"{path}.lock cannot be locked: put the journal on a local file system") from None
        raise JournalInUse(
            f"another relay (process {holder}) has the journal {path} open: stop it, or name another file"
        ) from None
    with suppress(OSError):  # on a full disk: who it is that holds it is a help, and no more
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
    return descriptor


def _create(path: Path) -> None:
    """Make the file, for relay's user alone, with its entry in the directory on disk."""
    file = _or_unusable(path, lambda: os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    os.close(file)
    sync_directory(path.parent)


def _or_unusable(path: Path, opening: Callable[[], T]) -> T:
    try:
        return opening()
    except OSError as error:
        cure = _CURE.get(error.errno or 0, os.strerror(error.errno or 0))
        raise JournalUnusable(f"the journal {path} cannot be opened: {cure}") from None


_CURE = {
    errno.EROFS: "its file system is read-only; mount it for writing, or name another place in journal.url",
    errno.EACCES: "give its file and directory to relay's user",
    errno.EPERM: "give its file and directory to relay's user",
    errno.ENOSPC: "its disk is full; free some space",
}


def _text(raw: bytes) -> str:
    """Text that is damaged so that it is no UTF-8 comes back as another text, and raises nothing."""
    return raw.decode("utf-8", "backslashreplace")


def _engine(url: URL, pragmas: Iterable[str], begin: str) -> Engine:
    engine = create_engine(
        url,
        poolclass=NullPool,
        # Errors must not show what a row holds.
        hide_parameters=True,
        # SQLAlchemy begins and commits, not the driver.
        connect_args={"isolation_level": None, "check_same_thread": False, "cached_statements": _STATEMENTS},
    )

    def connected(connection: sqlite3.Connection, _: Any) -> None:
        connection.text_factory = _text
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", connected)

    def begun(connection: Connection) -> None:
        driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment] # untyped
        try:
            driver.execute(begin)
        except sqlite3.Error:
            # Once more, so that it is told as all others.
            connection.exec_driver_sql(begin)

    event.listen(engine, "begin", begun)
    return sharing(engine, "sqlite")
