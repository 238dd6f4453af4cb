"""How announcements are published: confirmed or refused in the broker's own words, and never left hanging."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic_core import from_json

from relay.bus.config import BusSettings
from relay.bus.dial import Dial
from relay.bus.errors import BusLost, PublishRefused
from relay.bus.link import Link
from relay.bus.payloads import Publication
from relay.domain.messages import Reply
from tests.brokers import Mosquitto, free_port
from tests.contract.bus.conftest import PATIENCE, Ear, Logs, announcement, connected, make_bus, mqtt5
from tests.contract.bus.scripted import CONNECT, PUBLISH, SUBSCRIBE, Peer, Scripted, mid_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RESULT = "relay/line/alerts/result/web"


def make_link(url: str, **more: object) -> Link:
    """One connection, without a bus around it."""
    settings = BusSettings(url=url, node="n1", **more)  # type: ignore[arg-type]
    return Link(Dial(settings=settings, client_id="link", protocol="5"), lambda _link, _received: None)


def numbered(number: int) -> Publication:
    """A small message."""
    return Publication(f"t/{number}", str(number).encode())


async def test_an_announcement_reaches_its_topic_in_its_envelope(broker: Mosquitto) -> None:
    """A subscriber gets a CloudEvents event with its content type, at QoS 1 and not retained."""
    async with make_bus(broker.url) as bus, Ear(broker, "relay/line/#") as ear:
        await connected(bus)
        await bus.publish(announcement(7))
        heard = await ear.next()
    event = from_json(heard.payload)
    assert (heard.topic.value, heard.qos, heard.retain) == (RESULT, 1, False)
    assert (event["specversion"], event["type"], event["data"]["number"]) == ("1.0", "relay.result.v1", 7)
    assert mqtt5(heard).ContentType == "application/cloudevents+json"


async def test_a_client_has_its_answer_where_it_asked_for_it(broker: Mosquitto) -> None:
    """Below the allowed topics the answer goes to the Response Topic as well, with Correlation Data and trace."""
    reply = Reply("reply/web/1", b"\x01\x02", TRACE)
    async with make_bus(broker.url) as bus, Ear(broker, "reply/#", "relay/line/#") as ear:
        await connected(bus)
        await bus.publish(announcement(reply=reply))
        own, answer = await ear.next(), await ear.next()
    assert (own.topic.value, answer.topic.value, answer.payload) == (RESULT, "reply/web/1", own.payload)
    assert mqtt5(answer).CorrelationData == b"\x01\x02"
    assert mqtt5(answer).UserProperty == [("traceparent", TRACE)]


async def test_a_denied_publish_is_told(tmp_path: Path) -> None:
    """On MQTT 5 an ACL's refusal comes back as an error that names it; it may pass once the ACL is another."""
    rights = ["topic write relay/node/#", "topic read relay/line/#"]
    async with Mosquitto(tmp_path, acl=rights) as broker, make_bus(broker.url) as bus:
        await connected(bus)
        with pytest.raises(PublishRefused, match="not authorized") as refused:
            await bus.publish(announcement())
        assert (refused.value.reason, refused.value.poison, bus.connected) == (0x87, False, True)


async def test_a_denied_response_topic_does_not_hold_up_the_answer(tmp_path: Path, logs: Logs) -> None:
    """The announcement counts as published; the refused copy is logged."""
    async with Mosquitto(tmp_path, acl=["topic readwrite relay/#"]) as broker, make_bus(broker.url) as bus:
        await connected(bus)
        await bus.publish(announcement(reply=Reply("reply/web")))
        assert (await logs.until("bus.reply_refused"))["line"] == "alerts"


async def test_a_reply_that_breaks_the_connection_is_given_up_and_its_event_is_published_once(logs: Logs) -> None:
    """The broker closes the connection at each publish to the Response Topic; the event's own topic has it by then."""
    own: list[bytes] = []

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        peer.connack()
        if b"relay-commands" in connect:
            await _granting(peer)
        while b"reply/web" not in (publish := await peer.packet(PUBLISH)):
            own.extend([publish] if b"relay.result.v1" in publish else [])
            peer.puback(mid_of(publish))

    async with Scripted(script) as broker, make_bus(broker.url) as bus:
        tries = 0
        async with asyncio.timeout(PATIENCE):
            while tries < 2:
                await bus.wait_connected()
                tries += 1
                with suppress(BusLost):
                    await bus.publish(announcement(reply=Reply("reply/web")))
        assert (await logs.until("bus.reply_refused"))["line"] == "alerts"
    assert len(own) == 1


async def _granting(peer: Peer) -> None:
    """Grant every subscription until the client goes."""
    while True:
        subscribe = await peer.packet(SUBSCRIBE)
        peer.suback(subscribe, *[1] * 8)


async def test_a_message_that_the_broker_is_too_small_for_is_poison(tmp_path: Path) -> None:
    """It is refused before it is sent, because the broker would close the connection over it, each time."""
    async with Mosquitto(tmp_path, extra=["max_packet_size 4000"]) as broker, make_bus(broker.url) as bus:
        await connected(bus)
        with pytest.raises(PublishRefused, match="too large") as refused:
            await bus.publish(announcement(body={"text": "x" * 5000}))
        assert refused.value.poison
        await bus.publish(announcement())


async def test_the_message_that_a_broker_closes_the_connection_over_is_found(logs: Logs) -> None:
    """A broker that says `packet too large` as it closes condemns the largest message, and only that."""

    async def script(peer: Peer) -> None:
        await peer.packet(CONNECT)
        peer.connack()
        for _ in range(2):
            await peer.packet(PUBLISH)
        peer.disconnect(0x95)
        await peer.gone()

    async with Scripted(script) as broker, make_link(broker.url) as link:
        small, large = link.publish(numbered(1)), link.publish(Publication("t", b"x" * 5000))
        results = await asyncio.gather(small, large, return_exceptions=True)
    assert isinstance(results[0], BusLost)
    assert isinstance(results[1], PublishRefused)
    assert results[1].poison


async def test_a_thousand_publishes_at_once_are_all_confirmed(tmp_path: Path) -> None:
    """Nothing is lost, doubled or put out of order under load."""
    async with (
        Mosquitto(tmp_path, extra=["log_type error"]) as broker,
        make_bus(broker.url) as bus,
        Ear(broker, "relay/line/#") as ear,
    ):
        await connected(bus)
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(bus.publish(announcement(number)) for number in range(1000)))
        heard = [from_json((await ear.next()).payload)["data"]["number"] for _ in range(1000)]
    assert heard == list(range(1000))


async def test_no_more_is_in_flight_than_the_broker_allows() -> None:
    """The window is the broker's Receive Maximum where that is smaller than ours."""
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        await peer.packet(CONNECT)
        peer.connack(properties=b"\x21\x00\x03")  # Receive Maximum 3
        peers.put_nowait(peer)
        while True:
            arrived.put_nowait(mid_of(await peer.packet(PUBLISH)))

    async with Scripted(script) as broker, make_link(broker.url) as link, asyncio.timeout(PATIENCE):
        peer = await peers.get()
        publishing = [asyncio.create_task(link.publish(numbered(number))) for number in range(10)]
        waiting = [await arrived.get() for _ in range(3)]
        for left in range(7):
            assert arrived.empty()
            peer.puback(waiting.pop(0))
            waiting.append(await arrived.get())
            assert sum(task.done() for task in publishing) <= left + 1
        for mid in waiting:
            peer.puback(mid)
        await asyncio.gather(*publishing)


@pytest.mark.parametrize("code", [0x00, 0x10])
async def test_a_message_that_nobody_listens_to_is_published_all_the_same(code: int) -> None:
    """`No matching subscribers` is a success."""

    async def script(peer: Peer) -> None:
        await peer.packet(CONNECT)
        peer.connack()
        peer.puback(mid_of(await peer.packet(PUBLISH)), code)
        await peer.gone()

    async with Scripted(script) as broker, make_link(broker.url) as link, asyncio.timeout(PATIENCE):
        await link.publish(numbered(1))
        assert link.up


async def test_all_waiting_publishes_fail_when_the_link_is_lost(logs: Logs) -> None:
    """Those in flight and those that wait for room fail at once, and nothing hangs."""

    async def script(peer: Peer) -> None:
        await peer.packet(CONNECT)
        peer.connack()
        await peer.packet(PUBLISH)
        peer.close()

    async with Scripted(script) as broker, make_link(broker.url) as link:
        started = datetime.now(UTC)
        results = await asyncio.gather(*(link.publish(numbered(each)) for each in range(50)), return_exceptions=True)
        assert {type(result) for result in results} == {BusLost}
        assert (datetime.now(UTC) - started).total_seconds() < 5
        with pytest.raises(BusLost):
            await link.publish(numbered(51))


async def test_a_broker_that_does_not_confirm_has_lost_the_link(logs: Logs) -> None:
    """A broker that takes a message and keeps silent is given up after the time-out."""

    async def script(peer: Peer) -> None:
        await peer.packet(CONNECT)
        peer.connack()
        await peer.gone()

    async with Scripted(script) as broker, make_link(broker.url, timeout=0.2) as link:
        with pytest.raises(BusLost, match="did not answer in time"):
            await link.publish(numbered(1))
        assert not link.up


async def test_publishing_without_a_connection_fails_at_once() -> None:
    """`BusLost` says so, instead of waiting for a broker that may never come."""
    async with make_bus(f"mqtt://127.0.0.1:{free_port()}") as bus:
        assert (bus.connected, bus.protocol) == (False, None)
        with pytest.raises(BusLost, match="no connection"):
            await bus.publish(announcement())
