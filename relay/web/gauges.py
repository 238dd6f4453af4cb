"""What a scrape shows beside what was counted: how the journal, the lines, the bus and the disks stand now."""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily

from relay import __version__
from relay.clock import Clock
from relay.domain.states import State, Status
from relay.journal import Gauges, Journal, Spool
from relay.providerkit.spec import ConsentStanding, FetchesInbox, HoldsToken, Line, SyncsMailbox
from relay.rules.budget import Forecast
from relay.telemetry.health import LineBoard, LineHealth, LineState
from relay.telemetry.meters import Meters
from relay.telemetry.metrics import METRICS
from relay.turns import BUS, UPKEEP, Turns, line_turn

_WAITING = (Status.SCHEDULED.value, Status.QUEUED.value, Status.SENDING.value)
_OPEN = tuple(dict.fromkeys(state.status.value for state in State if not state.final))
_FOLLOWED = tuple(status for status in _OPEN if status not in {*_WAITING, Status.UNCERTAIN.value})
_Values = Mapping[tuple[str, str], float] | Mapping[tuple[str], float] | Mapping[tuple[()], float]


class BusView(Protocol):
    """How the bus stands."""

    @property
    def connected(self) -> bool:
        """Whether events can be published."""

    @property
    def listening(self) -> bool:
        """Whether commands are heard."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What is measured.

    Attributes:
        journal: counts what waits.
        board: shows how the lines stand.
        clock: relay's time.
        lines: those that are served now.
        meters: what was counted.
        spool: where web hooks are kept while the journal takes none.
        bus: None: there is none.
        turns: this node's; None: it has no such thing.
        disks: files and folders of relay's, which need not be there yet, by what is kept in them.
    """

    journal: Journal
    board: LineBoard
    clock: Clock
    lines: Mapping[str, Line]
    meters: Meters
    spool: Spool | None = None
    bus: BusView | None = None
    turns: Turns | None = None
    disks: Mapping[str, Path] = field(default_factory=dict)

    def disk_gauges(self) -> Iterator[GaugeMetricFamily]:
        """The disks. This blocks: they are asked."""
        found = {}
        for volume, path in self.disks.items():
            # What does not answer is not shown.
            with suppress(OSError):
                found[volume] = os.statvfs(next(one for one in (path, *path.parents) if one.exists()))
        free = {(volume,): one.f_bavail * one.f_frsize for volume, one in found.items()}
        yield _family("relay_disk_free_bytes", free)
        yield _family(
            "relay_disk_size_bytes", {(volume,): one.f_blocks * one.f_frsize for volume, one in found.items()}
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What was read from the journal.

    Attributes:
        counts: how much waits.
        months: the budgets of the lines that have one.
        held: whether an operator holds a line.
        consents: of the lines that need one.
    """

    counts: Gauges
    months: dict[str, Forecast] = field(default_factory=dict)
    held: dict[str, bool] = field(default_factory=dict)
    consents: dict[str, ConsentStanding] = field(default_factory=dict)


def gauges(sources: Sources, asked: Asked | None) -> list[GaugeMetricFamily]:
    """Everything but the disks. `asked`: None where the journal cannot be read."""
    health, now = sources.board.all(), sources.clock.now()
    found = [*_of_node(sources), *_of_lines(sources.board, health), *_of_providers(sources, health, now)]
    if asked is not None:
        found += [*_counted(asked, set(health), now), *_settled(asked)]
    return found


def _of_node(sources: Sources) -> Iterator[GaugeMetricFamily]:
    version = (__version__, platform.python_version())
    yield _family("relay_build_info", {version: 1})
    yield _family("relay_unpublished_events", {(): sources.journal.events.backlog()})
    yield _family("relay_journal_full", {(): sources.journal.shut is not None})
    if sources.spool is not None:
        yield _family("relay_spool_hooks", {(): sources.spool.waiting})
    if sources.bus is not None:
        yield _family("relay_mqtt_connected", {(): sources.bus.connected})
        yield _family("relay_mqtt_listening", {(): sources.bus.listening})
    if sources.turns is not None:
        turns = (BUS, UPKEEP, *map(line_turn, sources.board.all()))
        yield _family("relay_turn_held", {(turn,): sources.turns.holds(turn) for turn in turns})


def _of_lines(board: LineBoard, health: Mapping[str, LineHealth]) -> Iterator[GaugeMetricFamily]:
    states = {(line, state.value): one.state is state for line, one in health.items() for state in LineState}
    yield _family("relay_line_state", states)
    parts = {(line, part): state is LineState.READY for line in health for part, state in board.parts(line).items()}
    yield _family("relay_line_part_ready", parts)
    yield _family("relay_circuit_open", {(line,): one.circuit is not None for line, one in health.items()})


def _of_providers(sources: Sources, health: Mapping[str, LineHealth], now: datetime) -> Iterator[GaugeMetricFamily]:
    lines = dict(sources.lines)
    left = {line: one.loss_at - now for line, one in health.items() if one.loss_at is not None}
    yield _family("relay_loss_clock_seconds", {(line,): one.total_seconds() for line, one in left.items()})
    yield _times(
        "relay_provider_last_success_timestamp_seconds", {line: one.last_success for line, one in health.items()}
    )
    yield _times(
        "relay_provider_last_poll_success_timestamp_seconds",
        {alias: _polled(sources.board, health[alias], line) for alias, line in lines.items() if alias in health},
    )
    every = {(alias,): interval for alias, line in lines.items() if (interval := _interval(line)) is not None}
    yield _family("relay_poll_interval_seconds", every)
    tokens = {alias: line.token_expires_at for alias, line in lines.items() if isinstance(line, HoldsToken)}
    yield _times("relay_token_expiry_timestamp_seconds", tokens)


def _counted(asked: Asked, lines: set[str], now: datetime) -> Iterator[GaugeMetricFamily]:
    counts = asked.counts
    lines = lines | {line for line, _ in counts.copies}

    def copies(name: str, statuses: Iterable[str]) -> GaugeMetricFamily:
        return _family(name, {(line, one): counts.copies.get((line, one), 0) for line in lines for one in statuses})

    yield copies("relay_queue_messages", _WAITING)
    yield copies("relay_followed_messages", _FOLLOWED)
    in_doubt = {(line,): counts.copies.get((line, Status.UNCERTAIN.value), 0) for line in lines}
    yield _family("relay_in_doubt_messages", in_doubt)
    since = {line: counts.waits_since.get(line, now) for line in lines}
    yield _family("relay_queue_oldest_age_seconds", {(line,): _age(at, now) for line, at in since.items()})
    yield _family("relay_set_aside", {(kind,): number for kind, number in counts.set_aside.items()})
    yield _family("relay_unpublished_oldest_age_seconds", {(): _age(counts.unpublished_since or now, now)})


def _settled(asked: Asked) -> Iterator[GaugeMetricFamily]:
    """What an operator, a subscriber or the calendar says."""
    yield _family("relay_line_held", {(line,): held for line, held in asked.held.items()})
    months = asked.months.items()
    yield _family("relay_budget_calls_spent", {(line,): month.spent for line, month in months})
    yield _family("relay_budget_calls_limit", {(line,): month.limit for line, month in months})
    yield _family("relay_budget_short", {(line,): month.is_short or month.is_spent for line, month in months})
    yield _family("relay_consent_given", {(line,): one.given for line, one in asked.consents.items()})
    until = {line: one.renewable_until for line, one in asked.consents.items() if one.given}
    yield _times("relay_consent_expiry_timestamp_seconds", until)


def _polled(board: LineBoard, health: LineHealth, line: Line) -> datetime | None:
    """When a line's inbox or message store was read last, where that is this node's turn."""
    if isinstance(line, FetchesInbox) and line.polls_inbox:
        return health.loss_at - timedelta(seconds=line.loss_after) if health.loss_at is not None else None
    return board.ready_at(line.alias, "mailbox")


def _interval(line: Line) -> float | None:
    if isinstance(line, FetchesInbox) and line.polls_inbox:
        return line.poll_interval
    return line.sync_interval if isinstance(line, SyncsMailbox) and line.syncs_mailbox else None


def _age(since: datetime, now: datetime) -> float:
    return max((now - since).total_seconds(), 0.0)


def _times(name: str, times: Mapping[str, datetime | None]) -> GaugeMetricFamily:
    return _family(name, {(line,): at.timestamp() for line, at in times.items() if at is not None})


def _family(name: str, values: _Values) -> GaugeMetricFamily:
    metric = METRICS[name]
    family = GaugeMetricFamily(name, metric.help, labels=metric.names)
    for of, value in sorted(values.items()):
        family.add_metric(of, float(value))
    return family
