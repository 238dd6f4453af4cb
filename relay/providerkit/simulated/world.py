"""The simulated world that every provider's simulator stands in, and what such a simulator is."""

import itertools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from aiohttp import web

from relay.clock import Clock
from relay.ids import Ids
from relay.providerkit.simulated.agenda import Agenda
from relay.providerkit.simulated.faults import Faults
from relay.providerkit.simulated.handset import Handset
from relay.providerkit.simulated.ledger import Ledger, Violations
from relay.providerkit.simulated.modes import Modes
from relay.providerkit.simulated.oauth import OAuthServer

Account = Mapping[str, str]


@runtime_checkable
class StandsStill(Protocol):
    """A clock that can be kept from moving while something that takes real time is under way."""

    def held(self) -> AbstractContextManager[None]:
        """While inside, the clock does not advance."""


@dataclass
class World:
    """Time, chance, memory, mischief and OAuth, shared by the simulated services.

    `accounts` are by the service's name; a service without any makes the demo's.
    """

    clock: Clock
    ids: Ids
    ledger: Ledger
    accounts: Mapping[str, Sequence[Account]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.requests = itertools.count(1)
        self.faults = Faults()
        self.violations = Violations(self.clock)
        self.agenda = Agenda(self.clock)
        self.handset = Handset(self.agenda)
        self.oauth = OAuthServer(self.clock, self.ids, self.ledger, self.violations)

    def now(self) -> float:
        """The clock's time, in seconds since 1970."""
        return self.agenda.now()

    def held(self) -> AbstractContextManager[None]:
        """While inside, a clock that a test moves by hand stands still: for I/O, which takes real time."""
        return self.clock.held() if isinstance(self.clock, StandsStill) else nullcontext()


class SimulatedService(Protocol):
    """One provider's simulator: `simulated(world)` in the module `simulator` of the provider's folder makes it.

    One that also has `describe() -> Mapping[str, Any]`, a part of an OpenAPI document with its `paths`, stands in
    GET /_sim/openapi.json.
    """

    name: str

    @property
    def modes(self) -> Modes:
        """How it behaves; changed in place."""

    def routes(self) -> list[web.RouteDef]:
        """Its part of the simulator's application."""

    async def run(self) -> None:
        """Work in the background until cancelled; a service without any may return at once."""

    def act(self, action: str, facts: Mapping[str, Any]) -> None:
        """Do what no request can, such as making every token expire; raises ValueError, naming what it can do."""
