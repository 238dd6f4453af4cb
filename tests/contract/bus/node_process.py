"""A process with a bus that takes one command, says so on standard output, and never acknowledges it."""

import asyncio
import sys

from relay.bus.config import BusSettings
from relay.bus.mqtt import Bus
from relay.clock import SystemClock
from relay.ids import Ids


async def main(url: str) -> None:
    """Take one command and keep it."""
    clock = SystemClock()
    async with Bus(BusSettings(url=url, node="n1"), ["alerts"], clock, Ids(clock)) as bus:
        await bus.next_command()
        sys.stdout.write("taken\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
