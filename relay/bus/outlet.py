"""announcements and states -> bus: one node's own connection, with its will and everything that it says."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from relay.bus.config import BusSettings
from relay.bus.errors import BusLost, PublishRefused
from relay.bus.link import Link, Received, Settled
from relay.bus.loopback import Loopback
from relay.bus.payloads import Publication, cleared, probe, state, timestamp
from relay.bus.rights import AGAIN, Rights
from relay.bus.topics import Topics
from relay.bus.trouble import Trouble
from relay.clock import Clock

log = structlog.get_logger()

NAME = "node"  # of the connection
_FAREWELL = 3.0  # seconds that the last word may take
_UNSAID = "let relay write them (the broker's ACL)"


class Outlet:
    """What a node says.

    Args:
        settings: the bus's.
        topics: where to say it.
        lines: the lines that it speaks for.
        rights: is told of the topics that the broker does not take.
        trouble: is told when everything can be said again.
        clock: gives the time of a change of state.

    Attributes:
        hear_commands: returns once the broker has confirmed that commands are heard; awaited before `online` is said.
    """

    hear_commands: Callable[[], Awaitable[None]]

    def __init__(
        self,
        settings: BusSettings,
        topics: Topics,
        lines: Sequence[str],
        rights: Rights,
        trouble: Trouble,
        clock: Clock,
    ) -> None:
        self._topics = topics
        self._rights = rights
        self._trouble = trouble
        self._node = settings.node
        self._loopback = Loopback(topics.own(lines, settings.node), self._probe, rights, clock, settings.timeout / 2)
        self._clock = clock
        self._timeout = settings.timeout
        self._status = topics.node(settings.node, "status")
        self._states: dict[str, Publication] = {}
        self._changed: set[str] = set()
        self._change = asyncio.Event()
        self._introduced = False
        self._link: Link | None = None
        self._connected = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    @property
    def link(self) -> Link | None:
        """The link, while there is one."""
        return self._link if self._link is not None and self._link.up else None

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener()` whenever a link has come or gone."""
        self._listeners.append(listener)

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

    def clear(self, topic: str) -> None:
        """Have the broker keep nothing there any more: said once, now or when connected."""
        self._states[topic] = cleared(topic)
        self._changed.add(topic)
        self._change.set()

    def follow(self, lines: Sequence[str]) -> None:
        """Speak for these lines from now on."""
        self._loopback.follow(self._topics.own(lines, self._node))

    def forget(self, topic: str) -> None:
        """Say this state no more."""
        self._states.pop(topic, None)
        self._changed.discard(topic)

    async def publish(self, what: Publication) -> None:
        """Publish; returns when the broker has confirmed.

        Raises:
            BusLost: there is no link, or it broke.
            PublishRefused: the broker refused it.
        """
        link = self.link
        if link is None:
            raise BusLost("there is no connection to the broker")
        if link.dial.protocol != "5":
            self._loopback.used(what.topic)
        await link.publish(what)

    def send(self, what: Publication, settled: Settled) -> Callable[[], None]:
        """Publish without waiting: `settled` is called later with the error that `publish` would raise, or None.

        Returns:
            what has nobody told any more; where it was not sent yet, it is not.

        Raises:
            BusLost: there is no link; `settled` is not called.
            PublishRefused: it cannot be published; likewise.
        """
        link = self.link
        if link is None:
            raise BusLost("there is no connection to the broker")
        if link.dial.protocol != "5":
            self._loopback.used(what.topic)
        return partial(link.forget, link.send(what, settled))

    async def serve(self, link: Link) -> None:
        """Use a new link until it is lost: hear commands, tell all states, say `online`, then tell what changes."""
        self._link = link
        self._connected.set()
        self._tell_listeners()
        try:
            await self.hear_commands()
            await self._introduce(link)
            self._trouble.over(NAME)
            async with self._listening_to_itself(link):
                await self._keep_told(link)
        finally:
            self._link = None
            self._connected.clear()
            self._tell_listeners()

    def _tell_listeners(self) -> None:
        for listener in self._listeners:
            listener()

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
        """Nothing is subscribed to here but what relay says itself; whatever comes is acknowledged and left."""
        self._loopback.heard(received)
        link.ack(received.mid, received.qos)

    @contextlib.asynccontextmanager
    async def _listening_to_itself(self, link: Link) -> AsyncIterator[None]:
        """On MQTT 3.1.1 nobody says that a publish was denied."""
        looking = asyncio.ensure_future(self._loopback.run(link)) if link.dial.protocol != "5" else None
        try:
            yield
        finally:
            if looking is not None:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    async def _keep_told(self, link: Link) -> None:
        """Tell what changes; now and then also what was denied."""
        while True:
            with contextlib.suppress(TimeoutError):
                await self._clock.wait(self._change.wait(), AGAIN)
            denied = self._rights.denied_to("publish") if not self._changed and link.dial.protocol == "5" else []
            await self._tell(link, [*self._taken_changes(), *(topic for topic in denied if topic in self._states)])

    async def _introduce(self, link: Link) -> None:
        self._taken_changes()
        await self._tell(link, [topic for topic in self._states if topic != self._status])
        online = {"state": "online", "reason": None, "since": timestamp(self._clock.now())}
        await self._say(link, self._states.get(self._status) or state(self._status, online))
        log.log(logging.DEBUG if self._introduced else logging.INFO, "bus.online", topic=self._status)
        self._introduced = True

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
        except PublishRefused as error:
            self._rights.judged("publish", [what.topic], [what.topic], f"{error.problem.detail}: {_UNSAID}")
        else:
            if not what.payload and self._states.get(what.topic) == what:
                self.forget(what.topic)  # also where it was cleared once more meanwhile
            if link.dial.protocol == "5":  # which alone says so
                self._rights.judged("publish", [what.topic], [], "")

    def _probe(self, topic: str) -> Publication | None:
        """What shows whether publishing on a topic passes: its state where it is retained; None where it has none."""
        if topic.endswith(("/status", "/info")):
            return self._states.get(topic)
        return probe(topic, f"/relay/node/{self._node}")
