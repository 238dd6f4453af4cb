"""A journal with work of every kind, one byte of it changed, and everything that stages would do with it then."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from relay.domain.addresses import Address, outbound
from relay.domain.errors import ErrorCode, Problem
from relay.domain.mailbox import MailEntry
from relay.domain.messages import CallAnswer, Handover, InboundMessage, Plan, Reply, Segment, SendRequest
from relay.domain.states import Fact
from relay.journal import Listed, Wanted
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, Desk, delivered, seen, text

DAVE, ERIN, FRANK, GRACE = (outbound(f"+1206555010{digit}") for digit in "4567")
# Who may get what, by request.
WANTED: dict[str, set[tuple[str, str]]] = {
    "key-1": {("Going out.", ALICE.value), ("Going out.", BOB.value)},
    "key-4": {("Waits.", CAROL.value), ("Waits.", DAVE.value), ("Waits.", ERIN.value)},
    "key-5": {("For later.", FRANK.value)},
}
MAY_GO = set().union(*WANTED.values()) | {("Doubted.", ERIN.value)}


@dataclass(frozen=True)
class Place:
    """One value of one row, as a test names it, and where it is."""

    table: str
    column: str
    row: int

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


async def busy(desk: Desk) -> None:
    """Give the journal work of every kind."""
    journal = desk.journal
    await desk.send(ALICE, BOB, text="Going out.", metadata={"order": 1})  # in flight
    await desk.claim()
    await desk.send(GRACE, text="Followed.")
    await desk.hand_over(await desk.claim(), "SMS7")
    await desk.send(ERIN, text="Doubted.")
    doubted = await desk.claim()
    await journal.calls.unanswered(doubted.call_id, ME, Problem(ErrorCode.UNCERTAIN, "no answer"))
    await desk.send(CAROL, DAVE, ERIN, text="Waits.", client="shop")
    retried = await desk.claim()
    await journal.calls.retry(retried.call_id, ME, PROBLEM, 1)
    await desk.send(FRANK, text="For later.", plan=Plan("gsm-7", 1, 1))
    await journal.optouts.import_([Listed(GRACE.value, LINE)])
    await desk.report(delivered("SMS99"))
    await desk.receive(text("Hello there"), text("STOP", sender="+12065550199"))
    await desk.receive(text("one ", key="s1"), text("x", key="k9"))
    await desk.see(seen("Somebody else's.", ERIN, ref="m-77"))
    await desk.receive(piece("part one ", 1))
    await journal.mailbox.compared(LINE, [MailEntry("m-1"), MailEntry("m-2")], "cursor", unpublished_before=None)
    await desk.keep("inbox")
    await journal.memory(LINE).put("a key", b'{"a": "value"}')
    await journal.leases.acquire("hooks/alerts", ME, 60)
    journal.limits.count(LINE, "inbox")
    await journal.limits.keep()
    await journal.limits.slow(LINE, 1)
    desk.clock.pass_(minutes=10)


def piece(words: str, place: int) -> InboundMessage:
    """One of two pieces of a longer message."""
    return replace(text(words, key=f"piece-{place}"), segment=Segment("7", place, 2))


def places(path: Path) -> list[Place]:
    """Every value that is there."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")]
        return [
            place for name in tables if not name.startswith(("sqlite", "alembic")) for place in _of(connection, name)
        ]


def _of(connection: sqlite3.Connection, table: str) -> Iterator[Place]:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    for number, row in enumerate(connection.execute(f"SELECT * FROM {table}")):  # noqa: S608 - the journal's names
        for column, value in zip(columns, row, strict=True):
            if value not in {None, "", b""}:
                yield Place(table, column, number)


def change(path: Path, place: Place, at: int, by: int) -> bool:
    """Change one byte of a value, as a disk would that has no checksums: it is another value of its kind.

    Returns:
        False where there is a row with such a key already.
    """
    with closing(sqlite3.connect(path)) as connection, connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({place.table})")]
        keys = [row[1] for row in connection.execute(f"PRAGMA table_info({place.table})") if row[5]]
        row = connection.execute(f"SELECT * FROM {place.table}").fetchall()[place.row]  # noqa: S608
        value = row[names.index(place.column)]
        where = " AND ".join(f'"{key}" IS ?' for key in keys)
        mine = [row[names.index(key)] for key in keys]
        try:
            connection.execute(
                f'UPDATE {place.table} SET "{place.column}" = {_marker(value)} WHERE {where}',  # noqa: S608
                [_changed(value, at, by), *mine],
            )
        except sqlite3.IntegrityError:
            return False
    return True


def _marker(value: Any) -> str:
    return "CAST(? AS TEXT)" if isinstance(value, str) else "?"


def _changed(value: Any, at: int, by: int) -> Any:
    if isinstance(value, int):
        raw = bytearray(value.to_bytes(8, "big", signed=True))
        raw[at % 8] ^= by
        return int.from_bytes(raw, "big", signed=True)
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    raw[at % len(raw)] ^= by
    return bytes(raw)


async def go_on(desk: Desk) -> list[tuple[str, str]]:
    """Do all that stages, people and clients would; gives what went out: each text with its number."""
    journal = desk.journal
    await journal.calls.recover()
    while await journal.audit.look():
        pass
    went: list[tuple[str, str]] = []
    for _ in range(2):
        went += await _send(desk)
        await _hear(desk)
        await _look(desk)
        await _keep_up(desk)
        desk.clock.pass_(minutes=20)
    return went


async def _send(desk: Desk) -> list[tuple[str, str]]:
    went = []
    for number in range(20):
        await desk.journal.calls.next_due(LINE)
        await desk.journal.limits.standing(LINE)
        call = await desk.journal.calls.claim(LINE, ME)
        if call is None:
            break
        went += [(call.text or "", one.address.value) for one in call.recipients]
        handovers = tuple(Handover(Fact.SUBMITTED) for _ in call.recipients)
        await desk.journal.calls.answered(call.call_id, ME, CallAnswer(f"NEW{number}", handovers), first_look=15)
        desk.clock.pass_(seconds=2)
    return went


async def _hear(desk: Desk) -> None:
    journal = desk.journal
    for line, source in await journal.raw.lines_with_unread():
        for kept in await journal.raw.unread(line, source=source):
            await journal.raw.understood(kept, messages=[text("read late")])
    for arrived in await desk.arriving():
        await journal.arrivals.later(arrived, 60)
    await desk.report(delivered("SMS7"), delivered("NEW0", address=None))
    await journal.mailbox.standing(LINE)
    for look in await journal.looks.due(LINE, 100):
        await journal.looks.later(look.call_id, 60)


async def _look(desk: Desk) -> None:
    journal = desk.journal
    reached = 0
    for _ in range(50):
        batch = await journal.events.pending(reached, 100)
        if not batch:
            break
        reached = batch[-1][0]
        await journal.events.published([event.id for _, event in batch])
    await journal.queries.status()
    for one in await journal.queries.queue(Wanted()):
        await journal.queries.trace(one["copy_id"])
    for listed in await journal.dead.list(limit=1000):
        await journal.dead.show(listed["id"])
    await journal.optouts.list(lifted=True)
    await journal.memory(LINE).get("a key")
    await journal.leases.acquire("hooks/alerts", ME, 60)
    for key in ("key-1", "key-2", "key-3", "key-4", "key-5"):
        await journal.commands.lookup(LINE, "shop" if key == "key-4" else None, key, None, Reply())


async def _keep_up(desk: Desk) -> None:
    upkeep = desk.journal.upkeep
    await upkeep.expire()
    await upkeep.end_following()
    await upkeep.settle_sightings()
    await upkeep.join_overdue_segments()
    await upkeep.purge()


async def repeat(desk: Desk) -> list[str]:
    """Let every client repeat its requests; gives the outcomes that are no repetitions."""
    asked: dict[str, tuple[str | None, str, tuple[Address, ...], int]] = {
        "key-1": (None, "Going out.", (ALICE, BOB), 50),
        "key-4": ("shop", "Waits.", (CAROL, DAVE, ERIN), 50),
        "key-5": (None, "For later.", (FRANK,), 1),
    }
    fresh = []
    for key, (client, words, to, size) in asked.items():
        request = SendRequest(line=LINE, client=client, key=key, digest="digest", to=to, text=words)
        answer = await desk.journal.commands.accept(request, Plan("gsm-7", 1, size), [None] * len(to))
        if answer.outcome == "accepted" and not answer.replayed:
            fresh.append(key)
    return fresh
