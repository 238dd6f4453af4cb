"""RECEIPTS-HOOK: delivery status that is called back, one recipient a web hook, over 50 connections -> receipts.

The calls are made first, of 50 recipients each. What counts is a receipt with the status `delivered`; the times are
those of the answers.
"""

from dataclasses import replace

from bench.marks import ways
from bench.measuring import Measured, reached, stretch
from bench.options import Ceiling, Options
from bench.pairs import Pairs, paired
from bench.settings import Line
from bench.subject import Subject
from bench.workloads.in_hook import CONNECTIONS
from bench.workloads.receipts import COPIES, QUICK_COPIES, RECIPIENTS, hand_over, receipts
from bench.world import World, world

_FIRST, _LAST = 0.1, 0.9


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    copies = QUICK_COPIES if options.quick else COPIES
    options = replace(options, latency=0.0)

    async def relay() -> Measured:
        async with world(options, cores) as made, made.relay(Line(receipts="callback")) as subject:
            await made.start(subject)
            await hand_over(made, copies)
            return await _measure(made, subject, "relay", copies, made.places.hooks)

    async def bare(link: Ceiling) -> Measured:
        async with world(options, cores) as made, made.bare(link, "hooks") as subject:
            return await _measure(made, subject, f"bare-{link}", copies, await subject.start_bare())

    return await paired(options, relay, bare)


async def _measure(made: World, subject: Subject, contender: str, copies: int, port: int) -> Measured:
    before = await receipts(made)

    async def count() -> int:
        return await receipts(made) - before

    await made.callers.ask("connect", port=port, connections=CONNECTIONS)
    await made.callers.ask("saturate", path=made.hook_path("delivery"), limit=copies, recipients=RECIPIENTS)
    await reached(count, int(copies * _FIRST))
    found = await stretch(made, subject, contender, count, reached(count, int(copies * _LAST)))
    begun, answered = await made.times(made.callers), await made.times(made.callers, "answered")
    found.took(ways(begun, answered, found.since, found.until))
    return found
