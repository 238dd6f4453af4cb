"""IDLE: relay with a line that polls and follows, and nothing happens. Nothing is counted."""

import asyncio
import time
from pathlib import Path

from bench.measuring import Measured, only
from bench.options import Options
from bench.pairs import Pairs, told
from bench.proc import bytes_written, cpu_seconds, peak_megabytes, resident_megabytes
from bench.settings import Line
from bench.world import World, world

SECONDS, QUICK_SECONDS = 30.0, 5.0
CALM = 5.0  # seconds after the start


async def run(options: Options, cores: tuple[int, int]) -> Pairs:
    """Measure."""
    runs = []
    for _ in range(options.pairs):
        async with world(options, cores) as made:
            runs.append(told(await _idle(made, QUICK_SECONDS if options.quick else SECONDS)))
    return Pairs(runs)


async def _idle(made: World, seconds: float) -> Measured:
    async with made.relay(Line(receive="poll")) as subject:
        await made.start(subject)
        await asyncio.sleep(CALM)
        files, written, cpu = _changes(made.places.folder), bytes_written(subject.pid), cpu_seconds(subject.pid)
        began = time.monotonic()
        await asyncio.sleep(seconds)
        used = (cpu_seconds(subject.pid) - cpu) / (time.monotonic() - began)
        after = _changes(made.places.folder)
        return only(
            "relay",
            peak_megabytes(subject.pid),
            {
                "% of a core": used * 100,
                "MB resident": resident_megabytes(subject.pid),
                "bytes written": float(bytes_written(subject.pid) - written),
                **{f"changes {path.name}": 1.0 for path, at in after.items() if files.get(path) != at},
            },
        )


def _changes(folder: Path) -> dict[Path, int]:
    """When each of relay's files was last changed."""
    return {path: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}
