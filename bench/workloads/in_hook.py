"""IN-HOOK: web hooks -> messages on the bus, over 50 connections that each have one hook under way all the time.

A message is finished when it was heard on its topic. The times are those of the answers: relay's comes once the hook
is committed, the bare script's once the broker has the message.
"""

import asyncio

from bench.marks import ways
from bench.measuring import Measured, stretch
from bench.options import Ceiling, Options
from bench.pairs import Pairs, paired
from bench.settings import Line
from bench.subject import Subject
from bench.world import World, world

CONNECTIONS = 50
CALLED_BACK = Line(receive="callback")


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    return await calling(options, cores, "saturate")


async def calling(options: Options, cores: tuple[int, int], how: str, **more: float) -> Pairs:
    """Deliver web hooks as the callers do when they are told `how`."""

    async def measured(made: World, subject: Subject, contender: str, port: int) -> Measured:
        await made.callers.ask("connect", port=port, connections=CONNECTIONS)
        await made.callers.ask(how, path=made.hook_path("message"), **more)
        return await answered(made, subject, contender)

    async def relay() -> Measured:
        async with world(options, cores) as made, made.relay(CALLED_BACK) as subject:
            await made.start(subject)
            return await measured(made, subject, "relay", made.places.hooks)

    async def bare(link: Ceiling) -> Measured:
        async with world(options, cores) as made, made.bare(link, "hooks") as subject:
            return await measured(made, subject, f"bare-{link}", await subject.start_bare())

    return await paired(options, relay, bare)


async def answered(made: World, subject: Subject, contender: str) -> Measured:
    """Measure while hooks are delivered."""

    async def count() -> int:
        heard: int = (await made.clients.ask("counts")).get("message", 0)
        return heard

    await asyncio.sleep(made.options.warm_up)
    found = await stretch(made, subject, contender, count, asyncio.sleep(made.options.seconds))
    await made.callers.ask("stop")
    begun, ended = await made.times(made.callers), await made.times(made.callers, "answered")
    found.took(ways(begun, ended, found.since, found.until))
    return found
