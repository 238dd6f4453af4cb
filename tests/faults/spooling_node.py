"""A node with nothing but its web hooks, which runs until it is killed: the listener, the receiver and the folder.

It is given the journal's address, the spool's path and a port of 127.0.0.1, and says on standard output when it
listens.
"""

import asyncio
import sys
from pathlib import Path

import structlog

from relay.clock import SystemClock
from relay.domain.messages import HookReading, RawAnswer
from relay.ids import Ids
from relay.journal import Journal, Spool
from relay.providers.att_landline.callbacks import read_hook
from relay.stagekit import Standing
from relay.stages.folder import Folder
from relay.stages.receiver import Receiver
from relay.supervisor import Supervisor
from relay.telemetry.health import LineBoard, Pulse
from relay.web.public import Hooks, Listener

LINE, SECRET = "office", "secret-0123456789"


class Office:
    """A line that is only called."""

    alias, provider, number = LINE, "att-landline", "+12065550100"
    hook_events: tuple[str, ...] = ("receive",)

    async def verify(self) -> str:
        """Nothing to try."""
        return ""

    async def aclose(self) -> None:
        """Nothing to close."""

    def read_hook(self, event: str, raw: RawAnswer) -> HookReading:
        """As the landline does."""
        return read_hook(event, raw, own_number=self.number)


async def main(url: str, path: Path, port: int) -> None:
    """Run for ever."""
    clock = SystemClock()
    ids, board = Ids(clock), LineBoard(clock, [LINE])
    async with (
        await Journal.open(url, clock=clock, ids=ids, node="n1") as journal,
        await Spool.open(path, 64 * 1024**2) as spool,
    ):
        standing = Standing(journal, board, clock, ids)
        receiver = Receiver({LINE: Office()}, standing, spool)
        supervisor = Supervisor(clock, ids, board, Pulse(), 10)
        stages = [Folder(spool, standing, receiver.look_again), receiver]
        hooks = Hooks({LINE: (SECRET,)}.get, receiver.knows, receiver.take, max_body=100_000)
        async with supervisor.finishing(stages), Listener("127.0.0.1", port, hooks):
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
