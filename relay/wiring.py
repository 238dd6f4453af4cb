"""The composition root: settings become running objects. The only place where concrete classes meet."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from relay import __version__
from relay.bus.config import BusSettings
from relay.bus.mqtt import Bus
from relay.bus.requests import CommandRules
from relay.clock import Clock, LabClock, SystemClock
from relay.control import Controls, ControlServer
from relay.hookaddresses import HookSecrets, hook_addresses, hook_prefix, hook_secrets
from relay.ids import Ids, unguessable
from relay.journal import Journal, lab_anchor
from relay.listener import HookRoutes, Listener
from relay.providerkit.spec import (
    AsksStatus,
    FetchesInbox,
    InstallsHooks,
    Line,
    LineContext,
    Provider,
    Sends,
    TakesHooks,
)
from relay.settings import Settings
from relay.stagekit import Stage
from relay.stages.consumer import Consumer, Intake
from relay.stages.installer import Installer
from relay.stages.janitor import Janitor
from relay.stages.leftovers import Leftovers
from relay.stages.poller import Poller
from relay.stages.publisher import Publisher
from relay.stages.receiver import Receiver
from relay.stages.sender import Sender
from relay.stages.tracker import Tracker
from relay.status import NodeStatus
from relay.supervisor import Supervisor, keep_watchdog
from relay.telemetry.health import LineBoard, Pulse
from relay.telemetry.notify import Notifier

log = structlog.get_logger()

_NOBODYS = ""  # the owner of what belongs to no line
_PEER_KEY = "log.peer_key"


@dataclass(frozen=True, slots=True)
class Core:
    """What everything stands on."""

    settings: Settings
    clock: Clock
    ids: Ids
    journal: Journal
    lines: Mapping[str, Line]
    secrets: Mapping[str, HookSecrets]


async def serve(
    settings: Settings,
    providers: Mapping[str, Provider],
    *,
    notifier: Notifier,
    stop: asyncio.Event,
    use_peer_key: Callable[[bytes], None],
) -> None:
    """Run relay until `stop` is set: what starts later stops first.

    Args:
        settings: the whole tree.
        providers: every provider there is, by name.
        notifier: tells systemd.
        stop: ends it.
        use_peer_key: is given the key under which logs hash numbers; the journal keeps it, so that they stay equal.

    Raises:
        JournalUnusable, JournalTooNew: the journal cannot be opened.
        OSError: an address cannot be listened on.
    """
    async with core(settings, providers) as base:
        use_peer_key(await _peer_key(base.journal))
        board, pulse = LineBoard(base.clock, base.lines), Pulse()
        status = NodeStatus(settings, base.clock, base.journal, board)
        bus = Bus(bus_settings(settings), tuple(base.lines), base.clock, base.ids)
        stages = Stages(base, bus, board)
        listener, control = stages.listener(), stages.control(status)
        # A second relay finds these taken before it has done anything at all.
        listener.claim()
        await control.claim()
        status.show_on(bus)
        supervisor = Supervisor(base.clock, base.ids, board, pulse, settings.node.grace)
        async with (
            bus,
            supervisor.finishing(stages.to_bus()),
            supervisor.finishing(stages.readers()),
            supervisor.running(stages.to_providers()),
            supervisor.running(stages.from_providers()),
            supervisor.running([stages.janitor, stages.consumer]),
            listener,
            control,
        ):
            watchdog = asyncio.create_task(keep_watchdog(notifier, pulse), name="watchdog")
            notifier.ready()
            log.info("relay.started", version=__version__, node=settings.node.name, lines=len(base.lines))
            await stop.wait()
            supervisor.stop()
            notifier.stopping()
            status.stopping()
            log.info("relay.stopping", node=settings.node.name)
            watchdog.cancel()
    log.info("relay.stopped", node=settings.node.name)


@asynccontextmanager
async def core(settings: Settings, providers: Mapping[str, Provider]) -> AsyncIterator[Core]:
    """The journal, opened and recovered, and the lines, connected."""
    clock = await _clock(settings)
    ids = Ids(clock)
    name = settings.node.name
    async with await Journal.open(settings.journal.url, clock=clock, ids=ids, node=name) as journal:
        await _recover(journal, name)
        lines = {
            alias: providers[line.provider].connect(LineContext(alias, line, journal.memory(alias), clock, ids))
            for alias, line in settings.lines.items()
        }
        secrets = {
            alias: await hook_secrets(journal.memory(alias), _configured_secret(settings, alias), clock.now())
            for alias, line in lines.items()
            if isinstance(line, TakesHooks)
        }
        try:
            yield Core(settings, clock, ids, journal, lines, secrets)
        finally:
            await asyncio.gather(*(line.aclose() for line in lines.values()))


class Stages:
    """Every stage that the settings ask for, made of the core, the bus and the board."""

    def __init__(self, base: Core, bus: Bus, board: LineBoard) -> None:
        self._base = base
        self._bus = bus
        self._board = board
        limits = base.settings.bus
        rules = CommandRules(limits.max_command_bytes, limits.max_recipients)
        self.intake = Intake(base.lines, base.journal, base.clock, rules)
        self.consumer = Consumer(bus=bus, intake=self.intake)
        self.janitor = Janitor(journal=base.journal)
        hooked = {alias: line for alias, line in base.lines.items() if isinstance(line, TakesHooks)}
        self.receiver = Receiver(hooked, journal=base.journal, board=board)

    def to_bus(self) -> list[Stage]:
        """What announces."""
        return [Publisher(bus=self._bus, **self._shared())]

    def readers(self) -> list[Stage]:
        """What understands the bytes that were kept."""
        return [self.receiver, Leftovers(self._base.lines, journal=self._base.journal)]

    def to_providers(self) -> list[Stage]:
        """What sends, and what follows the sent."""
        return [stage for line in self._base.lines.values() for stage in self._to_provider(line)]

    def from_providers(self) -> list[Stage]:
        """What fetches, and what has hooks delivered."""
        return [stage for line in self._base.lines.values() for stage in self._from_provider(line)]

    def listener(self) -> Listener:
        """The web-hook listener."""
        webhooks = self._base.settings.webhooks
        routes = HookRoutes(self._secrets, self.receiver.knows)
        return Listener(
            webhooks.listen.host,
            webhooks.listen.port,
            routes=routes,
            take=self.receiver.take,
            max_body=webhooks.max_body,
        )

    def _secrets(self, line: str) -> Sequence[str] | None:
        kept = self._base.secrets.get(line)
        return kept.taken(self._base.clock.now()) if kept else None

    def control(self, status: NodeStatus) -> ControlServer:
        """The command line's socket."""
        base = self._base
        controls = Controls(self.intake.take, status.as_body, base.journal, tuple(base.lines))
        return ControlServer(base.settings.admin.socket, controls)

    def _shared(self) -> dict[str, Any]:
        base = self._base
        return {"journal": base.journal, "board": self._board, "clock": base.clock, "ids": base.ids}

    def _to_provider(self, line: Line) -> list[Stage]:
        stages: list[Stage] = []
        settings = self._base.settings
        window = settings.lines[line.alias].window
        if isinstance(line, Sends):
            stages.append(Sender(line, **self._shared(), owner=settings.node.name, window=window))
        if isinstance(line, AsksStatus) and line.asks_status:
            stages.append(Tracker(line, **self._shared(), window=window))
        return stages

    def _from_provider(self, line: Line) -> list[Stage]:
        stages: list[Stage] = []
        if isinstance(line, FetchesInbox) and line.polls_inbox:
            stages.append(Poller(line, **self._shared()))
        if isinstance(line, InstallsHooks) and isinstance(line, TakesHooks):
            stages.extend(self._installer(line))
        return stages

    def _installer(self, line: Any) -> list[Stage]:
        """One for the first public address; without one, hooks are the operator's to register."""
        urls = self._base.settings.webhooks.public_url
        if not urls:
            log.warning("hooks.not_installed", line=line.alias, reason="webhooks.public_url is not set")
            return []
        wanted = hook_addresses(urls[0], line.alias, self._base.secrets[line.alias].current, line.hook_events)
        ours = hook_prefix(urls[0], line.alias)
        base = self._base
        return [Installer(line, wanted=wanted, ours=ours, journal=base.journal, board=self._board, ids=base.ids)]


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


async def _recover(journal: Journal, node: str) -> None:
    """Say in one line what a former life left: calls that were cut, and what waits."""
    cut = await journal.calls.recover()
    left = await journal.queries.status()
    log.log(
        logging.WARNING if cut.calls else logging.INFO,
        "journal.recovered",
        node=node,
        cut_calls=cut.calls,
        uncertain=cut.uncertain,
        unread=left["unread"],
        unpublished=left["unpublished"],
    )


async def _clock(settings: Settings) -> Clock:
    if settings.lab is None:
        return SystemClock()
    anchor_real, anchor_lab = await lab_anchor(settings.journal.url, settings.lab.epoch, real=SystemClock())
    return LabClock(settings.lab.speed, anchor_real, anchor_lab)


async def _peer_key(journal: Journal) -> bytes:
    memory = journal.memory(_NOBODYS)
    key = await memory.get(_PEER_KEY)
    if key is None:
        key = unguessable().encode()
        await memory.put(_PEER_KEY, key)
    return key


def _configured_secret(settings: Settings, alias: str) -> str | None:
    secret = settings.lines[alias].webhook_secret
    return secret.get_secret_value() if secret else None
