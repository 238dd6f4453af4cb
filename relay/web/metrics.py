"""`GET /metrics`: how relay stands, in Prometheus' words. No number, no id and no text is ever a label."""

import asyncio
from collections.abc import Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from relay.domain.states import State
from relay.journal import Gauges, Journal, JournalError, Spool
from relay.telemetry.health import LineBoard, LineState

PATH = "/metrics"
FRESH_FOR = 5.0  # seconds: however often somebody asks, the journal is not asked more often than that ...
REST_FACTOR = 60  # ... nor for more than a small part of the time, however much it holds
_Values = Iterable[tuple[tuple[str, ...], int]]
_OPEN = tuple(dict.fromkeys(state.status.value for state in State if not state.final))


class MetricsRoute:
    """Answers Prometheus.

    Args:
        journal: counts what waits.
        board: shows how the lines stand.
        spool: where web hooks are kept while the journal takes none.
    """

    def __init__(self, journal: Journal, board: LineBoard, spool: Spool | None = None) -> None:
        self._journal = journal
        self._spool = spool
        self._board = board
        self._gauges: Gauges | None = None
        self._fresh_until = 0.0
        self._asking = asyncio.Lock()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The answer; None for everything but this one page."""
        if request.method not in {"GET", "HEAD"} or request.rel_url.raw_path != PATH:
            return None
        registry = CollectorRegistry()
        registry.register(_Shown([*self._of_node(), *self._of_lines(), *self._counted(await self._asked())]))
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _asked(self) -> Gauges | None:
        """What the journal counts, not older than a few seconds; None where it cannot be read."""
        async with self._asking:
            began = asyncio.get_running_loop().time()
            if began >= self._fresh_until:
                try:
                    self._gauges = await self._journal.queries.gauges()
                except JournalError:
                    self._gauges = None
                ended = asyncio.get_running_loop().time()
                self._fresh_until = ended + max(FRESH_FOR, REST_FACTOR * (ended - began))
            return self._gauges

    def _of_node(self) -> Iterable[GaugeMetricFamily]:
        yield _one("relay_unpublished_events", "Events that wait for the bus.", self._journal.events.backlog())
        full = self._journal.shut is not None
        yield _one("relay_journal_full", "1 while the journal takes nothing new, for its disk's sake.", int(full))
        if self._spool is not None:
            yield _one(
                "relay_spool_hooks", "Web hooks that wait for the journal in this node's spool.", self._spool.waiting
            )

    def _of_lines(self) -> Iterable[GaugeMetricFamily]:
        health = self._board.all()
        states = {(line, state.value): int(one.state is state) for line, one in health.items() for state in LineState}
        yield _many(
            "relay_line_state", "1 for the state that a line is in, 0 for the others.", _BY_STATE, states.items()
        )
        circuits = {(line,): int(one.circuit is not None) for line, one in health.items()}
        yield _many(
            "relay_circuit_open", "1 while a line sends nothing, as nobody answers it.", ("line",), circuits.items()
        )

    def _counted(self, gauges: Gauges | None) -> Iterable[GaugeMetricFamily]:
        if gauges is None:
            return
        lines = {*self._board.all(), *(line for line, _ in gauges.copies)}
        copies = {(line, status): gauges.copies.get((line, status), 0) for line in lines for status in _OPEN}
        yield _many("relay_copies", "Copies that have not ended.", ("line", "status"), copies.items())
        set_aside = {(kind,): number for kind, number in gauges.set_aside.items()}
        yield _many("relay_set_aside", "Things that wait for a person: relay dead list.", ("kind",), set_aside.items())


class _Shown(Collector):
    """What is shown once."""

    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """All of it."""
        return self._families


def _one(name: str, meaning: str, value: int) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)


def _many(name: str, meaning: str, labels: tuple[str, ...], values: _Values) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for of, value in sorted(values):
        family.add_metric(of, value)
    return family


_BY_STATE = ("line", "state")
