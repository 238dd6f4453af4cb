"""The command line: `python -m bench [WORKLOAD ...]`."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from bench import databases, machine, report
from bench.options import Options
from bench.pairs import Pairs
from bench.saying import say
from bench.workloads import (
    backlog,
    history,
    idle,
    in_hook,
    in_hook_flood,
    in_hook_paced,
    in_poll,
    journal,
    mixed,
    nodes,
    out,
    out_50,
    receipts,
    receipts_hook,
    start,
)

Workload = Callable[[Options, tuple[int, int]], Awaitable[Pairs]]

WORKLOADS: dict[str, Workload] = {
    "OUT": out.run,
    "OUT-50": out_50.run,
    "IN-HOOK": in_hook.run,
    "IN-POLL": in_poll.run,
    "RECEIPTS": receipts.run,
    "RECEIPTS-HOOK": receipts_hook.run,
    "MIXED": mixed.run,
    "IN-HOOK-PACED": in_hook_paced.run,
    "IN-HOOK-FLOOD": in_hook_flood.run,
    "BACKLOG": backlog.run,
    "START": start.run,
    "IDLE": idle.run,
    "HISTORY": history.run,
    "JOURNAL": journal.run,
    "NODES": nodes.run,
}
_QUICK = {"pairs": 1, "seconds": 2.0, "warm_up": 1.0, "inbox": 5_000, "backlog": 5_000, "history": 20_000}


def options_of(given: argparse.Namespace) -> Options:
    """What was asked for; `--quick` makes small whatever was not asked for."""
    wanted = {name: value for name, value in vars(given).items() if value is not None}
    for name in ("workloads", "json"):
        wanted.pop(name, None)
    ceiling = wanted.pop("ceiling", "paho")
    links = {"both": ("paho", "codec"), "none": ()}.get(ceiling, (ceiling,))
    return Options(**{**(_QUICK if given.quick else {}), **wanted, "ceilings": links})


def parser() -> argparse.ArgumentParser:
    """What may be asked for."""
    asked = argparse.ArgumentParser(prog="python -m bench", description="How fast relay is, beside a bare script.")
    asked.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"any of {', '.join(WORKLOADS)}; default: all")
    asked.add_argument("--pairs", type=int, help="how often relay and the bare script are measured, in turn (3)")
    asked.add_argument("--seconds", type=float, help="of the steady stretch (6)")
    asked.add_argument("--warm-up", type=float, help="seconds before it (3)")
    asked.add_argument("--window", type=int, help="calls in flight (200)")
    asked.add_argument("--latency", type=float, help="seconds that the provider takes (0.005)")
    asked.add_argument("--batch", type=int, help="messages in a page of the inbox (50)")
    asked.add_argument("--inbox", type=int, help="messages in the inbox (20000)")
    asked.add_argument("--backlog", type=int, help="copies that are queued (1000000)")
    asked.add_argument("--history", type=int, help="finished copies behind (5000000)")
    asked.add_argument("--journal", choices=("sqlite", "postgresql"))
    asked.add_argument("--ceiling", choices=("paho", "codec", "both", "none"), help="the bare script's link (paho)")
    asked.add_argument("--profile", action="store_true", default=None, help="let py-spy look on")
    asked.add_argument("--quick", action="store_true", default=None, help="one pair of everything, small")
    asked.add_argument("--prepared", type=Path, help="a folder that keeps filled journals for the next run (SQLite)")
    asked.add_argument("--keep", type=Path, help="a folder for logs, settings and py-spy's samples")
    asked.add_argument("--json", type=Path, help="a file for everything that was measured")
    return asked


async def measure(names: list[str], options: Options) -> dict[str, Pairs]:
    """Run workloads; this process and all that it starts but the process under test on the last core."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    found = {}
    for name in names:
        say(f"{name} ...")
        own = replace(options, keep=options.keep and options.keep / name)
        found[name] = await WORKLOADS[name](own, (cores[0], cores[-1]))
    return found


def main() -> None:
    """Measure, and tell."""
    asked = parser()
    given = asked.parse_args()
    names = [name.upper() for name in given.workloads] or [*WORKLOADS]
    if unknown := [name for name in names if name not in WORKLOADS]:
        asked.error(f"there is no workload {', '.join(unknown)}: choose from {', '.join(WORKLOADS)}")
    about = machine.about(sys.argv[1:])
    try:
        found = asyncio.run(measure(names, options_of(given)))
    finally:
        databases.end()
    for line in [*machine.in_words(about), "", *report.table(found)]:
        say(line)
    if given.json:
        given.json.write_text(json.dumps(report.as_json(found, about), indent=1) + "\n")


if __name__ == "__main__":
    main()
