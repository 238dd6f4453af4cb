"""settings -> a running relay, until it is told to stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import structlog

from relay import __version__
from relay.bus.mqtt import Bus
from relay.control import ControlServer
from relay.journal import Bell, JournalDamaged, JournalError, JournalInUse, JournalTooNew
from relay.providerkit.spec import Provider
from relay.settings import Settings
from relay.stagekit import EitherBell, Standing
from relay.status import NodeStatus
from relay.supervisor import STUCK_AFTER, Crew, Supervisor, keep_watchdog
from relay.telemetry.health import LineBoard, Pulse
from relay.telemetry.notify import Notifier
from relay.turns import BUS
from relay.web.admin import AdminListener
from relay.web.health import HealthRoute
from relay.web.historian import Historian
from relay.web.listening import Listening
from relay.web.public import Listener
from relay.wiring.core import Core, bus_settings, core, peer_key
from relay.wiring.exchange import Exchange
from relay.wiring.page import status_page
from relay.wiring.reloading import Again, Reloader
from relay.wiring.services import Services
from relay.wiring.stages import Stages

log = structlog.get_logger()

_LOOK_AGAIN = 2.0  # real seconds until a life is tried again that could not begin


async def serve(  # noqa: PLR0913 - settings, and what comes from outside of relay
    settings: Settings,
    providers: Mapping[str, Provider],
    *,
    notifier: Notifier,
    stop: asyncio.Event,
    use_peer_key: Callable[[bytes], None],
    listening: Listening | None = None,
    again: Again | None = None,
) -> None:
    """Run relay until `stop` is set.

    A life that other nodes have given up for dead is drained, and the next one begins: everything is made anew.

    Args:
        settings: the whole tree.
        providers: every provider there is, by name.
        notifier: tells systemd.
        stop: ends it.
        use_peer_key: is given the key under which logs hash numbers; the journal keeps it, so that they stay equal.
        listening: has the web-hook listener's socket, where systemd has handed one over.
        again: how the settings are read again when that is asked for; None: they are not.

    Raises:
        JournalUnusable, JournalTooNew: the journal cannot be opened.
        BadSettings: a line cannot do what its settings ask for.
        OSError: an address cannot be listened on.
    """
    outside = _Outside(notifier, stop, listening or Listening(notifier), again or Again(lambda: settings, Bell()))

    async def life() -> None:
        nonlocal settings
        async with core(settings, providers) as base:
            use_peer_key(await peer_key(base.journal))
            try:
                await _live(base, outside)
            finally:
                settings = base.settings
        log.info("relay.stopped", node=settings.node.name)

    await life()
    while not stop.is_set():
        await _next_life(life, notifier, stop)


async def _next_life(life: Callable[[], Awaitable[None]], notifier: Notifier, stop: asyncio.Event) -> None:
    """Live once more; where the database is away at this moment, rest before it is tried again."""
    try:
        await life()
    except (JournalInUse, JournalTooNew, JournalDamaged):
        raise
    except JournalError as error:
        log.warning("node.waits", reason=str(error), seconds=_LOOK_AGAIN)
        notifier.alive()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN):
                await stop.wait()


@dataclass(frozen=True, slots=True)
class _Outside:
    """What a life has to do with the rest of the machine."""

    notifier: Notifier
    stop: asyncio.Event
    listening: Listening
    again: Again


async def _live(base: Core, outside: _Outside) -> None:
    """Run until `stop` is set, or the others have given this node up for dead."""
    notifier, stop, name = outside.notifier, outside.stop, base.settings.node.name
    pulse = Pulse()
    node = await _claimed(base, pulse, outside)
    turns, supervisor = node.services.turns, node.supervisor
    async with _running(node):
        watchdog = asyncio.create_task(keep_watchdog(notifier, pulse), name="watchdog")
        notifier.ready()
        log.info("relay.started", version=__version__, node=name, lines=len(base.lines))
        await EitherBell(stop, turns.over).wait()
        turns.stop()
        supervisor.stop()
        if stop.is_set():
            notifier.stopping()
            watchdog.cancel()
        node.status.stopping()
        log.info("relay.stopping", node=name)
    watchdog.cancel()


@dataclass(frozen=True, slots=True)
class _Node:
    """Everything that is run."""

    standing: Standing
    bus: Bus
    stages: Stages
    services: Services
    status: NodeStatus
    admin: AdminListener
    listener: Listener
    control: ControlServer
    historian: Historian
    supervisor: Supervisor
    crew: Crew
    reloader: Reloader


async def _claimed(base: Core, pulse: Pulse, outside: _Outside) -> _Node:
    """Everything, made, with its addresses: a second relay finds them taken before it has done anything at all."""
    settings = base.settings
    standing = Standing(base.journal, LineBoard(base.clock, base.lines), base.clock, base.ids, base.meters, base.traces)
    admin = AdminListener(settings.admin.listen.host, settings.admin.listen.port)
    admin.claim()
    services = Services(base, standing.board, admin)
    turns = services.turns
    status = NodeStatus(settings, standing, base.lines, base.spool, turns=turns)
    admin.mount(HealthRoute(lambda: pulse.stuck(STUCK_AFTER), status.readiness))
    bus = Bus(bus_settings(settings), tuple(base.lines), base.clock, base.ids, may_hear=partial(turns.term, BUS))
    turns.need(lambda: bus.connected)
    admin.mount(services.metrics(standing.board, bus))
    stages = Stages(base, bus, standing, services)
    supervisor = Supervisor(base.clock, base.ids, standing.board, pulse, settings.node.grace)
    crew = Crew(supervisor)
    exchange = Exchange(base, bus, standing.board, stages, services, status, crew=crew)
    reloader = Reloader(outside.again, exchange, outside.notifier)
    listener = services.listener(stages.receiver)
    control = services.control(status, stages.leftovers, reloader.reload)
    listener.claim(outside.listening)
    await control.claim()
    await services.consents.begin()
    status.tell(outside.notifier)
    status.show_on(bus)
    page, historian = status_page(settings.admin.listen.host, standing, status)
    admin.mount(page)
    return _Node(
        *(standing, bus, stages, services, status, admin, listener, control, historian), supervisor, crew, reloader
    )


@asynccontextmanager
async def _running(node: _Node) -> AsyncIterator[None]:
    """Run everything: what starts later stops first."""
    stages, supervisor = node.stages, node.supervisor
    async with (
        node.services.turns.running(),
        node.bus,
        supervisor.finishing(stages.to_bus()),
        supervisor.finishing(stages.readers()),
        supervisor.changing(node.crew, stages.of_lines()),
        supervisor.running(stages.keepers()),
        aclosing(node.services.consents),
        node.historian.running(),
        node.admin,
        node.listener,
        node.control,
        node.reloader.running(),
    ):
        yield
