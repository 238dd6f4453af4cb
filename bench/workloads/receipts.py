"""RECEIPTS: delivery status -> receipts on the bus, as most of them come: asked for, in calls of 50 recipients.

Polled status is the default, and a campaign's calls have 50 recipients: an answer then carries 50 statuses. (Those that
are called back come one a web hook, and cost what IN-HOOK costs: RECEIPTS-HOOK.) The calls are made first; the provider
answers no question for status until all of them are due. What counts is a receipt with the status `delivered`.
"""

import asyncio
from dataclasses import replace

from bench.measuring import Measured, reached, stretch
from bench.options import Ceiling, Options
from bench.pairs import Pairs, paired
from bench.settings import Line
from bench.subject import Subject
from bench.world import LINE, World, world

RECIPIENTS = 50
COPIES, QUICK_COPIES = 20_000, 5_000
FIRST_LOOK = 19.0  # seconds after the hand-over: all of the first looks are due by then
QUICK_SPEED = 10.0  # of a lab's clock: nobody waits for so long in a short run
LOOKS = 20  # in flight at once: nearly all of them are made within the stretch
_FIRST, _LAST = 0.1, 0.9


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    copies = QUICK_COPIES if options.quick else COPIES
    options = replace(options, latency=0.0, window=LOOKS)

    async def relay() -> Measured:
        line = Line(speed=QUICK_SPEED if options.quick else None)
        async with world(options, cores, keep_times=False) as made, made.relay(line) as subject:
            await made.start(subject)
            await made.stub.ask("hold")
            await hand_over(made, copies)
            await asyncio.sleep(FIRST_LOOK / (line.speed or 1.0))
            return await _measure(made, subject, "relay", copies)

    async def bare(link: Ceiling) -> Measured:
        async with world(options, cores, keep_times=False) as made:
            await made.stub.ask("make", calls=copies // RECIPIENTS, recipients=RECIPIENTS)
            async with made.bare(link, "receipts", calls=copies // RECIPIENTS) as subject:
                await made.stub.ask("hold")
                await subject.start_bare()
                return await _measure(made, subject, f"bare-{link}", copies)

    return await paired(options, relay, bare)


async def hand_over(made: World, copies: int) -> None:
    """Have so many copies handed over to the provider, which follows them; returns when all is heard of that."""
    await made.stub.ask("set", follows=True)
    wishes = {"window": 8, "finishing": "receipt", "each": RECIPIENTS, "recipients": RECIPIENTS}
    await made.clients.ask("saturate", topic=f"{LINE}/send", **wishes, limit=copies // RECIPIENTS)

    async def heard() -> int:
        return await receipts(made)

    await reached(heard, copies)


async def receipts(made: World) -> int:
    """How many were heard."""
    heard: int = (await made.clients.ask("counts")).get("receipt", 0)
    return heard


async def _measure(made: World, subject: Subject, contender: str, copies: int) -> Measured:
    before = await receipts(made)

    async def count() -> int:
        return await receipts(made) - before

    await made.stub.ask("release")
    await reached(count, int(copies * _FIRST))
    found = await stretch(made, subject, contender, count, reached(count, int(copies * _LAST)))
    await reached(count, copies)
    return found
