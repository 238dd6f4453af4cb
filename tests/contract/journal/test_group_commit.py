"""Group commit: a thousand writers who wait together cost a few syncs, and each is answered for itself."""

import asyncio
import threading

import pytest
from sqlalchemy import text as sql

from relay.domain.messages import RawAnswer
from relay.journal import JournalUnusable
from relay.journal.transaction import Transaction
from tests.contract.journal.conftest import Open
from tests.contract.journal.desk import LINE, Desk
from tests.contract.journal.places import Place, only


async def test_a_thousand_waiting_writers_cost_a_few_commits(desk: Desk) -> None:
    """Whatever they write."""
    before = desk.journal.commits
    await asyncio.gather(*(desk.keep() for _ in range(700)), *(desk.send() for _ in range(300)))
    assert desk.journal.commits - before <= 5
    assert (len(await desk.journal.raw.unread(LINE)), len(await desk.events())) == (700, 300)


async def test_operations_of_one_caller_keep_their_order(desk: Desk) -> None:
    """Those that were handed in first are committed first."""
    kept = await asyncio.gather(
        *(desk.journal.raw.keep(LINE, "hook", str(number), "", RawAnswer(b"")) for number in range(100))
    )
    assert [one.event for one in sorted(kept, key=lambda one: one.id)] == [str(number) for number in range(100)]


async def test_one_bad_operation_fails_alone(desk: Desk) -> None:
    """The others of its batch are committed, once each."""

    def bad(tx: Transaction) -> None:
        tx.execute(sql("DELETE FROM raw"))
        raise LookupError("bad")

    writer = desk.journal._core.writer
    results = await asyncio.gather(desk.keep(), writer.run(bad), desk.keep(), desk.send(), return_exceptions=True)
    assert [isinstance(result, LookupError) for result in results] == [False, True, False, False]
    assert (len(await desk.journal.raw.unread(LINE)), len(await desk.events())) == (2, 1)
    assert desk.journal.events.backlog() == 1


async def test_a_commit_that_fails_fails_all_its_waiters(desk: Desk) -> None:
    """Nothing of it is there, nothing was announced, and the next one succeeds."""
    writer = desk.journal._core.writer

    def doomed(tx: Transaction) -> None:
        # A deferred constraint is judged by the commit itself.
        tx.execute(sql("CREATE TABLE a (id INTEGER PRIMARY KEY)"))
        tx.execute(sql("CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)"))
        tx.execute(sql("INSERT INTO b VALUES (1)"))

    await writer.run(lambda _: None)
    assert writer._connection is not None
    driver = writer._connection.connection.dbapi_connection
    assert driver is not None
    if desk.place.database == "sqlite":  # which looks at foreign keys only where it is asked to
        await asyncio.to_thread(driver.execute, "PRAGMA foreign_keys=ON")
    results = await asyncio.gather(desk.keep(), writer.run(doomed), desk.send(), return_exceptions=True)
    assert [isinstance(result, Exception) for result in results] == [True, True, True]
    assert (await desk.journal.raw.unread(LINE), await desk.events(), desk.journal.events.backlog()) == ([], [], 0)
    await desk.keep()
    assert len(await desk.journal.raw.unread(LINE)) == 1


async def test_a_cancelled_caller_s_operation_is_committed_all_the_same(desk: Desk) -> None:
    """What is known of a call under way is not lost with the task that knew it."""
    held = threading.Event()
    writer = desk.journal._core.writer
    blocking = asyncio.create_task(writer.run(lambda _: held.wait(5)))
    keeping = asyncio.create_task(desk.keep())
    await asyncio.sleep(0)
    keeping.cancel()
    held.set()
    await asyncio.gather(blocking, keeping, return_exceptions=True)
    await desk.keep()
    assert len(await desk.journal.raw.unread(LINE)) == 2


async def test_reads_do_not_wait_for_writers(desk: Desk) -> None:
    """They see what was committed before."""
    await desk.send()
    held = threading.Event()
    blocking = asyncio.create_task(desk.journal._core.writer.run(lambda _: held.wait(30)))
    async with asyncio.timeout(5):
        assert len(await desk.journal.events.pending(0, 10)) == 1
    held.set()
    await blocking


async def test_what_was_handed_in_is_written_before_the_journal_closes(open_journal: Open) -> None:
    """And nothing can be handed in or read afterwards."""
    desk = await open_journal()
    keeping = [asyncio.create_task(desk.keep()) for _ in range(50)]
    await asyncio.sleep(0)
    await desk.journal.aclose()
    await asyncio.gather(*keeping)
    with pytest.raises(JournalUnusable, match="closed"):
        await desk.keep()
    with pytest.raises(JournalUnusable, match="closed"):
        await desk.events()
    again = await open_journal(desk.clock)
    assert len(await again.journal.raw.unread(LINE)) == 50


@only("sqlite", because="a file is one relay's; a database of PostgreSQL's is many nodes'")
async def test_a_second_relay_is_turned_away(desk: Desk, place: Place) -> None:
    """Until the first has closed."""
    with pytest.raises(JournalUnusable, match="another relay"):
        await Desk.at(place)
    await desk.keep()
    await desk.reopen()
