"""lines -> Home Assistant: a device for each line, and none any more for a line that has gone.

The journal remembers what was announced before it is: however relay ends, and whatever its settings say afterwards, the
next life takes away what should be there no more.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from pydantic_core import from_json, to_json

from relay.bus.errors import BusLost, PublishRefused
from relay.bus.mqtt import Bus
from relay.journal import Memory
from relay.stagekit import Bell, Rest, Stage

log = structlog.get_logger()

REMEMBERED = "homeassistant.announced"
AGAIN = 30.0  # seconds until a message that could not be taken away is tried again

Devices = Mapping[str, Mapping[str, Any]]


class Herald(Stage):
    """Keeps right what Home Assistant is told.

    Args:
        devices: gives the discovery messages there should be now, each by its topic.
        bus: where to.
        memory: remembers the topics.
        changed: rings when the lines have changed.
    """

    name = "herald"
    owner = ""  # of what it remembers: no line's

    def __init__(self, devices: Callable[[], Devices], *, bus: Bus, memory: Memory, changed: Bell) -> None:
        self._devices = devices
        self._bus = bus
        self._memory = memory
        self._changed = changed
        self._announced: set[str] = set()
        self._refused: set[str] = set()  # what was told of: it is tried again in silence

    async def step(self) -> Rest | None:
        """Announce what there is, and take away what there is no more."""
        devices, known = self._devices(), {*from_json(await self._memory.get(REMEMBERED) or b"[]")}
        await self._remember(known, known | devices.keys())
        for topic, body in devices.items():
            self._bus.announce(topic, body)
        self._announced = {*devices}
        gone = known - devices.keys()
        kept = {topic for topic in sorted(gone) if not await self._withdrawn(topic)}
        await self._remember(known | devices.keys(), devices.keys() | kept)
        return Rest(AGAIN if kept else None, self._changed)

    async def drain(self, seconds: float) -> None:
        """Another node may have this turn from now on: what is announced stays, and is not said again from here."""
        del seconds  # nothing is waited for
        for topic in self._announced:
            self._bus.leave(topic)

    async def _withdrawn(self, topic: str) -> bool:
        """Whether the broker has nothing there any more."""
        try:
            await self._bus.withdraw(topic)
        except BusLost:
            return False
        except PublishRefused as error:
            if topic not in self._refused:
                log.warning("homeassistant.kept", topic=topic, reason=error.problem.detail)
            self._refused.add(topic)
            return False
        self._refused.discard(topic)
        log.info("homeassistant.withdrawn", topic=topic)
        return True

    async def _remember(self, before: set[str], topics: set[str]) -> None:
        if topics != before:
            await self._memory.put(REMEMBERED, to_json(sorted(topics)))
