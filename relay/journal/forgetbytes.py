"""A forgotten person's bytes -> nothing: what providers sent, and what is still awaited of it."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, delete, select, update

from relay.domain.messages import InboundMessage
from relay.domain.spellings import Spellings
from relay.journal.columns import BROKEN, as_json
from relay.journal.erasure import Erasure, pieces
from relay.journal.listing import one_of
from relay.journal.mailcodec import mail_of
from relay.journal.mailschema import arrival, media, segment, sighting
from relay.journal.orphans import forget_parked
from relay.journal.scanning import found
from relay.journal.schema import aside, aside_is_open, parked, raw
from relay.journal.transaction import Transaction

_RAW = (raw.c.id, raw.c.state, raw.c.body)
_OVER = select(media.c.token).where(media.c.expires_at <= bindparam("now")).limit(200)


async def forget_bytes(erasure: Erasure) -> None:
    """Delete a provider's bytes that name them, also those that wait for a person; unread ones are left."""
    async for rows in found(erasure.reader, select(*_RAW), raw.c.id, "", lambda row: erasure.who.stand_in(row.body)):
        for some in pieces([row.id for row in rows]):
            done, unread = await erasure.writer.run(partial(_drop_raw, ids=some))
            erasure.done += done
            erasure.left["unread"] += unread


async def forget_reports(erasure: Erasure) -> None:
    """Delete reports that nobody has claimed yet."""

    def wanted(row: Row[Any]) -> bool:
        return row.report is BROKEN or erasure.who.stand_in(as_json(row.report))

    async for rows in found(erasure.reader, select(parked), parked.c.id, "", wanted):
        for some in pieces(rows):
            await erasure.writer.run(partial(forget_parked, rows=some))
            erasure.done["reports"] += len(some)


async def forget_awaited(erasure: Erasure) -> None:
    """Delete messages of theirs of which something is awaited; those that others got, too, are left."""
    for table in (arrival, sighting):
        async for rows in found(erasure.reader, select(table), table.c.id, "", _naming(erasure.who)):
            await _forget_mails(erasure, table, rows)
    # There are few, and none is older than an hour.
    named = _naming(erasure.who)

    def read(connection: Connection) -> list[Row[Any]]:
        return [row for row in connection.execute(select(segment)) if named(row)]

    await _forget_mails(erasure, segment, await erasure.reader.run(read))


async def forget_media(erasure: Erasure) -> None:
    """Drop kept attachments whose time is over: of what nobody is told, nobody knows whose it is."""
    while tokens := await erasure.writer.run(lambda tx: list(tx.execute(_OVER, {"now": tx.now}).scalars())):
        await erasure.drop_media(tokens)


def _drop_raw(tx: Transaction, ids: Sequence[str]) -> tuple[Counter[str], int]:
    unread = set(tx.execute(select(raw.c.id).where(one_of(raw.c.id, ids), raw.c.state == "kept")).scalars())
    read = [raw_id for raw_id in ids if raw_id not in unread]
    if not read:
        return Counter(), len(unread)
    about_them = (one_of(aside.c.raw_id, read), aside_is_open)
    settled = tx.execute(update(aside).where(*about_them).values(state="settled")).rowcount
    dropped = tx.execute(delete(raw).where(one_of(raw.c.id, read))).rowcount
    return Counter(raw=dropped, asides=settled), len(unread)


def _naming(who: Spellings) -> Callable[[Row[Any]], bool]:
    return lambda row: row.mail is not None and who.stand_in(row.mail)


async def _forget_mails(erasure: Erasure, table: Table, rows: Sequence[Row[Any]]) -> None:
    theirs = []
    for row in rows:
        one = mail_of(row)
        to = () if one is None else (one.sender,) if isinstance(one, InboundMessage) else one.to
        named = [bool(erasure.who.name_of(address.value)) for address in to]
        if named and all(named):
            theirs.append(row)
            tokens = [part.token for part in one.parts if part.token] if one else []
            await erasure.drop_media(tokens)
            erasure.done["media"] += len(tokens)
        elif any(named):
            erasure.left["under_way"] += 1
    for some in pieces(theirs):
        erasure.done["awaited"] += await erasure.writer.run(partial(_drop, table=table, rows=some))


def _drop(tx: Transaction, table: Table, rows: Sequence[Row[Any]]) -> int:
    dropped = 0
    for row in rows:
        was: Any = row._mapping  # noqa: SLF001 - SQLAlchemy's public name
        here = (column == was[column.name] for column in table.primary_key)
        dropped += tx.execute(delete(table).where(*here)).rowcount
    return dropped
