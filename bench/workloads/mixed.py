"""MIXED: 200 requests and 200 web hooks a second, evenly paced, at the same time.

What counts is both. The times are those of the requests, from publication to the provider's socket; those of the web
hooks' answers stand below the table's line.
"""

import asyncio

from bench.figures import percentile
from bench.marks import ways
from bench.measuring import Measured, reached, stretch
from bench.options import Ceiling, Options
from bench.pairs import Pairs, paired
from bench.settings import Line
from bench.subject import Subject
from bench.workloads.in_hook import CONNECTIONS
from bench.workloads.out import within_first_look
from bench.world import LINE, World, world

RATE = 200.0
CALLED_BACK = Line(receive="callback")


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    options = within_first_look(options)

    async def relay() -> Measured:
        async with world(options, cores) as made, made.relay(CALLED_BACK) as subject:
            await made.start(subject)
            return await _measure(made, subject, "relay", made.places.hooks)

    async def bare(link: Ceiling) -> Measured:
        async with world(options, cores) as made, made.bare(link, "mixed") as subject:
            return await _measure(made, subject, f"bare-{link}", await subject.start_bare())

    return await paired(options, relay, bare)


async def _arrived(made: World) -> None:
    """Wait until what was published has come to the provider; relay may be behind."""
    published = (await made.clients.ask("counts"))["published"]

    async def calls() -> int:
        made_calls: int = (await made.stub.ask("counts"))["calls"]
        return made_calls

    await reached(calls, published)


async def _measure(made: World, subject: Subject, contender: str, port: int) -> Measured:
    async def count() -> int:
        heard = await made.clients.ask("counts")
        return int(heard.get("result", 0)) + int(heard.get("message", 0))

    await made.callers.ask("connect", port=port, connections=CONNECTIONS)
    await made.callers.ask("pace", path=made.hook_path("message"), rate=RATE)
    await made.clients.ask("pace", topic=f"{LINE}/send", rate=RATE)
    await asyncio.sleep(made.options.warm_up)
    found = await stretch(made, subject, contender, count, asyncio.sleep(made.options.seconds))
    await asyncio.gather(made.callers.ask("stop"), made.clients.ask("stop"))
    await _arrived(made)
    begun, arrived = await made.times(made.clients), await made.times(made.stub)
    found.took(ways(begun, arrived, found.since, found.until))
    called, answered = await made.times(made.callers), await made.times(made.callers, "answered")
    answers = ways(called, answered, found.since, found.until)
    found.notes |= {"hooks' p50 ms": percentile(answers, 0.5), "hooks' p99 ms": percentile(answers, 0.99)}
    return found
