"""The broker: does it let relay in, what does it speak, and what does it let relay hear and say?"""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from pydantic_core import from_json

from relay.bus.config import BusSettings
from relay.bus.dial import Dial, tls_context
from relay.bus.errors import BusLost, NoConnection, SubscribeRefused
from relay.bus.link import Link, Received
from relay.bus.topics import Topics
from relay.cli.findings import Finding, good, hint, wrong
from relay.cli.findings.brokerfeatures import look_at_features
from relay.cli.findings.brokerrights import Permissions
from relay.cli.findings.brokerwords import in_words
from relay.cli.findings.certificates import ends_soon
from relay.cli.findings.door import Door, knock
from relay.cli.findings.mosquitto import look_at_mosquitto
from relay.cli.findings.patience import USUAL, Patience
from relay.clock import Clock, SystemClock
from relay.settings import Settings
from relay.settings.types import is_loopback
from relay.wiring import bus_settings

_PART = "broker"
_WHY = "without it relay hears no request, and keeps what it has to say"
_OTHER_VERSION = {"protocol", "closed"}  # how a broker that does not speak a version may put it


async def look_at_broker(
    settings: Settings, *, is_running: bool = True, patience: Patience = USUAL, clock: Clock | None = None
) -> Sequence[Finding]:
    """Whether relay can connect, with which version of MQTT, and what it may hear and say then.

    Args:
        settings: the whole tree.
        is_running: relay runs on this machine, so that its own node may be online.
        patience: how long to wait.
        clock: this machine's time.
    """
    bus = replace(bus_settings(settings), timeout=patience.broker)
    now = (clock or SystemClock()).now()
    try:
        tls = await asyncio.to_thread(tls_context, bus)
    except NoConnection as error:
        return [wrong(_PART, *_said(error, bus))]
    behind = await knock(_door(bus, tls), patience.door, now)
    if behind.trouble:
        return [wrong(_PART, behind.trouble.what, _WHY, behind.trouble.cure)]
    found = ends_soon(_PART, bus.url, behind.expires, now, "relay does not connect from then on")
    return [*await _Look(settings, bus, tls, patience, is_running=is_running).made(), *found]


def _door(bus: BusSettings, tls: ssl.SSLContext | None) -> Door:
    cure = "name the certificate of the authority that signed it in bus.ca_file (for mosquitto: its cafile)"
    broker = bus.broker
    start = "start the broker (systemctl start mosquitto)"
    return Door("bus.url", broker.host, broker.port, tls, is_web=False, ca_cure=cure, start=start)


class _Look:
    """A look at a broker that is there."""

    def __init__(
        self, settings: Settings, bus: BusSettings, tls: ssl.SSLContext | None, patience: Patience, *, is_running: bool
    ) -> None:
        self._settings, self._bus, self._tls = settings, bus, tls
        self._patience = patience
        self._is_running = is_running
        self._state = Topics(bus.base).node(bus.node, "status")
        self._is_elsewhere = False

    async def made(self) -> Sequence[Finding]:
        """What is found, with the newest MQTT that it speaks."""
        versions = ("5", "3.1.1") if self._bus.protocol == "auto" else (self._bus.protocol,)
        refused = None
        for version in versions:
            try:
                found = await self._with(version)
            except (NoConnection, BusLost) as error:
                refused = refused or error
                if not isinstance(error, NoConnection) or error.cause not in _OTHER_VERSION:
                    break
            else:
                found += await asyncio.to_thread(self._as_set, version)
                return [good(_PART, f"{self._bus.url}: connected, MQTT {version}"), *found]
        return [wrong(_PART, *_said(refused, self._bus))] if refused else []

    async def _with(self, version: str) -> list[Finding]:
        granted = None
        if version == "5":  # only who asks for a session is told for how long it would be kept
            async with Link(self._dial(version, persistent=True), _ignore) as link:
                granted = link.granted
        found = look_at_features(granted, self._settings, self._bus.session_expiry)
        try:
            # This connection has the broker forget the session again.
            return found + await self._permissions(version)
        except BusLost:
            if all(each.ok for each in found):
                raise
            return found  # it is one of them that broke the connection

    def _dial(self, version: str, *, persistent: bool = False) -> Dial:
        # A client id of its own: that of a running relay would throw it off the broker.
        own = f"{self._bus.node_client_id}-check"
        return Dial(settings=self._bus, client_id=own, protocol=version, tls=self._tls, persistent=persistent)

    async def _permissions(self, version: str) -> list[Finding]:
        permissions = Permissions(self._bus, list(self._settings.lines), self._patience.loopback)

        def receive(link: Link, received: Received) -> None:
            self._hear(received)
            permissions.heard(received)
            link.ack(received.mid, received.qos)

        async with Link(self._dial(version), receive) as link:
            with suppress(SubscribeRefused):  # then nobody knows; publishing there is what relay needs
                await link.subscribe([self._state])
            return await permissions.tried(link)

    def _hear(self, received: Received) -> None:
        """A node of this name that is online says so in a retained state."""
        if received.topic == self._state and received.retain:
            with suppress(ValueError):
                said = from_json(received.payload)
                self._is_elsewhere = isinstance(said, dict) and said.get("state") in {"online", "degraded"}

    def _as_set(self, version: str) -> list[Finding]:
        bus, found = self._settings.bus, []
        if not bus.tls and not is_loopback(bus.url):
            why = "texts, numbers and the password can be read on the way"
            cure = "write mqtts:// in bus.url, with the port of TLS"
            found.append(hint(_PART, f"{bus.url}: the connection is not encrypted", cure, why))
        if version != "5" and bus.protocol == "auto":
            why = "on MQTT 3.1.1 nobody is told that a message was denied, and requests have no Response Topic"
            cure = 'take a broker that speaks MQTT 5, or write protocol = "3.1.1" below [bus]'
            found.append(hint(_PART, f"{bus.url}: it speaks MQTT 3.1.1 only", cure, why))
        if self._is_elsewhere and not self._is_running:
            what = f"a node with the name {self._bus.node} is online, and not on this machine"
            why = "two nodes of one name throw each other off the broker, again and again"
            cure = "give each its own node.name; if this one was just killed, wait for a minute"
            found.append(wrong(_PART, what, why, cure))
        if is_loopback(bus.url):
            return [*found, *look_at_mosquitto(bus.port)]
        what = "whether it keeps on disk what it has confirmed is not seen from here: docs/brokers.md says how"
        return [*found, good(_PART, what)]


def _said(error: NoConnection | BusLost, bus: BusSettings) -> tuple[str, str, str]:
    words = in_words(error, bus)
    return f"{bus.url}: {words.what}", _WHY, words.cure


def _ignore(link: Link, received: Received) -> None:
    link.ack(received.mid, received.qos)
