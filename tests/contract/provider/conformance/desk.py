"""A provider's line beside its own simulator, with somebody who listens to its web hooks, and a browser."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from relay.domain.errors import NotReady, RelayError, TryLater
from relay.domain.messages import HookReading, RawAnswer
from relay.providerkit.spec import InstallsHooks, NeedsConsent
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from tests.contract.provider.conformance.calls import URL as HOOK
from tests.contract.provider.conformance.known import Facts, facts_of
from tests.contract.provider.conformance.lines import Stand
from tests.contract.provider.conformity import Watch

REDIRECT = "http://127.0.0.1:9/consent/line/secret"
PATIENCE = 20  # tries, a minute of the provider's time between two


@dataclass
class Desk:
    """Everything that the exercises need."""

    facts: Facts
    line: Any
    simulator: Simulator
    clock: ManualClock
    base: str = ""
    heard: defaultdict[str, asyncio.Queue[HookReading]] = field(default_factory=lambda: defaultdict(asyncio.Queue))

    async def hear(self, request: web.Request) -> web.Response:
        """Read a web hook, and keep what it says."""
        event = request.match_info["event"]
        raw = RawAnswer(await request.read(), request.content_type)
        self.heard[event].put_nowait(self.line.read_hook(event, raw))
        return web.Response()

    async def listen(self) -> None:
        """Have the provider call for every event of the line: by its own means, or as on the account's page."""
        for event in self.line.hook_events:
            if isinstance(self.line, InstallsHooks):
                await self.line.install_hook(event, self.base + event)
            else:
                assert self.facts.listen is not None, "how are web hooks registered for it? see Facts.listen"
                self.facts.listen(self.simulator, event, self.base + event)

    async def next(self, event: str) -> HookReading:
        """What the next web hook of an event says."""
        async with asyncio.timeout(10):
            return await self.heard[event].get()

    async def browse(self) -> URL:
        """The subscriber agrees on the provider's page; where it sends the browser back to."""
        assert isinstance(self.line, NeedsConsent)
        address = self.line.consent_url(REDIRECT, "st4te")
        async with aiohttp.ClientSession() as browser, browser.get(address, allow_redirects=False) as answer:
            return URL(answer.headers["Location"])

    async def ready(self) -> None:
        """A line that may be used: its subscriber has agreed, its message store is ready."""
        if isinstance(self.line, NeedsConsent):
            await self.line.take_consent((await self.browse()).query["code"], REDIRECT)
        if hasattr(self.line, "prepare_mailbox"):
            await self.patiently(self.line.prepare_mailbox)

    async def patiently(self, make: Any, *given: Any) -> Any:
        """What a call gives that may say "later" at first."""
        last: RelayError | None = None
        for _ in range(PATIENCE):
            try:
                return await make(*given)
            except (NotReady, TryLater) as later:
                last = later
                await self.clock.advance(later.after or 60)
        raise AssertionError("it is still not ready") from last


@asynccontextmanager
async def a_desk(provider: str, variant: Mapping[str, Any]) -> AsyncIterator[Desk]:
    """Everything, started; in the end nothing was done that the provider's documents forbid."""
    facts, clock, watch = facts_of(provider), ManualClock(), Watch()
    options = SimulatorOptions(
        clock=clock, seed=7, accounts={provider: [facts.accounts]}, middlewares=[watch.middleware]
    )
    async with Simulator(options) as simulator:
        watch.attend(simulator)
        line = Stand(provider, simulator.base_url, clock).connect(**variant)
        desk = Desk(facts, line, simulator, clock)
        app = web.Application()
        app.router.add_route("*", "/hooks/line/{secret}/{event}", desk.hear)
        async with TestServer(app) as listener:
            desk.base = str(listener.make_url(f"/hooks/line/{HOOK.split('/')[-2]}/"))
            try:
                yield desk
            finally:
                await line.aclose()
        violations = simulator.world.violations.lines()
    watch.check()
    if violations:
        raise AssertionError(f"what the provider's documents forbid: {violations}")
