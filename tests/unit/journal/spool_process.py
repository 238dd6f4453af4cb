"""A process that keeps web hooks in a spool until it is killed, and says on standard output which it has kept."""

import asyncio
import itertools
import sys
from pathlib import Path

from relay.clock import SystemClock
from relay.domain.messages import RawAnswer
from relay.ids import Ids
from relay.journal import HookDelivery, Spool


async def keep(spool: Spool, ids: Ids, clock: SystemClock) -> None:
    """One after the other, for ever."""
    for number in itertools.count():
        one = HookDelivery(ids.new(), "office", "receive", RawAnswer(b"%d" % number * 50), clock.now())
        await spool.keep(one)
        sys.stdout.write(f"{one.id}\n")
        sys.stdout.flush()


async def main(path: Path) -> None:
    """Four at a time."""
    clock = SystemClock()
    ids = Ids(clock)
    async with await Spool.open(path, 256 * 1024**2) as spool, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(keep(spool, ids, clock))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
