"""A subscriber's line of In-App Messaging over real sockets: relay's client, the simulator, and a browser."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from relay.domain.addresses import outbound
from relay.domain.errors import NotReady
from relay.domain.messages import Media, OutboundCall, Recipient
from relay.ids import Ids
from relay.providerkit.spec import LineContext
from relay.providers.att_inapp import PROVIDER
from relay.providers.att_inapp.client import AttInAppLine
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from tests.contract.provider.conformity import Watch
from tests.memory import Memory

NUMBER = "+12065550150"
FRIEND = "+12065550001"
REDIRECT = "http://127.0.0.1:9/consent/desk/s3cret"
SERVICE = "att-inapp"
IMAGE = Media("image/png", "map.png", b"\x89PNG\r\n--relay\r\n\x00\xff")


@dataclass
class Desk:
    """The simulator, time, and the lines that a test makes; `line` is the first."""

    simulator: Simulator
    clock: ManualClock
    watch: Watch
    memory: Memory = field(default_factory=Memory)
    lines: list[AttInAppLine] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)  # what the test does on purpose

    @property
    def line(self) -> AttInAppLine:
        """The line under test."""
        return self.lines[0] if self.lines else self.connect()

    def connect(self, memory: Memory | None = None, **more: Any) -> AttInAppLine:
        """Another line, with these settings beside the demo account's."""
        least = {"number": NUMBER, "app_key": "demo-inapp-key", "app_secret": "demo-inapp-secret", "timeout": 20.0}
        settings = PROVIDER.settings.model_validate({"base_url": self.simulator.base_url, **least, **more})
        ids = Ids(self.clock, random.Random(7))  # noqa: S311 - a seed repeats the run
        line = PROVIDER.connect(LineContext("desk", settings, memory or self.memory, self.clock, ids))
        assert isinstance(line, AttInAppLine)
        self.lines.append(line)
        return line

    def shape(self, name: str, **more: Any) -> None:
        """How AT&T answers from now on."""
        self.simulator.set_modes(SERVICE, {"shape": name, **more})

    def act(self, what: str, **facts: Any) -> None:
        """Something happens without any request."""
        self.simulator.act(SERVICE, what, facts)

    def said(self, what: str) -> list[dict[str, Any]]:
        """Lines of the simulator's ledger."""
        return [line for line in self.simulator.world.ledger.lines() if line["what"] == what]

    async def browse(self, line: AttInAppLine | None = None) -> URL:
        """Where AT&T's page sends the browser back to."""
        address = (line or self.line).consent_url(REDIRECT, "st4te")
        async with aiohttp.ClientSession() as browser, browser.get(address, allow_redirects=False) as answer:
            assert answer.status == 302
            return URL(answer.headers["Location"])

    async def agree(self, line: AttInAppLine | None = None) -> str:
        """The subscriber agrees, and relay takes it."""
        back = await self.browse(line)
        return await (line or self.line).take_consent(back.query["code"], REDIRECT)

    async def ready(self) -> AttInAppLine:
        """A line with consent and an index."""
        await self.agree()
        await self.prepared()
        return self.line

    async def prepared(self) -> None:
        """Wait for the index as the syncer would."""
        for _ in range(10):
            try:
                return await self.line.prepare_mailbox()
            except NotReady as waits:
                await self.clock.advance(waits.after or 5.0)
        raise AssertionError("the index never became ready")

    def violations(self) -> list[Any]:
        """What relay did that AT&T's documents forbid."""
        return list(self.simulator.world.violations.lines())


@asynccontextmanager
async def a_desk(**modes: Any) -> AsyncIterator[Desk]:
    """A simulator with one subscriber who has not agreed yet; at the end AT&T has nothing to object to."""
    clock = ManualClock()
    watch = Watch()
    options = SimulatorOptions(clock=clock, seed=7, modes={SERVICE: modes}, middlewares=[watch.middleware])
    async with Simulator(options) as simulator:
        watch.attend(simulator)
        desk = Desk(simulator, clock, watch)
        try:
            yield desk
        finally:
            for line in desk.lines:
                await line.aclose()
        assert [one["what"] for one in desk.violations()] == desk.forbidden
        watch.check()


def a_call(*numbers: str, text: str | None = "Your order is on its way.", **more: Any) -> OutboundCall:
    """A call to these addresses."""
    recipients = tuple(Recipient(f"copy-{place}", outbound(number)) for place, number in enumerate(numbers))
    return OutboundCall("call", "message", "desk", 1, recipients, text, **more)
