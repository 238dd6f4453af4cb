"""IN-HOOK-FLOOD: more web hooks than relay can take, over 390 connections that each have one under way all the time.

Shown is that what is accepted is answered within a second, and the rest with 503. What counts is a hook that was
answered with 2xx; the times are those of these answers.
"""

import asyncio

from bench.marks import ways
from bench.measuring import Measured, stretch
from bench.options import Options
from bench.pairs import Pairs, told
from bench.workloads.in_hook import CALLED_BACK
from bench.world import World, world

CONNECTIONS = 390  # relay takes 400 at once


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    runs = []
    for _ in range(options.pairs):
        async with world(options, cores) as made:
            runs.append(told(await _flood(made)))
    return Pairs(runs)


async def _flood(made: World) -> Measured:
    async def count() -> int:
        return int((await made.callers.ask("counts")).get("200", 0))

    async with made.relay(CALLED_BACK) as subject:
        await made.start(subject)
        await made.callers.ask("connect", port=made.places.hooks, connections=CONNECTIONS)
        await made.callers.ask("saturate", path=made.hook_path("message"))
        await asyncio.sleep(made.options.warm_up)
        found = await stretch(made, subject, "relay", count, asyncio.sleep(made.options.seconds))
        counts = await made.callers.ask("counts")
        await made.callers.ask("stop")
        begun, answered = await made.times(made.callers), await made.times(made.callers, "answered")
    found.took(ways(begun, answered, found.since, found.until))
    found.notes |= {
        "slowest accepted ms": counts.get("slowest_200", 0) / 1000,
        "answered 503": float(counts.get("503", 0)),
        "answered otherwise": float(
            sum(n for name, n in counts.items() if name.isdigit() and name not in {"200", "503"})
        ),
    }
    return found
