"""Reads that must not wait for a writer: a connection and a thread of their own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from relay.journal.failures import JournalUnusable, JournalUnwritten
from relay.journal.store import JournalStore, is_cut

T = TypeVar("T")


class Reader:
    """Runs reads, one after the other. Each sees everything that was committed before it began.

    Args:
        store: where from. A failed read closes its connection, and the next one opens it again.
    """

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self._connection: Connection | None = None
        self._closed = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")

    async def run(self, read: Callable[[Connection], T]) -> T:
        """What `read` gives; raises JournalUnusable. Keep it short: the WAL cannot be reset under an open read."""
        if self._closed:
            raise JournalUnusable("the journal is closed")
        reading = asyncio.get_running_loop().run_in_executor(self._executor, self._read, read)
        try:
            async with asyncio.timeout(self._store.answers_within):
                return await reading
        except TimeoutError:
            raise JournalUnwritten("the journal's database does not answer: look at it, and at the network") from None

    async def aclose(self) -> None:
        """Finish, then close the connection; whoever asks from now on gets JournalUnusable."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._executor, self._disconnect)
        await asyncio.to_thread(self._executor.shutdown)

    def _read(self, read: Callable[[Connection], T]) -> T:
        was_open = self._connection is not None
        try:
            return self._once(read)
        except DBAPIError as error:
            self._disconnect()
            if not (was_open and is_cut(error)):
                raise self._store.judged(error) from None
        # The connection had broken before: another one may not be.
        try:
            return self._once(read)
        except DBAPIError as error:
            self._disconnect()
            raise self._store.judged(error) from None

    def _once(self, read: Callable[[Connection], T]) -> T:
        self._connection = self._connection or self._store.reading()
        with self._connection.begin():
            return read(self._connection)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.close()
