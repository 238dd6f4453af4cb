"""A disk that fails under a running journal: nothing is promised, and it goes on with what fits."""

import asyncio
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.domain.messages import RawAnswer
from relay.ids import Ids
from relay.journal import Journal, JournalShut
from relay.journal.transaction import Transaction


async def test_a_full_disk_is_said_and_recovered_from(tmp_path: Path) -> None:
    """What was kept before is there, what did not fit is not, and what still fits is kept."""
    clock = SystemClock()
    async with await Journal.open(f"sqlite:///{tmp_path}/relay.db", clock=clock, ids=Ids(clock), node="n") as journal:
        await journal.raw.keep("alerts", "hook", "", "", RawAnswer(b"before"))
        await _allow(journal, 100)
        with pytest.raises(JournalShut, match="disk under the journal is full"):
            await journal.raw.keep("alerts", "hook", "", "", RawAnswer(bytes(1_000_000)))
        # The page that fails is one of a connection: the next one writes.
        await journal.raw.keep("alerts", "inbox", "", "", RawAnswer(b"meanwhile"))
        async with asyncio.timeout(10):
            while journal.shut is not None:
                await journal.shut.over.wait()
        await journal.raw.keep("alerts", "hook", "", "", RawAnswer(b"after"))
        assert [kept.raw.body for kept in await journal.raw.unread("alerts")] == [b"before", b"meanwhile", b"after"]


async def _allow(journal: Journal, pages: int) -> None:
    """Let the file grow to so many pages and no more: SQLite then answers as on a full disk."""

    def operation(tx: Transaction) -> None:
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    await journal._core.writer.run(operation)
