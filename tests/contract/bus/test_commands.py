"""How commands are delivered: kept by the broker until they are acknowledged, and flagged as what they are."""

import asyncio

import pytest
from paho.mqtt.packettypes import PacketTypes

from relay.bus.commands import read_command
from relay.bus.requests import BadCommand
from relay.bus.topics import VERBS
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import NOW, PATIENCE, Ear, Logs, make_bus, next_command, properties_of

SEND = "relay/line/alerts/send"


async def test_what_is_not_acknowledged_comes_again(broker: Mosquitto, logs: Logs) -> None:
    """A command that was taken and never acknowledged is delivered to the next process, marked as delivered again."""
    async with make_bus(broker.url) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        for number in range(3):
            await ear.say(SEND, str(number))
        taken = [await next_command(bus) for _ in range(3)]
        taken[1].ack()
        await broker.logged("Received PUBACK from relay-commands")
    async with make_bus(broker.url) as bus:
        again = [await next_command(bus) for _ in range(2)]
        for delivery in again:
            delivery.ack()
    assert [(delivery.payload, delivery.redelivered) for delivery in again] == [(b"0", True), (b"2", True)]


async def test_what_is_acknowledged_does_not_come_again(broker: Mosquitto, logs: Logs) -> None:
    """After the acknowledgement the broker forgets the command; a second ack of the same delivery says nothing."""
    async with make_bus(broker.url) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        await ear.say(SEND, b"first")
        delivery = await next_command(bus)
        delivery.ack()
        delivery.ack()
        await broker.logged("Received PUBACK from relay-commands")
    async with make_bus(broker.url) as bus, Ear(broker) as ear:
        await ear.say(SEND, b"second")
        delivery = await next_command(bus)
        delivery.ack()
    assert (delivery.payload, delivery.redelivered) == (b"second", False)


async def test_a_command_that_could_not_be_kept_is_asked_for_again(broker: Mosquitto, logs: Logs) -> None:
    """`again` has the broker deliver it anew, without a restart; the node's own connection stays."""
    async with make_bus(broker.url) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        await ear.say(SEND, b"x")
        (await next_command(bus)).again()
        lost = await logs.until("bus.lost")
        delivery = await next_command(bus)
        delivery.ack()
        assert bus.connected
    assert (lost["connection"], delivery.payload, delivery.redelivered) == ("commands", b"x", True)


async def test_an_acknowledgement_counts_only_on_the_link_that_brought_the_command(
    broker: Mosquitto, logs: Logs
) -> None:
    """An ack that comes after a reconnection does not acknowledge another command by mistake."""
    async with make_bus(broker.url) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        await ear.say(SEND, b"early")
        early = await next_command(bus)
        async with Ear(broker, identifier="relay-commands", clean_start=True):  # the session is lost with its commands
            await logs.until("bus.lost")
        await logs.until("bus.session_lost")
        await logs.until("bus.listening")
        await ear.say(SEND, b"late")
        assert (await next_command(bus)).payload == b"late"
        early.ack()  # its packet id is now that of `late`
    async with make_bus(broker.url) as bus:
        delivery = await next_command(bus)
        delivery.ack()
    assert (delivery.payload, delivery.redelivered) == (b"late", True)


async def test_an_acknowledgement_is_proven_by_a_connection_that_lives_on(broker: Mosquitto, logs: Logs) -> None:
    """Twice the keepalive and a time-out later the broker has it; on a connection that broke, nobody knows."""
    async with make_bus(broker.url, keepalive=1, timeout=1.0) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        proven = asyncio.Event()
        unproven = asyncio.Event()
        await ear.say(SEND, b"early")
        await ear.say(SEND, b"late")
        (await next_command(bus)).ack(unproven.set)
        (await next_command(bus)).again()
        await logs.until("bus.lost")
        (await next_command(bus)).ack(proven.set)
        assert not proven.is_set()
        async with asyncio.timeout(PATIENCE):
            await proven.wait()
        assert not unproven.is_set()


@pytest.mark.parametrize("client", ["", "x" * 65])
async def test_a_command_of_a_client_without_a_possible_name_is_delivered(
    broker: Mosquitto, logs: Logs, client: str
) -> None:
    """Nobody waits for an answer in vain."""
    async with make_bus(broker.url) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        await ear.say(f"{SEND}/{client}", b"{}")
        delivery = await next_command(bus)
        delivery.ack()
    assert (delivery.line, delivery.verb, delivery.client, delivery.misnamed) == ("alerts", "send", None, True)


@pytest.mark.parametrize("set_before", [True, False])
async def test_a_retained_command_is_flagged(broker: Mosquitto, logs: Logs, *, set_before: bool) -> None:
    """A retained command is seen as one, whether it was set before relay subscribed or while it listened."""
    async with Ear(broker) as ear:
        if set_before:
            await ear.say(SEND, b'{"id":"r1"}', retain=True)
        async with make_bus(broker.url) as bus:
            await logs.until("bus.online")
            if not set_before:
                await ear.say(SEND, b'{"id":"r1"}', retain=True)
            delivery = await next_command(bus)
            delivery.ack()
    command = read_command(delivery, NOW)
    assert isinstance(command, BadCommand)
    assert (command.problem.code.value, command.request_id) == ("retained_command", "r1")


async def test_a_command_over_the_limit_is_delivered_without_its_payload(broker: Mosquitto, logs: Logs) -> None:
    """It can be answered, and takes no memory while it waits for that."""
    async with make_bus(broker.url, max_command_bytes=1000) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        await ear.say(SEND, b"x" * 1001)
        delivery = await next_command(bus)
        delivery.ack()
    assert (delivery.oversize, delivery.payload) == (True, b"")


async def test_what_mqtt_5_says_beside_the_payload_is_handed_on(broker: Mosquitto, logs: Logs) -> None:
    """Response Topic, Correlation Data, Message Expiry Interval and `traceparent` reach the consumer."""
    properties = properties_of(
        PacketTypes.PUBLISH,
        ResponseTopic="reply/web",
        CorrelationData=b"\x00\x01",
        MessageExpiryInterval=60,
        UserProperty=[("traceparent", "first"), ("traceparent", "second"), ("other", "x")],
    )
    async with make_bus(broker.url) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        await ear.say(f"{SEND}/web", b"{}", properties=properties)
        delivery = await next_command(bus)
        delivery.ack()
    said = delivery.properties
    assert (said.response_topic, said.correlation, said.traceparent) == ("reply/web", b"\x00\x01", "first")
    assert said.expiry is not None
    assert 58 <= said.expiry <= 60


async def test_a_line_hears_every_verb_with_and_without_a_client(broker: Mosquitto, logs: Logs) -> None:
    """All commands of the contract arrive, and those of another relay's lines do not."""
    topics = [f"relay/line/alerts/{verb}{end}" for verb in VERBS for end in ("", "/c")]
    async with make_bus(broker.url) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        await ear.say("relay/line/foreign/send", b"{}")
        for topic in topics:
            await ear.say(topic, b"{}")
        heard = [await next_command(bus) for _ in topics]
        for delivery in heard:
            delivery.ack()
    assert [(each.verb, each.client) for each in heard] == [(verb, client) for verb in VERBS for client in (None, "c")]
    assert {each.line for each in heard} == {"alerts"}


async def test_a_topic_left_over_in_the_session_is_acknowledged_and_left(broker: Mosquitto, logs: Logs) -> None:
    """A subscription of an earlier configuration, still in the broker's session, holds nothing up."""
    kept = properties_of(PacketTypes.CONNECT, SessionExpiryInterval=60)
    async with Ear(broker, "relay/old", identifier="relay-commands", clean_start=False, properties=kept):
        pass
    async with Ear(broker) as ear:
        await ear.say("relay/old", b"x")
    async with make_bus(broker.url):
        await logs.until("bus.stray")
        await broker.logged("Received PUBACK from relay-commands")


async def test_more_commands_than_may_be_held_wait_at_the_broker_and_all_arrive(broker: Mosquitto, logs: Logs) -> None:
    """Nothing is dropped and nothing is doubled when commands come faster than they are kept."""
    async with make_bus(broker.url, max_held=5, max_held_bytes=3000) as bus, Ear(broker) as ear:
        await logs.until("bus.online")
        payloads = [f"{number:0400}".encode() for number in range(60)]
        await asyncio.gather(*(ear.say(SEND, payload) for payload in payloads))
        got = []
        async with asyncio.timeout(PATIENCE):
            for _ in payloads:
                delivery = await bus.next_command()
                assert bus._intake._held <= 10
                got.append(delivery.payload)
                delivery.ack()
        assert got == payloads
        assert "bus.lost" not in logs.rest()
