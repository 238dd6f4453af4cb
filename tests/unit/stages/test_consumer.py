"""The consumer against a real broker: a command is acknowledged when it and its answer are on disk, and not before."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from pydantic_core import to_json
from sqlalchemy.exc import IntegrityError

from relay.bus.config import BusSettings
from relay.bus.delivery import Delivery
from relay.bus.mqtt import Bus
from relay.bus.requests import CommandRules
from relay.intake import UNASKED_TTL, Intake
from relay.journal import JournalError
from relay.mediastore import MediaStore
from relay.stages.consumer import Consumer
from tests.brokers import Mosquitto
from tests.unit.stages.house import ALERTS, ALICE, BOB, GRACE, TEXT, House, happens
from tests.unit.stages.test_publisher import Hurried


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    """A broker that keeps what it took."""
    folder = tmp_path / "broker"
    folder.mkdir()
    async with Mosquitto(folder, persistent=True) as broker:
        yield broker


@asynccontextmanager
async def consuming(house: House, broker: Mosquitto, **more: Any) -> AsyncIterator[Consumer]:
    """A consumer with its bus."""
    settings = BusSettings(**{"url": broker.url, "node": "n1", "timeout": 5.0, **more})
    async with Bus(settings, (ALERTS, "gone"), Hurried(house.clock), house.ids) as bus:
        async with asyncio.timeout(GRACE):
            await bus.wait_connected()
        await happens(lambda: bus.listening)
        yield Consumer(bus=bus, intake=intake(house))


def intake(house: House) -> Intake:
    """What understands commands."""
    store = MediaStore(
        house.folder / "media", house.journal, house.clock, inline_max=1, max_part=1, lifetime=1.0, address="http://x"
    )
    return Intake({ALERTS: house.sms()}, house.journal, house.clock, CommandRules(), store)


async def say(broker: Mosquitto, body: Any, verb: str = "send", line: str = ALERTS) -> None:
    """Publish a command."""
    payload = body if isinstance(body, bytes) else to_json(body)
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.publish(f"relay/line/{line}/{verb}", payload, qos=1)


async def results(
    house: House, consumer: Consumer, count: int, *, despite: tuple[type[JournalError], ...] = ()
) -> list[Mapping[str, Any]]:
    """Step until so many results were announced; the supervisor would bear with every failure."""
    async with asyncio.timeout(2 * GRACE):
        # Nothing is published here: as long as fewer events wait than that, they need not be read.
        while house.journal.events.backlog() < count or len(found := await house.bodies("result")) < count:
            stepping = asyncio.create_task(consumer.step())
            await asyncio.wait({stepping}, timeout=0.05)
            stepping.cancel()
            await asyncio.wait({stepping})
            if not stepping.cancelled() and (error := stepping.exception()) and not isinstance(error, despite):
                raise error
    await consumer.drain(GRACE)
    return found


def asked(key: str = "order-1", **more: Any) -> dict[str, Any]:
    """A send request."""
    return {"id": key, "to": ALICE, "text": TEXT, **more}


async def test_a_command_is_written_down_with_its_answer(house: House, broker: Mosquitto) -> None:
    """And its copies wait to be sent."""
    async with consuming(house, broker) as consumer:
        await say(broker, asked())
        [result] = await results(house, consumer, 1)
    assert (result["outcome"], result["request_id"]) == ("accepted", "order-1")
    assert await house.standing("order-1") == {ALICE: "queued"}


async def test_a_consumer_whose_turn_is_over_is_forgotten(house: House, broker: Mosquitto) -> None:
    """The next turn has one of its own: however often it changes, none of them listens for ever."""
    async with consuming(house, broker) as consumer:
        ended = weakref.ref(consumer)
        await consumer.drain(GRACE)
    del consumer
    gc.collect()
    assert ended() is None


async def test_what_was_acknowledged_does_not_come_again(house: House, broker: Mosquitto) -> None:
    """The broker has forgotten it when relay starts again."""
    async with consuming(house, broker) as consumer:
        await say(broker, asked())
        await results(house, consumer, 1)
    async with consuming(house, broker) as consumer:
        await say(broker, asked("order-2"))
        found = await results(house, consumer, 2)
    assert [result["request_id"] for result in found] == ["order-1", "order-2"]


async def test_a_command_that_could_not_be_written_down_comes_again(house: House, broker: Mosquitto) -> None:
    """The broker keeps it until the journal works: one text, not none and not two."""
    async with consuming(house, broker) as consumer:
        with house.broken("command"):
            await say(broker, asked())
            with pytest.raises(JournalError):
                await results(house, consumer, 1)
        [result] = await results(house, consumer, 1, despite=(JournalError,))
    assert result["outcome"] == "accepted"
    assert await house.standing("order-1") == {ALICE: "queued"}


async def test_a_command_that_was_not_answered_before_a_stop_is_answered_by_the_next_life(
    house: House, broker: Mosquitto
) -> None:
    """It is still the broker's."""
    async with consuming(house, broker) as consumer:
        await say(broker, asked())
        with house.broken("command"), pytest.raises(JournalError):
            await results(house, consumer, 1)
    async with consuming(house, broker) as consumer:
        [result] = await results(house, consumer, 1)
    assert (result["outcome"], result["replayed"]) == ("accepted", False)


async def test_a_command_that_was_answered_and_not_acknowledged_is_answered_again_and_sent_once(
    house: House, broker: Mosquitto
) -> None:
    """The crash came between the commit and the PUBACK."""
    async with consuming(house, broker) as consumer:
        await say(broker, asked())
        async with asyncio.timeout(GRACE):
            delivery = await consumer._bus.next_command()
        await intake(house).take(delivery)  # and no ack
    async with consuming(house, broker) as consumer:
        first, second = await results(house, consumer, 2)
    assert [first["replayed"], second["replayed"]] == [False, True]
    assert first["copies"] == second["copies"]
    status = await house.journal.queries.status()
    assert status["lines"][ALERTS]["calls"]["waiting"] == 1


async def test_a_command_that_relay_fails_at_is_answered_and_holds_up_nobody(house: House, broker: Mosquitto) -> None:
    """It would fail again each time it came; the error is the supervisor's to log."""
    async with consuming(house, broker) as consumer:
        with house.defective("command", "NEW.key = 'poison'"):
            await say(broker, asked("poison", ref="r"))
            with pytest.raises(IntegrityError):
                await results(house, consumer, 2)
            await say(broker, asked("order-2"))
            poison, healthy = await results(house, consumer, 2)
        assert consumer._bus.listening
        await broker.logged("Received PUBACK from relay-commands", times=2)
    assert (poison["outcome"], poison["error"]["code"], poison["error"]["retryable"]) == ("rejected", "internal", True)
    assert (poison["request_id"], poison["ref"], healthy["outcome"]) == ("poison", "r", "accepted")
    [kept] = await house.journal.dead.list(10)
    assert (kept["kind"], kept["line"], kept["what"]) == ("raw", ALERTS, "command")
    assert sum("as relay-commands" in line for line in broker.said) == 1


async def test_what_the_broker_has_been_told_is_not_taken_for_a_redelivery(house: House, broker: Mosquitto) -> None:
    """A request without an id whose acknowledgement has arrived cannot come again: the same bytes are another one."""
    again = Delivery(ALERTS, "send", None, to_json({"to": ALICE, "text": TEXT}), redelivered=True)
    async with consuming(house, broker, keepalive=1, timeout=1.0) as consumer:
        await say(broker, again.payload)
        await results(house, consumer, 1)
        assert (await intake(house).take(again)).replayed
        await happens(lambda: bool(consumer._acknowledged))
        await say(broker, asked())
        await results(house, consumer, 3)
    assert not (await intake(house).take(again)).replayed


async def test_a_flood_of_commands_is_taken_whole(house: House, broker: Mosquitto) -> None:
    """Two hundred at once: each has its one answer."""
    async with consuming(house, broker) as consumer:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            for number in range(200):
                await client.publish(f"relay/line/{ALERTS}/send", to_json(asked(f"order-{number}")), qos=1)
        found = await results(house, consumer, 200)
    assert sorted(result["request_id"] for result in found) == sorted(f"order-{number}" for number in range(200))


async def take(house: House, verb: str, body: Any, line: str = ALERTS) -> Mapping[str, Any]:
    """The answer to a command, without a broker."""
    payload = body if isinstance(body, bytes) else to_json(body)
    return (await intake(house).take(Delivery(line, verb, None, payload))).body


async def test_a_check_says_what_would_happen_and_sends_nothing(house: House) -> None:
    """With each recipient's standing."""
    result = await take(house, "check", asked(to=[ALICE, "12345", "nobody"]))
    assert result["outcome"] == "checked"
    codes = [(copy.get("error") or {}).get("code") for copy in result["check"]["copies"]]
    assert codes[0] is None
    assert codes[2] == "invalid_recipient"
    assert (await house.journal.queries.status())["lines"] == {}


async def test_a_lookup_and_a_cancel_are_answered(house: House) -> None:
    """By the key that the request had."""
    await take(house, "send", asked())
    assert (await take(house, "lookup", {"id": "order-1"}))["copies"][0]["status"] == "queued"
    assert (await take(house, "cancel", {"id": "order-1"}))["outcome"] == "canceled"
    assert (await take(house, "lookup", {"id": "order-1"}))["copies"][0]["status"] == "canceled"
    assert (await take(house, "lookup", {"id": "nothing"}))["error"]["code"] == "unknown_id"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff", "invalid_json"),
        (b"[]", "invalid_request"),
        ({"to": ALICE}, "invalid_request"),
        (asked(texxt="x"), "invalid_request"),
        (asked(text="x" * 5000), "too_long"),
        (asked(subject="Hello"), "unsupported"),
    ],
    ids=["bytes", "list", "no-text", "unknown-field", "long", "subject"],
)
async def test_what_cannot_be_sent_is_answered_with_the_reason(house: House, body: Any, code: str) -> None:
    """Every command has exactly one answer."""
    result = await take(house, "send", body)
    assert (result["outcome"], result["error"]["code"]) == ("rejected", code)
    assert len(await house.bodies("result")) == 1


async def test_a_line_that_is_not_served_here_is_named(house: House) -> None:
    """A command for a line that was taken out of the settings can still come."""
    result = await take(house, "send", asked(), line="gone")
    assert (result["outcome"], result["error"]["code"]) == ("rejected", "unknown_line")


async def test_a_line_does_not_text_itself(house: House) -> None:
    """It would answer itself for ever; the other recipients get theirs."""
    result = await take(house, "send", asked(to=[BOB, "short:12345"]))
    found = {copy["to"]: (copy["status"], (copy.get("error") or {}).get("code")) for copy in result["copies"]}
    assert found[BOB] == ("queued", None)
    assert {code for _, code in found.values()} <= {None, "loop_suspected", "invalid_recipient"}
    assert len(found) == 2


async def test_a_request_without_an_expiry_ends_after_72_hours(house: House) -> None:
    """Even if its line never comes back."""
    await take(house, "send", asked())
    await house.clock.advance(UNASKED_TTL.total_seconds() - 1)
    await house.journal.upkeep.expire()
    assert await house.standing("order-1") == {ALICE: "queued"}
    await house.clock.advance(2)
    await house.journal.upkeep.expire()
    assert await house.standing("order-1") == {ALICE: "expired"}
