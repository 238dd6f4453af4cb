"""IN-HOOK-PACED: 200 web hooks a second, evenly paced, over 50 connections. The times are those of the answers."""

import asyncio

from bench.marks import ways
from bench.measuring import Measured, stretch
from bench.options import Ceiling, Options
from bench.pairs import Pairs, paired
from bench.subject import Subject
from bench.workloads.in_hook import CALLED_BACK, CONNECTIONS
from bench.world import World, world

RATE = 200.0


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""

    async def relay() -> Measured:
        async with world(options, cores) as made, made.relay(CALLED_BACK) as subject:
            await made.start(subject)
            return await _measure(made, subject, "relay", made.places.hooks)

    async def bare(link: Ceiling) -> Measured:
        async with world(options, cores) as made, made.bare(link, "hooks") as subject:
            return await _measure(made, subject, f"bare-{link}", await subject.start_bare())

    return await paired(options, relay, bare)


async def _measure(made: World, subject: Subject, contender: str, port: int) -> Measured:
    async def count() -> int:
        heard: int = (await made.clients.ask("counts")).get("message", 0)
        return heard

    await made.callers.ask("connect", port=port, connections=CONNECTIONS)
    await made.callers.ask("pace", path=made.hook_path("message"), rate=RATE)
    await asyncio.sleep(made.options.warm_up)
    found = await stretch(made, subject, contender, count, asyncio.sleep(made.options.seconds))
    await made.callers.ask("stop")
    begun, answered = await made.times(made.callers), await made.times(made.callers, "answered")
    found.took(ways(begun, answered, found.since, found.until))
    return found
