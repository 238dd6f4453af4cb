"""Mailboxes: a mirror of what a provider keeps for a subscriber, so that each message is published exactly once.

The cursor from which changes are followed moves in the transaction that takes in what it brought. Whatever is listed
or told again is known, and changes nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from relay.domain.mailbox import MailChanges, MailEntry
from relay.domain.messages import MailChange
from relay.journal.announce import SetAside, set_aside
from relay.journal.arrivalrows import add_arrivals
from relay.journal.columns import as_json
from relay.journal.failures import JournalFenced
from relay.journal.listing import one_of
from relay.journal.mailrows import forget_mailbox, tell_changes, unlist
from relay.journal.mailschema import mail, mail_has_message, mail_is_listed
from relay.journal.memoryrows import put_memory
from relay.journal.nodes import is_anothers
from relay.journal.reader import Reader
from relay.journal.schema import memory
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer

log = structlog.get_logger()
T = TypeVar("T")

AT_ONCE = 200  # entries that are compared in one transaction, so that nobody waits for all
REFS_AT_ONCE = 5_000  # ids that are read at once
ENTRY_BYTES = 200  # about, of one entry that waits to be written


@dataclass(frozen=True, slots=True)
class MailboxStanding:
    """How far a line's mailbox is known: the cursor for its changes, and since when. None: not yet."""

    cursor: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """How many messages are to be fetched, how many events of changed ones and of deleted ones are announced."""

    added: int = 0
    updated: int = 0
    deleted: int = 0

    def __add__(self, other: "Changed") -> "Changed":
        return Changed(self.added + other.added, self.updated + other.updated, self.deleted + other.deleted)


class MailboxVerbs:
    """What may be done with mailboxes.

    Args:
        writer: where to.
        reader: where from.
        life: of this node; None: nobody else writes here.
    """

    def __init__(self, writer: Writer, reader: Reader, life: str | None = None) -> None:
        self._writer = writer
        self._reader = reader
        self._life = life

    async def standing(self, line: str) -> MailboxStanding:
        """How far the mailbox of `line` is known."""
        return await self._reader.run(lambda connection: _standing(connection, line))

    async def belongs(self, line: str, number: str) -> None:
        """Whose mailbox it is. Where it was another's, what is known of that one is forgotten, ids included."""
        mine = {"owner": _owner(line), "key": _WHOSE}
        if await self._reader.run(lambda connection: connection.execute(_STANDING, mine).scalar()) == number.encode():
            return

        def operation(tx: Transaction) -> None:
            before = tx.execute(_STANDING, mine).scalar()
            put_memory(tx, _owner(line), _WHOSE, number.encode())
            if before in {None, number.encode()}:
                return
            lost = forget_mailbox(tx, line)
            _stand(tx, line, MailboxStanding())
            log.warning("mailbox.another", line=line, unfetched=lost)
            if lost:
                why = f"the line has another number now: {lost} messages of the former one were not fetched"
                thing = SetAside("damaged", line, "mail", why)
                set_aside(tx, thing)

        await self._writer.run(operation)

    async def ref_of(self, line: str, message_id: str) -> str | None:
        """The provider's id of the message that relay published as `message_id`; None where it is not known."""
        here = (mail_has_message, mail.c.line == line, mail.c.message_id == message_id)
        named = select(mail.c.ref).where(*here).order_by(mail.c.ref).limit(1)
        return await self._reader.run(lambda connection: connection.execute(named).scalar())

    async def compared(
        self,
        line: str,
        entries: Sequence[MailEntry],
        cursor: str | None,
        *,
        unpublished_before: datetime | None,
        under: str | None = None,
    ) -> Changed:
        """Take in a whole listing: what is new is to be fetched, what is there no more was deleted.

        It is written in pieces, the cursor with the last: what a crash cuts short is done again without harm.

        Args:
            line: whose mailbox it is.
            entries: everything that it shows.
            cursor: where changes are to be followed from; None where the listing does not say.
            unpublished_before: what is new and older is known from now on and not fetched; at the first comparison
                also what has no time. None: everything is fetched.
            under: the turn in which it was listed.

        Raises:
            JournalFull: too much waits to be written; what was written stays.
            JournalFenced: another node has that turn by now, and knows more than this.
        """
        named = {entry.ref: entry for entry in entries}
        first = (await self.standing(line)).since is None
        history = _History(unpublished_before, timeless=first and unpublished_before is not None)
        total = Changed()
        for some in _pieces(list(named.values())):
            total += await self._writer.run(
                lambda tx, some=some: _take_in(self._in_turn(tx, under), line, some, history),  # type: ignore[misc]
                brings=ENTRY_BYTES * len(some),
            )
        *pieces, last = _pieces(await self._unnamed(line, named)) or [[]]
        for gone in pieces:
            total += await self._writer.run(lambda tx, gone=gone: _delete(self._in_turn(tx, under), line, gone))  # type: ignore[misc]

        def finish(tx: Transaction) -> Changed:
            deleted = _delete(self._in_turn(tx, under), line, last)
            _stand(tx, line, MailboxStanding(cursor, _standing(tx.connection, line).since or tx.now))
            return deleted

        return total + await self._writer.run(finish)

    async def changed(self, line: str, changes: MailChanges, *, under: str | None = None) -> Changed:
        """Take in what changed, with the cursor after it, in one transaction. `under` as for `compared`.

        Raises:
            JournalFull: too much waits to be written, and nothing was.
            JournalFenced: as for `compared`.
        """

        def operation(tx: Transaction) -> Changed:
            before = _standing(self._in_turn(tx, under).connection, line)
            gone = set(changes.deleted)
            came = _glimpse(tx, line, [entry.ref for entry in changes.added if entry.ref in gone])
            came += _take_in(tx, line, [entry for entry in changes.added if entry.ref not in gone])
            # A cursor that stands brings the same again: what says nothing else is told once.
            said = _Told(changes.cursor if before.cursor == changes.cursor else None)
            # What is changed and not known was missed: it is new.
            came += _take_in(tx, line, [entry for entry in changes.updated if entry.ref not in gone], told=said)
            came += _delete(tx, line, changes.deleted)
            if before.cursor != changes.cursor:
                _stand(tx, line, replace(before, cursor=changes.cursor))
            return came

        count = len(changes.added) + len(changes.updated) + len(changes.deleted)
        return await self._writer.run(operation, brings=ENTRY_BYTES * count)

    def _in_turn(self, tx: Transaction, under: str | None) -> Transaction:
        if under is not None and is_anothers(tx, under, self._life):
            raise JournalFenced
        return tx

    async def _unnamed(self, line: str, named: Mapping[str, Any]) -> list[str]:
        """What the mirror has and a listing does not name."""
        found: list[str] = []
        last = ""
        while refs := await self._reader.run(lambda connection, after=last: _refs(connection, line, after)):  # type: ignore[misc]
            found += [ref for ref in refs if ref not in named]
            last = refs[-1]
        return found


@dataclass(frozen=True, slots=True)
class _History:
    """What is known from now on without being published: what is older than `before`, and what has no time."""

    before: datetime | None = None
    timeless: bool = False

    def has(self, entry: MailEntry) -> bool:
        """Whether `entry` belongs to it."""
        if entry.time is None:
            return self.timeless
        return self.before is not None and entry.time < self.before


@dataclass(frozen=True, slots=True)
class _Told:
    """The provider says that something changed. `again`: under this cursor, which may bring the same once more."""

    again: str | None = None

    def key(self, ref: str) -> str | None:
        """By which this change is recognised when it comes again."""
        return None if self.again is None else f"{ref} {self.again}"


def _take_in(
    tx: Transaction,
    line: str,
    entries: Sequence[MailEntry],
    history: _History = _History(),
    *,
    told: _Told | None = None,
) -> Changed:
    """Know `entries`; fetch what is new, tell what is not as it was. `told`: the provider says that they changed."""
    named = {entry.ref: entry for entry in entries}
    known = {row.ref: row for row in _known(tx, line, named)}
    new = [entry for entry in named.values() if entry.ref not in known]
    if new:
        tx.execute(insert(mail), [{"line": line, "ref": entry.ref, "listed": 1, **_flags(entry)} for entry in new])
    added = add_arrivals(tx, line, [entry.ref for entry in new if not history.has(entry)])
    again = [(entry, known[entry.ref]) for entry in named.values() if entry.ref in known]
    differing = [(entry, row) for entry, row in again if not row.listed or _differs(entry, row)]
    if differing:
        tx.execute(_SHOW, [_shown(line, entry, row) for entry, row in differing])
    changes = [
        _change(entry, told) for entry, row in again if row.listed and _is_news(entry, row, told=told is not None)
    ]
    return Changed(added, tell_changes(tx, line, changes))


def _glimpse(tx: Transaction, line: str, refs: Sequence[str]) -> Changed:
    """Try to fetch what came and went at once, in whatever order: nothing is known of it unless it is there."""
    known = {row.ref for row in _known(tx, line, refs)}
    return Changed(add_arrivals(tx, line, [ref for ref in dict.fromkeys(refs) if ref not in known]))


def _delete(tx: Transaction, line: str, refs: Sequence[str]) -> Changed:
    gone = [row.ref for row in _known(tx, line, dict.fromkeys(refs)) if row.listed]
    if not gone:
        return Changed()
    told = tell_changes(tx, line, [MailChange("deleted", ref) for ref in gone])
    unlist(tx, line, gone)
    return Changed(deleted=told)


def _known(tx: Transaction, line: str, refs: Iterable[str]) -> Sequence[Row[Any]]:
    listed = list(refs)
    here = (mail.c.line == line, one_of(mail.c.ref, listed))
    return tx.execute(select(mail).where(*here).order_by(mail.c.ref)).all() if listed else []


def _flags(entry: MailEntry) -> dict[str, int | None]:
    return {"is_unread": _whole(entry.is_unread), "is_incoming": _whole(entry.is_incoming)}


def _whole(flag: bool | None) -> int | None:  # noqa: FBT001 - a value, no switch
    return None if flag is None else int(flag)


def _differs(entry: MailEntry, row: Row[Any]) -> bool:
    return any(now is not None and now != row._mapping[name] for name, now in _flags(entry).items())  # noqa: SLF001 - SQLAlchemy's public name


def _shown(line: str, entry: MailEntry, row: Row[Any]) -> dict[str, Any]:
    flags = {name: row._mapping[name] if now is None else now for name, now in _flags(entry).items()}  # noqa: SLF001 - as above
    return {"here": line, "by": entry.ref, **flags}


def _is_news(entry: MailEntry, row: Row[Any], *, told: bool) -> bool:
    """Whether there is something to tell: told twice, it is told once."""
    if entry.is_unread is None or row.is_unread is None:
        return told
    return int(entry.is_unread) != int(row.is_unread)


def _change(entry: MailEntry, told: _Told | None) -> MailChange:
    if entry.is_unread is None:
        return MailChange("updated", entry.ref, dedupe_key=told.key(entry.ref) if told else None)
    return MailChange("updated", entry.ref, {"is_unread": entry.is_unread})


def _standing(connection: Connection, line: str) -> MailboxStanding:
    kept = connection.execute(_STANDING, {"owner": _owner(line), "key": _KEY}).scalar()
    if kept is None:
        return MailboxStanding()
    cursor, since = json.loads(kept)
    return MailboxStanding(cursor, since and datetime.fromisoformat(since))


def _stand(tx: Transaction, line: str, standing: MailboxStanding) -> None:
    put_memory(tx, _owner(line), _KEY, as_json([standing.cursor, standing.since and standing.since.isoformat()]))


def _owner(line: str) -> str:
    """No line can have this name."""
    return f"mailbox:{line}"


def _refs(connection: Connection, line: str, after: str) -> list[str]:
    return list(connection.execute(_REFS, {"here": line, "last": after}).scalars())


def _pieces(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]


_KEY, _WHOSE = "standing", "number"
_STANDING = select(memory.c.value).where(memory.c.owner == bindparam("owner"), memory.c.key == bindparam("key"))
_SHOW = (
    update(mail)
    .where(mail.c.line == bindparam("here"), mail.c.ref == bindparam("by"))
    .values(listed=1, is_unread=bindparam("is_unread"), is_incoming=bindparam("is_incoming"))
)
_REFS = (
    select(mail.c.ref)
    .where(mail_is_listed, mail.c.line == bindparam("here"), mail.c.ref > bindparam("last"))
    .order_by(mail.c.ref)
    .limit(REFS_AT_ONCE)
)
