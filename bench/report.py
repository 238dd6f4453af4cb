"""What was measured -> a table for people, and JSON for programs."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.figures import Spread
from bench.measuring import BUSY, Measured
from bench.pairs import Pairs
from bench.profiling import SHARES

_COLUMNS = "{:<12} {:<11} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>6} {:>6} {:>6}"
_HEADS = (
    "workload",
    "contender",
    "CPU us",
    "1/core-s",
    "1/s",
    "p50 ms",
    "p99 ms",
    "peak MB",
    "ratio",
    "noise",
    "other",
)


def table(found: Mapping[str, Pairs]) -> list[str]:
    """The table's lines: medians; `noise`: how far apart the runs' CPU times were; `other`: what the other core did."""
    lines = [_COLUMNS.format(*_HEADS)]
    for name, pairs in found.items():
        lines += [_COLUMNS.format(name, *_row(pairs, contender)) for contender in pairs.contenders]
        lines += _notes(pairs) + _profiles(pairs) + _warnings(pairs)
    return lines


def _row(pairs: Pairs, contender: str) -> tuple[str, ...]:
    def middle(value: Any) -> float:
        return pairs.spread(contender, value).median

    cpu = pairs.spread(contender, lambda run: run.cpu_us)
    figures = (
        *(_number(cpu.median), _number(middle(lambda run: run.per_core_second)), _number(middle(lambda run: run.rate))),
        *(_number(middle(lambda run: run.p50), 1), _number(middle(lambda run: run.p99), 1)),
        _number(middle(lambda run: run.peak_mb)),
    )
    ratio = "" if contender == "relay" else _number(pairs.ratio(contender).median, 2)
    return contender, *figures, ratio, _share(cpu.noise), _share(middle(lambda run: run.other_core))


def _notes(pairs: Pairs) -> list[str]:
    lines = []
    for contender in pairs.contenders:
        runs = pairs.of(contender)
        for name in dict.fromkeys(name for run in runs for name in run.notes):
            values = [run.notes[name] for run in runs if name in run.notes]
            lines.append(f"    {contender}: {name} {_spread(Spread.of(values))}")
    return lines


def _profiles(pairs: Pairs) -> list[str]:
    lines = []
    for contender in pairs.contenders:
        profiles = [run.profile for run in pairs.of(contender) if run.profile]
        if profiles:
            middles = {kind: Spread.of([each[kind] for each in profiles]).median for kind in SHARES}
            lines.append(f"    {contender}: " + ", ".join(f"{kind} {share:.0%}" for kind, share in middles.items()))
    return lines


def _warnings(pairs: Pairs) -> list[str]:
    held = [run for run in pairs.runs if run.is_throttled and run.own_core < BUSY]
    return [
        f"    ! {run.contender}: the other core was {run.other_core:.0%} busy ({_loads(run)}): 1/s may be its limit"
        for run in held
    ]


def _loads(run: Measured) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in run.others.items() if share >= 0.01)  # noqa: PLR2004 - a hundredth


def _number(value: float, places: int = 0) -> str:
    return "" if math.isnan(value) else f"{value:,.{places}f}"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0%}"


def _spread(spread: Spread) -> str:
    return f"{spread.median:,.3g} ({spread.least:,.3g} to {spread.greatest:,.3g})"


def as_json(found: Mapping[str, Pairs], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything: about the machine and the run, and each run of each workload with all of its figures."""
    workloads = {name: [_run(run) for run in pairs.runs] for name, pairs in found.items()}
    return {**about, "workloads": workloads}


def _run(run: Measured) -> dict[str, Any]:
    figures = {**asdict(run), "rate": run.rate, "per_core_second": run.per_core_second}
    del figures["since"], figures["until"]
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in figures.items()}
