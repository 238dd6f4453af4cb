"""relay and the bare script in turn, several times: medians, and how far apart the runs were."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.figures import Spread
from bench.measuring import Measured
from bench.options import Ceiling, Options
from bench.saying import say


@dataclass(frozen=True, slots=True)
class Pairs:
    """All that a workload measured, in the order of its runs."""

    runs: Sequence[Measured]

    @property
    def contenders(self) -> list[str]:
        """Who was measured: relay first."""
        return [*dict.fromkeys(run.contender for run in self.runs)]

    def of(self, contender: str) -> list[Measured]:
        """One contender's runs."""
        return [run for run in self.runs if run.contender == contender]

    def spread(self, contender: str, value: Callable[[Measured], float]) -> Spread:
        """A figure of one contender, over its runs."""
        return Spread.of([value(run) for run in self.of(contender)])

    def ratio(self, contender: str) -> Spread:
        """Messages per core-second of relay's as shares of this contender's, run by run."""
        both = zip(self.of("relay"), self.of(contender), strict=False)
        return Spread.of([mine.per_core_second / theirs.per_core_second for mine, theirs in both])


async def paired(
    options: Options, relay: Callable[[], Awaitable[Measured]], bare: Callable[[Ceiling], Awaitable[Measured]]
) -> Pairs:
    """Measure relay and each bare script in turn, as often as asked."""
    runs: list[Measured] = []
    for _ in range(options.pairs):
        runs.append(told(await relay()))
        runs += [told(await bare(link)) for link in options.ceilings]
    return Pairs(runs)


def told(run: Measured) -> Measured:
    """The same run, once whoever looks on has been told of it."""
    counted = f" {run.cpu_us:.0f} us a message, {run.rate:.0f}/s, other core {run.other_core:.0%};"
    notes = ", ".join(f"{name} {value:.4g}" for name, value in run.notes.items())
    say(f"  {run.contender}:{counted if run.messages else ''} {notes}".rstrip(" ;"))
    return run
