"""What the broker lets relay hear and say, tried topic by topic with events and commands that everybody ignores.

mosquitto grants every subscription, and then passes nothing on: so each topic of commands is tried as well, by a
command of a client whose commands relay does not take.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress

from relay.bus.config import BusSettings
from relay.bus.errors import PublishRefused, SubscribeRefused
from relay.bus.link import Link, Received
from relay.bus.loopback import Loopback
from relay.bus.payloads import probe
from relay.bus.rights import Rights
from relay.bus.topics import CHECKER, VERBS, Topics
from relay.cli.findings import Finding, wrong
from relay.clock import SystemClock

_PART = "broker"
_STATES = ("/status", "/info")  # retained: who tried them would overwrite what a running relay says


class Permissions:
    """A look at what may be heard and said over one connection.

    Args:
        bus: the broker.
        lines: whose topics are tried.
        patience: seconds that the broker may take to pass something on.
    """

    def __init__(self, bus: BusSettings, lines: Sequence[str], patience: float) -> None:
        self._bus, self._lines, self._patience = bus, lines, patience
        self._topics, self._rights = Topics(bus.base), Rights()
        self._loopback = Loopback([], probe, self._rights, SystemClock(), patience)
        self._awaited: set[str] = set()
        self._all_heard = asyncio.Event()

    def heard(self, received: Received) -> None:
        """A message has come."""
        self._loopback.heard(received)
        self._awaited.discard(received.topic)
        if not self._awaited:
            self._all_heard.set()

    async def tried(self, link: Link) -> list[Finding]:
        """What is denied."""
        own = [topic for topic in self._topics.own(self._lines, self._bus.node) if not topic.endswith(_STATES)]
        found = await self._deaf(link)
        if link.dial.protocol != "5":
            await self._loopback.look(link, own)
            return found + [self._mute(topic) for topic in self._rights.denied]
        own += [each.replace("+", CHECKER).replace("#", CHECKER) for each in self._bus.response_topics]
        return found + [self._mute(topic) for topic in await _refused(link, own)]

    async def _deaf(self, link: Link) -> list[Finding]:
        filters = self._topics.subscriptions(self._lines)
        try:
            await link.subscribe(filters, retained=False)
            if link.dial.protocol == "5":
                return list(self._not_heard(await self._missing(link)))
        except SubscribeRefused as refusal:
            why = "commands there are not heard"
            return [wrong(_PART, f"{each}: subscribing is denied", why, self._cure(each)) for each in refusal.filters]
        finally:
            link.unsubscribe(filters)
        return []  # on MQTT 3.1.1 nobody says whether it was the hearing or the saying that is denied

    async def _missing(self, link: Link) -> set[str]:
        """The topics of commands on which what was published did not arrive."""
        topics = {self._topics.line(line, verb, CHECKER) for line in self._lines for verb in VERBS}
        self._awaited, self._all_heard = set(topics), asyncio.Event()
        self._awaited.difference_update(await _refused(link, sorted(topics)))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience if self._awaited else 0):
                await self._all_heard.wait()
        return self._awaited

    def _not_heard(self, missing: set[str]) -> Iterator[Finding]:
        lines: dict[str, list[str]] = defaultdict(list)
        for topic in sorted(missing):
            line, verb, _ = topic.removeprefix(f"{self._bus.base}/line/").split("/")
            lines[line].append(verb)
        for line, verbs in lines.items():
            topic = self._topics.line(line, verbs[0] if len(verbs) == 1 else "+")
            what = f"{topic}: commands do not arrive, and subscribing was granted ({', '.join(verbs)})"
            yield wrong(_PART, what, "requests are lost, and nobody is told", self._cure(topic))

    def _mute(self, topic: str) -> Finding:
        why = "nobody hears what relay says there"
        return wrong(_PART, f"{topic}: publishing is denied", why, self._cure(topic))

    def _cure(self, topic: str) -> str:
        user = f'below "user {self._bus.username}"' if self._bus.username else "for relay's user"
        is_own = topic.startswith(f"{self._bus.base}/")
        right = f"readwrite {self._bus.base}/#" if is_own else f"write {self._bus.response_topics[0]}"
        return f"write into the broker's ACL, {user}: topic {right}; then: systemctl reload mosquitto"


async def _refused(link: Link, topics: Sequence[str]) -> list[str]:
    """Those of the topics on which the broker does not take an event."""
    passed = await asyncio.gather(*(_passes(link, topic) for topic in topics))
    return [topic for topic, has_passed in zip(topics, passed, strict=True) if not has_passed]


async def _passes(link: Link, topic: str) -> bool:
    try:
        await link.publish(probe(topic))
    except PublishRefused:
        return False
    return True
