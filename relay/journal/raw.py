"""Bytes before meaning: what a provider sent is on disk before anybody reads it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, insert, or_, select, update

from relay.domain.messages import DeliveryReport, InboundMessage, MailChange, RawAnswer, Sighting
from relay.journal.announce import SetAside, set_aside
from relay.journal.columns import printable
from relay.journal.inbound import take_messages
from relay.journal.looks import LOOK_AFTER_MALFORMED, looked
from relay.journal.memory import swap
from relay.journal.nodeschema import node
from relay.journal.rawrows import KeptRaw, kept_raw, leave, settle_asides
from relay.journal.reader import Reader
from relay.journal.retention import SEEN_FOR
from relay.journal.schema import aside, aside_is_open, raw, raw_is_kept
from relay.journal.seen import Came, are_first_seen
from relay.journal.sums import raw_sum
from relay.journal.transaction import Transaction
from relay.journal.understanding import Reading, Understood, understand
from relay.journal.writer import Writer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PageMark:
    """What is remembered of a line with a page that is kept: `value` under `key`, if `before` is there.

    `until`: only where the page was kept by then.
    """

    key: str
    before: bytes
    value: bytes
    until: datetime


@dataclass(frozen=True, slots=True)
class Hook:
    """A web hook as it came: whose, for which event, and its bytes."""

    line: str
    event: str
    raw: RawAnswer


@dataclass(frozen=True, slots=True)
class HookDelivery:
    """A web hook as it was delivered, kept elsewhere first.

    Attributes:
        id: this delivery's, and no other's: the provider's next try of the same hook has another one.
        in_doubt: the journal may have it already.
        is_whole: what was kept is what came.
    """

    id: str
    line: str
    event: str
    raw: RawAnswer
    received_at: datetime
    in_doubt: bool = False
    is_whole: bool = True


class RawVerbs:
    """What may be done with raw bytes.

    Args:
        writer: where to.
        reader: where from.
        life: of this node; None: nobody else writes here.
    """

    def __init__(self, writer: Writer, reader: Reader, life: str | None = None) -> None:
        self._writer = writer
        self._reader = reader
        self._life = life

    async def keep(self, line: str, source: str, event: str, about: str, answer: RawAnswer) -> KeptRaw:
        """Keep bytes; they are on disk when this returns.

        What was asked for is kept once, however often it is tried: a commit that was told to have failed may have been
        none that failed.

        Only a web hook is something new, which its sender keeps. All other bytes were asked for, and may be had no
        more: they are never refused for want of room.

        Args:
            line: whose they are.
            source: `inbox`, `status`, `hook`, `mail` or `changes`.
            event: a hook's event, or the id under which a status or a message was asked for.
            about: the call that a status is about; a web hook is marked with the life that is to read it.
            answer: the bytes.

        Raises:
            JournalFull: a web hook, and too much waits to be written.
            JournalUnusable: it cannot be written.
        """

        def operation(tx: Transaction) -> KeptRaw:
            fresh = KeptRaw(tx.ids.new(), line, source, event, about or self._reader_of(source), answer, tx.now)
            return (_kept_before(tx, fresh) if about else None) or _keep_all(tx, [fresh])[0]

        return await self._writer.run(operation, brings=len(answer.body) if source == "hook" else None)

    async def keep_page(self, line: str, about: str, answer: RawAnswer, mark: PageMark) -> tuple[KeptRaw, bool]:
        """As `keep`, of a page of an inbox, with a mark that it is kept; gives also whether that was set."""

        def operation(tx: Transaction) -> tuple[KeptRaw, bool]:
            fresh = KeptRaw(tx.ids.new(), line, "inbox", "", about, answer, tx.now)
            kept = _kept_before(tx, fresh) or _keep_all(tx, [fresh])[0]
            in_time = kept.received_at <= mark.until
            if in_time:
                swap(tx, line, mark.key, mark.before, mark.value)
            return kept, in_time

        return await self._writer.run(operation)

    async def keep_hooks(self, hooks: Sequence[Hook]) -> list[KeptRaw]:
        """Keep web hooks; they are on disk when this returns.

        Raises:
            JournalFull: too much waits to be written.
            JournalUnusable: they cannot be written.
        """

        def operation(tx: Transaction) -> list[KeptRaw]:
            new, reader, now = tx.ids.new, self._reader_of("hook"), tx.now
            return _keep_all(tx, [KeptRaw(new(), one.line, "hook", one.event, reader, one.raw, now) for one in hooks])

        return await self._writer.run(operation, brings=sum(len(one.raw.body) for one in hooks))

    async def keep_deliveries(self, deliveries: Sequence[HookDelivery]) -> list[KeptRaw]:
        """As `keep_each`; gives the new ones."""
        return [one for one in await self.keep_each(deliveries) if one is not None]

    async def keep_each(self, deliveries: Sequence[HookDelivery]) -> list[KeptRaw | None]:
        """Keep web hooks, each delivery once, however often it is handed in and from wherever.

        They have the time at which they came. One that is not whole, or may have been read so long ago that nothing
        would recognise it, is kept for a person.

        Returns:
            what was kept to be read of each; None where nothing was.

        Raises:
            JournalFull: too much waits to be written.
            JournalUnusable: they cannot be written, or may or may not have been.
        """
        return await self._writer.run(
            lambda tx: _keep_deliveries(tx, deliveries, self._reader_of("hook")),
            brings=sum(len(one.raw.body) for one in deliveries),
        )

    async def sample(self, line: str, source: str, answer: RawAnswer, why: str) -> None:
        """Keep bytes that cannot be understood and lose nothing, unless others of the line wait for a person already.

        Args:
            line: whose they are.
            source: what kind; see `keep`.
            answer: the bytes.
            why: what is wrong with them; holds no content.

        Raises:
            JournalFull: too much waits to be written.
        """

        def operation(tx: Transaction) -> None:
            if tx.execute(_SAMPLED, {"here": line, "kind": source}).first() is None:
                keep_aside(tx, KeptRaw("", line, source, "", "", answer, tx.now), why)

        await self._writer.run(operation, brings=len(answer.body))

    async def unread(
        self, line: str, *, source: str | None = None, after: str = "", limit: int = 10_000, own: bool = False
    ) -> list[KeptRaw]:
        """What was kept and not yet read, oldest first. A damaged row is set aside and left out.

        `own`: without the web hooks that another node has taken, as long as it lives: it reads them itself.
        """

        def read(connection: Connection) -> list[Any]:
            wanted = select(raw).where(raw_is_kept, raw.c.line == line, raw.c.id > after).order_by(raw.c.id)
            if source is not None:
                wanted = wanted.where(raw.c.source == source)
            if own and self._life is not None:
                wanted = wanted.where(or_(raw.c.about == self._life, ~_IS_ANOTHERS))
            return list(connection.execute(wanted.limit(limit)))

        rows = await self._reader.run(read)
        whole = []
        for row in rows:
            if raw_sum(row._mapping) == row.sum:  # noqa: SLF001 - SQLAlchemy's public name
                whole.append(kept_raw(row))
            else:
                await self.set_aside(kept_raw(row), "the journal's row is damaged")
        return whole

    async def lines_with_unread(self) -> set[tuple[str, str]]:
        """Every line and source of which something was kept and not yet read."""
        wanted = select(raw.c.line, raw.c.source).where(raw_is_kept).distinct()
        rows = await self._reader.run(lambda connection: connection.execute(wanted).all())
        return {(row.line, row.source) for row in rows}

    async def understood(
        self,
        kept: KeptRaw,
        *,
        messages: Sequence[InboundMessage] = (),
        reports: Sequence[DeliveryReport] = (),
        sightings: Sequence[Sighting] = (),
        changes: Sequence[MailChange] = (),
        next_look: float | None = None,
    ) -> Understood:
        """Write down what kept bytes mean and mark them read, in one transaction; a second time changes nothing.

        The arguments are the fields of `Reading`.
        """
        [done] = await self.all_understood([Reading(kept, messages, reports, sightings, changes, next_look)])
        return done

    async def all_understood(self, readings: Sequence[Reading]) -> list[Understood]:
        """As `understood`, of several in one transaction, as if they had been read one after the other."""
        return await self._writer.run(lambda tx: understand(tx, readings))

    async def salvaged(
        self, kept: KeptRaw, messages: Sequence[InboundMessage], rest: RawAnswer, why: str
    ) -> Understood:
        """Write down the messages of a damaged page, and keep the rest of it for a person, in one transaction.

        Args:
            kept: the page.
            messages: what could be read of it.
            rest: what could not.
            why: what is wrong with it; holds no content.
        """

        def operation(tx: Transaction) -> Understood:
            if not leave(tx, kept.id, "read"):
                return Understood()
            settle_asides(tx, kept.id)
            [taken] = take_messages(tx, kept.line, [Came(kept.id, kept.received_at, messages)])
            keep_aside(tx, replace(kept, raw=rest), why)
            return Understood(taken.messages, len(messages) - taken.messages - taken.arriving, arriving=taken.arriving)

        return await self._writer.run(operation)

    async def set_aside(self, kept: KeptRaw, why: str) -> None:
        """Keep bytes that cannot be understood for a person, and say so on `relay/dead`.

        Args:
            kept: the bytes.
            why: what is wrong with them; holds no content.
        """

        def operation(tx: Transaction) -> None:
            if not leave(tx, kept.id, "aside") or _is_listed(tx, kept.id, why):
                return
            _list(tx, kept, why)
            if kept.source == "status":
                looked(tx, kept.about, LOOK_AFTER_MALFORMED)

        await self._writer.run(operation)

    def _reader_of(self, source: str) -> str:
        """The life that is to read this: that which took it, of a web hook. Other bytes are read in a turn."""
        return self._life or "" if source == "hook" else ""


def _keep_deliveries(tx: Transaction, deliveries: Sequence[HookDelivery], reader: str) -> list[KeptRaw | None]:
    new = _not_seen(tx, deliveries)
    whole: dict[int, KeptRaw] = {}
    for place, one in enumerate(deliveries):
        fresh = KeptRaw(tx.ids.new(), one.line, "hook", one.event, reader, one.raw, one.received_at)
        why = _why_aside(tx, one)
        if place in new and why is None:
            whole[place] = fresh
        elif place in new and why is not None:
            keep_aside(tx, fresh, why)
    kept = dict(zip(whole, _keep_all(tx, list(whole.values())), strict=True))
    return [kept.get(place) for place in range(len(deliveries))]


def _not_seen(tx: Transaction, deliveries: Sequence[HookDelivery]) -> set[int]:
    """The places of those of these that are not in the journal yet; they are known from now on."""
    new: set[int] = set()
    for line in {one.line for one in deliveries}:
        here = [(place, ("spool", one.id)) for place, one in enumerate(deliveries) if one.line == line]
        are_new = are_first_seen(tx, line, [key for _, key in here])
        new.update(place for (place, _), is_new in zip(here, are_new, strict=True) if is_new)
    return new


def _why_aside(tx: Transaction, one: HookDelivery) -> str | None:
    """Why a person is to look at this delivery; None where it is to be read."""
    if not one.is_whole:
        return "the spool's row is damaged"
    if one.in_doubt and tx.now - one.received_at > SEEN_FOR:
        return "it was in the spool for days, and may have been taken into the journal before"
    return None


def _keep_all(tx: Transaction, fresh: list[KeptRaw]) -> list[KeptRaw]:
    """Write bytes down that are to be read; gives them."""
    if fresh:
        tx.execute(_KEEP, [_row(one, "kept") for one in fresh])
        tx.bells.update(f"raw:{line}" for line in {one.line for one in fresh})
    return fresh


def _row(kept: KeptRaw, state: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": kept.id,
        "line": kept.line,
        "source": kept.source,
        "event": printable(kept.event),
        "about": kept.about,
        "content_type": printable(kept.raw.content_type),
        "body": kept.raw.body,
        "received_at": kept.received_at,
        "state": state,
    }
    row["sum"] = raw_sum(row)
    return row


def _kept_before(tx: Transaction, fresh: KeptRaw) -> KeptRaw | None:
    """The same bytes, if they are there and nobody has read them."""
    named = {"here": fresh.line, "kind": fresh.source, "event": printable(fresh.event), "about": fresh.about}
    row = tx.execute(_KEPT, {**named, "body": fresh.raw.body}).first()
    return kept_raw(row) if row is not None else None


def keep_aside(tx: Transaction, fresh: KeptRaw, why: str) -> None:
    """Keep bytes for a person at once, and say so. `why` holds no content."""
    kept = replace(fresh, id=tx.ids.new())
    tx.execute(_KEEP, _row(replace(kept, received_at=tx.now), "aside"))
    _list(tx, kept, why)


def _list(tx: Transaction, kept: KeptRaw, why: str) -> None:
    thing = SetAside("raw", kept.line, kept.source, why, raw_id=kept.id)
    if set_aside(tx, thing, about=kept.id):
        # Anybody who may call relay back could fill the log.
        log.warning("raw.aside", line=kept.line, source=kept.source, raw_id=kept.id)


def _is_listed(tx: Transaction, raw_id: str, why: str) -> bool:
    """Whether these bytes were set aside before, and read again in vain: then only the reason may be another."""
    return tx.execute(_EXPLAIN, {"about": raw_id, "now": why}).rowcount > 0


_KEEP = insert(raw)
_KEPT = select(raw).where(
    raw_is_kept,
    raw.c.line == bindparam("here"),
    raw.c.source == bindparam("kind"),
    raw.c.event == bindparam("event"),
    raw.c.about == bindparam("about"),
    raw.c.body == bindparam("body"),
)
# A life that goes on reads what it took.
_IS_ANOTHERS = select(node.c.id).where(node.c.id == raw.c.about, node.c.ended_at.is_(None)).exists()
_SAMPLED = select(aside.c.id).where(
    aside_is_open, aside.c.kind == "raw", aside.c.line == bindparam("here"), aside.c.what == bindparam("kind")
)
_EXPLAIN = update(aside).where(aside_is_open, aside.c.raw_id == bindparam("about")).values(why=bindparam("now"))
