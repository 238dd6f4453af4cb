"""Relay in the test's own event loop, which starts at once and is watched for blocking calls; and its subscriber."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from pydantic_core import from_json

from relay.journal.filecheck import mark_of
from relay.providers import discover
from relay.settings import load_settings
from relay.telemetry.notify import Notifier
from relay.wiring import serve
from tests import journals
from tests.system.world import START_WITHIN, RelayProcess, World, world

SUBSCRIBER = "+12065550150"
FRIEND, OTHER = "+12065550101", "+12065550102"
WITHIN = 20.0
DESK = """
[lines.desk]
provider = "att-inapp"
base_url = "{att}"
number = "+12065550150"
app_key = "demo-inapp-key"
app_secret_file = "{directory}/inapp_secret"
sync_interval = "5s"
"""
OFFICE = """
[lines.office]
provider = "att-landline"
base_url = "{att}"
number = "+12065550100"
session_file = "{directory}/session"
mms = true
"""
# The smallest picture there is: one grey point, as GIF.
PICTURE = bytes.fromhex("47494638396101000100800000808080000000002c00000000010001000002024401003b")


class RelayHere(RelayProcess):
    """`relay run` without a process of its own."""

    _serving: "asyncio.Task[None] | None" = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        providers = await asyncio.to_thread(discover)
        models = {name: provider.settings for name, provider in providers.items()}
        path = self.directory / "relay.toml"
        settings = await asyncio.to_thread(lambda: load_settings(path=path, environment={}, line_models=models))
        ready = _Ready()
        await asyncio.to_thread(_lay, self.directory / "relay.db", settings.journal.url)
        self._stop = asyncio.Event()
        self._serving = asyncio.create_task(
            serve(settings, providers, notifier=ready, stop=self._stop, use_peer_key=_ignored)
        )
        started = asyncio.create_task(ready.event.wait())
        await asyncio.wait({self._serving, started}, timeout=START_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._serving.done():
            self._serving.result()
        assert ready.event.is_set(), "relay does not start"

    async def stop(self) -> int:
        """As after SIGTERM."""
        assert self._serving is not None
        self._stop.set()
        await self._serving
        self._serving = None
        return 0

    async def end(self) -> None:
        """However it runs, it runs no more."""
        if self._serving is not None:
            await self.stop()


def _lay(path: Path, url: str) -> None:
    """Lay its journal, at its first start: a journal that is lost must be missed."""
    if url == f"sqlite:///{path}" and not mark_of(path).exists():
        journals.lay(path)


class _Ready(Notifier):
    def __init__(self) -> None:
        super().__init__(None)
        self.event = asyncio.Event()

    def ready(self) -> None:
        """It is."""
        self.event.set()


def _ignored(_: bytes) -> None:
    """Logs go nowhere here."""


@asynccontextmanager
async def at_home(
    directory: Path,
    free_port: Callable[[], int],
    *,
    lines: str = DESK,
    speed: float = 60.0,
    before: Callable[[World], None] | None = None,
    **more: Any,
) -> AsyncIterator[World]:
    """A world whose relay runs here; in the end nothing was done that AT&T forbids.

    Args:
        directory: an empty one.
        free_port: gives ports.
        lines: their settings; with `DESK` first its subscriber has agreed.
        speed: of the lab.
        before: what happens before relay starts.
        more: as `world` has it.
    """
    async with world(directory, free_port, lines=lines, speed=speed, relay=RelayHere, **more) as made:
        if before is not None:
            before(made)
        await made.relay.start()
        await made.listening()
        if lines.startswith(DESK):
            await agree(made)
        yield made
        assert made.violations() == []


def daemon(made: World) -> aiohttp.ClientSession:
    """Speaks to relay's own socket."""
    return aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(made.relay.directory / "relay.sock")))


async def agree(made: World, line: str = "desk") -> str:
    """The line's subscriber agrees in a browser; the address that was opened."""
    async with daemon(made) as asking:
        asked = {"line": line, "timeout": WITHIN}
        async with asking.post("http://relay/auth/login", json=asked) as told:
            opened: str = (await _said(told))["open"]
            async with aiohttp.ClientSession() as browser, browser.get(opened) as page:
                await page.read()
            outcome = await _said(told)
    assert outcome["outcome"] == "given", outcome
    return opened


async def _said(told: aiohttp.ClientResponse) -> Any:
    """The next line that is not only a sign of life."""
    async for line in told.content:
        if line.strip():
            return from_json(line)
    raise AssertionError("the daemon said nothing more")


async def followed(made: World) -> None:
    """Wait until the line's message store was compared once: what comes from then on is published."""
    await made.ears.until(lambda: line_state(made, "desk") == "ready", what="the line is ready")


def line_state(made: World, line: str) -> str | None:
    """What a line's status topic said last."""
    states = [body["state"] for topic, body in made.ears.heard if topic == f"relay/line/{line}/status"]
    return states[-1] if states else None


def part(data: bytes = PICTURE, content_type: str = "image/gif", name: str = "grey.gif") -> dict[str, str]:
    """An attachment, as simulator and requests both take it."""
    return {"content_type": content_type, "name": name, "filename": name, "data": base64.b64encode(data).decode()}


def media(data: bytes = PICTURE, content_type: str = "image/gif", filename: str = "grey.gif") -> dict[str, str]:
    """An attachment of a request."""
    return {"content_type": content_type, "filename": filename, "data": base64.b64encode(data).decode()}


def texts(made: World, kind: str = "message") -> list[str]:
    """The texts of what was published of a kind."""
    return [event["data"]["text"] for event in made.ears.events(kind)]
