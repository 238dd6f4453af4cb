"""A journal's file -> a database in PostgreSQL, whole: the queue, the events, the ids, the opt-outs and the tokens.

One transaction takes everything, and both sides are counted and summed before it is committed. The order in which
the file is marked and the rows are committed leaves no moment at which both could be used, and none at which neither
ever can: before the mark the file is the journal; after the commit the database is; between the two nothing starts,
and the same command, run again, asks the database which of the two it is.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from relay.boundaries import Boundary, reached
from relay.clock import Clock
from relay.ids import Ids
from relay.journal.backup import checked
from relay.journal.failures import JournalDamaged, JournalUnusable, JournalUnwritten
from relay.journal.filecheck import refuse_lost, restored_by
from relay.journal.moved import JournalMoved, Move, mark_moved, mark_of_move, move_of, refuse_moved
from relay.journal.rows import AT_ONCE, TABLES, Row, Rows, SqliteRows, Tally, refuse_other_tables
from relay.journal.sqlite import locked
from relay.journal.target import Target, taking

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved.

    Attributes:
        rows: how many rows of each table.
        is_new: it was moved now; False: it had been committed before, and only the mark was missing.
    """

    rows: Mapping[str, int]
    is_new: bool = True


def migrate(journal: Path, url: str, password: str | None, *, clock: Clock, told: Told) -> Moved:
    """Move the journal's file to the database at `url`, and mark the file so that no relay opens it again.

    Args:
        journal: the file; relay is stopped.
        url: a database of relay's own, in which there is nothing.
        password: of the user that `url` names.
        clock: gives the time that goes into the mark.
        told: called now and then with the number of rows that are copied.

    Raises:
        JournalInUse: relay is running; stop it first.
        JournalMoved: it was moved before, or the move began with another database.
        JournalUnusable: one of the two cannot be used, and why. The file is the journal as before, unless the text
            says that nobody knows.
    """
    _refuse_missing(journal)
    lock = locked(journal)
    try:
        _belong_to_its_owner(journal)
        begun = move_of(journal)
        if begun is not None and begun.is_done:
            refuse_moved(journal)
        refuse_lost(journal)
        with taking(url, password) as target:
            if begun is not None and _was_committed(target, begun, journal):
                done, moved = begun, Moved(target.tallied().rows, is_new=False)
            else:
                done = begun or Move(Ids(clock).new(), target.name(), f"{clock.now():%Y-%m-%dT%H:%M:%SZ}")
                moved = _moved(journal, target, done, told)
        mark_moved(journal, replace(done, is_done=True))
    finally:
        os.close(lock)
    return moved


def copied_into(rows: Rows, target: Target, told: Told) -> Tally:
    """Copy all rows into an empty database, and read them back; nothing is committed yet.

    Raises:
        JournalUnusable: the database is not empty, or has not kept the same.
    """
    target.refuse_filled()
    target.empty_memory()
    sent = Tally()
    for table in TABLES.values():
        before = sum(sent.rows.values())
        target.fill(table, sent.counting(table, _telling(rows.of(table), before, told)))
    target.go_on_after(rows.position())
    if target.tallied() != sent:
        raise JournalUnusable("what PostgreSQL gives back is not what it was given: nothing was moved")
    return sent


def _refuse_missing(journal: Path) -> None:
    if not journal.exists() or not journal.stat().st_size:
        refuse_lost(journal)
        raise JournalUnusable(f"there is no journal at {journal}: is this the right settings file?")


def _was_committed(target: Target, begun: Move, journal: Path) -> bool:
    if target.name() != begun.target:
        raise JournalMoved(
            f"a move of {journal} began at {begun.at} to another database, which may have it: name that one again. Only"
            f" if it is gone, and no relay has run on it: delete {mark_of_move(journal)}"
        )
    return target.has(begun.id)


def _moved(journal: Path, target: Target, move: Move, told: Told) -> Moved:
    target.refuse_filled()
    with _read(journal) as rows:
        refuse_other_tables(rows.revision(), f"the journal {journal}")
        tally = copied_into(rows, target, told)
    target.remember(move.id)
    reached(Boundary.MOVE_COPIED)
    mark_moved(journal, move)
    reached(Boundary.MOVE_MARKED)
    try:
        target.commit()
    except JournalUnusable as unknown:
        raise JournalUnwritten(f"{unknown}; nobody knows yet whether the move is committed: run it again") from None
    reached(Boundary.MOVE_COMMITTED)
    return Moved(tally.rows)


@contextmanager
def _read(journal: Path) -> Iterator[SqliteRows]:
    """The file's rows, after every page of it was looked at."""
    with ExitStack() as stack:
        try:
            checked(journal)
            rows = stack.enter_context(closing(SqliteRows(journal)))
            yield rows
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
            raise JournalDamaged(f"the journal {journal} cannot be read ({name}): {restored_by(journal)}") from None


def _telling(rows: Iterator[Row], before: int, told: Told) -> Iterator[Row]:
    for count, row in enumerate(rows, before + 1):
        yield row
        if count % AT_ONCE == 0:
            told(count)


def _belong_to_its_owner(journal: Path) -> None:
    """Root's own lock would keep relay's user from starting relay."""
    if os.geteuid() == 0:
        owner = journal.parent.stat()
        os.chown(f"{journal}.lock", owner.st_uid, owner.st_gid)
