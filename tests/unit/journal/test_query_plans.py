"""No statement of the journal reads a whole table, however full it is: every one of them finds its rows by an index."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from relay.domain.errors import ErrorCode, Problem
from relay.domain.mailbox import MailChanges, MailEntry
from relay.domain.messages import CallAnswer, Handover, MailChange, MessageClass, Part, RawAnswer, Reply, Segment
from relay.domain.states import Fact
from relay.journal import Wanted, schema
from relay.rules.line import Scope
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, START, Desk, SqlitePlace, delivered, seen, text
from tests.contract.journal.ledger import rules, says, sent

PROBLEM = Problem(ErrorCode.UNCERTAIN, "no answer came")
# An index of a part has the rows that are to be found, and no others.
PARTIAL = {
    index.name
    for table in schema.metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}


@contextmanager
def _statements() -> Iterator[dict[str, Any]]:
    """Every statement that is run meanwhile, with parameters that it was run with."""
    heard: dict[str, Any] = {}

    def listen(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        heard.setdefault(statement, parameters[0] if many else parameters)

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        yield heard
    finally:
        event.remove(Engine, "before_cursor_execute", listen)


async def _everything(desk: Desk) -> None:
    """Every verb of the daily work."""
    journal = desk.journal
    await desk.send(ALICE, BOB, size=1)
    await desk.send(key=None, raw_digest="x", redelivered=True)
    call = await desk.claim()
    await desk.report(delivered("a", dedupe_key="early"))
    handed = CallAnswer("SMS1", tuple(Handover(Fact.SUBMITTED, "a") for _ in call.recipients))
    await journal.calls.answered(call.call_id, ME, handed, first_look=0)
    await desk.look(call.call_id, delivered(fact=Fact.ON_NETWORK))
    await journal.looks.due(LINE, 10)
    await journal.looks.next_due(LINE)
    await journal.looks.later(call.call_id, 1)
    await journal.looks.forgotten(call.call_id, PROBLEM)
    for end in (journal.calls.retry, journal.calls.unanswered, journal.calls.refused):
        claimed = await desk.claim()
        await end(claimed.call_id, ME, PROBLEM, *((0,) if end == journal.calls.retry else ()))
    await desk.send(ALICE, BOB)
    await journal.calls.divide((await desk.claim()).call_id, ME)
    await journal.calls.next_due(LINE)
    await desk.uncertain()
    await journal.calls.recover()
    await desk.receive(text(), text(key="k"))
    await journal.raw.unread(LINE, source="inbox")
    await journal.raw.set_aside(await desk.keep(), "unreadable")
    await journal.commands.lookup(LINE, None, "key-1", None, Reply())
    await journal.commands.cancel(LINE, None, "key-1", None, Reply())
    events = await journal.events.pending(0, 100)
    await journal.events.set_aside(events[0][1].id, "refused")
    await journal.events.published([one.id for _, one in events])
    await journal.events.follow(0, 10)
    await journal.events.last_position()
    await journal.dead.list(10)
    await _mail(desk)
    await _dead(desk)
    await _opt_outs(desk)
    await _steered(desk)
    await desk.send(ttl=1)
    desk.clock.pass_(days=10)
    await journal.upkeep.join_overdue_segments()
    await journal.upkeep.settle_sightings()
    await journal.upkeep.expire()
    await journal.upkeep.end_following()
    await journal.upkeep.give_up_parked()
    while await journal.upkeep.purge():
        pass


async def _steered(desk: Desk) -> None:
    """Every verb of an operator, and what he looks at."""
    steering, queries = desk.journal.steering, desk.journal.queries
    first, second = [one["copy_id"] for one in (await desk.send(ALICE, BOB, key="steered")).body["copies"]]
    await steering.hold([first])
    for wanted in (Wanted(), Wanted(LINE, "queued"), Wanted(held=True), Wanted(LINE, "queued", held=True)):
        await queries.queue(wanted)
    await queries.shown("steered", LINE)
    await steering.release([first])
    await steering.cancel([second])
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    await steering.retry([first])
    await queries.shown((await queries.shown(first))["calls"][0]["call_id"])
    await steering.hold_line(LINE)
    await steering.held(LINE)
    await steering.release_line(LINE)
    await steering.cancel_line(LINE)


async def _mail(desk: Desk) -> None:
    """Every verb about what a provider keeps and shows."""
    journal = desk.journal
    await desk.send(ALICE)
    await journal.calls.unanswered((await desk.claim(unseen=True)).call_id, ME, PROBLEM)
    await desk.send(BOB)
    call = await desk.claim(unseen=True)
    await desk.see(seen(ref="m-1"), seen("Your order is on its way.", BOB, ref="m-2"), seen("Hi", ref="m-3"))
    await journal.upkeep.settle_sightings()
    await desk.hand_over(call, "m-2")
    piece = replace(text("Hello", key="piece"), segment=Segment("1", 1, 2))
    await desk.receive(piece, replace(text(key="mms"), ref="m-4", has_parts=True))
    listed = [MailEntry(ref, is_unread=True, time=START) for ref in ("m-4", "m-5", "m-6")]
    await journal.mailbox.compared(LINE, listed, "c1", unpublished_before=None)
    changes = MailChanges("c2", (MailEntry("m-7"),), (MailEntry("m-4", is_unread=False),), ("m-5", "m-6"))
    await journal.mailbox.changed(LINE, changes)
    await journal.mailbox.standing(LINE)
    await journal.mailbox.ref_of(LINE, "m")
    await journal.arrivals.next_due(LINE)
    first, second, third, *_ = await desk.arriving()
    await journal.arrivals.later(first, 1)
    await journal.arrivals.whole(first, text("Hello"))
    await journal.arrivals.dropped(second)
    await journal.arrivals.aside(third, RawAnswer(b""), "unreadable")
    await desk.hear(MailChange("deleted", "m-1", {}, "k"))
    await journal.media.keep(LINE, Part("image/png", size=1, token="t"), START)
    await journal.media.find("t")
    await journal.media.drop(await journal.media.expired(10))


async def _dead(desk: Desk) -> None:
    """Every verb about what was set aside."""
    dead = desk.journal.dead
    await desk.report(delivered("sent elsewhere"))
    desk.clock.pass_(days=4)
    await desk.journal.upkeep.give_up_parked()
    await desk.journal.upkeep.tell_untold()
    await dead.list(10, kind="raw", line=LINE)
    await dead.counts()
    await desk.journal.queries.gauges()
    for listed in await dead.list(100):
        await dead.show(listed["id"])
        kept = (await dead.again(listed["id"])).kept
        if kept is not None:
            await desk.journal.raw.set_aside(kept, "unreadable")
            await desk.journal.raw.understood(await desk.keep())
            await dead.discard(listed["id"])
    for listed in await dead.list(100, kind="orphan"):
        await dead.discard(listed["id"])


async def _opt_outs(desk: Desk) -> None:
    """Every verb about who wants no more texts, and the keywords."""
    optouts = desk.journal.optouts
    desk.journal.follow(rules(Scope.ALL, "stop", "help"))
    for words in ("help", "stop", "stop", "start", "start", "help"):
        await says(desk, words)
        desk.clock.pass_(hours=2)
    await sent(desk)
    for line in (LINE, None):
        await optouts.add([ALICE.value, BOB.value], line)
        await optouts.list(line, lifted=line is None)
    await optouts.of([ALICE.value, BOB.value])
    await desk.send(ALICE, message_class=MessageClass.COMPLIANCE)
    await sent(desk)
    await optouts.remove([ALICE.value, BOB.value])


async def test_no_statement_reads_a_whole_table(tmp_path: Path) -> None:
    """Asked of SQLite itself, for every statement that the daily work runs."""
    plans = await _plans(tmp_path)
    assert len(plans) > 100
    assert {statement: scans for statement, steps in plans.items() if (scans := _scans(steps))} == {}


async def test_every_index_of_a_part_is_used(tmp_path: Path) -> None:
    """One that no statement is answered from costs every write and helps nobody."""
    plans = await _plans(tmp_path)
    used = {found for steps in plans.values() for step in steps for found in re.findall(r"INDEX (\w+)", step)}
    assert PARTIAL - used == set()


async def test_no_statement_sorts_a_queue(tmp_path: Path) -> None:
    """What waits is read in the order of its index: to sort a million rows for the first of them would end all haste.

    What is sorted is a handful: the copies of a call, the opt-outs of an address.
    """
    plans = await _plans(tmp_path)
    sorting = {statement: steps for statement, steps in plans.items() if any("TEMP B-TREE" in one for one in steps)}
    assert sorting
    queues = re.compile(r"USING (?:COVERING )?INDEX (call_(?!message)\w+|copy_(waiting|live)|event_waiting|raw_kept)")
    assert {statement: steps for statement, steps in sorting.items() if queues.search(" ".join(steps))} == {}


async def _plans(folder: Path) -> dict[str, list[str]]:
    """How SQLite would run every statement that reads or changes rows."""
    place = SqlitePlace(folder / "relay.db")
    desk = await Desk.at(place)
    with _statements() as heard:
        await _everything(desk)
    await desk.journal.aclose()
    with closing(sqlite3.connect(place.path)) as connection:
        return {
            statement: [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            for statement, parameters in heard.items()
            if statement.startswith(("SELECT", "UPDATE", "DELETE"))
        }


def _scans(steps: list[str]) -> list[str]:
    """The steps that go through a whole table, or through an index of all its rows."""
    scanned = [(step, re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)) for step in steps]
    tables = schema.metadata.tables.keys() - {"node"}  # which has a row for each life of a week
    return [step for step, scan in scanned if scan and scan[1] in tables and scan[2] not in PARTIAL]
