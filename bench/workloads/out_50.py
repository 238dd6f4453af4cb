"""OUT-50: as OUT, with 50 recipients a request, which is one call. What counts is a recipient."""

from bench.options import Options
from bench.pairs import Pairs
from bench.workloads.out import sending

RECIPIENTS = 50


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    return await sending(options, cores, RECIPIENTS)
