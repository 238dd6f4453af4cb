"""Several relays over one PostgreSQL: real processes, one broker, AT&T simulated, and a balancer before the nodes."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from relay.clock import LabClock
from relay.simulator.app import Simulator, SimulatorOptions
from tests.battery.checker import ATT, PUBLISHER, SUBSCRIBER, LedgerReader
from tests.brokers import Mosquitto
from tests.nodes.balancer import Balancer
from tests.system.world import LINES, SECRETS, Appending, RelayProcess, Subscriber, World, WorldLedgers

SETTINGS = """
[node]
name = "{name}"
grace = "20s"
lease = {lease}
[bus]
url = "mqtt://127.0.0.1:{broker_port}"
[journal]
url = "{journal}"
spool = "{directory}/spool.db"
[webhooks]
listen = "127.0.0.1:{hook_port}"
public_url = "{public_url}"
[admin]
listen = "127.0.0.1:0"
socket = "{directory}/relay.sock"
[log]
format = "json"
level = "info"
[media]
folder = "{shared}/attachments"
[lab]
speed = {speed}
epoch = "{epoch}"
"""


class Node(RelayProcess):
    """One relay of several, in a directory of its own."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.directory.name

    def pause(self) -> None:
        """SIGSTOP."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def turns(self) -> set[str]:
        """The turns that it has, as its log tells."""
        held: set[str] = set()
        for line in self.log_path.read_text().splitlines():
            told = json.loads(line) if '"turn.' in line else {}
            if told.get("event") == "turn.taken":
                held.add(told["turn"])
            elif told.get("event") == "turn.lost":
                held.discard(told["turn"])
        return held


@dataclass
class Cluster(World):
    """Everything that runs; `relay` is the first of `nodes`."""

    nodes: list[Node] = field(kw_only=True)

    async def start(self) -> None:
        """Start every node, one after the other."""
        for node in self.nodes:
            await node.start()

    async def hooked(self) -> None:
        """Wait until the web hooks stand at AT&T's."""
        await self.until_att(lambda: any(line["event"] == "receive" for line in self.ledger("hook-added")))

    def holder(self, turn: str) -> Node | None:
        """Who has a turn, as the logs tell; a node that was killed has nothing."""
        running = [node for node in self.nodes if node._process is not None and node.process.returncode is None]
        found = [node for node in running if turn in node.turns()]
        return found[-1] if found else None


@asynccontextmanager
async def cluster(
    directory: Path,
    free_port: Callable[[], int],
    journal: str,
    *,
    count: int = 3,
    speed: float = 300.0,
    lease: float = 8.0,
    lines: str = LINES,
    **simulated: Any,
) -> AsyncIterator[Cluster]:
    """A running world of several nodes; they are started by the test.

    Args:
        directory: an empty one, for everything.
        free_port: gives ports.
        journal: the database's address.
        count: of nodes.
        speed: of the lab.
        lease: of a node's life, in seconds.
        lines: their settings.
        simulated: further options of the simulator.
    """
    epoch = datetime.now(UTC)
    clock = LabClock(speed, epoch, epoch)
    (directory / "broker").mkdir()
    (directory / "attachments").mkdir()
    options = SimulatorOptions(clock=clock, keep=None, ledger=directory / ATT, **simulated)
    ports = [free_port() for _ in range(count)]
    balancer = Balancer(free_port(), ports)
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Mosquitto(directory / "broker", persistent=True, extra=_PATIENT))
        att = await stack.enter_async_context(Simulator(options))
        await stack.enter_async_context(balancer)
        nodes = []
        for number, port in enumerate(ports, 1):
            own = directory / f"relay-{number}"
            own.mkdir()
            values = {
                "name": own.name,
                "lease": lease,
                "broker_port": broker.port,
                "journal": journal,
                "directory": own,
                "shared": directory,
                "hook_port": port,
                "public_url": balancer.url,
                "speed": speed,
                "epoch": epoch.isoformat(),
                "att": att.base_url,
            }
            _write(own, (SETTINGS + lines).format(**values))
            nodes.append(Node(own))
            stack.push_async_callback(nodes[-1].end)
        ears = Subscriber(broker.port, Appending(directory / SUBSCRIBER))
        listening = asyncio.create_task(ears.run())
        stack.push_async_callback(_ended, listening)
        await ears.connected.wait()
        yield Cluster(
            *(broker, att, nodes[0], ears, speed, balancer.url),
            asked=Appending(directory / PUBLISHER),
            ledgers=WorldLedgers(*(LedgerReader(directory / name) for name in (ATT, SUBSCRIBER, PUBLISHER))),
            nodes=nodes,
        )


_PATIENT = ("max_queued_messages 1000000",)


def _write(directory: Path, settings: str) -> None:
    for name, secret in SECRETS.items():
        path = directory / name
        path.write_text(secret + "\n")
        path.chmod(0o600)
    (directory / "relay.toml").write_text(settings)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
