"""The named moments between two steps that belong together: what is true if the plug is pulled just there?

A running relay does nothing at them. No setting, flag or environment leads here: only a program that imports this
module and gives `reached` a listener can be told, as the tests of `docs/faults.md` do.
"""

from collections.abc import Callable
from enum import StrEnum


class Boundary(StrEnum):
    """Where the plug may be pulled."""

    COMMAND_TAKEN = "command.taken"  # it came from the broker; nothing is written
    COMMAND_KEPT = "command.kept"  # it is on disk with its answer, and not acknowledged
    COMMAND_ACKNOWLEDGED = "command.acknowledged"  # the acknowledgement is on its way
    CALL_CLAIMED = "call.claimed"  # it is on disk as begun; not a byte of it has left
    CALL_ANSWERED = "call.answered"  # the provider's answer is here, and not on disk
    CALL_ENDED = "call.ended"  # how it ended is on disk
    EVENT_READ = "event.read"  # it is about to be published
    EVENT_CONFIRMED = "event.confirmed"  # the broker has it, and it is not marked
    INBOX_BEGUN = "inbox.begun"  # a fetch is on disk as begun; nothing is asked for yet
    INBOX_FETCHED = "inbox.fetched"  # the page is here and deleted at the provider, and not on disk
    INBOX_KEPT = "inbox.kept"  # its bytes are on disk, and nobody has read them
    STATUS_FETCHED = "status.fetched"  # the status is here, and not on disk
    STATUS_KEPT = "status.kept"  # its bytes are on disk, and nobody has read them
    HOOK_TAKEN = "hook.taken"  # its body is here, and not on disk
    HOOK_KEPT = "hook.kept"  # its bytes are on disk, and the provider has no answer
    HOOK_READ = "hook.read"  # the provider has its 2xx, and what the bytes mean is not on disk
    CHANGES_FETCHED = "changes.fetched"  # a mailbox's changes are here, and not on disk
    CHANGES_KEPT = "changes.kept"  # they are on disk with the cursor
    TOKEN_FETCHED = "token.fetched"  # noqa: S105 - a moment's name
    TABLES_CHANGED = "tables.changed"  # a migration has run, and is not committed
    MOVE_COPIED = "move.copied"  # all rows are in the other database, and nothing is committed there
    MOVE_MARKED = "move.marked"  # the file is marked as being moved, and nothing is committed
    MOVE_COMMITTED = "move.committed"  # the rows are committed, and the mark says that nobody knows


Listener = Callable[[Boundary], None]


class _Told:
    """Who is told; a running relay has no listener."""

    listener: Listener | None = None


def reached(boundary: Boundary) -> None:
    """Say that `boundary` is reached."""
    if _Told.listener is not None:
        _Told.listener(boundary)


def tell(listener: Listener) -> None:
    """Have `listener` told of every boundary, from now on, in this process."""
    _Told.listener = listener
