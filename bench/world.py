"""Everything that a workload runs in: a broker, a provider, clients, callers; relay or the bare script among them."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import databases
from bench.broker import Broker
from bench.marks import read_times
from bench.options import Ceiling, Options
from bench.proc import family_cpu_seconds
from bench.settings import ALIAS, HOOK_SECRET, Line, Places, write_settings
from bench.subject import Subject
from bench.workers import Worker
from tests import brokers

LINE = f"relay/line/{ALIAS}"
EVENTS = [f"{LINE}/result", f"{LINE}/receipt", f"{LINE}/message", "relay/node/bench/status"]
_ONLINE_WITHIN = 60.0  # seconds


@dataclass
class World:
    """What runs, and where.

    Attributes:
        cores: of the process under test, and of everything else.
        places: where everything is.
    """

    options: Options
    places: Places
    cores: tuple[int, int]
    broker: Broker
    stub: Worker
    clients: Worker
    callers: Worker

    def relay(self, line: Line | None = None) -> Subject:
        """relay, not started yet."""
        settings = write_settings(self.places, self.options.window, line or Line())
        words = ("-m", "relay", "run", "--config", settings)
        return Subject(self.cores[0], self.places.folder, *words, name="relay")

    def bare(self, link: Ceiling, work: str, **more: int) -> Subject:
        """The bare script, not started yet."""
        ports = (str(self.places.broker), str(self.places.provider))
        extra = [f"--{name}={value}" for name, value in more.items()]
        words = ("-m", "bench.bare", work, *ports, f"--link={link}", f"--in-flight={self.options.window}", *extra)
        return Subject(self.cores[0], self.places.folder, *words)

    def hook_path(self, event: str) -> str:
        """Where relay is called for such an event."""
        return f"/hooks/{ALIAS}/{HOOK_SECRET}/{event}"

    async def start(self, relay: Subject) -> None:
        """Start relay, and wait until it hears commands: it says `online` then."""
        await relay.start_relay()
        async with asyncio.timeout(_ONLINE_WITHIN):
            await self.clients.ask("heard", kind="status")

    async def times(self, worker: Worker, kind: str = "") -> dict[int, int]:
        """When messages passed a worker: nanoseconds, by number."""
        path = self.places.folder / "times"
        await worker.ask("times", path=str(path), **({"kind": kind} if kind else {}))
        return await asyncio.to_thread(read_times, path)

    def others(self) -> dict[str, float]:
        """CPU seconds of everything but the process under test, by name."""
        found = {each.name: each.pid for each in (self.stub, self.clients, self.callers)}
        found |= {"mosquitto": self.broker.pid}
        spent = {name: family_cpu_seconds(pid) for name, pid in found.items()}
        if self.options.journal == "postgresql":
            spent["postgresql"] = databases.cpu_used()
        return spent | {"harness": sum(os.times()[:2])}


@asynccontextmanager
async def world(options: Options, cores: tuple[int, int], *, keep_times: bool = True) -> AsyncIterator[World]:
    """Start everything but the process under test.

    Args:
        options: of the run.
        cores: of the process under test, and of everything else.
        keep_times: whether it is noted when each message passes where.
    """
    folder = Path(tempfile.mkdtemp(prefix="relay-bench-"))
    async with AsyncExitStack() as stack:
        stack.callback(_left, folder, options.keep)
        broker = await stack.enter_async_context(Broker(folder / "broker"))
        names = ("bench.stub", "bench.clients", "bench.callers")
        stub, clients, callers = [await stack.enter_async_context(Worker(name)) for name in names]
        provider = await stub.ask("listen")
        await stub.ask("set", latency=options.latency, batch=options.batch, keep_times=keep_times)
        await clients.ask("connect", port=broker.port, filters=EVENTS, keep_times=keep_times)
        journal = stack.enter_context(databases.journal(options.journal, folder))
        places = Places(broker.port, provider, brokers.free_port(), journal, folder)
        yield World(options, places, cores, broker, stub, clients, callers)


def _left(folder: Path, keep: Path | None) -> None:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for path in (*folder.glob("*.log"), *folder.glob("*.toml"), *folder.glob("*.raw")):
            shutil.copy(path, keep)
    shutil.rmtree(folder, ignore_errors=True)
