"""announcements and states -> bus: one node's own connection, with its will and everything that it says."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from relay.bus.config import BusSettings
from relay.bus.errors import BusLost, PublishRefused
from relay.bus.link import Link, Received
from relay.bus.payloads import Publication, state, timestamp
from relay.bus.topics import Topics
from relay.clock import Clock

log = structlog.get_logger()

_FAREWELL = 3.0  # seconds that the last word may take


class Outlet:
    """What a node says.

    Args:
        settings: the bus's.
        topics: where to say it.
        clock: gives the time of a change of state.
        hear_commands: returns once the broker has confirmed that commands are heard; awaited before `online` is said.
    """

    def __init__(
        self, settings: BusSettings, topics: Topics, clock: Clock, hear_commands: Callable[[], Awaitable[None]]
    ) -> None:
        self._clock = clock
        self._timeout = settings.timeout
        self._hear_commands = hear_commands
        self._status = topics.node(settings.node, "status")
        self._states: dict[str, Publication] = {}
        self._changed: set[str] = set()
        self._change = asyncio.Event()
        self._refused: set[str] = set()
        self._link: Link | None = None
        self._connected = asyncio.Event()

    @property
    def link(self) -> Link | None:
        """The link, while there is one."""
        return self._link if self._link is not None and self._link.up else None

    async def wait_connected(self) -> None:
        """Wait until there is a link."""
        while self.link is None:
            self._connected.clear()  # it may be set still for a link that is lost and not yet cleared away
            await self._connected.wait()

    @property
    def will(self) -> Publication:
        """What the broker says when the link breaks. It cannot know when that will be."""
        return state(self._status, {"state": "offline", "reason": "lost", "since": None})

    def keep(self, topic: str, body: Mapping[str, Any]) -> None:
        """Say a state, now or when connected, and say it again on every connection."""
        publication = state(topic, body)
        if self._states.get(topic) != publication:
            self._states[topic] = publication
            self._changed.add(topic)
            self._change.set()

    async def publish(self, what: Publication) -> None:
        """Publish; returns when the broker has confirmed.

        Raises:
            BusLost: there is no link, or it broke.
            PublishRefused: the broker refused it.
        """
        link = self.link
        if link is None:
            raise BusLost("there is no connection to the broker")
        await link.publish(what)

    async def serve(self, link: Link) -> None:
        """Use a new link until it is lost: hear commands, tell all states, say `online`, then tell what changes."""
        self._link = link
        self._connected.set()
        try:
            await self._hear_commands()
            await self._introduce(link)
            while True:
                await self._change.wait()
                await self._tell(link, self._taken_changes())
        finally:
            self._link = None
            self._connected.clear()

    async def farewell(self) -> None:
        """Say that the node stops, if there is a link to say it on."""
        link = self.link
        if link is None:
            return
        last_word = {"state": "offline", "reason": "stopped", "since": timestamp(self._clock.now())}
        with contextlib.suppress(BusLost, PublishRefused, TimeoutError):
            async with asyncio.timeout(min(_FAREWELL, self._timeout)):
                await link.publish(state(self._status, last_word))
                link.leaving = True

    def receive(self, link: Link, received: Received) -> None:
        """Nothing is subscribed to here; whatever comes all the same is acknowledged and left."""
        link.ack(received.mid, received.qos)

    async def _introduce(self, link: Link) -> None:
        self._taken_changes()
        await self._tell(link, [topic for topic in self._states if topic != self._status])
        online = {"state": "online", "reason": None, "since": timestamp(self._clock.now())}
        await self._say(link, self._states.get(self._status) or state(self._status, online))
        log.info("bus.online", topic=self._status)

    def _taken_changes(self) -> list[str]:
        changed = sorted(self._changed)
        self._changed.clear()
        self._change.clear()
        return changed

    async def _tell(self, link: Link, topics: list[str]) -> None:
        await asyncio.gather(*(self._say(link, self._states[topic]) for topic in topics))

    async def _say(self, link: Link, what: Publication) -> None:
        try:
            await link.publish(what)
            self._refused.discard(what.topic)
        except PublishRefused as error:
            if what.topic not in self._refused:
                log.error("bus.state_refused", topic=what.topic, detail=error.problem.detail)
            self._refused.add(what.topic)
