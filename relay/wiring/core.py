"""settings -> what everything stands on: the clock, the journal, opened and recovered, and the lines, connected."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog

from relay.bus.config import BusSettings
from relay.clock import Clock, LabClock, SystemClock
from relay.hookaddresses import SECRETS_BELL, HookSecrets, hook_secrets
from relay.ids import Ids, unguessable
from relay.journal import Journal, JournalLimits, Lifetimes, Spool, lab_anchor
from relay.lines import Lines
from relay.nodesharing import sharing_of
from relay.providerkit.linesettings import LineSettings
from relay.providerkit.operations import labels
from relay.providerkit.spec import Line, LineContext, NeedsConsent, Provider, ShowsSentInHooks, TakesHooks
from relay.settings import Settings
from relay.telemetry.meters import Meters
from relay.telemetry.traces import NoTraces, Traces
from relay.telemetry.tracing import tracing
from relay.wiring.rules import rules_of

log = structlog.get_logger()

_NOBODYS = ""  # the owner of what belongs to no line
_PEER_KEY = "log.peer_key"


@dataclass(slots=True)
class Core:
    """What everything stands on. Lines that are called, or that browsers come back to, have secrets.

    Lines come and go: then `settings` are others, with these lines, and all else in them is as it was at the start.
    """

    settings: Settings
    clock: Clock
    ids: Ids
    journal: Journal
    lines: Lines
    secrets: dict[str, HookSecrets]
    providers: Mapping[str, Provider]
    spool: Spool | None = None
    meters: Meters = field(default_factory=Meters)
    traces: Traces = field(default_factory=NoTraces)

    def connected(self, alias: str, settings: LineSettings) -> Line:
        """A line, connected; it is closed with the core. Raises BadSettings where it cannot do what is asked for."""
        provider = self.providers[settings.provider]
        kept = (self.journal.memory(alias), self.clock, self.ids, sharing_of(self.journal, alias))
        watch = self.traces.watched(self.meters.calls(alias, labels(provider.operations)))
        line = provider.connect(LineContext(alias, settings, *kept, watch=watch))
        self.lines.opened(line)
        return line

    async def secrets_for(self, settings: Settings, lines: Mapping[str, Line]) -> dict[str, HookSecrets]:
        """The secrets of those of these lines that need any, as these settings have them; kept, and told to others."""
        found = {
            alias: await hook_secrets(self.journal.memory(alias), _configured_secret(settings, alias), self.clock.now())
            for alias, line in lines.items()
            if isinstance(line, TakesHooks | NeedsConsent)
        }
        self.journal.ring(SECRETS_BELL)
        return found


@asynccontextmanager
async def core(
    settings: Settings,
    providers: Mapping[str, Provider],
    *,
    clock: Clock | None = None,
    ids: Ids | None = None,
    journals: type[Journal] = Journal,
) -> AsyncIterator[Core]:
    """Open the journal and connect the lines; both are closed with the block.

    Args:
        settings: the whole tree.
        providers: every provider there is, by name.
        clock: all time there is; None: the machine's, or the lab's.
        ids: all chance there is; None: the machine's.
        journals: how the journal is opened.

    Raises:
        JournalUnusable, JournalTooNew: the journal cannot be opened.
        BadSettings: a line cannot do what its settings ask for.
    """
    real, clock = clock, clock or await _clock(settings)
    ids = ids or Ids(clock)
    name = settings.node.name
    url, limits = settings.journal.url, journal_limits(settings)
    meters = Meters()
    open_journal = partial(journals.open, password=_password(settings), lease=settings.node.lease)
    async with (
        await open_journal(url, clock=clock, ids=ids, node=name, limits=limits, real=real) as journal,
        _spool(settings) as spool,
        tracing(settings.telemetry.traces, name) as traces,
    ):
        base = Core(settings, clock, ids, journal, Lines({}), {}, providers, spool, meters, traces)
        try:
            for alias, line in settings.lines.items():
                base.lines.put(base.connected(alias, line))
            await _recover(journal, name, base.lines)
            journal.follow(rules_of(settings, base.lines))
            journal.time_commits(meters.commit)
            base.secrets |= await base.secrets_for(settings, base.lines)
            yield base
        finally:
            await base.lines.aclose()


@asynccontextmanager
async def _spool(settings: Settings) -> AsyncIterator[Spool | None]:
    """Where web hooks are kept while a database that nodes share is away."""
    if not settings.journal.is_postgresql:
        yield None
        return
    async with await Spool.open(settings.journal.spool, settings.journal.spool_max) as spool:
        yield spool


async def peer_key(journal: Journal) -> bytes:
    """The key under which logs hash numbers; the journal keeps it, so that they stay equal."""
    memory = journal.memory(_NOBODYS)
    return await memory.get(_PEER_KEY) or await memory.put_first(_PEER_KEY, unguessable().encode())


def bus_settings(settings: Settings) -> BusSettings:
    """The bus's part of the settings, as the bus wants it."""
    bus = settings.bus
    return BusSettings(
        url=bus.url,
        username=bus.username,
        password=bus.password.get_secret_value() if bus.password else None,
        ca_file=bus.ca_file,
        cert_file=bus.cert_file,
        key_file=bus.key_file,
        base=bus.base,
        commands_id=bus.commands_id,
        node=settings.node.name,
        response_topics=(bus.response_topics,) if bus.response_topics else (),
        protocol=bus.protocol,
        max_command_bytes=bus.max_command_bytes,
    )


def journal_limits(settings: Settings) -> JournalLimits:
    """How much the journal takes, as the settings have it."""
    queue = settings.queue
    return JournalLimits(
        waiting_copies=queue.max_copies,
        waiting_per_line=queue.max_copies_per_line,
        waiting_per_client=queue.max_copies_per_client,
        ballast=settings.journal.ballast,
    )


def lifetimes(settings: Settings) -> Lifetimes:
    """How long the journal keeps what is done with, as the settings have it."""
    kept = settings.retention
    return Lifetimes(
        texts=timedelta(seconds=kept.texts),
        finals=timedelta(seconds=kept.finals),
        keys=timedelta(seconds=kept.keys),
        events=timedelta(seconds=kept.events),
        raw=timedelta(seconds=kept.raw),
    )


async def _recover(journal: Journal, node: str, lines: Mapping[str, Line]) -> None:
    """Say in one line what a former life left: calls that were cut, and what waits."""
    shows = {alias for alias, line in lines.items() if isinstance(line, ShowsSentInHooks) and line.shows_sent_in_hooks}
    cut = await journal.calls.recover(shows)
    log.log(
        logging.WARNING if cut.calls else logging.INFO,
        "journal.recovered",
        node=node,
        cut_calls=cut.calls,
        uncertain=cut.uncertain,
        unread=await journal.queries.unread(),
        unpublished=journal.events.backlog(),
    )


async def _clock(settings: Settings) -> Clock:
    if settings.lab is None:
        return SystemClock()
    kept, name, real = settings.journal, settings.node.name, SystemClock()
    anchor = await lab_anchor(kept.url, settings.lab.epoch, real=real, node=name, password=_password(settings))
    anchor_real, anchor_lab = anchor
    return LabClock(settings.lab.speed, anchor_real, anchor_lab)


def _password(settings: Settings) -> str | None:
    secret = settings.journal.password
    return secret.get_secret_value() if secret else None


def _configured_secret(settings: Settings, alias: str) -> str | None:
    secret = settings.lines[alias].webhook_secret
    return secret.get_secret_value() if secret else None
