"""Relay, AT&T and a broker in one loop of virtual time, and the three ledgers that are kept outside relay."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import aiohttp
import structlog
from structlog.testing import LogCapture

from relay.providers import discover
from relay.settings import Settings, load_settings
from relay.simulator.app import Simulator, SimulatorOptions
from tests.battery.checker import Ledgers
from tests.simulation.broker import Command, MemoryBroker
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Network
from tests.simulation.running import Relay, VirtualClock, seldom
from tests.system.world import SECRETS

T = TypeVar("T")

SMS, LANDLINE, INAPP, HOOKS = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"
PROVIDERS = {"alerts": SMS, "office": LANDLINE, "desk": INAPP}
SHORT_CODE, NUMBER, SUBSCRIBER = "12345", "+12065550100", "+12065550150"
MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory, where there is one
_SETTINGS = """
[node]
name = "relay-1"
grace = "60s"
[bus]
url = "mqtt://127.0.0.1:1"
[journal]
url = "sqlite:///{place}/relay.db"
ballast = "1 MiB"
[webhooks]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:0"
socket = "{folder}/relay.sock"
[media]
folder = "{folder}/attachments"
[lines.alerts]
provider = "att-sms"
base_url = "http://127.0.0.2:{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{folder}/app_secret"
poll_interval = "28m"
webhook_secret_file = "{folder}/webhook_secret"
[lines.office]
provider = "att-landline"
base_url = "http://127.0.0.3:{att}"
number = "+12065550100"
session_file = "{folder}/session"
webhook_secret_file = "{folder}/webhook_secret"
[lines.desk]
provider = "att-inapp"
base_url = "http://127.0.0.4:{att}"
number = "+12065550150"
app_key = "demo-inapp-key"
app_secret_file = "{folder}/inapp_secret"
sync_interval = "1h"
webhook_secret_file = "{folder}/webhook_secret"
"""


class World:
    """What stands around relay, and relay.

    Attributes:
        asked: what the publisher has asked for, and the texts that handsets have sent, each with its command.
        logged: every line of relay's log, with the loop's seconds.
        again: ids of events that a person had published again.
    """

    def __init__(self, loop: VirtualLoop, folder: Path, port: int, seed: int) -> None:
        self.loop = loop
        self.network: Network = loop.network
        self.broker = MemoryBroker()
        self.asked: list[tuple[dict[str, Any], Command | None]] = []
        self.logged: list[dict[str, Any]] = []
        self.again: set[str] = set()
        self.folder = folder
        self.seed = seed
        self._port = port
        self.att = Simulator(SimulatorOptions(clock=VirtualClock(loop), seed=seed, keep=None))
        self.relay = Relay(loop, folder, self._settings, self.broker, seed)

    def _settings(self, place: Path) -> Settings:
        att = self.att.base_url.rpartition(":")[2]
        return self.loop.aside(
            _loaded, self.folder, _SETTINGS.format(place=place, folder=self.folder, port=self._port, att=att)
        )

    def command(self, line: str, verb: str, payload: dict[str, Any], client: str | None = None) -> bool:
        """A client publishes a command; whether the broker took it. Only then it counts."""
        topic = f"relay/line/{line}/{verb}" + (f"/{client}" if client else "")
        command = self.broker.publish(topic, payload)
        if command is not None:
            self.asked.append(({"what": "command", "topic": topic, "payload": payload}, command))
        return command is not None

    def text_in(self, to: str, sender: str, text: str, **more: Any) -> None:
        """Somebody texts one of relay's numbers."""
        if to == SUBSCRIBER:
            self.att.act("att-inapp", "receive", {"from": sender, "text": text, **more})
        else:
            self.att.world.handset.text(sender=sender, to=to, text=text)
        self.asked.append(({"what": "text-in", "text": text}, None))

    def att_lines(self, *what: str) -> list[dict[str, Any]]:
        """AT&T's ledger."""
        return [line for line in self.att.world.ledger.lines() if line["what"] in what]

    def ledgers(self) -> Ledgers:
        """The three, without what others than relay lost, and said so."""
        answered = {
            name
            for line in self.broker.heard
            if line["event"]["type"] == "relay.result.v1"
            for name in (line["event"]["data"]["request_id"], line["event"]["data"]["ref"])
        }
        purged = {line["text"] for line in self.att_lines("purged")}
        asked = [
            line
            for line, command in self.asked
            if not (command and command.forgotten and _name(line) not in answered) and line.get("text") not in purged
        ]
        return Ledgers(self.att.world.ledger.lines(), self.broker.heard, asked)

    async def agree(self) -> None:
        """The subscriber agrees in a browser."""
        node = self.relay.node
        assert node is not None
        await self.relay.do(self._agree(node.services.consents))

    async def _agree(self, consents: Any) -> None:
        async with consents.login("desk") as login, aiohttp.ClientSession() as browser:
            async with browser.get(login.url) as page:
                await page.read()
            outcome = await consents.outcome("desk", login, 20.0)
        assert outcome.end == "given", outcome


def _name(line: Mapping[str, Any]) -> str | None:
    return line["payload"].get("id") or line["payload"].get("ref") if line["what"] == "command" else None


def _loaded(folder: Path, text: str) -> Settings:
    path = folder / "relay.toml"
    if not path.exists():
        (folder / "attachments").mkdir()
        for name, secret in {**SECRETS, "webhook_secret": "0123456789abcdef"}.items():
            (folder / name).write_text(secret + "\n")
            (folder / name).chmod(0o600)
    path.write_text(text)
    models = {name: provider.settings for name, provider in discover().items()}
    return load_settings(path=path, environment={}, line_models=models)


class _Timed(LogCapture):
    """Keeps what relay logs, with its time; what is only for who hunts a defect is left out."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def __call__(self, _: Any, method_name: str, event_dict: Any) -> Any:
        """One line."""
        if method_name != "debug":
            error = event_dict.get("exc_info")
            entry = {**event_dict, "level": method_name, "at": self._world.loop.time()}
            if isinstance(error, BaseException):
                entry["error"] = repr(error)
            self._world.logged.append(entry)
        raise structlog.DropEvent


@asynccontextmanager
async def _standing(world: World) -> AsyncIterator[World]:
    async with world.att:
        await world.relay.start()
        try:
            yield world
        finally:
            if world.relay.is_up:
                await world.relay.stop()
            await world.relay.buried()


def simulate(port: int, seed: int, story: Callable[[World], Awaitable[T]]) -> T:
    """What a story gives that is told in a world of its own, in virtual time.

    Args:
        port: for web hooks, in name only: nobody can connect to it.
        seed: of all chance.
        story: what happens. Relay is running when it begins.
    """
    loop = VirtualLoop(Network())
    crashes: list[Mapping[str, Any]] = []
    # The connections of a life that was killed were not closed, and need not be.
    loop.set_exception_handler(lambda _, what: what["message"].startswith("Unclosed") or crashes.append(what))
    where = MEMORY if MEMORY.is_dir() else None
    configured = structlog.get_config()
    with TemporaryDirectory(dir=where) as folder, seldom(loop):
        world = World(loop, Path(folder), port, seed)
        structlog.configure(processors=[_Timed(world)], cache_logger_on_first_use=False)
        logging.getLogger("asyncio").setLevel(logging.ERROR)

        async def tell() -> T:
            async with _standing(world):
                return await story(world)

        try:
            return loop.run_until_complete(tell())
        finally:
            structlog.configure(**configured)
            loop.close()
            assert crashes == [], (len(crashes), crashes[:3])
