"""settings -> a running relay, until it is told to stop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import structlog

from relay import __version__
from relay.bus.mqtt import Bus
from relay.control import ControlServer
from relay.providerkit.spec import Provider
from relay.settings import Settings
from relay.stagekit import Standing
from relay.status import NodeStatus
from relay.supervisor import Supervisor, keep_watchdog
from relay.telemetry.health import LineBoard, Pulse
from relay.telemetry.notify import Notifier
from relay.web.admin import AdminListener
from relay.web.public import Listener
from relay.wiring.core import Core, bus_settings, core, peer_key
from relay.wiring.services import Services
from relay.wiring.stages import Stages

log = structlog.get_logger()


async def serve(
    settings: Settings,
    providers: Mapping[str, Provider],
    *,
    notifier: Notifier,
    stop: asyncio.Event,
    use_peer_key: Callable[[bytes], None],
) -> None:
    """Run relay until `stop` is set.

    Args:
        settings: the whole tree.
        providers: every provider there is, by name.
        notifier: tells systemd.
        stop: ends it.
        use_peer_key: is given the key under which logs hash numbers; the journal keeps it, so that they stay equal.

    Raises:
        JournalUnusable, JournalTooNew: the journal cannot be opened.
        BadSettings: a line cannot do what its settings ask for.
        OSError: an address cannot be listened on.
    """
    async with core(settings, providers) as base:
        use_peer_key(await peer_key(base.journal))
        node, pulse = await _claimed(base), Pulse()
        supervisor = Supervisor(base.clock, base.ids, node.standing.board, pulse, settings.node.grace)
        async with _running(node, supervisor):
            watchdog = asyncio.create_task(keep_watchdog(notifier, pulse), name="watchdog")
            notifier.ready()
            log.info("relay.started", version=__version__, node=settings.node.name, lines=len(base.lines))
            await stop.wait()
            supervisor.stop()
            notifier.stopping()
            node.status.stopping()
            log.info("relay.stopping", node=settings.node.name)
            watchdog.cancel()
    log.info("relay.stopped", node=settings.node.name)


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


async def _claimed(base: Core) -> _Node:
    """Everything, made, with its addresses: a second relay finds them taken before it has done anything at all."""
    settings = base.settings
    standing = Standing(base.journal, LineBoard(base.clock, base.lines), base.clock, base.ids)
    admin = AdminListener(settings.admin.listen.host, settings.admin.listen.port)
    admin.claim()
    services = Services(base, standing.board, admin)
    status = NodeStatus(settings, standing, base.lines)
    bus = Bus(bus_settings(settings), tuple(base.lines), base.clock, base.ids)
    stages = Stages(base, bus, standing, services)
    listener, control = services.listener(stages.receiver), services.control(status, stages.leftovers)
    listener.claim()
    await control.claim()
    await services.consents.look()
    status.show_on(bus)
    return _Node(standing, bus, stages, services, status, admin, listener, control)


@asynccontextmanager
async def _running(node: _Node, supervisor: Supervisor) -> AsyncIterator[None]:
    """Run everything: what starts later stops first."""
    stages = node.stages
    async with (
        node.bus,
        supervisor.finishing(stages.to_bus()),
        supervisor.finishing(stages.readers()),
        supervisor.running(stages.to_providers()),
        supervisor.running(stages.from_providers()),
        supervisor.running(stages.keepers()),
        aclosing(node.services.consents),
        node.admin,
        node.listener,
        node.control,
    ):
        yield
