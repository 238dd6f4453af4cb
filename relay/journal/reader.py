"""Reads that must not wait for a writer: a connection and a thread of their own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from relay.journal.failures import JournalUnusable

T = TypeVar("T")


class Reader:
    """Runs reads, one after the other. Each sees everything that was committed before it began.

    Args:
        connect: opens the connection; a failed read closes it, and the next one opens it again.
        judged: what an error of the database means.
    """

    def __init__(self, connect: Callable[[], Connection], judged: Callable[[DatabaseError], Exception]) -> None:
        self._connect = connect
        self._judged = judged
        self._connection: Connection | None = None
        self._closed = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")

    async def run(self, read: Callable[[Connection], T]) -> T:
        """What `read` gives; raises JournalUnusable. Keep it short: the WAL cannot be reset under an open read."""
        if self._closed:
            raise JournalUnusable("the journal is closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._read, read)

    async def aclose(self) -> None:
        """Finish, then close the connection; whoever asks from now on gets JournalUnusable."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._executor, self._disconnect)
        await asyncio.to_thread(self._executor.shutdown)

    def _read(self, read: Callable[[Connection], T]) -> T:
        self._connection = self._connection or self._connect()
        try:
            with self._connection.begin():
                return read(self._connection)
        except DatabaseError as error:
            self._disconnect()
            raise self._judged(error) from None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
