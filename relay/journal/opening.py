"""journal.url -> the database that holds the journal, opened, with its tables up to date."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, func, insert, literal, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from relay.journal.ballast import Ballast
from relay.journal.failures import JournalUnusable, JournalUnwritten
from relay.journal.forgetting import Remainder
from relay.journal.nodeschema import counter
from relay.journal.pgremains import PostgresRemains
from relay.journal.postgres import PostgresStore
from relay.journal.ruleschema import optout
from relay.journal.schema import copy, copy_waits, event_waits, memory
from relay.journal.space import ElsewhereKept, Held
from relay.journal.sqlite import SqliteStore
from relay.journal.store import JournalStore
from relay.journal.transaction import UNPUBLISHED, WAITING_COPIES, Transaction, peer_of, waiting_here


@dataclass(frozen=True, slots=True)
class Opened:
    """A database, what is held back of its disk, and what sees to it that the deleted is gone."""

    store: JournalStore
    held: Held
    remains: Remainder


def open_store(url: str, password: str | None, ballast: int) -> Opened:
    """Open it. It blocks.

    Args:
        url: `sqlite:////` and a path, or `postgresql://`.
        password: for PostgreSQL.
        ballast: bytes to hold back beside a file.

    Raises:
        JournalInUse: another process has the file open.
        JournalTooNew: a newer relay has written it.
        JournalUnusable: it cannot be opened; the text says why, and what to do.
    """
    if url.startswith(("postgresql:", "postgres:")):
        shared = PostgresStore(url, password)
        return Opened(shared, ElsewhereKept(), PostgresRemains())
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise JournalUnusable("journal.url is no address: expected sqlite:////var/lib/relay/relay.db") from None
    if parsed.get_backend_name() != "sqlite":
        raise JournalUnusable("journal.url must begin with sqlite://// or postgresql://")
    held = Ballast(Path(parsed.database or ""), ballast)
    try:
        file = SqliteStore(parsed)
    except JournalUnwritten:
        # A former life may have held room that this one needs to begin at all.
        if not held.give_up():
            raise
        file = SqliteStore(parsed)
    return Opened(file, held, file.remains)


def counted(connection: Connection) -> Counter[str]:
    """The journal's counters, as its rows have them."""
    events = select(func.count()).where(event_waits)
    found = Counter({UNPUBLISHED: connection.execute(events).scalar() or 0})
    for line, client, copies in _waiting(connection):
        for name in (WAITING_COPIES, waiting_here(line), waiting_here(line, client)):
            found[name] += copies
    return found


def kept_counters(connection: Connection) -> Counter[str]:
    """The counters that nodes share, as they are kept."""
    return Counter({row.name: row.value for row in connection.execute(select(counter))})


def _waiting(connection: Connection) -> Iterator[tuple[str, str, int]]:
    """Each line, each of its clients, and how many copies wait.

    Lines are in the order of an index. To have a million rows sorted by their clients takes longer than all else at a
    start, and most lines have one client, or none: then it shows in the least, the greatest and the number of them.
    """
    for line, copies, named, least, greatest in connection.execute(_BY_LINE):
        if least == greatest:
            yield line, least or "", named
            yield line, "", copies - named
        else:
            yield from ((line, client or "", some) for client, some in connection.execute(_BY_CLIENT, {"here": line}))


def count_anew(tx: Transaction) -> Counter[str]:
    """Have the counters that nodes share as the rows have them."""
    found = counted(tx.connection)
    tx.execute(delete(counter))
    tx.execute(insert(counter), [{"name": name, "value": value} for name, value in found.items()])
    return found


def kept_peer_key(connection: Connection) -> bytes:
    """The key under which addresses are hashed, made with the tables; raises JournalUnusable for another one.

    With another key no opt-out would be found, and everybody would be texted again.
    """
    made = select(memory.c.value).where(memory.c.owner == literal(""), memory.c.key == literal("optout.peer_key"))
    key: bytes | None = connection.execute(made).scalar()
    some = connection.execute(select(optout.c.peer, optout.c.address).where(optout.c.address.is_not(None)).limit(1))
    row = some.first()
    if key is None or (row is not None and row.peer != peer_of(row.address, key)):
        raise JournalUnusable("the journal is damaged: the key by which its opt-outs are found; restore a backup")
    return bytes(key)


_BY_LINE = (
    select(copy.c.line, func.count(), func.count(copy.c.client), func.min(copy.c.client), func.max(copy.c.client))
    .where(copy_waits)
    .group_by(copy.c.line)
)
_BY_CLIENT = (
    select(copy.c.client, func.count()).where(copy_waits, copy.c.line == bindparam("here")).group_by(copy.c.client)
)
