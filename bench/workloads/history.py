"""HISTORY: OUT with millions of finished copies behind, beside OUT with an empty journal.

`relay` is the contender with the empty journal, `history` the other; the ratio is what a message costs with history, in
terms of without.
"""

from bench.measuring import Measured
from bench.options import Options
from bench.pairs import Pairs, told
from bench.prepared import fill
from bench.workloads.out import measure_sending, within_first_look
from bench.world import World, world


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    options = within_first_look(options)
    runs: list[Measured] = []
    async with world(options, cores) as old:
        await fill(old, "finished", options.history)
        for _ in range(options.pairs):
            async with world(options, cores) as empty:
                runs.append(told(await _send(empty, "relay")))
            runs.append(told(await _send(old, "history")))
    return Pairs(runs)


async def _send(made: World, contender: str) -> Measured:
    async with made.relay() as subject:
        await made.start(subject)
        return await measure_sending(made, subject, contender, 1, ("receipt", 1))
