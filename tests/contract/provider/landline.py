"""A Landline line, the simulator, and a listener for the line's web hooks: the stage of the contract tests."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from relay.clock import Clock
from relay.domain.addresses import outbound
from relay.domain.messages import (
    DeliveryReport,
    HookReading,
    InboundMessage,
    MailChange,
    OutboundCall,
    RawAnswer,
    Recipient,
    Sighting,
)
from relay.ids import Ids
from relay.providerkit.hooks import Change, Install, Remove, Update, reconcile
from relay.providerkit.spec import LineContext
from relay.providers.att_landline import PROVIDER
from relay.providers.att_landline.client import AttLandlineLine
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from tests.memory import Memory

SESSION = "11111111-2222-3333-4444-555555555555:7"
USERNAME, PASSWORD = "2065550100", "the line's password"
NUMBER = "+12065550100"
FRIEND, OTHER = "+14257770001", "+14257770002"


@dataclass
class World:
    """A line, the simulator, and a listener for the line's web hooks."""

    simulator: Simulator
    clock: ManualClock
    line: AttLandlineLine
    base: str = ""
    heard: list[HookReading] = field(default_factory=list)

    async def hear(self, request: web.Request) -> web.Response:
        """Read a hook; the event is the last part of its path."""
        raw = RawAnswer(await request.read(), request.content_type)
        self.heard.append(self.line.read_hook(request.path.rpartition("/")[2], raw))
        return web.Response()

    def wanted(self, part: str = "first") -> dict[str, str]:
        """The addresses of the line's hooks."""
        return {event: f"{self.base}{part}/{event}" for event in self.line.hook_events}

    async def install(self, part: str = "first") -> Sequence[Change]:
        """Make the hooks right; gives what was changed."""
        wanted = list(self.wanted(part).items())
        changes = reconcile(await self.line.list_hooks(), wanted, lambda url: url.startswith(self.base))
        for change in changes:
            match change:
                case Install():
                    await self.line.install_hook(change.event, change.url)
                case Update():
                    await self.line.update_hook(change.provider_id, change.url)
                case Remove():
                    await self.line.remove_hook(change.provider_id)
        return changes

    async def pass_time(self, seconds: float = 60) -> None:
        """Let AT&T's timers run."""
        async with asyncio.timeout(20):
            await self.clock.advance(seconds)

    def ledger(self, what: str) -> list[dict[str, Any]]:
        """What the simulator wrote down of one kind."""
        return [line for line in self.simulator.world.ledger.lines() if line["what"] == what]

    @property
    def reports(self) -> list[DeliveryReport]:
        """Every report heard."""
        return [report for reading in self.heard for report in reading.reports]

    @property
    def sightings(self) -> list[Sighting]:
        """Every text that was seen to go out."""
        return [sighting for reading in self.heard for sighting in reading.sightings]

    @property
    def changes(self) -> list[MailChange]:
        """Every change heard of."""
        return [change for reading in self.heard for change in reading.changes]

    @property
    def messages(self) -> list[InboundMessage]:
        """Every text heard."""
        return [message for reading in self.heard for message in reading.messages]


def connected(base_url: str, clock: Clock, **settings: Any) -> AttLandlineLine:
    """A line with its service at `base_url`; with a session, or else as the settings say."""
    way_in = {} if "username" in settings else {"session": SESSION}
    given = {"provider": "att-landline", "number": NUMBER, "base_url": base_url, **way_in, **settings}
    context = LineContext("office", PROVIDER.settings.model_validate(given), Memory(), clock, Ids(clock))
    line = PROVIDER.connect(context)
    assert isinstance(line, AttLandlineLine)
    return line


@asynccontextmanager
async def landline_world(modes: Mapping[str, Any] | None = None, **settings: Any) -> AsyncIterator[World]:
    """Everything, started; and nothing was done against the documentation when it ends."""
    clock = ManualClock()
    account = {"session": SESSION, "number": NUMBER, "username": USERNAME, "password": PASSWORD}
    options = SimulatorOptions(
        clock=clock, seed=7, accounts={"att-landline": [account]}, modes={"att-landline": modes or {}}
    )
    async with Simulator(options) as simulator:
        world = World(simulator, clock, connected(simulator.base_url, clock, **settings))
        app = web.Application()
        app.router.add_route("*", "/hooks/office/{secret}/{event}", world.hear)
        listener = TestServer(app)
        async with listener:
            world.base = str(listener.make_url("/hooks/office/"))
            yield world
            await world.line.aclose()
        assert simulator.world.violations.lines() == []


def call_to(*numbers: str, text: str | None = "Hello + ☎", **more: Any) -> OutboundCall:
    """A call to these numbers."""
    recipients = tuple(Recipient(f"m-{place}", outbound(number)) for place, number in enumerate(numbers))
    return OutboundCall("call", "m", "office", 1, recipients, text, **more)
