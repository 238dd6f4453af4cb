"""IN-POLL: an inbox of 20,000 texts, fetched page by page -> messages on the bus.

The provider answers the first page once everything is ready; the stretch goes from a tenth of the inbox to nine
tenths. A message is finished when it was heard on its topic.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from bench.measuring import Measured, reached, stretch
from bench.options import Ceiling, Options
from bench.pairs import Pairs, paired
from bench.settings import Line
from bench.subject import Subject
from bench.world import World, world

POLLED = Line(receive="poll")
_FIRST, _LAST = 0.1, 0.9


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    options = replace(options, latency=0.0)  # one page after the other: it would be idle

    async def relay() -> Measured:
        async with world(options, cores) as made, made.relay(POLLED) as subject:
            return await _measure(made, subject, "relay", lambda: made.start(subject))

    async def bare(link: Ceiling) -> Measured:
        async with world(options, cores) as made, made.bare(link, "poll") as subject:
            return await _measure(made, subject, f"bare-{link}", subject.start_bare)

    return await paired(options, relay, bare)


async def _measure(made: World, subject: Subject, contender: str, start: Callable[[], Awaitable[object]]) -> Measured:
    async def count() -> int:
        heard: int = (await made.clients.ask("counts")).get("message", 0)
        return heard

    inbox = made.options.inbox
    await made.stub.ask("set", inbox=inbox)
    await made.stub.ask("hold")
    await start()
    await asyncio.sleep(_CALM)
    await made.stub.ask("release")
    await reached(count, int(inbox * _FIRST))
    found = await stretch(made, subject, contender, count, reached(count, int(inbox * _LAST)))
    await reached(count, inbox)
    return found


_CALM = 1.0  # seconds after the start: then it has nothing else to do
