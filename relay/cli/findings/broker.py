"""The broker: does it let relay in, and what does it speak?"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from relay.bus.config import BusSettings
from relay.bus.dial import Dial, tls_context
from relay.bus.errors import NoConnection
from relay.bus.link import Link, Received
from relay.cli.findings import Finding, good, wrong
from relay.settings import Settings
from relay.settings.types import is_loopback
from relay.wiring import bus_settings

_PART = "broker"
_WHY = "without it relay hears no request, and keeps what it has to say"
_TIMEOUT = 3.5  # seconds, for each of two versions of MQTT
_OTHER_VERSION = {"protocol", "closed"}  # how a broker that does not speak a version may put it


async def look_at_broker(settings: Settings) -> Sequence[Finding]:
    """Whether relay can connect, with which version of MQTT."""
    bus = replace(bus_settings(settings), timeout=_TIMEOUT)
    versions = ("5", "3.1.1") if bus.protocol == "auto" else (bus.protocol,)
    refusal = None
    for version in versions:
        try:
            await _connect(bus, version)
        except NoConnection as error:
            refusal = refusal or error
            if error.cause not in _OTHER_VERSION:
                break
        else:
            open_to_all = "" if settings.bus.tls or is_loopback(bus.url) else ", not encrypted"
            return [good(_PART, f"{bus.url}: connected, MQTT {version}{open_to_all}")]
    what, _, cure = (refusal.problem.detail if refusal else "").partition(": check ")
    return [wrong(_PART, f"{bus.url}: {what}", _WHY, f"check {cure or 'bus.url, and that the broker runs'}")]


async def _connect(bus: BusSettings, version: str) -> None:
    tls = await asyncio.to_thread(tls_context, bus)
    # A client id of its own: that of a running relay would throw it off the broker.
    dial = Dial(settings=bus, client_id=f"{bus.node_client_id}-check", protocol=version, tls=tls)
    async with Link(dial, _ignore):
        pass


def _ignore(_link: Link, _received: Received) -> None:
    """Nothing is subscribed, so that nothing comes."""
