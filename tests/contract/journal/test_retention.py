"""Each kind of what is done with is forgotten after a time of its own, and nobody waits for that."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from relay.domain.messages import Reply
from relay.domain.states import Fact
from relay.journal import Lifetimes, UnknownId
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, PROBLEM, Desk, delivered, seen, text
from tests.contract.journal.history import SLOWER, accepted_in, finished
from tests.contract.journal.places import SqlitePlace, only

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LONG_KEPT = Lifetimes(texts=30 * DAY, finals=30 * DAY, keys=30 * DAY, events=30 * DAY, raw=30 * DAY)


async def test_texts_are_forgotten_before_what_became_of_them(desk: Desk) -> None:
    """What was said is gone; its copies are still known, and nothing is said to be damaged."""
    answer = await desk.sent(text="To be forgotten", subject="S")
    await desk.report(delivered())
    await desk.receive(text("Forget this, too"))
    desk.clock.pass_(hours=2)
    await _purged(desk, replace(LONG_KEPT, texts=HOUR))
    assert desk.place.column("message", "content") == [b"", b""]
    assert await desk.standing() == ["delivered"]
    steps = await desk.journal.queries.trace(str(answer.message_id))
    assert [step["forgotten"] for step in steps if step["what"] == "message"] == [True]
    assert await desk.journal.dead.list(10) == []
    assert (await desk.send()).outcome == "accepted"


async def test_a_text_is_kept_as_long_as_one_of_its_copies_is_open(desk: Desk) -> None:
    """However long that takes: it may have to be sent again."""
    await desk.sent(ALICE, BOB)
    await desk.report(delivered(position=0))
    desk.clock.pass_(days=20)
    await _purged(desk, replace(LONG_KEPT, texts=HOUR))
    assert b"on its way" in desk.place.column("message", "content")[0]


async def test_a_text_that_is_forgotten_is_nobodys_by_its_words(desk: Desk) -> None:
    """A message that the provider shows afterwards is not compared with it, and is no damage either."""
    await desk.send()
    await desk.journal.calls.unanswered((await desk.claim(unseen=True)).call_id, ME, PROBLEM)
    [aside] = await desk.journal.dead.list(10)
    await desk.journal.dead.discard(aside["id"])
    desk.clock.pass_(hours=73)
    await _purged(desk, replace(LONG_KEPT, texts=HOUR))
    assert (await desk.see(seen())).own == 0
    assert await desk.journal.dead.list(10) == []


async def test_what_came_in_is_kept_no_longer_than_its_event(desk: Desk) -> None:
    """By which alone it is found again, when its sender is to be forgotten."""
    await desk.receive(text("Hello"))
    await desk.sent()
    await desk.report(delivered())
    desk.clock.pass_(hours=2)
    await _purged(desk, replace(LONG_KEPT, events=HOUR))
    contents = desk.place.column("message", "content")
    assert [bool(content) for content in contents] == [False, True]


async def test_an_id_outlives_its_message(desk: Desk) -> None:
    """Who repeats the request gets the first answer, though its copies are gone; no number was kept for it."""
    first = await desk.sent(ALICE, BOB, metadata={"campaign": "42"})
    await desk.report(delivered(position=0), delivered(position=1))
    await _published(desk)
    desk.clock.pass_(days=4)
    kept_for = replace(LONG_KEPT, texts=HOUR, finals=3 * DAY, keys=10 * DAY, events=DAY, raw=DAY)
    await _purged(desk, kept_for)
    assert {table: desk.place.rows(table) for table in ("message", "copy", "call", "command")} == {
        "message": 0, "copy": 0, "call": 0, "command": 1,
    }  # fmt: skip
    assert ALICE.digits10.encode() not in b"".join(desk.place.column("command", "answer"))
    again = await desk.send(ALICE, BOB, key="key-1", metadata={"campaign": "42"})
    assert again.replayed
    assert {**again.body, "replayed": False} == first.body
    assert await desk.none_due()
    desk.clock.pass_(days=7)
    await _purged(desk, kept_for)
    assert not (await desk.send(ALICE, BOB, key="key-1")).replayed


async def test_an_id_without_its_message_leads_to_nothing(desk: Desk) -> None:
    """What became of the request was forgotten: a lookup and a cancel say so, and nothing is damaged."""
    await desk.sent()
    await desk.report(delivered())
    desk.clock.pass_(days=4)
    await _purged(desk, replace(LONG_KEPT, finals=3 * DAY))
    for ask in (desk.journal.commands.lookup, desk.journal.commands.cancel):
        answer = await ask(LINE, None, "key-1", None, Reply())
        assert answer.body["error"]["code"] == "unknown_id"
    with pytest.raises(UnknownId):
        await desk.journal.queries.shown("key-1")
    assert (await desk.send(key="key-1", digest="another")).body["error"]["code"] == "conflict"


async def test_an_id_lives_at_least_as_long_as_its_message(desk: Desk) -> None:
    """It leads to the copies."""
    await desk.sent()
    await desk.report(delivered())
    desk.clock.pass_(days=4)
    await _purged(desk, replace(LONG_KEPT, keys=3 * DAY))
    assert await desk.standing() == ["delivered"]


async def test_events_and_bytes_have_their_own_times(desk: Desk) -> None:
    """Events from their publication on, so that they may be published again; bytes that were understood."""
    await desk.receive(text("Hello"))
    await _published(desk)
    await desk.journal.events.announce(LINE, "unpublished", {})
    await desk.keep()
    desk.clock.pass_(hours=2)
    await _purged(desk, replace(LONG_KEPT, events=3 * HOUR, raw=HOUR))
    assert (desk.place.rows("event"), desk.place.column("raw", "state")) == (2, ["kept"])
    desk.clock.pass_(hours=2)
    await _purged(desk, replace(LONG_KEPT, events=3 * HOUR, raw=HOUR))
    assert desk.place.rows("event") == 1


async def test_what_waits_for_a_person_is_kept_with_what_it_is_about(desk: Desk) -> None:
    """Whatever its age: the bytes, the event, the copy with its text."""
    await desk.journal.raw.set_aside(await desk.keep(), "unreadable")
    await desk.receive(text("Hello"))
    [message] = await desk.events("message")
    await desk.journal.events.set_aside(message.id, "too large")
    await desk.send()
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    desk.clock.pass_(days=100)
    await _purged(desk, Lifetimes())
    assert desk.place.column("raw", "state") == ["aside"]
    assert message.id in [one.id for one in await desk.events()]
    assert await desk.standing() == ["uncertain"]
    assert any(b"on its way" in content for content in desk.place.column("message", "content"))


async def test_a_shorter_time_holds_for_what_is_there_already(desk: Desk) -> None:
    """Settings may change: what is over by the new ones is forgotten."""
    await desk.sent()
    await desk.report(delivered())
    desk.clock.pass_(days=4)
    assert await _purged(desk, LONG_KEPT) == desk.place.rows("seen") == 0
    assert await _purged(desk, replace(LONG_KEPT, finals=3 * DAY, keys=3 * DAY)) > 0
    assert desk.place.rows("command") == 0


@only("sqlite", because="a plan is its planner's: PostgreSQL goes through a table as long as it is small")
async def test_what_is_forgotten_is_found_by_index(desk: Desk) -> None:
    """No piece of a purge goes through a table: with a million rows it would hold up everything."""
    await desk.sent()
    await desk.report(delivered(fact=Fact.DELIVERED))
    desk.clock.pass_(days=8)
    with _gathered() as asked:
        await _purged(desk, replace(LONG_KEPT, finals=3 * DAY, texts=HOUR))
    assert len(asked) > 10
    assert isinstance(desk.place, SqlitePlace)
    with closing(sqlite3.connect(desk.place.path)) as connection:
        for statement, given in asked.items():
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", given)]
            scans = [step for step in plan if step.startswith("SCAN") and "json_each" not in step]
            indexed = all("USING" in step for step in scans)
            assert indexed, (statement, plan)


async def test_nobody_waits_for_what_is_forgotten(desk: Desk, long: bool) -> None:
    """Requests are accepted about as fast while a whole history of messages and events goes."""
    many = 1_000_000 if long else 10_000
    await desk.journal.aclose()
    await asyncio.to_thread(finished, desk.place, many)
    desk.journal = (await Desk.at(desk.place, desk.clock)).journal
    before = await accepted_in(desk, 100, ALICE)
    desk.clock.pass_(days=8)
    purging = asyncio.create_task(_purged(desk, Lifetimes(), limit=100))
    during = await accepted_in(desk, 100, ALICE)
    assert not purging.done()
    assert await purging >= 3 * many
    left = {table: desk.place.rows(table) for table in ("message", "copy", "call", "command")}
    assert left == {"message": 200, "copy": 200, "call": 200, "command": 200}
    assert during / before < SLOWER


async def _purged(desk: Desk, kept_for: Lifetimes, limit: int = 20) -> int:
    total = 0
    while purged := await desk.journal.upkeep.purge(limit, kept_for):
        total += purged
    return total


async def _published(desk: Desk) -> None:
    await desk.journal.events.published([one.id for one in await desk.events()])


@contextmanager
def _gathered() -> Iterator[dict[str, Any]]:
    """The statements that are run in the block, each with parameters of its own."""
    asked: dict[str, Any] = {}

    def ran(_: Any, __: Any, statement: str, given: Any, *___: Any) -> None:
        if statement.startswith(("SELECT", "DELETE", "UPDATE")):
            asked[statement] = given[0] if isinstance(given, list) else given

    event.listen(Engine, "before_cursor_execute", ran)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", ran)
