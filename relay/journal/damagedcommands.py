"""A row of `command` -> itself, or what is left of it where it is damaged: an id that is never sent again."""

from typing import Any

from sqlalchemy import Row, update

from relay.domain.errors import ErrorCode, Problem
from relay.journal.announce import SetAside, set_aside
from relay.journal.schema import command
from relay.journal.sums import command_sum, fits
from relay.journal.transaction import Transaction

COMMAND_DAMAGED = Problem(
    ErrorCode.CONFLICT,
    "the journal's row of this id is damaged: nobody knows what was asked for under it; `relay dead list` has it."
    " Find out what was sent, and give what is still to be sent an id of its own",
)


def whole_command(tx: Transaction, row: Row[Any] | None) -> Row[Any] | None:
    """The row of a command as it was written.

    A damaged one is told once. From then on it answers no request, and its id is taken: `is_damaged`.
    """
    if row is None or is_damaged(row) or fits(row.sum, command_sum(row._mapping)):  # noqa: SLF001 - SQLAlchemy's public name
        return row
    why = "the journal's row is damaged: what was asked for under this id, and answered, is lost"
    set_aside(tx, SetAside("damaged", row.line, "command", why), about=row.message_id)
    left = {"digest": _DAMAGED, "sum": None}
    mine = (command.c.key == row.key, command.c.line == row.line, command.c.client == row.client)
    tx.execute(update(command).where(*mine).values(left))
    return tx.execute(command.select().where(*mine)).first()


def is_damaged(row: Row[Any]) -> bool:
    """Whether this is what is left of a damaged row."""
    return bool(row.digest == _DAMAGED)


_DAMAGED = "damaged"  # no digest looks like this
