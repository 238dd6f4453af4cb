"""A process under test -> what it used over a steady stretch, for each message that it finished meanwhile."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bench.figures import per_core_second, percentile
from bench.marks import now
from bench.proc import Cores, cpu_seconds, peak_megabytes
from bench.profiling import Profile, profiling
from bench.subject import Subject
from bench.world import World

Count = Callable[[], Awaitable[int]]  # of messages that are finished by now

BUSY = 0.9  # of the other core: from there on it may be what holds up


@dataclass(slots=True)
class Measured:
    """What was measured of one contender in one run.

    Attributes:
        contender: "relay", or "bare" and its link.
        messages: finished in the stretch.
        seconds: how long it was.
        cpu_us: microseconds of CPU a message, of all threads.
        own_core: the share of its core that the contender used.
        other_core: the share of the other core that was used, by whomever.
        others: the shares of it that each helper used.
        p50: milliseconds, as the workload says from where to where; NaN where it says nothing.
        p99: the same.
        peak_mb: the most memory until the end of the stretch.
        profile: shares of samples by what was at work; empty where nobody looked.
        notes: further figures, by name.
    """

    contender: str
    messages: int
    seconds: float
    cpu_us: float
    own_core: float
    other_core: float
    others: dict[str, float]
    peak_mb: float
    p50: float = float("nan")
    p99: float = float("nan")
    profile: Profile = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)
    since: int = 0
    until: int = 0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def per_core_second(self) -> float:
        """Messages that a core of its own would do in a second."""
        return per_core_second(self.cpu_us)

    @property
    def is_throttled(self) -> bool:
        """Whether the other core may have been what held it up."""
        return self.other_core > BUSY

    def took(self, milliseconds: list[float]) -> None:
        """These are the ways of the messages."""
        self.p50, self.p99 = percentile(milliseconds, 0.5), percentile(milliseconds, 0.99)


async def stretch(world: World, subject: Subject, contender: str, count: Count, until: Awaitable[object]) -> Measured:
    """Measure from now until `until` is done."""
    cores, others = Cores.now(), world.others()
    async with profiling(world, subject, contender) as profile:
        since, begun, cpu = now(), await count(), cpu_seconds(subject.pid)
        began = time.monotonic()
        await until
        ended, seconds = await count(), time.monotonic() - began
        used = cpu_seconds(subject.pid) - cpu
        at_end = now()
    after, others_after = Cores.now(), world.others()
    messages = ended - begun
    if messages <= 0:
        raise RuntimeError(f"{contender} finished no message while it was measured: its log is kept with --keep")
    return Measured(
        contender=contender,
        messages=messages,
        seconds=seconds,
        cpu_us=used / messages * 1e6,
        own_core=used / seconds,
        other_core=after.share_since(cores, world.cores[1]),
        others={name: (spent - others.get(name, 0.0)) / (after.at - cores.at) for name, spent in others_after.items()},
        peak_mb=peak_megabytes(subject.pid),
        profile=profile,
        since=since,
        until=at_end,
    )


def only(contender: str, peak_mb: float, notes: dict[str, float]) -> Measured:
    """Figures of a run in which nothing is counted."""
    unknown = math.nan
    return Measured(contender, 0, unknown, unknown, unknown, unknown, {}, peak_mb, notes=notes)


async def reached(count: Count, goal: int, within: float = 600.0) -> None:
    """Wait until so many messages are finished.

    Raises:
        TimeoutError: they never were, or nothing has moved for a minute.
    """
    last, moved = -1, time.monotonic()
    async with asyncio.timeout(within):
        while (found := await count()) < goal:
            if found != last:
                last, moved = found, time.monotonic()
            elif time.monotonic() - moved > _STANDSTILL:
                raise TimeoutError(f"{found} of {goal} messages are finished, and no more for {_STANDSTILL:.0f} s")
            await asyncio.sleep(_ASKED_EVERY)


_STANDSTILL = 60.0
_ASKED_EVERY = 0.05
