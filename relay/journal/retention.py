"""What is done with -> forgotten, each kind after a time of its own. In small pieces, a commit each, by index.

What waits for a person is kept, whatever its age. The journal's file does not shrink: the room is used again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    literal,
    select,
    update,
)

from relay.journal.answers import unnamed
from relay.journal.columns import BROKEN, Moment
from relay.journal.listing import one_of
from relay.journal.mailschema import mail, mail_has_message
from relay.journal.outgoing import FORGOTTEN
from relay.journal.schema import (
    aside,
    aside_is_open,
    aside_is_settled,
    call,
    command,
    command_is_left,
    copy,
    copy_is_unseen,
    event,
    event_is_published,
    message,
    message_has_ended,
    message_is_told,
    raw,
    raw_is_read,
    seen,
)
from relay.journal.sums import command_sum, fits
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

WEEK = timedelta(days=7)
EVIDENCE_FOR = timedelta(hours=72)  # a provider may show for so long what it was given
SEEN_FOR = timedelta(hours=80)  # longer than the 72 hours for which AT&T repeats a web hook


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long what is done with is kept.

    Attributes:
        texts: what a message says, after its last copy has ended; at most as long as `finals`. What came in is found
            again by its event alone, and so it is kept no longer than that. A text of which nobody knows whether it
            was sent is kept for `EVIDENCE_FOR` all the same.
        finals: a message's copies, its calls and the message itself, after that.
        keys: the id of a request, after that; at least as long as `finals`, because it leads to them.
        events: what was published.
        raw: a provider's bytes, since they came, once they were understood.
    """

    texts: timedelta = WEEK
    finals: timedelta = WEEK
    keys: timedelta = WEEK
    events: timedelta = WEEK
    raw: timedelta = WEEK


async def purge(writer: Writer, kept_for: Lifetimes, limit: int) -> int:
    """Forget what was finished long enough ago, up to `limit` rows a kind; gives the number of rows."""
    steps: tuple[Callable[[Transaction], int], ...] = (
        lambda tx: _drop(tx, event, event.c.id, event.c.published_at, tx.now - kept_for.events, limit, _DONE_WITH),
        lambda tx: _drop(tx, raw, raw.c.id, raw.c.received_at, tx.now - kept_for.raw, limit, raw_is_read),
        lambda tx: _drop(tx, aside, aside.c.id, aside.c.at, tx.now - WEEK, limit, aside_is_settled),
        lambda tx: _drop_seen(tx, limit),
        lambda tx: _drop_messages(tx, kept_for, limit),
        lambda tx: _drop_left_commands(tx, tx.now - kept_for.keys, limit),
        lambda tx: _forget_texts(tx, ("out",), tx.now - kept_for.texts, limit),
        lambda tx: _forget_texts(tx, ("in", "elsewhere"), tx.now - min(kept_for.texts, kept_for.events), limit),
    )
    dropped = begin = 0
    while begin < len(steps):
        some, begin = await writer.run(partial(_first_of, steps, begin))
        dropped += some
    return dropped


def _first_of(steps: Sequence[Callable[[Transaction], int]], begin: int, tx: Transaction) -> tuple[int, int]:
    """What the first step dropped that found anything, and the number of the next: nobody waits for two of them."""
    for number in range(begin, len(steps)):
        if dropped := steps[number](tx):
            return dropped, number + 1
    return 0, len(steps)


# What was set aside is published to nobody, and yet a person may still want to see it.
_DONE_WITH = and_(event_is_published, ~select(aside.c.id).where(aside.c.event_id == event.c.id, aside_is_open).exists())
_NOBODY_WAITS = (
    ~select(aside.c.id)
    .join(copy, copy.c.id == aside.c.copy_id)
    .where(copy.c.message_id == message.c.id, aside_is_open)
    .exists()
)


def _drop(  # noqa: PLR0913, PLR0917 - what is to be dropped
    tx: Transaction,
    table: Table,
    key: ColumnElement[Any],
    at: ColumnElement[Any],
    before: datetime,
    limit: int,
    part: ColumnElement[bool],
) -> int:
    ids = list(tx.execute(_old(key, at, part), {"before": before, "most": limit}).scalars())
    return tx.execute(delete(table).where(one_of(key, ids))).rowcount if ids else 0


# Made once: they are asked again and again, and most often find nothing.
_BEFORE, _MOST = bindparam("before", type_=Moment), bindparam("most", type_=Integer)


@cache
def _old(key: ColumnElement[Any], at: ColumnElement[Any], part: ColumnElement[bool]) -> Select[Any]:
    return select(key).where(part, at < _BEFORE).order_by(at).limit(_MOST)


_OLD_SEEN = select(seen.c.line, seen.c.key).where(seen.c.at < _BEFORE).order_by(seen.c.at).limit(_MOST)


def _drop_seen(tx: Transaction, limit: int) -> int:
    rows = tx.execute(_OLD_SEEN, {"before": tx.now - SEEN_FOR, "most": limit}).all()
    for row in rows:
        tx.execute(delete(seen).where(seen.c.line == row.line, seen.c.key == row.key))
    return len(rows)


def _forget_texts(tx: Transaction, directions: Sequence[str], before: datetime, limit: int) -> int:
    """Wipe what messages said that ended before then."""
    ids: list[str] = []
    for direction in directions:
        here = {"before": before, "since": tx.now - EVIDENCE_FOR, "most": limit - len(ids)}
        ids += tx.execute(_told(direction), here).scalars()
    return tx.execute(update(message).where(one_of(message.c.id, ids)).values(FORGOTTEN)).rowcount if ids else 0


@cache
def _told(direction: str) -> Select[Any]:
    """Messages of a direction whose words nobody needs any more."""
    here = (message_is_told, message.c.direction == direction, message.c.ended_at < _BEFORE)
    old = select(message.c.id).where(*here, _NOBODY_WAITS, ~_MAY_BE_SHOWN.exists())
    return old.order_by(message.c.ended_at).limit(_MOST)


# Copies of a message of which nobody knows whether they were sent, and which are known again by their text.
_MAY_BE_SHOWN = select(copy.c.id).where(
    copy.c.message_id == message.c.id, copy_is_unseen, copy.c.changed_at > bindparam("since", type_=Moment)
)


def _drop_messages(tx: Transaction, kept_for: Lifetimes, limit: int) -> int:
    """Drop ended messages with all that is theirs: copies first, and in pieces, for one may have thousands."""
    ids = list(tx.execute(_ENDED, {"before": tx.now - kept_for.finals, "most": limit}).scalars())
    if not ids:
        return 0
    some = select(copy.c.id).where(one_of(copy.c.message_id, ids)).limit(limit)
    copies = list(tx.execute(some).scalars())
    if copies:
        tx.execute(delete(copy).where(one_of(copy.c.id, copies)))
        return len(copies)
    tx.execute(delete(mail).where(mail_has_message, one_of(mail.c.message_id, ids), mail.c.listed == literal(0)))
    # A call may carry copies of other messages, which say the same.
    carried = select(func.min(copy.c.message_id)).where(copy.c.call_id == call.c.id).scalar_subquery()
    still_carries = select(copy.c.id).where(copy.c.call_id == call.c.id).exists()
    tx.execute(update(call).where(one_of(call.c.message_id, ids), still_carries).values(message_id=carried))
    tx.execute(delete(call).where(one_of(call.c.message_id, ids)))
    if kept_for.keys > kept_for.finals:
        _leave_commands(tx, ids)
    else:
        tx.execute(delete(command).where(one_of(command.c.message_id, ids)))
    return tx.execute(delete(message).where(one_of(message.c.id, ids))).rowcount


_ENDED = (
    select(message.c.id)
    .where(message_has_ended, message.c.ended_at < _BEFORE, _NOBODY_WAITS)
    .order_by(message.c.ended_at)
    .limit(_MOST)
)


def _leave_commands(tx: Transaction, message_ids: Sequence[str]) -> None:
    """Keep the ids of requests without their messages, and without any number."""
    theirs = select(command, message.c.ended_at.label("since")).join(message, message.c.id == command.c.message_id)
    for row in tx.execute(theirs.where(one_of(command.c.message_id, message_ids))).all():
        here = (command.c.key == row.key, command.c.line == row.line, command.c.client == row.client)
        tx.execute(update(command).where(*here).values(ended_at=row.since, **without_numbers(row)))


def without_numbers(row: Row[Any]) -> dict[str, Any]:
    """The columns of a command that change where its answer is kept as `unnamed`; a damaged one stays as it is."""
    was: Any = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
    if row.answer is BROKEN or not fits(row.sum, command_sum(was)):
        return {}
    answer = unnamed(row.answer)
    return {"answer": answer, "sum": row.sum and command_sum({**was, "answer": answer})}


def _drop_left_commands(tx: Transaction, before: datetime, limit: int) -> int:
    """Drop the ids of requests whose messages are gone."""
    rows = tx.execute(_LEFT, {"before": before, "most": limit}).all()
    for row in rows:
        here = (command.c.key == row.key, command.c.line == row.line, command.c.client == row.client)
        tx.execute(delete(command).where(*here))
    return len(rows)


_LEFT = (
    select(command.c.key, command.c.line, command.c.client)
    .where(command_is_left, command.c.ended_at < _BEFORE)
    .order_by(command.c.ended_at)
    .limit(_MOST)
)
