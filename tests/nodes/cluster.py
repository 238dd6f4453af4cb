"""Several relays over one PostgreSQL: real processes, one broker, AT&T simulated, and a balancer before the nodes."""

import asyncio
import contextlib
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from psycopg.conninfo import conninfo_to_dict

from relay.clock import LabClock
from relay.simulator.app import Simulator, SimulatorOptions
from tests.battery.checker import ATT, PUBLISHER, SUBSCRIBER, LedgerReader
from tests.battery.traffic import ALL_LINES
from tests.brokers import Mosquitto
from tests.nodes.balancer import Balancer
from tests.nodes.wire import Wire
from tests.system.world import SECRETS, Appending, RelayProcess, Subscriber, World, WorldLedgers

T = TypeVar("T")

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
LOOKED_AT_EVERY = 0.05  # seconds, what nobody tells of
AWAITED = {"turn.taken", "turn.lost", "relay.started", "node.buried", "node.fenced", "stage.failed"}
_AWAITED = [name.encode() for name in AWAITED]
UNCHANGED = {"handset": {"fates": False}}  # every text is delivered


class Node(RelayProcess):
    """One relay of several, in a directory of its own.

    Attributes:
        to_database: what lies between it and PostgreSQL; None: nothing.
        to_broker: what lies between it and the broker.
    """

    to_database: Wire
    to_broker: Wire

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._read_to = 0
        self._turns: set[str] = set()
        self._told: list[dict[str, Any]] = []

    @property
    def name(self) -> str:
        """Its name."""
        return self.directory.name

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.returncode is None

    async def launch(self, **environment: str) -> None:
        """Start it; whatever it had is no more."""
        self._read()
        self._turns.clear()
        await super().launch(**environment)

    def pause(self) -> None:
        """SIGSTOP."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def turns(self) -> set[str]:
        """The turns that it has, as its log tells."""
        self._read()
        return self._turns if self.runs else set()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log with this event. Those that tests wait for are read once: a log grows long."""
        if event not in AWAITED:
            return super().logged(event)
        self._read()
        return [line for line in self._told if line["event"] == event]

    def _read(self) -> None:
        for raw in self._lines():
            if not any(name in raw for name in _AWAITED):
                continue
            line = json.loads(raw)
            if line["event"] in AWAITED:
                self._told.append(line)
            if line["event"] == "turn.taken":
                self._turns.add(line["turn"])
            elif line["event"] == "turn.lost":
                self._turns.discard(line["turn"])

    def _lines(self) -> list[bytes]:
        """What was logged since this was last asked for, in whole lines."""
        if not self.log_path.exists():
            return []
        with self.log_path.open("rb") as file:
            file.seek(self._read_to)
            read = file.read()
        whole = read[: read.rfind(b"\n") + 1]
        self._read_to += len(whole)
        return whole.splitlines()


@dataclass
class Cluster(World):
    """Everything that runs; `relay` is the first of `nodes`.

    Attributes:
        nodes: the relays.
        balancer: what AT&T's web hooks go through.
        taken: how many copies AT&T has accepted.
        texts: what they say.
    """

    nodes: list[Node] = field(kw_only=True)
    balancer: Balancer = field(kw_only=True)
    taken: int = field(default=0, init=False)
    texts: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        """Count as it happens: ledgers grow long."""
        super().__post_init__()
        write = self.att.world.ledger.copy
        assert write is not None

        def counted(line: dict[str, Any]) -> None:
            if line["what"] == "accepted":
                self.taken += 1
                self.texts.add(line["text"])
            write(line)

        self.att.world.ledger.copy = counted

    async def start(self) -> None:
        """Start every node at once."""
        await asyncio.gather(*(node.start() for node in self.nodes))

    async def stop(self) -> None:
        """Stop every node; each ends well."""
        assert await asyncio.gather(*(node.stop() for node in self.nodes)) == [0] * len(self.nodes)

    async def holder(self, turn: str, *, but: Node | None = None) -> Node:
        """Whoever has a turn, once somebody has, as the logs tell; a node that was killed has nothing."""
        return await eventually(
            lambda: next((node for node in self.nodes if node is not but and turn in node.turns()), None),
            what=f"somebody has {turn}",
        )

    def logged(self, event: str) -> list[dict[str, Any]]:
        """What all nodes have logged of this event."""
        return [line for node in self.nodes for line in node.logged(event)]

    def hook_answers(self) -> Counter[str]:
        """How AT&T's web hooks were answered, each attempt."""
        return Counter(str(line["result"]) for line in self.ledger("hook"))


@asynccontextmanager
async def cluster(
    directory: Path,
    free_port: Callable[[], int],
    journal: str,
    *,
    count: int = 3,
    speed: float = 60.0,
    lease: float = 8.0,
    lines: str = ALL_LINES,
    wired: bool = False,
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
        wired: whether each node reaches database and broker by wires of its own.
        simulated: further options of the simulator.
    """
    epoch = datetime.now(UTC)
    clock = LabClock(speed, epoch, epoch)
    (directory / "broker").mkdir()
    (directory / "attachments").mkdir()
    simulated = {"modes": UNCHANGED, **simulated}
    options = SimulatorOptions(clock=clock, keep=None, ledger=directory / ATT, **simulated)
    ports = [free_port() for _ in range(count)]
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Mosquitto(directory / "broker", persistent=True))
        att = await stack.enter_async_context(Simulator(options))
        balancer = await stack.enter_async_context(Balancer(free_port(), ports))
        values = {
            "lease": lease,
            "shared": directory,
            "public_url": balancer.url,
            "speed": speed,
            "epoch": epoch.isoformat(),
            "att": att.base_url,
        }
        nodes = []
        for number, port in enumerate(ports, 1):
            node = Node(directory / f"relay-{number}")
            node.directory.mkdir()
            own = {"broker_port": broker.port, "journal": journal}
            if wired:
                own = await _wired(stack, node, free_port, own)
            own |= {"name": node.name, "directory": node.directory, "hook_port": port}
            _write(node.directory, (SETTINGS + lines).format(**values, **own))
            nodes.append(node)
            stack.push_async_callback(node.end)
        ears = Subscriber(broker.port, Appending(directory / SUBSCRIBER))
        listening = asyncio.create_task(ears.run())
        stack.push_async_callback(_ended, listening)
        await ears.connected.wait()
        yield Cluster(
            *(broker, att, nodes[0], ears, speed, balancer.url),
            asked=Appending(directory / PUBLISHER),
            ledgers=WorldLedgers(*(LedgerReader(directory / name) for name in (ATT, SUBSCRIBER, PUBLISHER))),
            nodes=nodes,
            balancer=balancer,
        )
        assert not ears.misfits, ears.misfits[:5]


async def lasting(seconds: float) -> None:
    """A fault that lasts so long, or the time until something is looked at again that nobody tells of."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)


async def eventually(condition: Callable[[], T | None], within: float = 60.0, what: str = "") -> T:
    """What `condition` gives, once it is something; it is asked again and again, as nobody tells."""
    try:
        async with asyncio.timeout(within):
            while not (found := condition()):
                await lasting(LOOKED_AT_EVERY)  # neither logs nor ledgers tell
    except TimeoutError:
        raise AssertionError(f"not within {within} s: {what or condition}") from None
    return found


async def _wired(
    stack: AsyncExitStack, node: Node, free_port: Callable[[], int], own: dict[str, Any]
) -> dict[str, Any]:
    """Put wires between a node and its servers; where it finds them now."""
    database = str(conninfo_to_dict(own["journal"])["port"])
    node.to_database = await stack.enter_async_context(Wire(free_port(), int(database)))
    node.to_broker = await stack.enter_async_context(Wire(free_port(), own["broker_port"]))
    journal = own["journal"].replace(f":{database}/", f":{node.to_database.port}/")
    return {"broker_port": node.to_broker.port, "journal": journal}


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
