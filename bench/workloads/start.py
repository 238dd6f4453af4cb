"""START: from the start of the process to READY=1, with an empty journal and with a backlog.

Nothing is counted. `relay` is the contender with the empty journal, which was made before; `backlog` the other. The
files are in the page cache, as after a restart; a machine's first start is slower.
"""

import time

from bench.measuring import Measured, only
from bench.options import Options
from bench.pairs import Pairs, told
from bench.prepared import fill
from bench.proc import cpu_seconds, peak_megabytes
from bench.settings import Line
from bench.world import World, world

STARTS = 3  # of each contender, for each pair
# Nothing is sent meanwhile: what is queued stays as it is.
_NOT_NOW = Line(hours="mon 00:00-00:01")


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    runs: list[Measured] = []
    async with world(options, cores) as empty, world(options, cores) as full:
        await _start(empty, "relay")
        await fill(full, "queued", options.backlog)
        for _ in range(options.pairs * STARTS):
            runs.append(told(await _start(empty, "relay")))
            runs.append(told(await _start(full, "backlog")))
    return Pairs(runs)


async def _start(made: World, contender: str) -> Measured:
    async with made.relay(_NOT_NOW) as subject:
        began = time.monotonic()
        await subject.start_relay()
        seconds = time.monotonic() - began
        cpu, peak = cpu_seconds(subject.pid), peak_megabytes(subject.pid)
        await subject.stop()
    return only(contender, peak, {"seconds to READY": seconds, "of them CPU": cpu})
