"""What time alone does: expiry, the end of following, and forgetting what is done with. In pieces that keep nobody."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, literal, or_, select, update

from relay.domain.schedule import TRACKING_HORIZON
from relay.journal.announce import tell_untold
from relay.journal.callrows import expire_calls, in_one_go
from relay.journal.looks import end_following
from relay.journal.mailschema import mail, mail_has_message
from relay.journal.orphans import give_up_parked
from relay.journal.schema import (
    aside,
    aside_is_settled,
    call,
    call_is_followed,
    command,
    copy,
    event,
    event_is_published,
    message,
    message_has_ended,
    raw,
    raw_is_read,
    seen,
)
from relay.journal.segments import join_overdue
from relay.journal.sightings import settle_sightings
from relay.journal.sqlite import one_of
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

HORIZON = timedelta(seconds=TRACKING_HORIZON)
# The last look comes after the horizon; where no look comes any more, because the line is gone, time decides.
LAST_LOOK_WITHIN = timedelta(hours=1)

KEPT_FOR = timedelta(days=7)  # published events, read bytes, and messages with their keys after their last copy ended
SEEN_FOR = timedelta(hours=80)  # longer than the 72 hours for which AT&T repeats a web hook
PARKED_FOR = 72 * 3600.0  # seconds


class UpkeepVerbs:
    """What a janitor does. Each gives how much it did: as long as that is not 0, there may be more."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def expire(self, limit: int = 100) -> int:
        """End what was not handed over before its expiry, up to `limit` calls; gives the number of copies."""
        return await self._writer.run(lambda tx: expire_calls(tx, limit))

    async def end_following(self, limit: int = 100) -> int:
        """End the following of what was handed over 72 hours ago, up to `limit` calls; gives the number of copies."""

        def operation(tx: Transaction) -> int:
            no_look_left = or_(call.c.look_at.is_(None), call.c.handed_over_at <= tx.now - HORIZON - LAST_LOOK_WITHIN)
            over = and_(call_is_followed, call.c.handed_over_at <= tx.now - HORIZON, no_look_left)
            oldest = select(call.c.id, call.c.size).where(over).order_by(call.c.handed_over_at).limit(limit)
            return end_following(tx, in_one_go(tx.execute(oldest)), None)

        return await self._writer.run(operation)

    async def give_up_parked(self, older_than: float = PARKED_FOR) -> int:
        """Set aside reports that were parked so many seconds ago: nobody here sent what they are about."""
        return await self._writer.run(lambda tx: give_up_parked(tx, tx.now - timedelta(seconds=older_than), 500))

    async def tell_untold(self) -> int:
        """Tell what was set aside in a flood, and not one by one; gives the number of notices."""
        return await self._writer.run(tell_untold)

    async def join_overdue_segments(self, limit: int = 100) -> int:
        """Announce messages of which pieces are missing after an hour; gives the number of messages."""
        return await self._writer.run(lambda tx: join_overdue(tx, limit))

    async def settle_sightings(self, limit: int = 100) -> int:
        """Judge again whose the messages are that went out and were nobody's; gives how many were looked at."""
        return await self._writer.run(lambda tx: settle_sightings(tx, limit))

    async def purge(self, limit: int = 100) -> int:
        """Forget what was finished long enough ago, up to `limit` rows a table; gives the number of rows."""
        steps: tuple[Callable[[Transaction], int], ...] = (
            lambda tx: _drop(tx, event, event.c.id, event.c.published_at, tx.now - KEPT_FOR, limit, _DONE_WITH),
            lambda tx: _drop(tx, raw, raw.c.id, raw.c.received_at, tx.now - KEPT_FOR, limit, raw_is_read),
            lambda tx: _drop(tx, aside, aside.c.id, aside.c.at, tx.now - KEPT_FOR, limit, aside_is_settled),
            lambda tx: _drop_seen(tx, limit),
            lambda tx: _drop_messages(tx, limit),
        )
        # One commit each, so that nobody waits for all of them.
        return sum([await self._writer.run(step) for step in steps])


# What was set aside is published to nobody, and yet a person may still want to see it.
_DONE_WITH = and_(
    event_is_published,
    ~select(aside.c.id).where(aside.c.event_id == event.c.id, aside.c.state == literal("open")).exists(),
)


def _drop(  # noqa: PLR0913, PLR0917 - what is to be dropped
    tx: Transaction,
    table: Table,
    key: ColumnElement[Any],
    at: ColumnElement[Any],
    before: datetime,
    limit: int,
    part: ColumnElement[bool] | None = None,
) -> int:
    old = select(key).where(at < before).order_by(at).limit(limit)
    ids = [row[0] for row in tx.execute(old if part is None else old.where(part))]
    return tx.execute(delete(table).where(one_of(key, ids))).rowcount if ids else 0


def _drop_seen(tx: Transaction, limit: int) -> int:
    old = select(seen.c.line, seen.c.key).where(seen.c.at < tx.now - SEEN_FOR).order_by(seen.c.at).limit(limit)
    rows = tx.execute(old).all()
    for row in rows:
        tx.execute(delete(seen).where(seen.c.line == row.line, seen.c.key == row.key))
    return len(rows)


def _drop_messages(tx: Transaction, limit: int) -> int:
    """Drop ended messages with all that is theirs: copies first, and in pieces, for one may have thousands."""
    old = select(message.c.id).where(message_has_ended, message.c.ended_at < tx.now - KEPT_FOR)
    ids = [row.id for row in tx.execute(old.order_by(message.c.ended_at).limit(limit))]
    if not ids:
        return 0
    some = select(copy.c.id).where(one_of(copy.c.message_id, ids)).limit(limit)
    copies = [row.id for row in tx.execute(some)]
    if copies:
        tx.execute(delete(copy).where(one_of(copy.c.id, copies)))
        return len(copies)
    tx.execute(delete(mail).where(mail_has_message, one_of(mail.c.message_id, ids), mail.c.listed == literal(0)))
    # A call may carry copies of other messages, which say the same.
    carried = select(func.min(copy.c.message_id)).where(copy.c.call_id == call.c.id).scalar_subquery()
    still_carries = select(copy.c.id).where(copy.c.call_id == call.c.id).exists()
    tx.execute(update(call).where(one_of(call.c.message_id, ids), still_carries).values(message_id=carried))
    for table in (call, command):
        tx.execute(delete(table).where(one_of(table.c.message_id, ids)))
    return tx.execute(delete(message).where(one_of(message.c.id, ids))).rowcount
