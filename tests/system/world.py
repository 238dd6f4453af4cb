"""A small world for system tests: a real broker, AT&T simulated, relay as a real process, a subscriber that keeps.

The subscriber writes down every event it hears, under a persistent session; the simulator writes down every text it
accepted and every text it handed out; the publisher writes down what was asked for, once the broker has it. The three
ledgers are files in the world's folder, and compared from outside: see `ledgers.py`.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from relay.clock import LabClock
from relay.simulator.app import Simulator, SimulatorOptions
from tests import forks
from tests.battery.checker import ATT, PUBLISHER, SUBSCRIBER, LedgerReader
from tests.brokers import Mosquitto
from tests.spoken import misfits

ROOT = Path(__file__).parents[2]
START_WITHIN = 30.0
SECRETS = {
    "app_secret": "demo-secret",
    "session": "00000000-0000-0000-0000-000000000000:1",
    "inapp_secret": "demo-inapp-secret",
}
COMMANDS = {"send", "check", "cancel", "lookup", "list", "get", "update", "delete"}
RUN = ("-m", "relay", "run", "--config")

SETTINGS = """
[node]
name = "relay-1"
grace = "20s"
[bus]
url = "mqtt://127.0.0.1:{broker_port}"
[journal]
url = "sqlite:///{directory}/relay.db"
ballast = "1 MiB"
[webhooks]
listen = "127.0.0.1:{hook_port}"
public_url = "http://127.0.0.1:{hook_port}"
[admin]
listen = "127.0.0.1:0"
socket = "{directory}/relay.sock"
[log]
format = "json"
level = "info"
[media]
folder = "{directory}/attachments"
{media}
[lab]
speed = {speed}
epoch = "{epoch}"
"""

LINES = """
[lines.alerts]
provider = "att-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{directory}/app_secret"
[lines.office]
provider = "att-landline"
base_url = "{att}"
number = "+12065550100"
session_file = "{directory}/session"
"""


class RelayProcess:
    """`relay run`, as systemd would start it: it says READY on a notification socket.

    Attributes:
        before: the program that runs Python, with its arguments, such as strace.
        words: what Python is told to run, up to the settings file.
        environment: what is added to its environment.
    """

    before: tuple[str | Path, ...] = ()
    words: tuple[str | Path, ...] = RUN
    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log_path = directory / "relay.log"
        self._process: forks.Forked | asyncio.subprocess.Process | None = None

    @property
    def process(self) -> forks.Forked | asyncio.subprocess.Process:
        """The running process."""
        assert self._process is not None
        return self._process

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        path = self.directory / "notify"
        with notifications(path) as notified:
            await self.launch(NOTIFY_SOCKET=str(path), FDSTORE="0")  # it is heard, and nothing is kept
            await self._wait_ready(notified)

    async def launch(self, **environment: str) -> None:
        """Start it, and wait for nothing."""
        variables = {**os.environ, **self.environment, **environment}
        words = (*self.words, self.directory / "relay.toml")
        with self.log_path.open("ab") as log:
            if not self.before:
                self._process = await forks.start(*words, stdout=log, stderr=log, environment=variables)
                return
            self._process = await asyncio.create_subprocess_exec(
                *self.before, sys.executable, *map(str, words), stdout=log, stderr=log, cwd=ROOT, env=variables
            )

    async def _wait_ready(self, notified: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.create_task(self.process.wait())
        async with asyncio.timeout(START_WITHIN):
            while True:
                said = asyncio.create_task(loop.sock_recv(notified, 4096))
                await asyncio.wait({said, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not said.done():
                    said.cancel()
                    raise AssertionError(f"relay ended before it was ready:\n{self.log_path.read_text()[-4000:]}")
                if b"READY=1" in said.result():
                    ended.cancel()
                    return

    async def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    async def end(self) -> None:
        """However it runs, it runs no more."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    async def lives_for(self, seconds: float) -> None:
        """Let it run for so long, and see that it does not end by itself."""
        ended = asyncio.create_task(self.process.wait())
        done, _ = await asyncio.wait({ended}, timeout=seconds)
        if done:
            raise AssertionError(f"relay ended by itself:\n{self.log_path.read_text()[-4000:]}")
        ended.cancel()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log with this event."""
        lines = (json.loads(line) for line in self.log_path.read_text().splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("event") == event]


class Appending:
    """A ledger that is only ever added to. What it was given is with the operating system on return."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, line: Mapping[str, Any]) -> None:
        """Append one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@dataclass(frozen=True)
class WorldLedgers:
    """The three ledgers, to be read."""

    att: LedgerReader
    heard: LedgerReader
    asked: LedgerReader


@contextlib.contextmanager
def notifications(path: Path) -> Iterator[socket.socket]:
    """The socket that systemd would listen on."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(path))
        notified.setblocking(False)  # noqa: FBT003 - the standard library's word
        yield notified


@dataclass
class Subscriber:
    """Hears everything on `relay/#`, writes it down, and lets tests wait for what they expect."""

    port: int
    ledger: Appending
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Listen, and again after every loss of the broker."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._listen()
            self.connected.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.02)

    async def _listen(self) -> None:
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600
        async with aiomqtt.Client(
            "127.0.0.1",
            self.port,
            identifier="ledger",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=session,
        ) as client:
            await client.subscribe("relay/#", qos=1)
            self.connected.set()
            async for message in client.messages:
                topic = str(message.topic)
                if COMMANDS & set(topic.split("/")[3:4]) or not message.payload:
                    continue
                event = json.loads(bytes(message.payload))
                self.ledger.add({"topic": topic, "event": event})
                self.heard.append((topic, event))
                self.misfits += misfits(topic, event)
                async with self._changed:
                    self._changed.notify_all()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Every event of one kind, each id once, in the order heard first."""
        found = {event["id"]: event for _, event in self.heard if event.get("type") == f"relay.{kind}.v1"}
        return list(found.values())

    async def until(self, condition: Callable[[], Any], within: float = 60.0, what: str = "") -> Any:
        """What `condition` gives, once it is truthy; it is asked again after every event."""
        try:
            async with asyncio.timeout(within):
                async with self._changed:
                    await self._changed.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"not within {within} s: {what or condition}") from None
        return condition()

    async def result(self, request_id: str, count: int = 1) -> dict[str, Any]:
        """The data of the latest result of a request, once there are `count`."""

        def found() -> list[dict[str, Any]]:
            return [event["data"] for event in self.events("result") if event["data"]["request_id"] == request_id]

        await self.until(lambda: len(found()) >= count, what=f"{count} results of {request_id}")
        return found()[-1]

    def receipts(self, message_id: str) -> list[dict[str, Any]]:
        """The data of the receipts of a message."""
        return [event["data"] for event in self.events("receipt") if event["data"]["message_id"] == message_id]

    async def final(self, message_id: str, copies: int) -> list[dict[str, Any]]:
        """The final receipts of a message, once every copy has its own."""

        def found() -> list[dict[str, Any]]:
            return [receipt for receipt in self.receipts(message_id) if receipt["final"]]

        await self.until(lambda: len(found()) >= copies, what=f"{copies} final receipts")
        return found()


@dataclass
class World:
    """Everything that runs, and how to act in it."""

    broker: Mosquitto
    att: Simulator
    relay: RelayProcess
    ears: Subscriber
    speed: float
    hooks: str = ""
    asked: Appending = field(kw_only=True)
    ledgers: WorldLedgers = field(kw_only=True)
    _happened: asyncio.Event = field(default_factory=asyncio.Event, kw_only=True)

    def __post_init__(self) -> None:
        """Hear of what happens at AT&T's."""
        write = self.att.world.ledger.copy
        assert write is not None

        def happened(line: dict[str, Any]) -> None:
            write(line)
            self._happened.set()

        self.att.world.ledger.copy = happened

    async def until_att(self, condition: Callable[[], Any], within: float = 60.0) -> Any:
        """What `condition` gives, once it is truthy; it is asked again after everything that happens at AT&T's."""
        async with asyncio.timeout(within):
            while not (found := condition()):
                self._happened.clear()
                await self._happened.wait()
        return found

    def act(self, action: str, service: str = "att-inapp", **facts: Any) -> None:
        """Let something happen at AT&T's; `from_` stands for `from`, which Python keeps for itself."""
        self.att.act(service, action, {name.rstrip("_"): value for name, value in facts.items()})
        if action == "receive" and "text" in facts:
            self.asked.add({"what": "text-in", "text": facts["text"]})

    def fault(self, do: str, operation: str, **rule: Any) -> None:
        """Let a call go wrong, once if nothing else is said."""
        self.att.world.faults.add({"match": {"operation": operation}, "do": do, **rule})

    def ledger(self, *what: str) -> list[dict[str, Any]]:
        """What AT&T saw."""
        return [line for line in self.att.world.ledger.lines() if line["what"] in what]

    def violations(self) -> list[dict[str, Any]]:
        """What relay did that AT&T's documents forbid."""
        return self.att.world.violations.lines()

    async def listening(self) -> None:
        """Wait until relay has said that it is online: from its first life on, the broker keeps commands for it."""

        def online() -> bool:
            heard = (body for topic, body in self.ears.heard if topic.startswith("relay/node/"))
            # A line that waits for its subscriber makes it `degraded`.
            return any(body.get("state") in {"online", "degraded"} for body in heard)

        await self.ears.until(online, what="relay is online")

    async def hooked(self) -> None:
        """Wait until relay's web hook for texts stands at AT&T's: before that, AT&T calls nobody for a text."""
        await self.until_att(lambda: any(line["event"] == "receive" for line in self.ledger("hook-added")))

    async def publish(self, topic: str, payload: Mapping[str, Any] | bytes, *, retain: bool = False) -> None:
        """Publish one command as any client would; it is with the broker on return."""
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        async with aiomqtt.Client("127.0.0.1", self.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.publish(topic, raw, qos=1, retain=retain)
        shown = None if isinstance(payload, bytes) else payload
        self.asked.add({"what": "command", "topic": topic, "payload": shown})

    def text_in(self, sender: str, to: str, text: str) -> None:
        """Somebody texts one of relay's lines."""
        self.att.world.handset.text(sender=sender, to=to, text=text)
        self.asked.add({"what": "text-in", "text": text})

    def accepted(self, text: str | None = None) -> list[dict[str, Any]]:
        """What AT&T took, one line a recipient."""
        lines = [line for line in self.att.world.ledger.lines() if line["what"] == "accepted"]
        return [line for line in lines if text is None or line["text"] == text]


@asynccontextmanager
async def world(
    directory: Path,
    free_port: Callable[[], int],
    *,
    speed: float = 300.0,
    lines: str = LINES,
    media: str = "",
    relay: type[RelayProcess] = RelayProcess,
    broker_extra: Sequence[str] = (),
    lab: bool = True,
    **simulated: Any,
) -> AsyncIterator[World]:
    """A running world; relay itself is started by the test.

    Args:
        directory: an empty one, for everything.
        free_port: gives ports.
        speed: of the lab.
        lines: their settings.
        media: settings of attachments.
        relay: how it runs.
        broker_extra: further lines of the broker's configuration.
        lab: whether relay has a lab's clock; else it has the machine's, and AT&T's runs at its own `speed`.
        simulated: further options of the simulator.
    """
    epoch = datetime.now(UTC)
    clock = LabClock(speed, epoch, epoch)
    (directory / "broker").mkdir()
    options = SimulatorOptions(clock=clock, keep=None, ledger=directory / ATT, **simulated)
    made_broker = Mosquitto(directory / "broker", persistent=True, extra=broker_extra)
    async with made_broker as broker, Simulator(options) as att:
        hook_port = free_port()
        settings = SETTINGS if lab else SETTINGS.partition("[lab]")[0]
        filled = (settings + lines).format(
            directory=directory,
            broker_port=broker.port,
            hook_port=hook_port,
            att=att.base_url,
            speed=speed,
            epoch=epoch.isoformat(),
            media=media,
        )
        _write_settings(directory, filled)
        ears = Subscriber(broker.port, Appending(directory / SUBSCRIBER))
        listening = asyncio.create_task(ears.run())
        await ears.connected.wait()
        runs = relay(directory)
        try:
            yield World(
                *(broker, att, runs, ears, speed, f"http://127.0.0.1:{hook_port}"),
                asked=Appending(directory / PUBLISHER),
                ledgers=WorldLedgers(*(LedgerReader(directory / name) for name in (ATT, SUBSCRIBER, PUBLISHER))),
            )
            assert not ears.misfits, ears.misfits[:5]
        finally:
            await runs.end()
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening


def _write_settings(directory: Path, filled: str) -> None:
    for name, secret in SECRETS.items():
        path = directory / name
        path.write_text(secret + "\n")
        path.chmod(0o600)
    (directory / "attachments").mkdir()
    (directory / "relay.toml").write_text(filled)
