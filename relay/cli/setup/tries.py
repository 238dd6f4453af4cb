"""answers -> findings: each is tried as it is given, on the broker, the provider and the public address itself.

What `relay check` looks with is used here too: what passes its try here is in order there.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from relay.bus.config import BusSettings
from relay.bus.dial import Dial, tls_context
from relay.bus.errors import BusLost, NoConnection
from relay.bus.link import Link, Received
from relay.cli.findings import Finding, good, wrong
from relay.cli.findings.broker import look_at_broker
from relay.cli.findings.brokerwords import in_words
from relay.cli.findings.door import Door, knock
from relay.cli.findings.journal import is_running
from relay.cli.findings.lines import Prober
from relay.cli.findings.patience import USUAL
from relay.cli.findings.public import look_at_public
from relay.clock import SystemClock
from relay.providerkit.spec import NeedsConsent, Provider, TakesHooks
from relay.settings import Settings

_PATIENCE = 10.0  # seconds, for a provider
_BROKER = "broker"
_NO_BROKER = "without it relay hears no request, and keeps what it has to say"
_OTHER_VERSION = {"protocol", "closed"}  # how a broker that does not speak a version may put it


class Wants(NamedTuple):
    """What a line needs: that the provider, or a subscriber's browser, reaches relay; that the subscriber agrees."""

    calls: bool
    consent: bool


def try_address(bus: BusSettings) -> list[Finding]:
    """Whether a broker answers there: its name, TCP and TLS. Whom it lets in is another question."""

    async def look() -> Finding:
        broker = bus.broker
        try:
            tls = await asyncio.to_thread(tls_context, bus)
        except NoConnection as error:
            return wrong(_BROKER, *_parts(error))
        cure = "give the certificate of the authority that signed it (--broker-ca; for mosquitto: its cafile)"
        start = "start the broker (systemctl start mosquitto)"
        door = Door("the address", broker.host, broker.port, tls, is_web=False, ca_cure=cure, start=start)
        behind = await knock(door, USUAL.door, SystemClock().now())
        if behind.trouble:
            return wrong(_BROKER, behind.trouble.what, _NO_BROKER, behind.trouble.cure)
        return good(_BROKER, f"{bus.url}: somebody answers")

    return [asyncio.run(look())]


def try_login(bus: BusSettings) -> list[Finding]:
    """Whether the broker lets this user in, with which version of MQTT."""

    async def look() -> Finding:
        tls = await asyncio.to_thread(tls_context, bus)
        first = None
        for version in ("5", "3.1.1"):
            refusal = await _refusal(Dial(settings=bus, client_id="relay-init", protocol=version, tls=tls))
            if refusal is None:
                return good(_BROKER, f"{bus.url}: lets {bus.username or 'everybody'} in, MQTT {version}")
            first = first or refusal
            if not isinstance(refusal, NoConnection) or refusal.cause not in _OTHER_VERSION:
                break
        assert first is not None  # noqa: S101 - each version was tried
        words = in_words(first, bus)
        return wrong(_BROKER, words.what, _NO_BROKER, words.cure)

    return [asyncio.run(look())]


def try_topics(settings: Settings) -> list[Finding]:
    """What the broker lets relay hear and say, and whether it keeps what it confirms."""
    return list(asyncio.run(look_at_broker(settings, is_running=is_running(settings))))


def try_line(settings: Settings, providers: Mapping[str, Provider], alias: str) -> list[Finding]:
    """Whether the provider takes the line's credentials."""

    async def look() -> Sequence[Finding]:
        async with asyncio.timeout(_PATIENCE):
            return await Prober(settings, providers).look_at_line(alias)

    try:
        return list(asyncio.run(look()))
    except TimeoutError:
        what = f"the provider did not answer within {_PATIENCE:g} s"
        return [wrong(alias, what, "the line does not work as long", "check the network and any proxy")]


def wants_of(settings: Settings, providers: Mapping[str, Provider], alias: str) -> Wants:
    """What the line needs of others; nobody is asked."""

    async def look() -> Wants:
        async with Prober(settings, providers).connected(alias) as line:
            consent = isinstance(line, NeedsConsent)
            return Wants(consent or (isinstance(line, TakesHooks) and bool(line.hook_events)), consent)

    return asyncio.run(look())


def try_public_url(settings: Settings) -> list[Finding]:
    """Whether what is called at the public address would arrive here: relay's place is taken for that moment."""
    running = is_running(settings)
    return list(asyncio.run(look_at_public(settings, is_running=running, patience=USUAL, clock=SystemClock())))


async def _refusal(dial: Dial) -> NoConnection | BusLost | None:
    """Why no connection can be made; None where one could."""
    try:
        async with Link(dial, _ignore):
            return None
    except (NoConnection, BusLost) as refusal:
        return refusal


def _ignore(link: Link, received: Received) -> None:
    """Nothing was subscribed to."""


def _parts(error: NoConnection) -> tuple[str, str, str]:
    what, _, cure = error.problem.detail.partition(": ")
    return what, _NO_BROKER, f"give a file that can be read ({cure})"
