"""event -> web hooks: the engine that tells relay what happened, with a queue for each host."""

import asyncio
from collections.abc import Sequence

from yarl import URL

from relay.providerkit.simulated import World
from relay.providers.att_landline.simulator.delivery import Courier, Delivery
from relay.providers.att_landline.simulator.host import Host
from relay.providers.att_landline.simulator.modes import LandlineModes
from relay.providers.att_landline.simulator.texts import Text
from relay.providers.att_landline.simulator.webhooks import WebHook, WebHooks


class Engine:
    """Takes events, and brings them to the web hooks that want them.

    Where web hooks on several hosts want the same event, each gets it, in mode `routed` the first whose host works;
    if its host fails then, the next gets it as well, and the host that failed is tried on (Landline document, Single
    Host vs Multiple Hosts).
    """

    def __init__(self, world: World, hooks: WebHooks, modes: LandlineModes) -> None:
        self._world = world
        self._hooks = hooks
        self._modes = modes
        self._courier = Courier(world, modes)
        self._hosts: dict[str, Host] = {}

    async def run(self) -> None:
        """Deliver, until cancelled."""
        await self._courier.run()

    def emit(self, event: str, text: Text) -> Sequence[asyncio.Task[None]]:
        """Something has happened to `text`; gives the first attempts to tell it, which nobody has to wait for."""
        payload = text.payload() if self._modes.payload == "documented" else text.later_payload()
        hooks = self._wanted(self._hooks.listening(text.line, event))
        deliveries = [Delivery(hook, payload, self._world.now()) for hook in hooks]
        tasks = [self._host(delivery.hook.url).take(delivery) for delivery in deliveries]
        return [task for task in tasks if task]

    def _wanted(self, hooks: Sequence[WebHook]) -> Sequence[WebHook]:
        if self._modes.hook_hosts == "each" or not hooks:
            return hooks
        hosts = [self._host(hook.url) for hook in hooks]
        chosen = next((host for host in hosts if not host.fails), hosts[0])
        return [hook for hook, host in zip(hooks, hosts, strict=True) if host is chosen]

    def _route_elsewhere(self, failed: Delivery) -> None:
        """Bring what a host did not take to another one that works."""
        if self._modes.hook_hosts == "each" or failed.attempts > 1 or failed.rerouted:
            return
        others = self._hooks.listening(failed.hook.line, failed.hook.event)
        hook = next((other for other in others if not self._host(other.url).fails), None)
        if hook:
            self._host(hook.url).take(Delivery(hook, failed.payload, self._world.now(), rerouted=True))

    def _host(self, url: str) -> Host:
        name = str(URL(url).origin())
        if name not in self._hosts:
            self._hosts[name] = Host(name, self._world, self._modes, self._courier, self._route_elsewhere)
        return self._hosts[name]
