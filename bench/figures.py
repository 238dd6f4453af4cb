"""Numbers -> what is said about them: percentiles, medians, spreads. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least this share (0 to 1) of all do not exceed; NaN where there are none."""
    if not values:
        return math.nan
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Spread:
    """What several runs gave: the one in the middle, and the least and the greatest."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of these, without those that are no numbers."""
        known = [value for value in values if not math.isnan(value)]
        return cls(median(known), min(known), max(known)) if known else cls(math.nan, math.nan, math.nan)

    @property
    def noise(self) -> float:
        """How far apart they are, as a share of the one in the middle."""
        return (self.greatest - self.least) / self.median if self.median else 0.0


def per_core_second(cpu_us: float) -> float:
    """Messages that a core does in a second, at so many microseconds of CPU each."""
    return 1e6 / cpu_us if cpu_us else math.nan
