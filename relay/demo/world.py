"""What the demo plays in: a broker, AT&T simulated, relay, and a subscriber; all on loopback, all in one folder."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt

from relay.clock import LabClock, SystemClock
from relay.demo.broker import Broker, Kind, free_port, running_broker
from relay.demo.ears import Ears
from relay.demo.trouble import Trouble
from relay.ids import unguessable
from relay.providers import discover
from relay.settings import Settings, load_settings
from relay.simulator.app import Simulator, SimulatorOptions
from relay.telemetry.logging import configure
from relay.telemetry.notify import Notifier
from relay.wiring import serve

SPEED = 60  # of AT&T's and relay's seconds in a real one: AT&T's five minutes between two polls become five seconds
_PATIENCE = 20.0  # seconds for relay to start

SHORT_CODE = "12345"
LANDLINE = "+12065550100"
SUBSCRIBER = "+12065550150"

_SECRETS = {
    "app_secret": "demo-secret",
    "session": "00000000-0000-0000-0000-000000000000:1",
    "inapp_secret": "demo-inapp-secret",
}
_SETTINGS = """\
[node]
name = "demo"
[bus]
url = "mqtt://127.0.0.1:{broker.port}"
protocol = "{broker.protocol}"
[journal]
url = "sqlite:///{folder}/relay.db"
[webhooks]
listen = "127.0.0.1:{hooks}"
public_url = "http://127.0.0.1:{hooks}"
[admin]
listen = "127.0.0.1:{admin}"
socket = "{folder}/relay.sock"
[lab]
speed = {speed}
epoch = "{epoch}"
[lines.alerts]
provider = "att-sms"
base_url = "{att}"
short_code = "{short_code}"
app_key = "demo-key"
app_secret_file = "app_secret"
[lines.office]
provider = "att-landline"
base_url = "{att}"
number = "{landline}"
session_file = "session"
[lines.desk]
provider = "att-inapp"
base_url = "{att}"
number = "{subscriber}"
app_key = "demo-inapp-key"
app_secret_file = "inapp_secret"
"""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that runs. `page` is the address of relay's status page."""

    folder: Path
    broker: Broker
    att: Simulator
    ears: Ears
    page: str


@asynccontextmanager
async def running_world(kind: Kind, folder: Path) -> AsyncIterator[World]:
    """Run everything; what was started last is stopped first.

    Args:
        kind: which broker.
        folder: an empty one, where everything is kept: settings, journal, logs.

    Raises:
        Trouble: something does not start.
    """
    epoch = SystemClock().now()
    options = SimulatorOptions(clock=LabClock(SPEED, epoch, epoch), keep=None)
    # It stays open to the end of the process, whose last words belong there as well.
    log = await asyncio.to_thread((folder / "relay.log").open, "a", encoding="utf-8")
    configure("text", "info", log, unguessable().encode())
    async with running_broker(kind, folder) as broker, Simulator(options) as att, _listening(broker) as ears:
        path = await asyncio.to_thread(_write_settings, folder, broker, att.base_url, epoch.isoformat())
        settings = await asyncio.to_thread(_load, path)
        async with _relay(settings):
            yield World(folder, broker, att, ears, f"http://127.0.0.1:{settings.admin.listen.port}/")


def _write_settings(folder: Path, broker: Broker, att: str, epoch: str) -> Path:
    for name, secret in _SECRETS.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(secret + "\n")
    path = folder / "relay.toml"
    filled = _SETTINGS.format(
        broker=broker,
        folder=folder,
        hooks=free_port(),
        admin=free_port(),
        speed=SPEED,
        epoch=epoch,
        att=att,
        short_code=SHORT_CODE,
        landline=LANDLINE,
        subscriber=SUBSCRIBER,
    )
    path.write_text(filled)
    return path


def _load(path: Path) -> Settings:
    models = {name: provider.settings for name, provider in discover().items()}
    # The environment stays out of it: it is the operator's, for another relay.
    return load_settings(path=path, environment={}, line_models=models)


@asynccontextmanager
async def _listening(broker: Broker) -> AsyncIterator[Ears]:
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V311) as client:
        await client.subscribe("relay/#", qos=1)
        ears = Ears(client)
        async with _background(ears.listen()):
            yield ears


@asynccontextmanager
async def _relay(settings: Settings) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), _Ready()
    serving = asyncio.create_task(
        serve(settings, discover(), notifier=ready, stop=stop, use_peer_key=_ignore), name="relay"
    )
    started = asyncio.create_task(ready.event.wait())
    try:
        await asyncio.wait({serving, started}, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            raise Trouble("relay does not start")
        yield
    finally:
        started.cancel()
        stop.set()
        await serving


class _Ready(Notifier):
    """Takes relay's word to systemd that it is ready."""

    def __init__(self) -> None:
        super().__init__(None)
        self.event = asyncio.Event()

    def ready(self) -> None:
        self.event.set()


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _ignore(_peer_key: bytes) -> None:
    """The demo's log is hashed under a key of its own."""
