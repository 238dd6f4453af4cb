"""IN-HOOK-PACED: 200 web hooks a second, evenly paced, over 50 connections. The times are those of the answers."""

from bench.options import Options
from bench.pairs import Pairs
from bench.workloads.in_hook import calling

RATE = 200.0


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    return await calling(options, cores, "pace", rate=RATE)
