"""A primary that stands still: its connections are given up soon, and only where it answers nobody any more."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from relay.ids import Ids
from relay.journal import Journal
from relay.journal.pgconnect import connecting
from tests.contract.journal.desk import LINE, StillClock
from tests.postgres import Server
from tests.standby import Standby, keep_pace

LONG = 20.0  # seconds: longer than a lock may take to come, and shorter than a silent connection was once kept
STILL = 15  # seconds: longer than a server that answers nobody is waited for
LOCK = "hashtextextended('relay.' || current_schema(), 0)"  # by which nodes write in turns


@pytest.fixture
def primary() -> Iterator[Server]:
    """A server of the test's own, that may be stopped."""
    with Server() as running:
        yield running


@pytest.mark.long_only
async def test_nodes_go_on_with_the_standby_while_the_old_primary_stands_still(primary: Server) -> None:
    """It is never let go on: what waits for an answer gives up soon, and what was accepted is there once."""
    url = await asyncio.to_thread(primary.create_database, "relay")
    with Standby(primary) as standby:
        await asyncio.to_thread(keep_pace, primary, synchronous=True)
        both = url.replace(f":{primary.port}", f":{primary.port},127.0.0.1:{standby.port}")
        clock = StillClock()
        both += "?target_session_attrs=read-write"
        async with await Journal.open(both, clock=clock, ids=Ids(clock), node="a") as journal:
            await journal.events.announce(LINE, "hi", {"name": "before"})
            await asyncio.to_thread(primary.pause)
            try:
                began = time.monotonic()
                writing = asyncio.ensure_future(journal.events.announce(LINE, "hi", {"name": "while it stood"}))
                await asyncio.to_thread(standby.promote)
                await writing
                took = time.monotonic() - began
                assert took < LONG, took
                found = [event.body["name"] for _, event in await journal.events.follow(0, 100)]
            finally:
                await asyncio.to_thread(primary.resume)
    assert found == ["before", "while it stood"]


async def test_who_waits_for_the_lock_is_not_taken_for_one_whose_server_stands_still(primary: Server) -> None:
    """The server answers others meanwhile: the connection stays, however long it says nothing."""
    url = await asyncio.to_thread(primary.create_database, "relay")
    clock = StillClock()
    async with await Journal.open(url, clock=clock, ids=Ids(clock), node="a") as journal:
        with closing(psycopg.connect(url, autocommit=True)) as other:
            other.execute(f"SELECT pg_advisory_lock({LOCK})")
            writing = asyncio.ensure_future(journal.events.announce(LINE, "hi", {}))
            before = await asyncio.to_thread(_waiting, other)
            await asyncio.to_thread(other.execute, f"SELECT pg_sleep({STILL})")
            assert _waiting(other) == before
            other.execute(f"SELECT pg_advisory_unlock({LOCK})")
        await writing


def _waiting(connection: "psycopg.Connection[Any]") -> list[Any]:
    """The sessions that wait for the lock, once there are any."""
    while not (found := connection.execute("SELECT pid FROM pg_locks WHERE NOT granted ORDER BY pid").fetchall()):
        pass
    return found


async def test_a_server_that_refuses_others_still_answers(primary: Server) -> None:
    """As where it has no connection to spare."""
    url = await asyncio.to_thread(primary.create_database, "relay")
    connection = connecting(url, None).open()
    with closing(connection):
        await asyncio.to_thread(primary.execute, "ALTER DATABASE relay CONNECTION LIMIT 0")
        found = await asyncio.to_thread(connection.execute, f"SELECT pg_sleep({STILL})")
        assert len(found.fetchall()) == 1
