"""event -> web hooks: the engine that tells relay what happened, with a queue for each host."""

import asyncio
from collections.abc import Sequence

from yarl import URL

from relay.providerkit.simulated import World
from relay.providers.att_landline.simulator.delivery import Courier, Delivery
from relay.providers.att_landline.simulator.host import Host
from relay.providers.att_landline.simulator.modes import LandlineModes
from relay.providers.att_landline.simulator.texts import Text
from relay.providers.att_landline.simulator.webhooks import WebHooks


class Engine:
    """Takes events, and brings them to the web hooks that want them.

    Where two web hooks, on two hosts, want the same event, each gets it; the document's routing from a host that
    fails to another is not simulated.
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
        payload, now = text.payload(), self._world.now()
        deliveries = [Delivery(hook, payload, now) for hook in self._hooks.listening(text.line, event)]
        tasks = [self._host(delivery.hook.url).take(delivery) for delivery in deliveries]
        return [task for task in tasks if task]

    def _host(self, url: str) -> Host:
        name = str(URL(url).origin())
        if name not in self._hosts:
            self._hosts[name] = Host(name, self._world, self._modes, self._courier)
        return self._hosts[name]
