"""Announcements that are published without waiting: told once what became of each, in the order of `publish`."""

import asyncio
from pathlib import Path

import pytest
from pydantic_core import from_json

from relay.bus.errors import BusLost, PublishRefused
from relay.bus.mqtt import Bus
from relay.domain.announcements import Announcement
from relay.domain.messages import Reply
from tests.brokers import Mosquitto, free_port
from tests.contract.bus.conftest import PATIENCE, Ear, Logs, announcement, connected, make_bus, mqtt5
from tests.contract.bus.scripted import CONNECT, PUBLISH, SUBSCRIBE, Peer, Scripted, mid_of

RESULT = "relay/line/alerts/result/web"
COMMANDS_CLIENT = b"relay-commands"

Word = BusLost | PublishRefused | None


class Told:
    """Is told what became of announcements."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self._more = asyncio.Event()

    def __call__(self, word: Word) -> None:
        """One has ended."""
        self.words.append(word)
        self._more.set()

    async def of(self, count: int) -> list[Word]:
        """What became of so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.words) < count:
                self._more.clear()
                await self._more.wait()
        return self.words


def sent(bus: Bus, told: Told, *announcements: Announcement) -> None:
    """Send them; none has to wait for others."""
    for one in announcements:
        assert bus.send(one, told) is not None


async def test_what_is_sent_is_heard_in_its_order_and_confirmed(broker: Mosquitto) -> None:
    """Hundreds at once, more than the broker takes at a time."""
    told = Told()
    async with make_bus(broker.url) as bus, Ear(broker, "relay/line/#") as ear:
        await connected(bus)
        sent(bus, told, *(announcement(number) for number in range(300)))
        assert told.words == []
        heard = [from_json((await ear.next()).payload)["data"]["number"] for _ in range(300)]
        assert await told.of(300) == [None] * 300
    assert heard == list(range(300))


async def test_an_answer_follows_its_event_to_where_its_client_asked_for_it(broker: Mosquitto) -> None:
    """The own topic first; it is told once, when the broker has both; others on the own topic keep their order."""
    told, reply = Told(), Reply("reply/web/1", b"\x01\x02")
    async with make_bus(broker.url) as bus, Ear(broker, "reply/#", "relay/line/#") as ear:
        await connected(bus)
        sent(bus, told, announcement(1, reply=reply), announcement(2), announcement(3, reply=reply))
        heard = [await ear.next() for _ in range(5)]
        assert await told.of(3) == [None] * 3
    own = [from_json(one.payload)["data"]["number"] for one in heard if one.topic.value == RESULT]
    answers = [one for one in heard if one.topic.value == "reply/web/1"]
    assert own == [1, 2, 3]
    assert [from_json(one.payload)["data"]["number"] for one in answers] == [1, 3]
    assert mqtt5(answers[0]).CorrelationData == b"\x01\x02"


async def test_a_refusal_is_told_with_its_reason(tmp_path: Path) -> None:
    """As `publish` raises it."""
    told, rights = Told(), ["topic write relay/node/#", "topic read relay/line/#"]
    async with Mosquitto(tmp_path, acl=rights) as broker, make_bus(broker.url) as bus:
        await connected(bus)
        sent(bus, told, announcement())
        [word] = await told.of(1)
    assert isinstance(word, PublishRefused)
    assert (word.reason, word.poison) == (0x87, False)


async def test_a_refused_answer_is_logged_and_its_event_is_published(tmp_path: Path, logs: Logs) -> None:
    """A client's wish holds up nothing."""
    told = Told()
    async with Mosquitto(tmp_path, acl=["topic readwrite relay/#"]) as broker, make_bus(broker.url) as bus:
        await connected(bus)
        sent(bus, told, announcement(reply=Reply("reply/web")))
        assert await told.of(1) == [None]
        assert (await logs.until("bus.reply_refused"))["line"] == "alerts"


async def test_what_can_be_no_packet_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody is told later."""
    told = Told()
    async with Mosquitto(tmp_path, extra=["max_packet_size 20000"]) as broker, make_bus(broker.url) as bus:
        await connected(bus)
        with pytest.raises(PublishRefused) as refused:
            bus.send(announcement(body={"t": "x" * 30_000}), told)
        sent(bus, told, announcement())
        assert await told.of(1) == [None]
    assert refused.value.poison


async def test_without_a_connection_it_is_lost_at_once() -> None:
    """There is nobody who could be told later."""
    told = Told()
    async with make_bus(f"mqtt://127.0.0.1:{free_port()}") as bus:
        with pytest.raises(BusLost):
            bus.send(announcement(), told)
    assert told.words == []


async def test_who_does_not_want_to_know_is_not_told(broker: Mosquitto) -> None:
    """Neither of the confirmation nor of a loss: what was given up is published again under the same id."""
    told, others = Told(), Told()
    async with make_bus(broker.url) as bus:
        await connected(bus)
        forget = bus.send(announcement(1), told)
        assert forget is not None
        forget()
        answered = bus.send(announcement(2, reply=Reply("reply/web")), told)
        assert answered is not None
        answered()
        sent(bus, others, announcement(3))
        await others.of(1)
    assert told.words == []


async def _granting(peer: Peer) -> None:
    """Grant every subscription until the client goes."""
    while True:
        subscribe = await peer.packet(SUBSCRIBE)
        peer.suback(subscribe, *[1] * 8)


async def test_an_answer_that_breaks_the_connection_is_left_to_publish(logs: Logs) -> None:
    """Its event is on its own topic by then, and is not published there again; the answer is given up in the end."""
    own: list[bytes] = []

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        peer.connack()
        if COMMANDS_CLIENT in connect:
            await _granting(peer)
        while b"reply/web" not in (publish := await peer.packet(PUBLISH)):
            own.extend([publish] if b"relay.result.v1" in publish else [])
            peer.puback(mid_of(publish))

    told, answered = Told(), announcement(reply=Reply("reply/web"))
    async with Scripted(script) as broker, make_bus(broker.url) as bus:
        await connected(bus)
        sent(bus, told, answered)
        [word] = await told.of(1)
        assert isinstance(word, BusLost)
        await connected(bus)
        assert bus.send(answered, told) is None
        await bus.publish(answered)
        assert (await logs.until("bus.reply_refused"))["line"] == "alerts"
    assert (len(own), len(told.words)) == (1, 1)


async def test_while_one_is_suspected_all_are_left_to_publish(logs: Logs) -> None:
    """There they go one at a time, until the one that the broker closes the connection over is found."""

    async def script(peer: Peer) -> None:
        connect = await peer.packet(CONNECT)
        peer.connack()
        if COMMANDS_CLIENT in connect:
            await _granting(peer)
        while b"relay.result.v1" not in (publish := await peer.packet(PUBLISH)):
            peer.puback(mid_of(publish))

    told = Told()
    async with Scripted(script) as broker, make_bus(broker.url) as bus:
        await connected(bus)
        sent(bus, told, announcement(1), announcement(2))
        words = await told.of(2)
        await logs.until("bus.lost")
        await connected(bus)
        assert bus.send(announcement(3), told) is None
    assert [type(word) for word in words] == [BusLost, BusLost]
