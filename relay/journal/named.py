"""An id that a person has -> the copies that it names."""

from sqlalchemy import ColumnElement, Connection, literal, select

from relay.journal.failures import AmbiguousId, UnknownId
from relay.journal.schema import call, command, copy, message

_LISTED_AT_MOST = 5


def copies_named(connection: Connection, about: str, line: str | None = None) -> ColumnElement[bool]:
    """The condition that is true of the copies of a request, a message, a copy or a call.

    Args:
        connection: reads.
        about: its id. The id of a request may be any client's.
        line: the line to look on; None: all of them.

    Raises:
        UnknownId: nothing has this id.
        AmbiguousId: several things have it.
    """
    found = {
        condition_of: (where, condition)
        for condition_of, where, condition in _found(connection, about)
        if line is None or where == line
    }
    if not found:
        here = "" if line is None else f" on the line {line}"
        raise UnknownId(f"nothing of this id is known{here}: it was never accepted, or its time in the journal is over")
    if len(found) > 1:
        raise AmbiguousId(_choice(found, {where for where, _ in found.values()}))
    [(_, condition)] = found.values()
    return condition


def _found(connection: Connection, about: str) -> list[tuple[str, str, ColumnElement[bool]]]:
    """What has this id: its own name, its line, and the condition for its copies."""
    requests = connection.execute(
        select(command.c.message_id, command.c.line).where(command.c.key == about, command.c.ended_at.is_(None))
    )
    messages = connection.execute(
        select(message.c.id, message.c.line).where(message.c.id == about, message.c.direction == literal("out"))
    )
    copies = connection.execute(select(copy.c.id, copy.c.line).where(copy.c.id == about))
    calls = connection.execute(
        select(call.c.id, call.c.line).where(
            call.c.id == about, select(copy.c.id).where(copy.c.call_id == call.c.id).exists()
        )
    )
    return [
        *((name, line, copy.c.message_id == name) for name, line in (*requests, *messages)),
        *((name, line, copy.c.id == name) for name, line in copies),
        *((name, line, copy.c.call_id == name) for name, line in calls),
    ]


def _choice(names: dict[str, tuple[str, ColumnElement[bool]]], lines: set[str]) -> str:
    if len(lines) > 1:
        return f"several lines know this id: name one of them with --line: {', '.join(sorted(lines))}"
    listed = ", ".join(sorted(names)[:_LISTED_AT_MOST])
    return f"several clients of the line {lines.pop()} use this id: name the message instead: {listed}"
