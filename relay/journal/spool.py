"""The spool: where a node keeps web hooks while the journal's database is away, until they are folded in.

A hook that is kept here is on disk, and nothing of it is in memory only: another life of the node finds it. What is
handed in while one commit runs is the next one, on a thread of its own.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import structlog

from relay.journal.failures import JournalFull, JournalUnusable
from relay.journal.raw import HookDelivery
from relay.journal.spoolfile import SpoolFile
from relay.journal.spoolrows import Operation, beginning, counting, dropping, keeping, weight_of

T = TypeVar("T")

log = structlog.get_logger()

LARGEST_BATCH = 1_000
FOLDED_AT_ONCE = 4 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class _Job:
    """An operation, and who waits for it."""

    operation: Operation
    done: "asyncio.Future[Any]"
    is_new: bool


class Spool:
    """An open spool; `Spool.open` opens one.

    Attributes:
        arrived: set while there is something to fold in.
        may_take: not set in the moments in which the last of what waits is folded in: whoever waits for the end of
            that need not be kept here at all.
        since: when the first of what waits came; None while nothing does.
    """

    def __init__(self, file: SpoolFile, thread: ThreadPoolExecutor, limit_bytes: int) -> None:
        self._file = file
        self._thread = thread
        self._limit = limit_bytes
        self._count, self._weight = file.held.hooks, file.held.weight
        self.since: datetime | None = file.held.since
        self.arrived = asyncio.Event()
        if self._count:
            self.arrived.set()
        self.may_take = asyncio.Event()
        self.may_take.set()
        self._queue: list[_Job] = []
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def open(cls, path: Path, limit_bytes: int) -> Self:
        """Open the spool, or make it, and lock it.

        Args:
            path: its file.
            limit_bytes: how much it takes at most.

        Raises:
            JournalInUse: another process has it.
            JournalDamaged: it cannot be read.
            JournalUnusable: it cannot be used; the text says why, and what to do.
        """
        # SQLite's connection stays on the thread that has opened it.
        thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        opening = asyncio.get_running_loop().run_in_executor(thread, SpoolFile, path)
        try:
            return cls(await opening, thread, limit_bytes)
        except JournalUnusable:
            thread.shutdown(wait=False)
            raise

    @property
    def waiting(self) -> int:
        """How many hooks are kept, or are just being kept."""
        return self._count

    async def keep(self, one: HookDelivery) -> None:
        """Keep a hook; it is on disk when this returns. One that was handed in is kept though its caller be cancelled.

        Raises:
            JournalFull: it would be more than the spool may hold.
            JournalUnwritten: the disk does not take it.
            JournalUnusable: it cannot be written.
        """
        weight = weight_of(one)
        if self._weight + weight > self._limit:
            raise JournalFull(why=f"the spool is full: it holds {self._count} web hooks (journal.spool_max)")
        # Counted from now on, so that nothing that comes later is kept elsewhere, before it.
        self._count, self._weight = self._count + 1, self._weight + weight
        self.since = self.since or one.received_at
        await asyncio.shield(asyncio.create_task(self._kept(one, weight), name="spool-keep"))

    async def first(self, limit: int) -> list[HookDelivery]:
        """The first hooks, in the order in which they came, as begun to be folded in; at least one where there are any.

        A damaged one is given as not whole.

        Raises:
            JournalUnwritten: the disk does not take the note that they were begun.
            JournalUnusable: it cannot be read.
        """
        found: list[HookDelivery] = await self._run(beginning(limit, FOLDED_AT_ONCE))
        return found

    async def drop(self, ids: Sequence[str]) -> None:
        """Forget hooks that are in the journal.

        Raises:
            JournalUnwritten: the disk does not take it.
            JournalUnusable: it cannot be written.
        """
        dropped: list[int] = await self._run(dropping(ids))
        self._leave(len(dropped), sum(dropped))
        if not self._count and not await self._on_thread(self._file.tidy):
            log.warning("spool.untidied")

    async def naming(self, wanted: Callable[[bytes], bool]) -> int:
        """How many hooks have a body that is wanted; raises JournalUnusable."""
        found: int = await self._run(counting(wanted)) if self._count else 0
        return found

    async def aclose(self) -> None:
        """Write what was handed in, then close and unlock. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._writing is not None:
            await asyncio.wait({self._writing})
        await self._on_thread(self._file.close)
        await asyncio.to_thread(self._thread.shutdown)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _kept(self, one: HookDelivery, weight: int) -> None:
        try:
            await self._run(keeping(one), is_new=True)
        except JournalUnusable:
            self._leave(1, weight)
            raise
        self.arrived.set()

    def _leave(self, hooks: int, weight: int) -> None:
        """Hooks are there no more."""
        self._count, self._weight = self._count - hooks, self._weight - weight
        if not self._count:
            self._weight, self.since = 0, None
            self.arrived.clear()

    async def _run(self, operation: Operation, *, is_new: bool = False) -> Any:
        """What an operation gives, after it was committed, together with whatever else waits."""
        if self._closed:
            raise JournalUnusable("the spool is closed")
        job = _Job(operation, asyncio.get_running_loop().create_future(), is_new)
        self._queue.append(job)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="spool")
        return await job.done

    async def _write(self) -> None:
        while self._queue:
            jobs, self._queue = self._queue[:LARGEST_BATCH], self._queue[LARGEST_BATCH:]
            for is_new in (False, True):
                if alike := [job for job in jobs if job.is_new is is_new]:
                    await self._settle(alike)

    async def _settle(self, jobs: Sequence[_Job]) -> None:
        """Commit `jobs` together; where that fails, each alone, so that what fits is kept."""
        write = self._file.keep if jobs[0].is_new else self._file.settle
        writing = self._submitted(write, [job.operation for job in jobs])
        await asyncio.wait({writing})
        error = writing.exception()
        if error is None:
            for job, result in zip(jobs, writing.result(), strict=True):
                if not job.done.done():
                    job.done.set_result(result)
        elif len(jobs) > 1:
            for job in jobs:
                await self._settle([job])
        elif not jobs[0].done.done():
            jobs[0].done.set_exception(error)

    async def _on_thread(self, work: Callable[..., T]) -> T:
        return await self._submitted(work)

    def _submitted(self, work: Callable[..., T], *arguments: Any) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
