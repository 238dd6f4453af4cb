"""What the tests of the broker share: a relay here whose log is kept, its broker's ACL, and a wire that can be cut."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import structlog

from tests.brokers import Mosquitto
from tests.system.inhouse import at_home
from tests.system.world import World

PATIENCE = 20.0
ALICE = "+12065550001"
ALERTS = """
[lines.alerts]
provider = "att-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{directory}/app_secret"
"""
TROUBLE = frozenset({"warning", "error", "critical"})


class LogWatch:
    """What relay logs in this loop."""

    def __init__(self) -> None:
        self.lines: list[MutableMapping[str, Any]] = []
        self._more = asyncio.Event()

    def __call__(self, _logger: Any, level: str, line: MutableMapping[str, Any]) -> str:
        """A structlog processor that ends the line here."""
        self.lines.append({**line, "level": level})
        self._more.set()
        raise structlog.DropEvent

    def of(self, event: str) -> list[MutableMapping[str, Any]]:
        """The lines of an event."""
        return [line for line in self.lines if line["event"] == event]

    async def until(self, event: str, times: int = 1, within: float = PATIENCE) -> MutableMapping[str, Any]:
        """The last line of an event, once there are so many."""
        async with asyncio.timeout(within):
            while len(self.of(event)) < times:
                self._more.clear()
                await self._more.wait()
        return self.of(event)[-1]

    def told(self) -> Counter[str]:
        """How often each event was logged that a log at the level `info` shows, of those that are about the bus."""
        shown = (line for line in self.lines if line["level"] != "debug")
        return Counter(line["event"] for line in shown if line["event"].startswith(("bus.", "publish.")))

    def troubles(self) -> list[str]:
        """The events that were logged as a trouble, in order."""
        return [line["event"] for line in self.lines if line["level"] in TROUBLE]


class Wire:
    """A way to a server over TCP that can be cut, held up, or made to swallow everything, and counts who comes."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.came: list[float] = []
        self.target = port
        self._server: asyncio.Server | None = None
        self._pairs: set[asyncio.Task[None]] = set()
        self._through = {True: asyncio.Event(), False: asyncio.Event()}
        self._swallows = {True: False, False: False}
        self._changed = asyncio.Event()
        for each in self._through.values():
            each.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0, limit=4096)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        while self._pairs:
            await self.cut()

    def hold(self, *, up: bool = True, down: bool = True) -> None:
        """Read nothing more from the client (`up`) or from the server (`down`): their windows fill."""
        for way in [each for each, wanted in ((True, up), (False, down)) if wanted]:
            self._through[way].clear()

    def swallow(self, *, up: bool = True, down: bool = True) -> None:
        """Take everything and pass nothing on, as where a cable is cut."""
        self._swallows = {True: up, False: down}

    def heal(self) -> None:
        """Pass on what comes from now on."""
        self._swallows = {True: False, False: False}
        for each in self._through.values():
            each.set()

    async def cut(self) -> None:
        """Break every connection."""
        for pair in self._pairs:
            pair.cancel()
        await asyncio.gather(*self._pairs, return_exceptions=True)

    async def visited(self, times: int) -> None:
        """Wait until somebody has come so many times more."""
        wanted = len(self.came) + times
        async with asyncio.timeout(60):
            while len(self.came) < wanted:
                self._changed.clear()
                await self._changed.wait()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came.append(asyncio.get_running_loop().time())
        self._changed.set()
        pair = asyncio.create_task(self._join(reader, writer))
        self._pairs.add(pair)

        def over(_: "asyncio.Task[None]") -> None:
            writer.transport.abort()
            self._pairs.discard(pair)

        pair.add_done_callback(over)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.target, limit=4096)
        except OSError:
            return
        ways = {
            asyncio.create_task(self._pass(reader, there, up=True)),
            asyncio.create_task(self._pass(there_reader, writer, up=False)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            there.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        while True:
            await self._through[up].wait()
            chunk = b""
            with suppress(OSError):
                chunk = await reader.read(4096)
            if not chunk:
                return
            await self._through[up].wait()
            with suppress(OSError):
                if not self._swallows[up]:
                    writer.write(chunk)
                    await writer.drain()


@dataclass
class Post:
    """A relay in this loop, its world, its log, and what was asked of it."""

    made: World
    logs: LogWatch
    asked: list[str] = field(default_factory=list)

    async def ask(self, number: int = 1) -> None:
        """Ask for so many texts more, each with words of its own, by requests with ids of their own."""
        for _ in range(number):
            name = f"r{len(self.asked)}"
            self.asked.append(name)
            await self.made.publish("relay/line/alerts/send", {"id": name, "to": ALICE, "text": f"text {name}"})

    async def answers(self, count: int) -> None:
        """Wait until so many results were published."""
        await self.made.ears.until(lambda: len(self.made.ears.events("result")) >= count, what="answers")

    async def answered(self) -> None:
        """Wait until everything that was asked for is answered and sent."""
        for name in self.asked:
            await self.made.ears.result(name)
        wanted = {f"text {name}" for name in self.asked}
        await self.made.until_att(lambda: wanted <= {line["text"] for line in self.made.accepted()})

    def lost_and_doubled(self) -> tuple[int, int]:
        """What was asked for and not answered or not sent, and what was sent twice."""
        sent = Counter(line["text"] for line in self.made.accepted())
        heard = {event["data"]["request_id"] for event in self.made.ears.events("result")}
        lost = sum(name not in heard or not sent[f"text {name}"] for name in self.asked)
        return lost, sum(times > 1 for times in sent.values())


@asynccontextmanager
async def post(
    directory: Path,
    free_port: Callable[[], int],
    logs: LogWatch,
    *,
    bus: str = "",
    wire: Callable[[Wire], None] | None = None,
    **more: Any,
) -> AsyncIterator[Post]:
    """A relay here with one short code.

    Args:
        directory: an empty one.
        free_port: gives ports.
        logs: keeps what relay logs.
        bus: further settings of the bus.
        wire: is given the wire between relay and the broker; without it there is none.
        more: as `at_home` has it.
    """
    way = Wire(0)
    settings = {"lines": ALERTS, "speed": 60.0, **more}

    def arranged(made: World) -> None:
        path = made.relay.directory / "relay.toml"
        way.target = made.broker.port
        written = path.read_text().replace("[journal]", f"{bus}\n[journal]")
        if wire is not None:
            written = written.replace(f":{made.broker.port}", f":{way.port}")
            wire(way)
        path.write_text(written)

    async with way, at_home(directory, free_port, before=arranged, **settings) as made:
        yield Post(made, logs)


def acl(directory: Path, *lines: str) -> list[str]:
    """The broker's lines for an ACL of everybody's."""
    path = directory / "acl"
    path.write_text("\n".join(lines) + "\n")
    return [f"acl_file {path}"]


def amend(broker: Mosquitto, directory: Path, lines: Sequence[str]) -> None:
    """Give a running broker another ACL."""
    (directory / "acl").write_text("\n".join(lines) + "\n")
    os.kill(broker.pid, signal.SIGHUP)
