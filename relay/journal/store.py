"""What the journal asks of a database: two kinds of connections, and what its errors mean."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


@dataclass(frozen=True, slots=True)
class Entered:
    """How a transaction begins.

    Attributes:
        mark: its number, by which its commit is recognised; None where a commit's outcome is always known.
        is_fenced: this life of the node is over: nothing may be begun.
        at: the database's own time; None where it has none of its own.
        renewed_at: when it began, by the monotonic clock, where it tells that this life goes on.
    """

    mark: int | None = None
    is_fenced: bool = False
    at: datetime | None = None
    renewed_at: float | None = None


def is_cut(error: BaseException | None) -> bool:
    """Whether the connection to the database is gone: what was under way in it may or may not have been committed."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


class JournalStore(Protocol):
    """A database that holds the journal. Everything here blocks: it belongs on a thread.

    Attributes:
        is_shared: other nodes may write to it.
        before: the revision of the tables that it had, where opening it has changed them.
        trouble: the name under which the log says that it cannot be written.
        answers_within: real seconds that a read may take; None: it never hangs.
    """

    is_shared: bool
    before: str | None
    trouble: str
    answers_within: float | None

    def writing(self, *, sparing: bool = False) -> Connection:
        """A connection that writes; `sparing` of the disk, where that is full."""

    def reading(self) -> Connection:
        """A connection that reads what was committed, and cannot write."""

    def enter(self, connection: Connection) -> Entered:
        """Do what every transaction that writes begins with: nobody else writes until it ends."""

    def committed(self, entered: Entered) -> None:
        """A transaction that was entered so is committed."""

    def finish(
        self, connection: Connection, counts: Mapping[str, int], bells: Collection[str]
    ) -> Mapping[str, int] | None:
        """Do what every transaction that writes ends with, just before its commit.

        Args:
            connection: writes.
            counts: by how much the counters change.
            bells: what rings after the commit, here by the caller, and on other nodes.

        Returns:
            The counters as they are then, of those that changed; None where nobody else keeps them.
        """

    def counters(self, connection: Connection, kept: Mapping[str, int]) -> Mapping[str, int]:
        """The counters as they are committed; `kept` is what this process has seen of them."""

    def was_committed(self, connection: Connection, mark: int) -> bool:
        """Whether the transaction of this mark is in the database; asked in a transaction that was entered."""

    def prove(self, connection: Connection) -> None:
        """Write something that changes nothing: its commit shows whether anything can be written."""

    def mend(self, connection: Connection) -> None:
        """Make the indexes anew."""

    def judged(self, error: DBAPIError) -> Exception:
        """What an error means: JournalUnusable with the cure, or the error itself where it is a defect."""

    def close(self) -> None:
        """Give it up, after every connection was closed."""
