"""A process that folds a spool into a journal, and kills itself, by SIGKILL, between the two commits.

It is given the spool, the journal, and how many times it may fold before that.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from relay.clock import SystemClock
from relay.ids import Ids
from relay.journal import Journal, Spool
from relay.stagekit import Standing
from relay.stages.folder import Folder
from relay.telemetry.health import LineBoard


async def main(spool_path: Path, url: str, times: int) -> None:
    """Fold until all is folded in, or until the end comes."""
    clock = SystemClock()
    ids = Ids(clock)
    told = iter(range(times))

    def tell() -> None:
        if next(told, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    async with (
        await Journal.open(url, clock=clock, ids=ids, node="relay-1") as journal,
        await Spool.open(spool_path, 256 * 1024**2) as spool,
    ):
        folder = Folder(spool, Standing(journal, LineBoard(clock, ["office"]), clock, ids), tell)
        while await folder.step() is None:
            pass


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
