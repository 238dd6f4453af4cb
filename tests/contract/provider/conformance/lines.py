"""Lines of every provider for the suite: fresh ones with a copy of what was prepared, beside a server."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from relay.ids import Ids
from relay.providerkit.spec import LineContext
from relay.providers import discover
from relay.simulator.virtual import ManualClock
from tests.contract.provider.conformance.known import Facts, facts_of
from tests.memory import Memory

PROVIDERS = discover()


@dataclass
class Stand:
    """Makes lines of one provider that speak to `base_url`."""

    provider: str
    base_url: str
    clock: ManualClock = field(default_factory=ManualClock)
    prepared: Memory = field(default_factory=Memory)

    @property
    def facts(self) -> Facts:
        """What the suite knows of the provider."""
        return facts_of(self.provider)

    def connect(self, memory: Memory | None = None, **settings: Any) -> Any:
        """A line."""
        provider = PROVIDERS[self.provider]
        given = {"base_url": self.base_url, "timeout": 5.0, **self.facts.settings, **settings}
        ids = Ids(self.clock, random.Random(7))  # noqa: S311 - a seed repeats the run
        checked = provider.settings.model_validate(given)
        return provider.connect(LineContext("line", checked, memory or Memory(), self.clock, ids))

    async def prepare(self) -> None:
        """Do once what makes lines work; later lines begin with what is kept of it."""
        line = self.connect(self.prepared)
        await self.facts.prepare(line)
        await line.aclose()

    @asynccontextmanager
    async def line(self, **settings: Any) -> AsyncIterator[Any]:
        """A fresh line that works."""
        line = self.connect(Memory(dict(self.prepared.kept)), **settings)
        try:
            yield line
        finally:
            await line.aclose()


def unconnected(provider: str, variant: Mapping[str, Any] | None = None) -> Any:
    """A line that is never asked to connect."""
    return Stand(provider, "http://127.0.0.1:9").connect(**(variant or {}))
