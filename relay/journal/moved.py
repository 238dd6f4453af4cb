"""The mark beside a journal's file that says that its rows are in PostgreSQL now, or may be: no relay opens it again.

It is made durable before the move is committed there. From then on the file is not used until it is known what came
of the commit: never are both in use.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from relay.journal.failures import JournalUnusable
from relay.journal.filecheck import sync_directory


@dataclass(frozen=True, slots=True)
class Move:
    """A move to PostgreSQL.

    Attributes:
        id: stands in the database as well, with the rows.
        target: which database it is, whatever its hosts are called.
        at: when.
        is_done: it is committed there.
    """

    id: str
    target: str
    at: str
    is_done: bool = False


class JournalMoved(JournalUnusable):
    """The journal is in PostgreSQL now, or may be. The text says what to do."""


def mark_of_move(journal: Path) -> Path:
    """The file that says that this journal was moved."""
    return Path(f"{journal}.moved")


def move_of(journal: Path) -> Move | None:
    """The move of a journal's file; None where it was not moved.

    Raises:
        JournalMoved: the mark is there, and cannot be read.
    """
    mark = mark_of_move(journal)
    try:
        return Move(**json.loads(mark.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        raise JournalMoved(
            f"{mark} cannot be read: it says that the journal was moved to PostgreSQL; give it to relay's user, or set"
            " journal.url to that database"
        ) from None


def mark_moved(journal: Path, move: Move) -> None:
    """Mark the journal as moved, durably, for whoever owns its directory."""
    mark = mark_of_move(journal)
    part = Path(f"{mark}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(asdict(move)).encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
        if os.geteuid() == 0:
            owner = journal.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
    part.replace(mark)
    sync_directory(mark.parent)


def unmark(journal: Path) -> None:
    """Take the mark away: the file is the journal again."""
    mark_of_move(journal).unlink(missing_ok=True)
    sync_directory(journal.parent)


def refuse_moved(journal: Path) -> None:
    """Raise JournalMoved where the journal is in PostgreSQL now, or may be."""
    move = move_of(journal)
    if move is None:
        return
    if not move.is_done:
        raise JournalMoved(
            f"the journal {journal} was being moved to PostgreSQL at {move.at}, and nobody knows yet whether that was"
            " done: run the same `relay migrate --to …` again. Only if that database is gone, and no relay has run on"
            f" it: delete {mark_of_move(journal)}"
        )
    raise JournalMoved(
        f"the journal {journal} was moved to PostgreSQL at {move.at}: set journal.url to that database. To go back:"
        " stop relay on all nodes, `relay export FILE` from PostgreSQL, and `relay import FILE` with journal.url"
        " as it is now"
    )
