"""The one thread that writes: everything that waited while the last commit ran becomes the next one.

So a thousand waiting writers cost a few syncs. Each is woken after the commit that holds its own row, and never
before; whoever gets an error instead knows that nothing of his may be relied on.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from relay.journal.bells import Bells
from relay.journal.failures import JournalFull, JournalUnusable
from relay.journal.transaction import Operation, Transaction

T = TypeVar("T")

LARGEST_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Store:
    """What the writer writes to.

    Args:
        connect: opens the connection that writes.
        begin: makes a transaction of it, given the counters as they were committed.
        judged: what an error of the database means.
    """

    connect: Callable[[], Connection]
    begin: Callable[[Connection, Counter[str]], Transaction]
    judged: Callable[[DatabaseError], Exception]


@dataclass(slots=True)
class _Job:
    """One caller's operation, and what came of it."""

    operation: Operation[Any]
    future: "asyncio.Future[Any]"
    weight: int
    result: Any = None


class Writer:
    """Runs operations, in the order in which they came.

    Args:
        store: where to.
        bells: rung after each commit.
        counters: the journal's counters as they are at the start; kept as they are committed.
        queue: how many operations that bring something new may wait.
        queue_bytes: how many bytes they may hold together.
    """

    def __init__(self, store: Store, bells: Bells, counters: Counter[str], *, queue: int, queue_bytes: int) -> None:
        self.commits = 0
        self.counters = counters
        self._store = store
        self._bells = bells
        self._limit = queue
        self._limit_bytes = queue_bytes
        self._waiting = 0
        self._waiting_bytes = 0
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        # Put never waits for a lock that the thread may hold, so that the event loop never does.
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal-writer", daemon=True)
        self._thread.start()

    async def run(self, operation: Operation[T], *, brings: int | None = None) -> T:
        """What `operation` gives, after it was committed and synced.

        An operation that was handed in runs, even when its caller is cancelled.

        Args:
            operation: works on a transaction, and may be run more than once.
            brings: the bytes of something new from outside, which may be refused when too much waits already. What
                is known of calls under way is never refused: their number is bounded where they are made.

        Raises:
            JournalFull: it brings something new, and too much waits; it was not handed in.
            JournalUnusable: it could not be written.
        """
        if self._closed:
            raise JournalUnusable("the journal is closed")
        if brings is not None and (self._waiting >= self._limit or self._waiting_bytes + brings > self._limit_bytes):
            raise JournalFull(self._waiting)
        job = _Job(operation, self._loop.create_future(), brings or 0)
        self._waiting += 1
        self._waiting_bytes += job.weight
        self._queue.put(job)
        result: T = await job.future
        return result

    async def aclose(self) -> None:
        """Write what was handed in, then end."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._next_batch()
            if batch:
                self._settle(batch)
        self._disconnect()

    def _next_batch(self) -> tuple[list[_Job], bool]:
        """What waits, at least one; and whether it is the last."""
        batch: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            batch.append(job)
            if len(batch) == LARGEST_BATCH:
                return batch, False
            try:
                job = self._queue.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _settle(self, jobs: Sequence[_Job]) -> None:
        """Run and commit `jobs` together; where one of them fails, each alone, so that only the bad one fails."""
        with _Attempt() as outside:
            transaction = self._begin()
            with _Attempt() as inside:
                self._run(transaction, jobs)
            if inside.error is None:
                self._commit(transaction)
            else:
                transaction.connection.rollback()
        if outside.error is not None:
            # After a failed commit nobody knows what the connection holds: a new one asks the file.
            self._disconnect()
            self._answer(jobs, outside.error)
        elif inside.error is None:
            self._answer(jobs, None, transaction.bells)
        elif len(jobs) == 1:
            self._answer(jobs, inside.error)
        else:
            for job in jobs:
                self._settle([job])

    def _begin(self) -> Transaction:
        self._connection = self._connection or self._store.connect()
        self._connection.begin()
        return self._store.begin(self._connection, self.counters)

    def _run(self, transaction: Transaction, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            job.result = job.operation(transaction)
        transaction.flush()

    def _commit(self, transaction: Transaction) -> None:
        transaction.connection.commit()
        self.commits += 1
        self.counters.update(transaction.counts)

    def _answer(self, jobs: Sequence[_Job], error: BaseException | None, bells: Iterable[str] = ()) -> None:
        if isinstance(error, DatabaseError):
            error = self._store.judged(error)
        self._loop.call_soon_threadsafe(self._wake, jobs, error, bells)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with _Attempt():
                connection.close()

    def _wake(self, jobs: Sequence[_Job], error: BaseException | None, bells: Iterable[str]) -> None:
        for job in jobs:
            self._waiting -= 1
            self._waiting_bytes -= job.weight
            if job.future.done():
                continue
            if error is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(error)
        self._bells.ring(bells)


class _Attempt:
    """Holds what went wrong in its block, to be handed to whoever waits for it on another thread."""

    error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return isinstance(error, Exception)
