"""A journal by itself: a worker that appends to relay's and takes texts through it, or drives the raw driver."""

import asyncio
import itertools
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from bench.figures import percentile
from bench.marks import phone
from bench.proc import cpu_seconds
from bench.rawjournal import PostgresDriver, RawJournal, SqliteDriver
from bench.worker import obey, run
from relay.clock import SystemClock
from relay.domain.addresses import outbound
from relay.domain.messages import CallAnswer, Handover, Plan, RawAnswer, SendRequest
from relay.domain.states import Fact
from relay.ids import Ids
from relay.journal import Journal

BODY = b"x" * 400
_SYNCS = 200


class Journaling:
    """The worker: what it can be told to do."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._journal: Journal | None = None
        self._raw: RawJournal | None = None
        self._line = ""
        self._numbers = itertools.count()

    async def open(self, url: str, node: str, core: int) -> None:
        """Open relay's journal as this node, on this core."""
        os.sched_setaffinity(0, {core})
        clock = SystemClock()
        made = await Journal.open(url, clock=clock, ids=Ids(clock), node=node)
        self._journal, self._line = await self._stack.enter_async_context(made), f"line-{node}"

    async def open_raw(self, url: str, core: int) -> None:
        """Open a table of the raw driver's."""
        os.sched_setaffinity(0, {core})
        path = url.removeprefix("sqlite:///")
        self._raw = RawJournal(partial(SqliteDriver, f"{path}.raw") if path != url else partial(PostgresDriver, url))

    async def append(self, in_flight: int, count: int) -> dict[str, float]:
        """Append rows of 400 bytes, so many at once."""
        return await _timed(self._keep if self._journal else self._add, in_flight, count)

    async def pace(self, rate: float, count: int) -> dict[str, float]:
        """Append so many rows a second, evenly; `lag`: how late the event loop was, in milliseconds."""
        return await _paced(self._keep if self._journal else self._add, rate, count)

    async def cycle(self, in_flight: int, count: int) -> dict[str, float]:
        """Take texts through: accept, claim, end; of the raw driver: append, mark."""
        return await _timed(self._send if self._journal else self._add_and_mark, in_flight, count)

    async def sync(self, folder: str) -> float:
        """Milliseconds of one bare fdatasync, in the middle."""
        return await asyncio.to_thread(_synced, folder)

    async def close(self) -> None:
        """Close it."""
        await self._stack.aclose()
        if self._raw is not None:
            self._raw.close()

    async def _keep(self) -> None:
        if self._journal is not None:
            await self._journal.raw.keep(self._line, "hook", "message", "", RawAnswer(BODY, "application/json"))

    async def _send(self) -> None:
        journal = self._journal
        if journal is None:
            return
        number = next(self._numbers)
        to = (outbound(phone(number)),)
        request = SendRequest(self._line, None, f"{self._line}-{number}", "digest", to, f"Text {number}")
        await journal.commands.accept(request, Plan("gsm-7", 1, 50), [None], None)
        call = await journal.calls.claim(self._line, journal.owner)
        if call is not None:
            answer = CallAnswer(None, tuple(Handover(Fact.SUBMITTED) for _ in call.recipients))
            await journal.calls.answered(call.call_id, journal.owner, answer, first_look=None)

    async def _add(self) -> None:
        if self._raw is not None:
            await self._raw.write("add", (next(self._numbers), BODY))

    async def _add_and_mark(self) -> None:
        if self._raw is not None:
            row = (next(self._numbers), BODY)
            await self._raw.write("add", row)
            await self._raw.write("mark", row)


async def _timed(work: Callable[[], Awaitable[None]], in_flight: int, count: int) -> dict[str, float]:
    """Do it so often, so many at once: how many a second, milliseconds of one, microseconds of CPU each."""
    took: list[float] = []
    left = iter(range(count))

    async def produce() -> None:
        for _ in left:
            began = time.perf_counter()
            await work()
            took.append((time.perf_counter() - began) * 1000)

    began, cpu = time.perf_counter(), cpu_seconds(os.getpid())
    await asyncio.gather(*(produce() for _ in range(in_flight)))
    seconds, used = time.perf_counter() - began, cpu_seconds(os.getpid()) - cpu
    return {
        "per_second": count / seconds,
        "p50": percentile(took, 0.5),
        "p99": percentile(took, 0.99),
        "cpu_us": used / count * 1e6,
    }


async def _paced(work: Callable[[], Awaitable[None]], rate: float, count: int) -> dict[str, float]:
    """Begin it so often a second: milliseconds of one, and by how many the loop was late to begin one."""
    took: list[float] = []
    lags: list[float] = []

    async def one() -> None:
        began = time.perf_counter()
        await work()
        took.append((time.perf_counter() - began) * 1000)

    due = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            lags.append(max(0.0, time.perf_counter() - due) * 1000)
            tasks.create_task(one())
    return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99), "lag p99": percentile(lags, 0.99)}


def _synced(folder: str) -> float:
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(_SYNCS):
            file.write(BODY)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return percentile(took, 0.5)


_VERBS = ("open", "open_raw", "append", "pace", "cycle", "sync", "close")


async def main() -> None:
    """Obey."""
    journaling: Any = Journaling()
    await obey({name: getattr(journaling, name) for name in _VERBS})


if __name__ == "__main__":
    run(main)
