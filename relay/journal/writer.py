"""The one thread that writes: everything that waited while the last commit ran becomes the next one.

So a thousand waiting writers cost a few syncs. Each is woken after the commit that holds its own row, and never
before; whoever gets an error instead knows that nothing of his may be relied on.

Where the disk takes no more, what is new is refused, and what is known of work under way is written in the room that
the ballast gave. What is new is refused as well where the file cannot be written for another reason. From then on the
thread looks now and then whether the disk takes things again.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from relay.journal.bells import Bells
from relay.journal.failures import (
    JournalFenced,
    JournalFull,
    JournalMisindexed,
    JournalShut,
    JournalUnusable,
    JournalUnwritten,
)
from relay.journal.jobs import Attempt, Job, together_of
from relay.journal.space import Space
from relay.journal.store import Entered, JournalStore, is_cut
from relay.journal.transaction import Operation, Transaction

T = TypeVar("T")

log = structlog.get_logger()

LARGEST_BATCH = 1_000
FEW = 3  # jobs: who waits for the next commit with no more beside him is not kept waiting
REST_FACTOR, LONGEST_REST = 3.0, 0.02  # of what the last batch took; real seconds
MOST_MENDS = 10  # in one life
TRIES = 2  # of a batch whose connection was cut off, before new things are refused
LOOKS, BETWEEN_LOOKS = 8, 0.2  # real seconds: so long a database may be away before anybody hears of it


@dataclass(frozen=True, slots=True)
class Store:
    """What the writer writes to.

    Args:
        database: holds it.
        begin: makes a transaction of a connection, given how it begins and the counters as they were committed.
        space: whether it takes new things.
    """

    database: JournalStore
    begin: Callable[[Connection, Entered, Mapping[str, int]], Transaction]
    space: Space


class Writer:
    """Runs operations, in the order in which they came.

    Args:
        store: where to.
        bells: rung after each commit.
        counters: the journal's counters as they are at the start; kept as they are committed.
        queue: how many operations that bring something new may wait.
        queue_bytes: how many bytes they may hold together.

    Attributes:
        took: is told, on the writer's thread, the real seconds of each commit with its sync.
    """

    def __init__(self, store: Store, bells: Bells, counters: Counter[str], *, queue: int, queue_bytes: int) -> None:
        self.commits = 0
        self.took: Callable[[float], None] = _untold
        self.counters = counters
        self._store = store
        self._space = store.space
        self._bells = bells
        self._limit = queue
        self._limit_bytes = queue_bytes
        self._waiting = 0
        self._waiting_bytes = 0
        self._closed = False
        self._mends = 0
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._pause = threading.Event()
        # Put never waits for a lock that the thread may hold, so that the event loop never does.
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal-writer", daemon=True)
        self._thread.start()

    async def run(
        self, operation: Operation[T], *, brings: int | None = None, begins: bool = False, marks: bool = False
    ) -> T:
        """What `operation` gives, after it was committed and synced.

        An operation that was handed in runs, even when its caller is cancelled.

        Args:
            operation: works on a transaction, and may be run more than once.
            brings: the bytes of something new from outside, which may be refused when too much waits already. What
                is known of calls under way is never refused: their number is bounded where they are made.
            begins: it begins such work, which is refused where the disk may not take what will be known of it.
            marks: it says that something was done, which only a node that has not been given up for dead may say.

        Raises:
            JournalFenced: it begins or marks something, and other nodes have given this one up for dead.
            JournalFull: it brings something new, and too much waits; it was not handed in.
            JournalShut: it brings or begins something, and the disk takes no more; it was not written.
            JournalUnwritten: the disk took it not even in the room that the ballast gave.
            JournalUnusable: it could not be written.
        """
        if self._closed:
            raise JournalUnusable("the journal is closed")
        is_new = begins or brings is not None
        if is_new and (shut := self._space.shut) is not None:
            raise JournalShut(shut.why, shut.over)
        if brings is not None and (self._waiting >= self._limit or self._waiting_bytes + brings > self._limit_bytes):
            raise JournalFull(self._waiting)
        job = Job(operation, self._loop.create_future(), brings or 0, is_new, needs_life=begins or marks)
        self._waiting += 1
        self._waiting_bytes += job.weight
        self._queue.put(job)
        result: T = await job.future
        return result

    def ring_others(self, name: str) -> None:
        """Ring a bell on the other nodes, with the next commit. Where that fails, they look for themselves sometime."""
        if not self._closed:
            job = Job(lambda tx: tx.bells.add(name), self._loop.create_future(), 0, is_new=False)
            # Nobody waits for it.
            job.future.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._waiting += 1
            self._queue.put(job)

    async def apart(self, work: Callable[[Connection], T]) -> T:
        """What `work` gives that the connection has to itself, between two transactions.

        Raises:
            JournalUnusable: it failed.
        """
        if self._closed:
            raise JournalUnusable("the journal is closed")
        job = Job(work, self._loop.create_future(), 0, is_new=False, is_apart=True)
        self._waiting += 1
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
            began = time.monotonic()
            self._settle([job for job in batch if not job.is_apart])
            for job in batch:
                if job.is_apart:
                    self._do_apart(job)
            self._rest(len(batch), time.monotonic() - began)
            if self._space.wait == 0 and not ended:
                self._look_for_room()
        self._disconnect()

    def _next_batch(self) -> tuple[list[Job], bool]:
        """What waits, at least one, or none where the disk is to be looked at first; and whether it is the last."""
        batch: list[Job] = []
        try:
            wait = self._space.wait
            job = self._queue.get() if wait is None else self._queue.get(timeout=wait)
        except Empty:
            return batch, False
        while job is not None:
            batch.append(job)
            if len(batch) == LARGEST_BATCH:
                return batch, False
            try:
                job = self._queue.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _rest(self, jobs: int, took: float) -> None:
        """Where much is under way, let more of it come: a large batch costs a fraction of many small ones."""
        if jobs > FEW or not self._queue.empty():
            self._pause.wait(min(LONGEST_REST, REST_FACTOR * took))

    def _settle(self, jobs: Sequence[Job], tries: int = TRIES) -> None:
        """Run and commit `jobs` together; where one of them fails, each alone, so that only the bad one fails."""
        jobs = self._admitted(jobs)
        if not jobs:
            return
        bells: Iterable[str] = ()
        mark: int | None = None
        with Attempt() as outside:
            transaction = self._begin()
            with Attempt() as inside:
                self._run(transaction, jobs)
            if inside.error is None:
                # They ring even where the commit fails: it may be on disk all the same, with work for somebody.
                bells, mark = transaction.bells, transaction.entered.mark
                self._commit(transaction)
            elif is_cut(inside.error):
                raise inside.error
            else:
                transaction.connection.rollback()
        if outside.error is not None:
            # After a failed commit nobody knows what the connection holds: a new one asks the database.
            self._disconnect()
            outcome = self._outcome(mark) if tries and is_cut(outside.error) else None
            if outcome is not None:
                if outcome:
                    self._committed(transaction)
                    self._answer(jobs, None, bells)
                else:
                    self._settle(jobs, tries - 1)
                return
        elif inside.error is None:
            self._answer(jobs, None, bells)
            return
        self._fail(jobs, self._judged(outside.error or inside.error), bells, is_outside=outside.error is not None)

    def _fail(
        self, jobs: Sequence[Job], error: BaseException | None, bells: Iterable[str], *, is_outside: bool
    ) -> None:
        if isinstance(error, JournalUnwritten):
            self._disconnect()
            self._without_room(jobs, error)
        elif isinstance(error, JournalMisindexed) and len(jobs) == 1 and self._mended():
            self._settle(jobs)
        elif is_outside:
            self._answer(jobs, self._shut_by(error), bells)
        elif len(jobs) == 1:
            self._answer(jobs, error)
        else:
            for job in jobs:
                self._settle([job])

    def _outcome(self, mark: int | None) -> bool | None:
        """Whether a transaction that was cut off was committed: the database is read; None where it is away.

        Args:
            mark: of the transaction; None: it cannot have been.
        """
        for _ in range(LOOKS):
            with Attempt() as attempt:
                connection = self._connection = self._store.database.writing()
                with connection.begin():
                    return mark is not None and self._store.database.was_committed(connection, mark)
            self._disconnect()
            if not is_cut(attempt.error) and not isinstance(attempt.error, JournalUnwritten):
                return None
            self._pause.wait(BETWEEN_LOOKS)
        return None

    def _do_apart(self, job: Job) -> None:
        with Attempt() as attempt:
            self._connection = self._connection or self._store.database.writing(sparing=self._space.shut is not None)
            job.result = job.operation(self._connection)
        if attempt.error is not None:
            self._disconnect()
        self._answer([job], self._judged(attempt.error))

    def _mended(self) -> bool:
        """Whether the indexes were made anew; not again and again, for it may take minutes."""
        self._mends += 1
        if self._mends > MOST_MENDS:
            return False
        log.error("journal.reindexed", times=self._mends)
        with Attempt() as attempt:
            self._disconnect()
            self._connection = self._store.database.writing(sparing=self._space.shut is not None)
            self._store.database.mend(self._connection)
        return attempt.error is None

    def _admitted(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Those that are written now; while the disk takes no more, what is new is refused."""
        shut = self._space.shut
        if shut is None:
            return jobs
        if refused := [job for job in jobs if job.is_new]:
            self._answer(refused, JournalShut(shut.why, shut.over))
        return [job for job in jobs if not job.is_new]

    def _shut_by(self, error: BaseException | None) -> BaseException | None:
        """Where nothing can be written, and not for want of room, refuse what is new: that is said once."""
        if type(error) is not JournalUnusable:
            return error
        self._shut(error, is_full=False)
        unwritten = JournalUnwritten(str(error))
        unwritten.over = self._space.shut.over if self._space.shut else None
        return unwritten

    def _shut(self, error: JournalUnusable, *, is_full: bool) -> None:
        shut = self._space.close(str(error), is_full=is_full)
        if shut is not None:
            self._loop.call_soon_threadsafe(self._space.tell_shut, shut)

    def _without_room(self, jobs: Sequence[Job], error: JournalUnwritten) -> None:
        """Refuse what is new from now on, and try the rest once more if the ballast makes room for it."""
        self._shut(error, is_full=True)
        if self._space.make_room():
            self._settle(jobs)
            return
        known = self._admitted(jobs)
        error.over = self._space.shut.over if self._space.shut else None
        if known:
            self._answer(known, error)

    def _look_for_room(self) -> None:
        # Another connection from then on: one that is not sparing any more.
        self._disconnect()
        shut = self._space.open(self._proved)
        if shut is not None:
            self._disconnect()
            self._loop.call_soon_threadsafe(self._space.tell_open, shut)

    def _proved(self) -> bool:
        with Attempt() as attempt:
            transaction = self._begin()
            self._store.database.prove(transaction.connection)
            transaction.connection.commit()
        return attempt.error is None

    def _begin(self) -> Transaction:
        self._connection = self._connection or self._store.database.writing(sparing=self._space.shut is not None)
        self._connection.begin()
        entered = self._store.database.enter(self._connection)
        return self._store.begin(self._connection, entered, self.counters)

    def _run(self, transaction: Transaction, jobs: Sequence[Job]) -> None:
        for together, alike in groupby(_living(transaction, jobs), key=together_of):
            if together is None:
                for job in alike:
                    job.result = job.operation(transaction)
            else:
                some = list(alike)
                about = [job.operation.about for job in some]  # type: ignore[attr-defined] # as their key says
                for job, result in zip(some, together(transaction, about), strict=True):
                    job.result = result
        transaction.flush()
        transaction.totals = self._store.database.finish(transaction.connection, transaction.counts, transaction.bells)

    def _commit(self, transaction: Transaction) -> None:
        began = time.monotonic()
        transaction.connection.commit()
        self.took(time.monotonic() - began)
        self._committed(transaction)

    def _committed(self, transaction: Transaction) -> None:
        """Keep what follows from a commit, also where only reading it back has shown that it was one."""
        self.commits += 1
        self._store.database.committed(transaction.entered)
        if transaction.totals is None:
            self.counters.update(transaction.counts)
        else:
            for name, total in transaction.totals.items():
                self.counters[name] = total

    def _answer(self, jobs: Sequence[Job], error: BaseException | None, bells: Iterable[str] = ()) -> None:
        self._loop.call_soon_threadsafe(self._wake, jobs, error, bells)

    def _judged(self, error: BaseException | None) -> BaseException | None:
        return self._store.database.judged(error) if isinstance(error, DBAPIError) else error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with Attempt():
                connection.close()

    def _wake(self, jobs: Sequence[Job], error: BaseException | None, bells: Iterable[str]) -> None:
        for job in jobs:
            self._waiting -= 1
            self._waiting_bytes -= job.weight
            if job.future.done():
                continue
            if wrong := error or job.refusal:
                job.future.set_exception(wrong)
            else:
                job.future.set_result(job.result)
        self._bells.ring(bells)


def _living(transaction: Transaction, jobs: Iterable[Job]) -> Iterator[Job]:
    """Those that may run when their turn comes: one before them may end this life of the node."""
    for job in jobs:
        job.refusal = JournalFenced() if job.needs_life and transaction.entered.is_fenced else None
        if job.refusal is None:
            yield job


def _untold(seconds: float) -> None:
    """Nobody wants to know how long a commit takes."""
