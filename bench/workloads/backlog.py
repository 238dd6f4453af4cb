"""BACKLOG: what relay does with a million copies queued, beside what it does with a few thousand: ratio, memory, start.

They are queued before relay starts, one recipient a call, and relay sends them as soon as it runs. `relay` is the
contender with few, `backlog` the one with many; the ratio is what a message costs with many, in terms of with few.
What counts is a hand-over: the receipt that says `submitted`. The peak of memory is that of the whole life.
"""

import asyncio
import time
from dataclasses import replace

from bench.measuring import Measured, reached, stretch
from bench.options import Options
from bench.pairs import Pairs, told
from bench.prepared import fill
from bench.proc import cpu_seconds
from bench.settings import Line
from bench.world import World, world

FEW, QUICK_FEW = 5_000, 2_000
SENT_ONE_BY_ONE = Line(per_call=1)
_FIRST, _LAST = 0.1, 0.9


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    few = QUICK_FEW if options.quick else FEW
    runs: list[Measured] = []
    async with world(options, cores, keep_times=False) as many:
        await fill(many, "queued", options.backlog)
        for _ in range(options.pairs):
            async with world(options, cores, keep_times=False) as made:
                await fill(made, "queued", few)
                runs.append(told(await _drain(made, "relay", few)))
            runs.append(told(await _drain(many, "backlog", few)))
    return Pairs(runs)


async def _drain(made: World, contender: str, copies: int) -> Measured:
    before = await _heard(made)

    async def count() -> int:
        return await _heard(made) - before

    async with made.relay(SENT_ONE_BY_ONE) as subject:
        began = time.monotonic()
        await subject.start_relay()
        ready, cpu = time.monotonic() - began, cpu_seconds(subject.pid)
        await reached(count, int(copies * _FIRST))
        found = await stretch(made, subject, contender, count, reached(count, int(copies * _LAST)))
        await subject.stop()
    return replace(found, notes={"seconds to READY": ready, "of them CPU": cpu})


async def _heard(made: World) -> int:
    await asyncio.sleep(0)
    heard: int = (await made.clients.ask("counts")).get("receipt", 0)
    return heard
