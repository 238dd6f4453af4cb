"""JOURNAL: the journal by itself, in terms of the raw driver on a thread with group commit, in the same run.

Appends keep a web hook's bytes; a cycle takes a text through: accepted, claimed, ended, as three commits one after the
other (of the raw driver: appended and marked, two). With PostgreSQL, cycles of two and three nodes over one database as
well.
"""

import asyncio
import math
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import databases
from bench.measuring import Measured, only
from bench.options import Options
from bench.pairs import Pairs, told
from bench.workers import Worker

IN_FLIGHT = {1: 500, 100: 10_000, 1_000: 20_000}  # with how many rows
PACES = {300.0: 1_500, 2_000.0: 6_000}  # rows a second, and how many
PRODUCERS, CYCLES = 200, 4_000
NODES = (2, 3)
_SMALLER = 10  # times, in a quick run


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    runs: list[Measured] = []
    for _ in range(options.pairs):
        with TemporaryDirectory() as folder:
            mine, raw = await _own(options, Path(folder), cores[0]), await _raw(options, Path(folder), cores[0])
        runs += [told(only("relay", math.nan, mine | _ratios(mine, raw))), told(only("raw", math.nan, raw))]
        if options.journal == "postgresql":
            runs += [told(await _nodes(options, count, cores[0])) for count in NODES]
    return Pairs(runs)


async def _own(options: Options, folder: Path, core: int) -> dict[str, float]:
    with databases.journal(options.journal, folder) as url:
        async with Worker("bench.journaling") as worker:
            await worker.ask("open", url=url, node="n1", core=core)
            found = await _figures(options, worker)
            await worker.ask("close")
            return found


async def _raw(options: Options, folder: Path, core: int) -> dict[str, float]:
    with databases.journal(options.journal, folder) as url:
        async with Worker("bench.journaling") as worker:
            await worker.ask("open_raw", url=url, core=core)
            found = {"fdatasync ms": await worker.ask("sync", folder=str(folder)), **await _figures(options, worker)}
            await worker.ask("close")
            return found


async def _figures(options: Options, worker: Worker) -> dict[str, float]:
    smaller = _SMALLER if options.quick else 1
    found: dict[str, float] = {}
    for in_flight, count in IN_FLIGHT.items():
        got: dict[str, Any] = await worker.ask("append", in_flight=in_flight, count=count // smaller)
        found |= {f"append, {in_flight} at once: {name}": value for name, value in got.items()}
    for rate, count in PACES.items():
        got = await worker.ask("pace", rate=rate, count=count // smaller)
        found |= {f"append, {rate:.0f} a second: {name}": value for name, value in got.items()}
    got = await worker.ask("cycle", in_flight=PRODUCERS, count=CYCLES // smaller)
    return found | {f"cycle, {PRODUCERS} at once: {name}": value for name, value in got.items()}


def _ratios(mine: dict[str, float], raw: dict[str, float]) -> dict[str, float]:
    rates = {f"{name}, of raw": value / raw[name] for name, value in mine.items() if name.endswith("per_second")}
    rates |= {f"{name}, of raw": mine[name] / raw[name] for name in mine if "a second: p50" in name}
    return {"append, 1 at once: p50 in fdatasyncs": mine["append, 1 at once: p50"] / raw["fdatasync ms"], **rates}


async def _nodes(options: Options, count: int, core: int) -> Measured:
    """Cycles of several nodes over one database, each on its own."""
    each = CYCLES // (_SMALLER if options.quick else 1) // count
    async with AsyncExitStack() as stack:
        url = stack.enter_context(databases.journal("postgresql", Path()))
        workers = [await stack.enter_async_context(Worker("bench.journaling")) for _ in range(count)]
        for number, worker in enumerate(workers):
            await worker.ask("open", url=url, node=f"n{number}", core=core)
        got = await asyncio.gather(*(one.ask("cycle", in_flight=PRODUCERS // count, count=each) for one in workers))
        await asyncio.gather(*(one.ask("close") for one in workers))
    return only(f"{count} nodes", math.nan, {"cycles a second": sum(one["per_second"] for one in got)})
