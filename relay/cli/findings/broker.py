"""The broker: does it let relay in, what does it speak, and what does it let relay hear and say?"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from relay.bus.config import BusSettings
from relay.bus.dial import Dial, tls_context
from relay.bus.errors import BusLost, NoConnection, PublishRefused, SubscribeRefused
from relay.bus.link import Link, Received
from relay.bus.loopback import Loopback
from relay.bus.payloads import probe
from relay.bus.rights import Rights
from relay.bus.topics import Topics
from relay.cli.findings import Finding, good, wrong
from relay.clock import SystemClock
from relay.settings import Settings
from relay.settings.types import is_loopback
from relay.wiring import bus_settings

_PART = "broker"
_WHY = "without it relay hears no request, and keeps what it has to say"
_TIMEOUT = 3.5  # seconds, for each of two versions of MQTT
_PATIENCE = 1.5  # seconds that a broker may take to pass on what relay says, on MQTT 3.1.1
_OTHER_VERSION = {"protocol", "closed"}  # how a broker that does not speak a version may put it
_STATES = ("/status", "/info")  # retained: who tried them would overwrite what a running relay says


async def look_at_broker(settings: Settings) -> Sequence[Finding]:
    """Whether relay can connect, with which version of MQTT, and what it may hear and say then."""
    bus = replace(bus_settings(settings), timeout=_TIMEOUT)
    versions = ("5", "3.1.1") if bus.protocol == "auto" else (bus.protocol,)
    refusal = None
    for version in versions:
        try:
            denied = await _connect(bus, version, list(settings.lines))
        except (NoConnection, BusLost) as error:
            refusal = refusal or error
            if not isinstance(error, NoConnection) or error.cause not in _OTHER_VERSION:
                break
        else:
            open_to_all = "" if settings.bus.tls or is_loopback(bus.url) else ", not encrypted"
            return [good(_PART, f"{bus.url}: connected, MQTT {version}{open_to_all}"), *denied]
    what, _, cure = (refusal.problem.detail if refusal else "").partition(": check ")
    return [wrong(_PART, f"{bus.url}: {what}", _WHY, f"check {cure or 'bus.url, and that the broker runs'}")]


async def _connect(bus: BusSettings, version: str, lines: Sequence[str]) -> list[Finding]:
    tls = await asyncio.to_thread(tls_context, bus)
    # A client id of its own: that of a running relay would throw it off the broker.
    dial = Dial(settings=bus, client_id=f"{bus.node_client_id}-check", protocol=version, tls=tls)
    topics, rights = Topics(bus.base), Rights()
    own = [topic for topic in topics.own(lines, bus.node) if not topic.endswith(_STATES)]
    loopback = Loopback([], probe, rights, SystemClock(), _PATIENCE)

    def receive(link: Link, received: Received) -> None:
        loopback.heard(received)
        link.ack(received.mid, received.qos)

    async with Link(dial, receive) as link:
        deaf = await _unheard(link, topics.subscriptions(lines))
        if version != "5":
            await loopback.look(link, own)
            return deaf + [_denied(topic) for topic in rights.denied]
        return deaf + [_denied(topic) for topic in own if not await _passes(link, topic)]


async def _unheard(link: Link, filters: Sequence[str]) -> list[Finding]:
    """The topics of commands that the broker does not let relay hear."""
    try:
        await link.subscribe(filters, retained=False)
    except SubscribeRefused as refusal:
        why = "commands there are not heard"
        cure = "let relay read it: check the broker's ACL"
        return [wrong(_PART, f"{each}: subscribing is denied", why, cure) for each in refusal.filters]
    finally:
        link.unsubscribe(filters)
    return []


async def _passes(link: Link, topic: str) -> bool:
    try:
        await link.publish(probe(topic))
    except PublishRefused:
        return False
    return True


def _denied(topic: str) -> Finding:
    why = "nobody hears what relay says there"
    return wrong(
        _PART, f"{topic}: publishing is denied", why, "let relay write it, and read it: check the broker's ACL"
    )
