"""How a broker is reached, and what relay says when it cannot be."""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from amqtt.broker import Broker  # type: ignore[import-untyped]  # it ships no types

from relay.bus.topics import Topics
from tests.brokers import Certificates, Mosquitto, free_port
from tests.contract.bus.conftest import PATIENCE, Ear, Logs, announcement, connected, make_bus, next_command
from tests.contract.bus.scripted import CONNECT, PUBLISH, SUBSCRIBE, Peer, Scripted, mid_of, protocol_of

FILTERS = Topics().subscriptions(["alerts"])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, a server and a client."""
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


async def test_a_user_with_the_right_password_gets_in(tmp_path: Path) -> None:
    """User and password of the settings are used on both connections."""
    async with (
        Mosquitto(tmp_path, users={"relay": "right"}) as broker,
        make_bus(broker.url, username="relay", password="right") as bus,
    ):
        await connected(bus)
        await bus.publish(announcement())
        await broker.logged("Sending SUBACK to relay-commands")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_wrong_password_is_named_once_without_being_shown(tmp_path: Path, logs: Logs, protocol: str) -> None:
    """The log names the settings to look at; it does not repeat itself, and holds no password."""
    async with (
        Mosquitto(tmp_path, users={"relay": "right"}) as broker,
        make_bus(broker.url, username="relay", password="secret-wrong", protocol=protocol) as bus,
    ):
        refused = await logs.until("bus.refused")
        await broker.logged("Sending CONNACK", times=6)
        assert not bus.connected
        assert logs.rest().count("bus.refused") <= 1  # the other connection's
    assert refused["cause"] == "not_authorized"
    assert "bus.username" in refused["detail"]
    assert "secret" not in str(refused)


async def test_tls_with_a_client_certificate(tmp_path: Path, certificates: Certificates) -> None:
    """A broker that asks for a certificate gets the one of the settings."""
    ours = {"cert_file": certificates.certificate("client"), "key_file": certificates.key("client")}
    async with (
        Mosquitto(tmp_path, certificates=certificates, ask_certificate=True) as broker,
        make_bus(broker.url, ca_file=certificates.ca, **ours) as bus,
    ):
        await connected(bus)
        await asyncio.gather(*(bus.publish(announcement(number, body={"t": "x" * 20_000})) for number in range(50)))


async def test_a_missing_client_certificate_is_named(tmp_path: Path, certificates: Certificates, logs: Logs) -> None:
    """TLS 1.3 tells of it only by closing the connection after the handshake."""
    async with (
        Mosquitto(tmp_path, certificates=certificates, ask_certificate=True) as broker,
        make_bus(broker.url, ca_file=certificates.ca),
    ):
        refused = await logs.until("bus.refused")
    assert refused["cause"] in ("closed", "tls")
    assert "certificate" in refused["detail"]


async def test_an_unknown_authority_is_named(tmp_path: Path, certificates: Certificates, logs: Logs) -> None:
    """A broker whose certificate is not trusted is not spoken to."""
    async with Mosquitto(tmp_path, certificates=certificates) as broker, make_bus(broker.url):
        refused = await logs.until("bus.refused")
    assert refused["cause"] == "tls"
    assert "bus.ca_file" in refused["detail"]


@pytest.mark.parametrize("setting", ["ca_file", "cert_file"])
async def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, logs: Logs, setting: str) -> None:
    """The setting is in the message, not the operating system's words alone."""
    no_pem = tmp_path / "no.pem"
    no_pem.write_text("this is none")
    for path in (tmp_path / "missing.pem", no_pem):
        async with make_bus("mqtts://127.0.0.1:1", **{setting: path}):
            refused = await logs.until("bus.refused")
        assert refused["cause"] == "tls"
        assert f"bus.{setting}" in refused["detail"]


@pytest.mark.parametrize(("host", "cause"), [("nobody.invalid", "dns"), ("127.0.0.1", "unreachable")])
async def test_a_broker_that_is_not_there_is_named(host: str, cause: str, logs: Logs) -> None:
    """A name that does not resolve and a port that nobody listens on are told apart."""
    async with make_bus(f"mqtt://{host}:{free_port()}"):
        assert (await logs.until("bus.refused"))["cause"] == cause


async def test_a_broker_that_does_not_answer_is_given_up(logs: Logs) -> None:
    """A connection that is accepted and never answered ends with the time-out."""
    async with Scripted(Peer.gone) as broker, make_bus(broker.url, timeout=0.2):
        assert (await logs.until("bus.refused"))["cause"] == "silent"


async def test_leaving_does_not_wait_for_a_broker_that_does_not_answer() -> None:
    """A stop during an attempt to connect ends the attempt, on the broker's side as well."""
    coming: asyncio.Queue[str] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        await peer.packet(CONNECT)
        coming.put_nowait("come")
        await peer.gone()
        coming.put_nowait("gone")

    async with Scripted(script) as broker, asyncio.timeout(PATIENCE):
        async with make_bus(broker.url, timeout=60):
            assert [await coming.get(), await coming.get()] == ["come", "come"]
        assert [await coming.get(), await coming.get()] == ["gone", "gone"]


@pytest.mark.parametrize("how", ["refuses", "closes"])
async def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1(how: str, logs: Logs) -> None:
    """A broker that refuses or only closes is asked again in the older version."""

    async def script(peer: Peer) -> None:
        if protocol_of(await peer.packet(CONNECT)) == 5:
            if how == "refuses":
                peer.connack(0x84)
            peer.close()
            return
        peer.connack311()
        await peer.gone()

    async with Scripted(script) as broker, make_bus(broker.url, timeout=0.5) as bus:
        await connected(bus)
        assert bus.protocol == "3.1.1"


async def test_subscriptions_that_are_all_refused_are_named_once(logs: Logs) -> None:
    """A relay that may not hear its commands says so, never says online, and goes on trying."""
    attempts: asyncio.Queue[None] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        peer.connack()
        if b"relay-commands" in connect:
            peer.suback(await peer.packet(SUBSCRIBE), *[0x87] * len(FILTERS))
            attempts.put_nowait(None)
        await peer.gone()

    async with Scripted(script) as broker, make_bus(broker.url, timeout=0.5) as bus, asyncio.timeout(PATIENCE):
        refused = await logs.until("bus.refused")
        for _ in range(3):
            await attempts.get()
        assert (refused["cause"], bus.connected, bus.listening) == ("subscription", True, False)
        assert FILTERS[0] in refused["detail"]
        rest = logs.rest()
    assert (rest.count("bus.refused"), rest.count("bus.online")) == (0, 0)


async def test_one_refused_subscription_silences_only_its_own_topic(logs: Logs) -> None:
    """It is named once, the others are heard, relay is online; it is tried again, and its end is told."""

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        peer.connack()
        if b"relay-commands" not in connect:
            await _confirming(peer)
        while True:
            subscribe = await peer.packet(SUBSCRIBE)
            asked = sum(each.encode() in subscribe for each in FILTERS if not each.endswith("+")) > 1
            peer.suback(subscribe, *([0x01] * (len(FILTERS) - 1) + [0x87] if asked else [0x01]))

    async with Scripted(script) as broker, make_bus(broker.url, speed=1000) as bus, asyncio.timeout(PATIENCE):
        denied = await logs.until("bus.topic_denied")
        assert (denied["doing"], denied["topics"]) == ("subscribe", FILTERS[-1])
        assert (bus.listening, list(bus.denied)) == (True, [FILTERS[-1]])
        await logs.until("bus.online")
        await logs.until("bus.topic_allowed")
        assert not bus.denied
    assert "bus.refused" not in logs.rest()


async def _confirming(peer: Peer) -> None:
    while True:
        peer.puback(mid_of(await peer.packet(PUBLISH)))


@asynccontextmanager
async def running_amqtt() -> AsyncIterator[int]:
    """A broker in this process that speaks 3.1.1 only; its port."""
    port = free_port()
    anybody = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    broker = Broker({"listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}}, "plugins": anybody})
    await broker.start()
    try:
        yield port
    finally:
        await broker.shutdown()


# Where the client is the first to go, as after a version that is refused, amqtt leaves its socket to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_bus_works_over_the_demos_broker_in_the_process(caplog: pytest.LogCaptureFixture, logs: Logs) -> None:
    """With amqtt (3.1.1 only) commands come in, announcements go out, and nobody is asked to set a version."""
    caplog.set_level(logging.CRITICAL, "amqtt")
    async with running_amqtt() as port, make_bus(f"mqtt://127.0.0.1:{port}", timeout=1) as bus:
        await logs.until("bus.online")
        ear = Ear(port, "relay/line/+/result/#", protocol=4)
        async with ear:
            await ear.say("relay/line/alerts/send/web", b'{"id":"1"}')
            delivery = await next_command(bus)
            delivery.ack()
            await asyncio.gather(*(bus.publish(announcement(number)) for number in range(100)))
            heard: Counter[str] = Counter()
            while heard.total() < 100:
                message = await ear.next()
                if b"relay.probe.v1" not in bytes(message.payload):  # on 3.1.1 relay also tries its topics
                    heard[message.topic.value] += 1
        assert (delivery.client, delivery.payload, bus.protocol) == ("web", b'{"id":"1"}', "3.1.1")
    gc.collect()
    assert heard == {"relay/line/alerts/result/web": 100}
    assert "bus.topic_denied" not in logs.rest()
