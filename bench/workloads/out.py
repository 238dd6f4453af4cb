"""OUT: send requests -> calls to the provider -> results, one recipient each.

A message is finished when its last event was heard: relay's receipt of the hand-over, which follows its result; the
bare script's only event, its result. Delivery status is not asked for yet: relay's first look comes 12 s after the
hand-over at the earliest, and the stretch ends before. The times are from publication to the provider's socket.
"""

import asyncio
from dataclasses import replace

from bench.marks import ways
from bench.measuring import Measured, reached, stretch
from bench.options import Ceiling, Options
from bench.pairs import Pairs, paired
from bench.subject import Subject
from bench.world import LINE, World, world

RECIPIENTS = 1
LONGEST = 11.0  # seconds from the first call: then relay looks for what became of it


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    return await sending(options, cores, RECIPIENTS)


async def sending(options: Options, cores: tuple[int, int], recipients: int) -> Pairs:
    """Send requests with so many recipients each; what counts is a recipient."""
    options = within_first_look(options)

    async def relay() -> Measured:
        async with world(options, cores) as made, made.relay() as subject:
            await made.start(subject)
            return await measure_sending(made, subject, "relay", recipients, ("receipt", recipients))

    async def bare(link: Ceiling) -> Measured:
        async with world(options, cores) as made, made.bare(link, "out") as subject:
            await subject.start_bare()
            return await measure_sending(made, subject, f"bare-{link}", recipients, ("result", 1))

    return await paired(options, relay, bare)


def within_first_look(options: Options) -> Options:
    """The same, over before relay asks for delivery status."""
    if options.warm_up + options.seconds <= LONGEST:
        return options
    return replace(options, seconds=LONGEST - options.warm_up)


async def measure_sending(
    made: World, subject: Subject, contender: str, recipients: int, finishing: tuple[str, int]
) -> Measured:
    """Keep requests under way, and measure; `finishing`: the event that ends one, and how many of them it has."""
    options, (kind, each) = made.options, finishing

    async def count() -> int:
        heard: int = (await made.clients.ask("counts")).get(kind, 0)
        return heard * recipients // each

    window = max(2 * options.window // recipients, 8)
    wishes = {"window": window, "finishing": kind, "each": each, "recipients": recipients}
    await made.clients.ask("saturate", topic=f"{LINE}/send", **wishes)
    await asyncio.sleep(options.warm_up)
    await reached(count, window * recipients)
    found = await stretch(made, subject, contender, count, asyncio.sleep(options.seconds))
    await made.clients.ask("stop")
    begun, arrived = await made.times(made.clients), await made.times(made.stub)
    found.took(ways(begun, arrived, found.since, found.until))
    return found
