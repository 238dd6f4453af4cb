"""node -> bus -> node: on MQTT 3.1.1 nobody says that a publish was denied, so relay listens for what it says.

Each own topic is subscribed to for a moment, and a harmless probe is published on it, or its state where it is
retained. What does not come back is denied. On MQTT 5 the broker says so itself, and nothing of this is done.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from relay.bus.errors import BusLost, PublishRefused, SubscribeRefused
from relay.bus.link import Link, Received
from relay.bus.payloads import Publication
from relay.bus.rights import AGAIN, Rights
from relay.clock import Clock

log = structlog.get_logger()

_MOST = 1000  # topics of clients that are looked at
_APART = timedelta(minutes=1)  # between two looks at all: probes would fill the queues of those who are away
_DENIED = (
    "nothing that relay publishes there comes back: grant it to read and write them (the broker's ACL);"
    " MQTT 3.1.1 does not say which of the two is denied"
)


class Loopback:
    """The topics that are looked at on each connection of MQTT 3.1.1.

    Args:
        topics: those that every relay has.
        probe: what to publish on a topic now; None where there is nothing to say on it.
        rights: is told what was found.
        clock: relay's time.
        patience: real seconds that a broker may take to pass a probe on.
    """

    def __init__(
        self,
        topics: Iterable[str],
        probe: Callable[[str], Publication | None],
        rights: Rights,
        clock: Clock,
        patience: float,
    ) -> None:
        self._patience = patience
        self._own = set(topics)
        self._topics = set(self._own)
        self._probe = probe
        self._rights = rights
        self._clock = clock
        self._new: set[str] = set()
        self._next_look = clock.now()
        self._used = asyncio.Event()
        self._awaited: dict[str, bytes] = {}
        self._all_back = asyncio.Event()
        self._unchecked: set[str] = set()

    def follow(self, topics: Iterable[str]) -> None:
        """Look at these instead of those that it began with, and at once at those that are new."""
        before, self._own = self._own, set(topics)
        self._topics = (self._topics - before) | self._own
        self._new = (self._new & self._topics) | (self._own - before)
        self._used.set()

    def used(self, topic: str) -> None:
        """Look at this topic as well: relay publishes on it."""
        if topic not in self._topics and len(self._topics) < _MOST:
            self._topics.add(topic)
            self._new.add(topic)
            self._used.set()

    async def run(self, link: Link) -> None:
        """Look at all topics, then at what is new and, now and then, at what is denied; until the link is lost."""
        owed = True
        with suppress(BusLost):
            while True:
                self._used.clear()
                left = min(self._next_look - self._clock.now(), _APART) if owed else timedelta(seconds=AGAIN)
                if left <= timedelta():
                    owed, left = False, timedelta(seconds=AGAIN)
                    self._new, self._next_look = set(self._topics), self._clock.now() + _APART
                await self.look(link, sorted(self._new | set(self._rights.denied_to("publish"))))
                with suppress(TimeoutError):
                    await self._clock.wait(self._used.wait(), left.total_seconds())

    def heard(self, received: Received) -> None:
        """A message has come; one with the retain flag was published before, and proves nothing."""
        if not received.retain and self._awaited.get(received.topic) == received.payload:
            del self._awaited[received.topic]
            if not self._awaited:
                self._all_back.set()

    async def look(self, link: Link, topics: Sequence[str]) -> None:
        """Look at these topics now.

        Raises:
            BusLost: the link broke.
        """
        self._new.difference_update(topics)
        granted = await self._granted(link, [topic for topic in topics if self._probe(topic)])
        if not granted:
            return
        # Not before: a state may have changed meanwhile, and the broker keeps the last that is said.
        probes = [probe for probe in map(self._probe, granted) if probe]
        self._awaited = {probe.topic: probe.payload for probe in probes}
        self._all_back.clear()
        await asyncio.gather(*(self._say(link, probe) for probe in probes))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._all_back.wait()
        if link.up:
            link.unsubscribe(granted)
            self._rights.judged("publish", granted, self._awaited, _DENIED)

    async def _granted(self, link: Link, topics: list[str]) -> list[str]:
        try:
            if topics:
                await link.subscribe(topics)
        except SubscribeRefused as refusal:
            refused = set(refusal.filters)
            if news := refused - self._unchecked:
                self._unchecked |= news
                log.info("bus.unchecked", topics=len(news), first=min(news))
            return [topic for topic in topics if topic not in refused]
        return topics

    async def _say(self, link: Link, probe: Publication) -> None:
        with suppress(PublishRefused):  # what is too large for the broker does not come back
            await link.publish(probe)
