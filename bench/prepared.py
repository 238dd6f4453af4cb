"""Journals that take long to fill: filled by relay's own journal code, and kept for the next run if that is wanted."""

import asyncio
import shutil
from pathlib import Path

from bench.workers import finished
from bench.world import World

_FILE = "relay.db"


async def fill(made: World, what: str, copies: int) -> None:
    """Put so many copies into the journal, `queued` or `finished`; relay does not run.

    With `--prepared DIR` a file that was filled like this before is taken from there, or left there.
    """
    folder, words = made.options.prepared, (f"--{what}", str(copies))
    if folder is None or made.options.journal != "sqlite":
        await finished("bench.filling", made.places.journal, *words)
        return
    kept = folder / f"{what}-{copies}"
    if not kept.exists():
        await finished("bench.filling", made.places.journal, *words)
        await asyncio.to_thread(_copy, made.places.folder, kept)
    else:
        await asyncio.to_thread(_copy, kept, made.places.folder)


def _copy(source: Path, target: Path) -> None:
    """A journal is its file, and what lies beside it under its name."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob(f"{_FILE}*"):
        shutil.copy(path, target)
