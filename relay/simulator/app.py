"""The simulator: every provider's service and the control API on one port, in this process or alone."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from aiohttp.typedefs import Middleware

from relay.clock import Clock, SystemClock
from relay.ids import Ids
from relay.providerkit.simulated import Ledger, Modes, SimulatedService, World
from relay.providerkit.simulated.oauthroutes import OAuthRoutes
from relay.simulator.control import Control
from relay.simulator.discovery import discover
from relay.simulator.ledgerfile import LedgerFile

_SHUTDOWN_SECONDS = 0.25
_BODY_LIMIT = 1 << 20


@dataclass(frozen=True)
class SimulatorOptions:
    """How to run a simulator.

    Attributes:
        host: where to listen.
        port: 0 for any that is free.
        clock: every timer of AT&T's runs on it, except the seven seconds in which a web hook must be answered.
        seed: repeats a run's chance; None for real chance.
        ledger: a file for the ledger, appended to; None for memory alone.
        sync_ledger: whether each of its lines is synced to the disk.
        keep: how many of the ledger's lines stay in memory; None for all.
        accounts: by service; a service that is not named has the demo's account.
        modes: by service (or `handset`); what is not named has its default.
        middlewares: aiohttp's, around every request: for tests that look at the traffic.
    """

    host: str = "127.0.0.1"
    port: int = 0
    clock: Clock = field(default_factory=SystemClock)
    seed: int | None = None
    ledger: Path | None = None
    sync_ledger: bool = False
    keep: int | None = 100_000
    accounts: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    modes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    middlewares: Sequence[Middleware] = ()


class Simulator:
    """AT&T, simulated. `async with Simulator(options) as simulator:` starts and stops it.

    Attributes:
        base_url: serves all of AT&T's hosts, once it is started.
        world: what the services stand in: ledger, violations, faults, handset.
        services: by their names, once it is started.
    """

    def __init__(self, options: SimulatorOptions | None = None) -> None:
        self.options = options = options or SimulatorOptions()
        # Chance that can be repeated is wanted here, not secrecy.
        chance = random.Random(options.seed) if options.seed is not None else None  # noqa: S311 - see above
        ids = Ids(options.clock, chance)
        self.world = World(options.clock, ids, Ledger(options.clock, options.keep), options.accounts)
        self.services: Mapping[str, SimulatedService] = {}
        self.base_url = ""
        self._runner: web.AppRunner | None = None
        self._background: list[asyncio.Task[None]] = []
        self._file: LedgerFile | None = None

    async def start(self, host: str | None = None, port: int | None = None) -> str:
        """Listen, on the options' address or another; gives the base URL.

        Raises:
            OSError: it cannot listen, or not open the ledger's file.
            ValueError: the options name a service or a mode that there is not, or an account is wrong.
        """
        found = [make(self.world) for make in await asyncio.to_thread(discover)]
        self.services = {service.name: service for service in found}
        self._apply_options()
        if self.options.ledger:
            self._file = await asyncio.to_thread(LedgerFile, self.options.ledger, sync=self.options.sync_ledger)
            self.world.ledger.copy = self._file.append
        host = host or self.options.host
        self.base_url = f"http://{host}:{await self._listen(host, self.options.port if port is None else port)}"
        self._background = [asyncio.create_task(self.world.agenda.run(), name="simulator agenda")]
        self._background += [asyncio.create_task(one.run(), name=name) for name, one in self.services.items()]
        return self.base_url

    def _apply_options(self) -> None:
        for name in self.options.accounts:
            self.service(name)
        for name, changes in self.options.modes.items():
            self.set_modes(name, changes)

    async def _listen(self, host: str, port: int) -> int:
        app = web.Application(client_max_size=_BODY_LIMIT, middlewares=self.options.middlewares)
        for service in self.services.values():
            app.add_routes(service.routes())
        app.add_routes(OAuthRoutes(self.world).routes())
        app.add_routes(Control(self.world, self.services).routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        listening: int = self._runner.addresses[0][1]
        return listening

    async def stop(self) -> None:
        """Close the port, end all background work, close the ledger's file. Raises what broke in the background."""
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        for task in self._background:
            task.cancel()
        ends = await asyncio.gather(*self._background, return_exceptions=True)
        self._background = []
        if self._file:
            self.world.ledger.copy = None
            await asyncio.to_thread(self._file.close)
            self._file = None
        for end in ends:
            if isinstance(end, Exception):
                raise end

    def service(self, name: str) -> SimulatedService:
        """The service of that name; raises ValueError, naming those there are."""
        if name not in self.services:
            raise ValueError(f"no service {name!r} here; there is {', '.join(self.services)}")
        return self.services[name]

    def modes(self, name: str) -> Modes:
        """The modes of a service, or of `handset`; raises ValueError."""
        return self.world.handset.modes if name == "handset" else self.service(name).modes

    def set_modes(self, name: str, changes: Mapping[str, Any]) -> None:
        """Change how a service (or `handset`) behaves; raises ValueError where a name or a value is wrong."""
        self.modes(name).change(changes)

    def act(self, name: str, action: str, facts: Mapping[str, Any] | None = None) -> None:
        """Make a service do what no request can; raises ValueError."""
        self.service(name).act(action, facts or {})

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.stop()
