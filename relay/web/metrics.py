"""`GET /metrics`: how relay stands, in Prometheus' words. No number, no id and no text is ever a label."""

import asyncio
from collections.abc import Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from relay.domain.errors import RelayError
from relay.journal import JournalError
from relay.providerkit.spec import NeedsConsent
from relay.web.gauges import Asked, Sources, gauges

PATH = "/metrics"
FRESH_FOR = 5.0  # seconds: however often somebody asks, the journal is not asked more often than that ...
REST_FACTOR = 60  # ... nor for more than a small part of the time, however much it holds
PATIENCE = 3.0  # real seconds: Prometheus gives a scrape up after ten


class MetricsRoute:
    """Answers Prometheus, whatever the journal does: a database that stands still must not look as if relay did.

    Args:
        sources: what is measured.
        patience: real seconds that a scrape waits for the journal.
    """

    def __init__(self, sources: Sources, *, patience: float = PATIENCE) -> None:
        self._sources = sources
        self._patience = patience
        self._known: Asked | None = None
        self._fresh_until = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The answer; None for everything but this one page."""
        if request.method not in {"GET", "HEAD"} or request.rel_url.raw_path != PATH:
            return None
        asked = await self._asked()
        shown = _Shown(gauges(self._sources, asked))
        # Not on the event loop: the process's own files and the disks are looked at.
        body = await asyncio.to_thread(self._written, shown)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    def _written(self, shown: "_Shown") -> bytes:
        registry = CollectorRegistry()
        registry.register(_Shown([*self._sources.meters.collect(), *shown.collect(), *self._sources.disk_gauges()]))
        return generate_latest(registry)

    async def _asked(self) -> Asked | None:
        """What the journal counts, not older than a few seconds; None where it cannot be read, or not in time."""
        if self._asking is None:
            if asyncio.get_running_loop().time() < self._fresh_until:
                return self._known
            # However many scrapes come meanwhile, it is one question; and it goes on when they have left.
            self._asking = asyncio.create_task(self._refresh(), name="metrics")
        done, _ = await asyncio.wait({self._asking}, timeout=self._patience)
        for asked in done:
            asked.result()
        return self._known if done else None

    async def _refresh(self) -> None:
        seconds = asyncio.get_running_loop().time
        began, rest = seconds(), FRESH_FOR
        try:
            self._known = await self._ask()
            rest = max(FRESH_FOR, REST_FACTOR * (seconds() - began))
        except JournalError:
            self._known = None
        finally:
            self._fresh_until, self._asking = seconds() + rest, None

    async def _ask(self) -> Asked:
        journal, lines = self._sources.journal, dict(self._sources.lines)
        asked = Asked(await journal.queries.gauges())
        for alias, line in lines.items():
            month = (await journal.limits.standing(alias)).month
            if month is not None:
                asked.months[alias] = month
            asked.held[alias] = await journal.steering.held(alias) is not None
            if isinstance(line, NeedsConsent):
                try:
                    asked.consents[alias] = await line.consent()
                except RelayError:
                    continue  # What is kept of it cannot be read now.
        return asked


class _Shown(Collector):
    """What is shown once."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Family]:
        """All of it."""
        return self._families
