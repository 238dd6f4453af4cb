"""One connection, and what a network or a broker may do to it: for the edges of MQTT 5 that no good broker shows."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import mqtt5
import pytest

from relay.bus.config import BusSettings
from relay.bus.dial import Dial
from relay.bus.errors import BusLost, NoConnection, PublishRefused, SubscribeRefused
from relay.bus.link import Link, Received
from relay.bus.payloads import Publication
from tests.brokers import Mosquitto
from tests.contract.bus.conftest import PATIENCE, Logs, make_bus
from tests.contract.bus.scripted import CONNECT, DISCONNECT, PINGREQ, PUBLISH, SUBSCRIBE, Peer, Scripted, mid_of

PUBACK, PUBREC, PUBCOMP = 0x40, 0x50, 0x70
CONNACK = b"\x20\x03\x00\x00\x00"
SMALL = Publication("t", b"small")
LARGE = Publication("t", bytes(1_000_000))

Outcome = BusLost | PublishRefused | None


class Ear:
    """What a link hears, in order; it acknowledges nothing."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Received] = asyncio.Queue()
        self.pauses = False

    def __call__(self, link: Link, received: Received) -> None:
        """Take one."""
        self.heard.put_nowait(received)
        if self.pauses:
            link.pause()

    async def next(self) -> Received:
        """The next one."""
        async with asyncio.timeout(PATIENCE):
            return await self.heard.get()


def make_link(url: str, ear: Callable[[Link, Received], None] | None = None, **more: object) -> Link:
    """One connection, without a bus around it."""
    settings = BusSettings(url=url, node="n1", **{"timeout": 5.0, **more})  # type: ignore[arg-type]
    return Link(Dial(settings=settings, client_id="link", protocol="5"), ear or Ear())


def message(number: int, payload: bytes = b"text", qos: mqtt5.QoS = mqtt5.QoS.AT_LEAST_ONCE) -> bytes:
    """A message from the broker, whose packet id is its number."""
    return mqtt5.PublishPacket(f"t/{number}", payload, qos=qos, packet_id=number).write()


class Script:
    """A broker that lets a link in, and gives its side to the test."""

    def __init__(self, connack: bytes = CONNACK) -> None:
        self._connack = connack
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def __call__(self, peer: Peer) -> None:
        """One connection."""
        await peer.packet(CONNECT)
        peer.raw(self._connack)
        self._peers.put_nowait(peer)
        await asyncio.Event().wait()

    async def peer(self) -> Peer:
        """The broker's side of the next link."""
        async with asyncio.timeout(PATIENCE):
            return await self._peers.get()


async def lost(link: Link) -> str:
    """How the link ends."""
    async with asyncio.timeout(PATIENCE):
        return (await link.lost()).detail


async def told(*sendings: "asyncio.Future[Outcome]") -> list[Outcome]:
    """What became of publications."""
    async with asyncio.timeout(PATIENCE):
        return list(await asyncio.gather(*sendings))


def send(link: Link, what: Publication = SMALL) -> "asyncio.Future[Outcome]":
    """Publish without waiting; what becomes of it."""
    outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    link.send(what, outcome.set_result)
    return outcome


async def test_messages_that_come_byte_by_byte_and_all_at_once_are_heard_in_order() -> None:
    """The first of them together with the answer to CONNECT, as a session that goes on has it."""
    script, ear = Script(CONNACK + message(1) + message(2)), Ear()
    async with Scripted(script) as broker, make_link(broker.url, ear) as link:
        peer = await script.peer()
        for byte in message(3, b"x" * 100):
            peer.raw(bytes([byte]))
            await asyncio.sleep(0)
        peer.raw(b"".join(message(number) for number in range(4, 500)) + message(500, bytes(3_000_000)))
        heard = [await ear.next() for _ in range(500)]
        assert link.up
    assert [each.mid for each in heard] == list(range(1, 501))
    assert (len(heard[2].payload), len(heard[-1].payload)) == (100, 3_000_000)


async def test_all_that_one_turn_of_the_loop_says_goes_out_at_once_and_in_order() -> None:
    """Publications and acknowledgements are one write."""
    script = Script()
    async with Scripted(script) as broker, make_link(broker.url, window=100) as link:
        peer = await script.peer()
        sendings = [send(link, Publication(f"t/{number}", b"x")) for number in range(50)]
        for mid in range(1, 51):
            link.ack(mid, 1)
        async with asyncio.timeout(PATIENCE):
            chunk = await peer.chunk()
        frames = memoryview(chunk)
        found = []
        while frames:
            packet, size = mqtt5.read(frames)
            found.append(packet)
            frames = frames[size:]
        assert [each.topic for each in found if isinstance(each, mqtt5.PublishPacket)] == [f"t/{n}" for n in range(50)]
        assert [each.packet_id for each in found if isinstance(each, mqtt5.PubAckPacket)] == list(range(1, 51))
        assert not any(sending.done() for sending in sendings)


async def test_a_link_that_reads_no_more_hears_nothing_that_has_come_already() -> None:
    """What came in the same piece waits, and is heard in order afterwards."""
    script, ear = Script(), Ear()
    async with Scripted(script) as broker, make_link(broker.url, ear) as link:
        peer = await script.peer()
        ear.pauses = True
        peer.raw(b"".join(message(number) for number in range(1, 11)))
        assert (await ear.next()).mid == 1
        for number in range(2, 11):
            assert ear.heard.empty()
            link.resume()
            assert (await ear.next()).mid == number
        ear.pauses = False
        peer.raw(message(11))
        link.resume()
        assert (await ear.next()).mid == 11


async def test_a_link_that_is_dropped_hears_nothing_more() -> None:
    """Not even what came in the same piece: it would be acknowledged to nobody."""
    heard = []

    def receive(link: Link, received: Received) -> None:
        heard.append(received.mid)
        link.ack(received.mid, received.qos)
        link.drop("enough")

    script = Script()
    async with Scripted(script) as broker, make_link(broker.url, receive) as link:
        peer = await script.peer()
        peer.raw(message(1) + message(2))
        assert await lost(link) == "enough"
        async with asyncio.timeout(PATIENCE):
            assert await peer.packet(PUBACK) == b"\x00\x01"
            await peer.gone()
    assert heard == [1]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x30\xff\xff\xff\xff\x01", "length has no end"),
        (b"\x82\x05\x00\x01\x00\x00\x00", "no broker sends"),
        (b"\x40\x03\x00\x01\x55", "reasoncode"),
        (CONNACK, "out of place"),
        (b"\x30\x06\x00\x00\x03\x23\x00\x01", "topic alias"),
    ],
)
async def test_what_is_no_mqtt_ends_the_link_and_says_why(
    data: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits for an answer fails at once; nobody is suspected of having caused it, and nothing is a traceback."""
    script = Script()
    async with Scripted(script) as broker, make_link(broker.url) as link:
        peer = await script.peer()
        waiting = send(link)
        await peer.packet(PUBLISH)
        peer.raw(data)
        [outcome] = await told(waiting)
        detail = await lost(link)
    assert "no MQTT 5" in detail
    assert why in detail.lower()
    assert isinstance(outcome, BusLost)
    assert (outcome.on_the_way, outcome.closed) == (True, False)
    assert not caplog.records


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not_mqtt"),
        (b"\x20\x03\x00\x55\x00", "refused"),
        (b"\x20\x02\x00\x01", "protocol"),
        (b"\x20\x02\x00\x00", "not_mqtt"),
        (message(1), "not_mqtt"),
    ],
)
async def test_an_answer_that_is_no_welcome_is_named(answer: bytes, cause: str) -> None:
    """That of another service, of an older broker, or of one that breaks the rules."""
    async with Scripted(Script(answer)) as broker:
        with pytest.raises(NoConnection) as refused:
            async with make_link(broker.url):
                pass
    assert refused.value.cause == cause


async def test_a_broker_that_answers_in_an_older_mqtt_is_spoken_to_in_that(logs: Logs) -> None:
    """Its CONNACK has no room for what MQTT 5 says."""

    async def script(peer: Peer) -> None:
        is_new = (await peer.packet(CONNECT))[6] == 5
        peer.connack311(1 if is_new else 0)
        await peer.gone()

    async with Scripted(script) as broker, make_bus(broker.url, timeout=0.5) as bus:
        await logs.until("bus.connected")
        async with asyncio.timeout(PATIENCE):
            await bus.wait_connected()
        assert bus.protocol == "3.1.1"


async def test_a_message_with_a_topic_that_is_no_text_can_be_acknowledged() -> None:
    """It would come again on each connection, and nothing behind it would ever be heard."""
    script, ear = Script(), Ear()
    async with Scripted(script) as broker, make_link(broker.url, ear) as link:
        peer = await script.peer()
        peer.raw(b"\x32\x08\x00\x02t\xff\x00\x07\x00x" + message(8))
        garbled, sound = await ear.next(), await ear.next()
        link.ack(garbled.mid, garbled.qos)
        assert await peer.packet(PUBACK) == b"\x00\x07"
    assert (garbled.mid, garbled.topic, garbled.payload, sound.topic) == (7, "", b"", "t/8")


async def test_a_message_at_qos_2_is_acknowledged_to_its_end() -> None:
    """A session may have subscribed for that before; one at QoS 0 has no acknowledgement."""
    script, ear = Script(), Ear()
    async with Scripted(script) as broker, make_link(broker.url, ear) as link:
        peer = await script.peer()
        peer.raw(mqtt5.PublishPacket("t", b"").write() + message(7, qos=mqtt5.QoS.EXACTLY_ONCE))
        for received in (await ear.next(), await ear.next()):
            link.ack(received.mid, received.qos)
        assert await peer.packet(PUBREC) == b"\x00\x07"
        peer.raw(mqtt5.PubRelPacket(7).write())
        assert await peer.packet(PUBCOMP) == b"\x00\x07"


async def test_one_after_the_other_where_the_broker_takes_one_at_a_time() -> None:
    """In the order in which they were given; each is told of its own fate."""
    script = Script(b"\x20\x06\x00\x00\x03\x21\x00\x01")  # Receive Maximum 1
    async with Scripted(script) as broker, make_link(broker.url) as link, asyncio.timeout(PATIENCE):
        peer = await script.peer()
        outcomes = [send(link, Publication(f"t/{number}", b"x")) for number in range(5)]
        for number in range(5):
            publish = await peer.packet(PUBLISH)
            assert publish[2:5] == f"t/{number}".encode()
            assert [outcome.done() for outcome in outcomes] == [each < number for each in range(5)]
            peer.puback(mid_of(publish), 0x97 if number == 3 else 0)
        results = await told(*outcomes)
    assert [type(result) for result in results] == [type(None)] * 3 + [PublishRefused, type(None)]


async def test_a_publication_that_nobody_waits_for_any_more_is_not_sent_from_the_queue() -> None:
    """Where it is on its way already, its place is free once the broker has answered."""
    script = Script(b"\x20\x06\x00\x00\x03\x21\x00\x01")
    async with Scripted(script) as broker, make_link(broker.url) as link, asyncio.timeout(PATIENCE):
        peer = await script.peer()
        tasks = [asyncio.create_task(link.publish(Publication(f"t/{number}", b"x"))) for number in range(3)]
        first = await peer.packet(PUBLISH)
        for task in tasks[:2]:
            task.cancel()
        await asyncio.gather(*tasks[:2], return_exceptions=True)
        peer.puback(mid_of(first))
        second = await peer.packet(PUBLISH)
        peer.puback(mid_of(second))
        await tasks[2]
    assert (first[2:5], second[2:5]) == (b"t/0", b"t/2")


async def test_an_answer_to_nothing_changes_nothing() -> None:
    """A broker that confirms twice, or what was never published."""
    script = Script()
    async with Scripted(script) as broker, make_link(broker.url) as link, asyncio.timeout(PATIENCE):
        peer = await script.peer()
        waiting = send(link)
        mid = mid_of(await peer.packet(PUBLISH))
        peer.puback(b"\x12\x34", 0x87)
        peer.raw(mqtt5.SubAckPacket(77, [mqtt5.SubAckReasonCode.UNSPECIFIED_ERROR]).write())
        peer.puback(mid)
        peer.puback(mid, 0x87)
        assert await told(waiting) == [None]
        assert link.up


async def test_a_half_written_publication_fails_at_once_with_all_others_when_the_link_is_lost() -> None:
    """Those that wait for the network, too; and what waits is kept here, not in the network's buffers."""
    script = Script()
    async with Scripted(script) as broker, make_link(broker.url, window=20, timeout=60.0) as link:
        peer = await script.peer()
        sendings = [send(link, LARGE) for _ in range(20)]
        buffered = link._channel._wire._transport.get_write_buffer_size()  # type: ignore[attr-defined]
        peer.close()
        outcomes = await told(*sendings)
        with pytest.raises(BusLost):
            send(link)
    assert buffered < 3 * len(LARGE.payload)
    assert {type(outcome) for outcome in outcomes} == {BusLost}
    on_the_way = [outcome.on_the_way for outcome in outcomes if isinstance(outcome, BusLost)]
    assert on_the_way == sorted(on_the_way, reverse=True)
    assert (on_the_way[0], on_the_way[-1]) == (True, False)


async def test_what_waited_for_the_network_is_sent_when_it_takes_more() -> None:
    """In order, and to the end."""
    script = Script()
    async with Scripted(script) as broker, make_link(broker.url, window=20, timeout=60.0) as link:
        peer = await script.peer()
        outcomes = [send(link, Publication(f"t/{number:02}", LARGE.payload)) for number in range(20)]
        topics = []
        async with asyncio.timeout(PATIENCE):
            for _ in outcomes:
                publish = await peer.packet(PUBLISH)
                topics.append(publish[2:6])
                peer.puback(mid_of(publish))
        assert await told(*outcomes) == [None] * 20
    assert topics == [f"t/{number:02}".encode() for number in range(20)]


@pytest.mark.parametrize("topic", ["", "a/+", "a\0b", "t" * 70_000])
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_topic_that_cannot_be_published_on_is_poison_and_harms_nothing(
    broker: Mosquitto, topic: str, protocol: str
) -> None:
    """It is refused before it is sent, and the link lives on."""
    settings = BusSettings(url=broker.url, node="n1")
    async with Link(Dial(settings=settings, client_id="link", protocol=protocol), Ear()) as link:
        with pytest.raises(PublishRefused) as refused:
            await link.publish(Publication(topic, b"x"))
        assert refused.value.poison
        await link.publish(SMALL)


async def test_a_broker_that_wants_to_hear_more_often_does() -> None:
    """Its keepalive counts where it is shorter; one that does not answer a ping is given up."""
    script = Script(b"\x20\x06\x00\x00\x03\x13\x00\x01")  # Server Keep Alive 1
    async with Scripted(script) as broker, make_link(broker.url, keepalive=600) as link, asyncio.timeout(PATIENCE):
        peer = await script.peer()
        await peer.packet(PINGREQ)
        peer.raw(mqtt5.PingRespPacket().write())
        await peer.packet(PINGREQ)
        assert link.up
        assert await lost(link) == "the broker did not answer a ping in time"
        await peer.gone()


async def test_leaving_sends_what_was_said_before_and_then_says_goodbye() -> None:
    """An acknowledgement of the same moment is not lost."""
    script = Script()
    async with Scripted(script) as broker:
        async with make_link(broker.url) as link:
            peer = await script.peer()
            link.ack(7, 1)
        async with asyncio.timeout(PATIENCE):
            assert await peer.packet(PUBACK) == b"\x00\x07"
            assert await peer.packet(DISCONNECT) in (b"", b"\x00", b"\x00\x00")
            await peer.gone()
        link.ack(8, 1)
        assert not link.up


async def test_leaving_a_broker_that_reads_nothing_does_not_take_for_ever() -> None:
    """The goodbye is given up after a moment."""
    script = Script()
    async with Scripted(script) as broker, asyncio.timeout(PATIENCE):
        async with make_link(broker.url, timeout=60.0) as link:
            await script.peer()
            waiting = [send(link, Publication("t", bytes(8_000_000))) for _ in range(4)]
        outcomes = await told(*waiting)
    assert {type(outcome) for outcome in outcomes} == {BusLost}


async def test_the_words_of_a_broker_that_closes_are_handed_on() -> None:
    """With the code by which relay tells what was meant."""
    script = Script()
    async with Scripted(script) as broker, make_link(broker.url) as link:
        peer = await script.peer()
        peer.disconnect(0x8B)
        loss = await link.lost()
    assert (loss.detail, loss.code, loss.ours) == ("Server shutting down", 0x8B, False)


async def test_a_subscription_that_waits_fails_when_the_link_is_lost_or_the_broker_is_silent() -> None:
    """At once, or after the time-out."""

    async def ask(then: Callable[[Peer, bytes], object], timeout: float = 5.0) -> Awaitable[None]:  # noqa: ASYNC109 - the link's
        script = Script()
        async with (
            Scripted(script) as broker,
            make_link(broker.url, timeout=timeout) as link,
            asyncio.timeout(PATIENCE),
        ):
            peer = await script.peer()
            asking = asyncio.create_task(link.subscribe(["a", "b"]))
            then(peer, await peer.packet(SUBSCRIBE))
            await asyncio.wait({asking})
            return asking

    with pytest.raises(BusLost, match="broke"):
        await (await ask(lambda peer, _: peer.close()))
    with pytest.raises(BusLost, match="in time"):
        await (await ask(lambda _, __: None, timeout=0.2))
    await (await ask(lambda peer, subscribe: peer.suback(subscribe, 1, 1)))


@pytest.mark.parametrize(("codes", "denied"), [((1, 0x87), ("b",)), ((0, 1), ("a",)), ((1,), ("a", "b"))])
async def test_a_subscription_that_is_granted_in_part_is_refused_in_part(
    codes: tuple[int, ...], denied: tuple[str, ...]
) -> None:
    """A lower QoS than was asked for is a refusal as well, and so is silence on a filter."""
    script = Script()
    async with Scripted(script) as broker, make_link(broker.url) as link, asyncio.timeout(PATIENCE):
        peer = await script.peer()
        asking = asyncio.create_task(link.subscribe(["a", "b"]))
        peer.suback(await peer.packet(SUBSCRIBE), *codes)
        with pytest.raises(SubscribeRefused) as refused:
            await asking
    assert refused.value.filters == denied


async def test_an_attempt_that_is_cancelled_leaves_nothing_behind() -> None:
    """Neither a socket nor a word on the broker's side."""
    gone: asyncio.Event = asyncio.Event()
    come: asyncio.Event = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.packet(CONNECT)
        come.set()
        await peer.gone()
        gone.set()

    async with Scripted(script) as broker, asyncio.timeout(PATIENCE):
        attempt = asyncio.create_task(make_link(broker.url, timeout=60.0).__aenter__())
        await come.wait()
        attempt.cancel()
        with suppress(asyncio.CancelledError):
            await attempt
        assert attempt.cancelled()
        await gone.wait()
