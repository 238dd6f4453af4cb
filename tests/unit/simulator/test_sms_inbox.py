"""The inbox of the simulated SMS API: what is handed out is gone."""

import asyncio

import aiohttp
import pytest

from relay.providerkit.simulated import World
from relay.providers.att_sms.simulator.inbox import Inbox, Incoming
from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import SmsUser

SENDER = "+12065550101"


def _text(simulator: Simulator, *texts: str) -> None:
    for text in texts:
        simulator.world.handset.text(SENDER, "12345", text)


async def test_an_empty_inbox_is_an_empty_list(sms: SmsUser) -> None:
    """With counts of nothing."""
    listed = (await sms.poll()).json["inboundSMSMessageList"]
    assert listed["inboundSMSMessage"] == []
    assert listed["numberOfMessagesInThisBatch"] == 0
    assert listed["totalNumberOfPendingMessages"] == 0


async def test_a_text_is_handed_out_once(simulator: Simulator, sms: SmsUser) -> None:
    """As documented: camelCase, numbers, a time and the short code."""
    _text(simulator, "hello")
    listed = (await sms.poll()).json["inboundSMSMessageList"]
    assert listed["inboundSMSMessage"] == [
        {
            "messageId": "msg0",
            "message": "hello",
            "senderAddress": f"tel:{SENDER}",
            "destinationAddress": "12345",
            "dateTime": "2026-11-21T09:00:00Z",
        }
    ]
    assert listed["numberOfMessagesInThisBatch"] == 1
    assert (await sms.poll()).json["inboundSMSMessageList"]["inboundSMSMessage"] == []


async def test_as_served_counts_are_strings_and_time_and_destination_are_missing(
    simulator: Simulator, sms: SmsUser
) -> None:
    """PascalCase, with an s of InboundSms in lower case."""
    simulator.set_modes("att-sms", {"shape": "served"})
    _text(simulator, "hello")
    listed = (await sms.poll()).json["InboundSmsMessageList"]
    assert listed["InboundSmsMessage"] == [{"MessageId": "msg0", "Message": "hello", "SenderAddress": f"tel:{SENDER}"}]
    assert listed["NumberOfMessagesInThisBatch"] == "1"
    assert listed["TotalNumberOfPendingMessages"] == "0"


@pytest.mark.parametrize("shape", ["documented", "served"])
async def test_counts_of_nothing_can_be_empty_strings(simulator: Simulator, sms: SmsUser, shape: str) -> None:
    """Zero or empty: SMS documentation, Inbound SMS Message List Object."""
    simulator.set_modes("att-sms", {"shape": shape, "empty_counts": True})
    (listed,) = (await sms.poll()).json.values()
    assert [value for key, value in listed.items() if "umber" in key] == ["", ""]


async def test_a_single_message_can_stand_without_its_list(simulator: Simulator, sms: SmsUser) -> None:
    """Several stay a list."""
    simulator.set_modes("att-sms", {"single_object": True})
    _text(simulator, "one")
    assert (await sms.poll()).json["inboundSMSMessageList"]["inboundSMSMessage"]["message"] == "one"
    _text(simulator, "one", "two")
    assert len((await sms.poll()).json["inboundSMSMessageList"]["inboundSMSMessage"]) == 2


async def test_batches_are_limited_and_say_what_is_left(simulator: Simulator, sms: SmsUser) -> None:
    """Ids are unique within a batch only; the order is that of arrival."""
    simulator.set_modes("att-sms", {"batch": 2})
    _text(simulator, "1", "2", "3", "4", "5")
    seen = []
    for _ in range(3):
        listed = (await sms.poll()).json["inboundSMSMessageList"]
        messages = listed["inboundSMSMessage"]
        seen.append(([m["messageId"] + m["message"] for m in messages], listed["totalNumberOfPendingMessages"]))
    assert seen == [(["msg01", "msg12"], 3), (["msg03", "msg14"], 1), (["msg05"], 0)]
    assert simulator.world.violations.lines() == []


async def test_ids_can_be_unique(simulator: Simulator, sms: SmsUser) -> None:
    """As the OpenAPI's sample suggests."""
    simulator.set_modes("att-sms", {"message_ids": "unique", "batch": 1})
    _text(simulator, "1", "2")
    ids = [(await sms.poll()).json["inboundSMSMessageList"]["inboundSMSMessage"][0]["messageId"] for _ in range(2)]
    assert len(set(ids)) == 2


async def test_a_registration_of_nobody_s_is_unknown(sms: SmsUser) -> None:
    """404, as the OpenAPI says."""
    assert (await sms.poll("99999")).status == 404


async def test_texts_are_lost_after_thirty_minutes_without_a_poll(
    simulator: Simulator, sms: SmsUser, clock: ManualClock
) -> None:
    """The ledger says which."""
    _text(simulator, "lost")
    await clock.advance(1500)
    _text(simulator, "kept")
    await clock.advance(301)
    messages = (await sms.poll()).json["inboundSMSMessageList"]["inboundSMSMessage"]
    assert [message["message"] for message in messages] == ["kept"]
    assert _ledger(simulator, "purged") == ["lost"]


async def test_a_poll_gives_what_it_leaves_another_thirty_minutes(
    simulator: Simulator, sms: SmsUser, clock: ManualClock
) -> None:
    """Whoever polls in time loses nothing."""
    simulator.set_modes("att-sms", {"batch": 1})
    _text(simulator, "1", "2", "3")
    for _ in range(2):
        await clock.advance(1700)
        await sms.poll()
    await clock.advance(1801)
    assert _ledger(simulator, "handed-out") == ["1", "2"]
    assert _ledger(simulator, "purged") == ["3"]


async def test_nobody_s_text_is_ever_unaccounted_for(simulator: Simulator, sms: SmsUser, clock: ManualClock) -> None:
    """What came in was handed out, purged, or is still there."""
    simulator.set_modes("att-sms", {"batch": 3})
    for round_number in range(10):
        _text(simulator, *(f"{round_number}.{n}" for n in range(round_number)))
        await clock.advance(350 * (round_number % 7))
        await sms.poll()
    left = (await sms.poll()).json["inboundSMSMessageList"]["totalNumberOfPendingMessages"]
    accounted = _ledger(simulator, "handed-out") + _ledger(simulator, "purged")
    assert len(accounted) == len(set(accounted)) == 45 - left
    assert set(accounted) <= set(_ledger(simulator, "received"))


async def test_an_answer_that_is_lost_takes_its_texts_with_it(simulator: Simulator, sms: SmsUser) -> None:
    """AT&T deletes before it knows that it was heard."""
    _text(simulator, "gone")
    # Twice: aiohttp's client repeats a GET whose connection broke, unasked.
    simulator.world.faults.add({"do": "cut-after", "times": 2, "match": {"operation": "inbox"}})
    with pytest.raises(aiohttp.ClientConnectionError):
        await sms.poll()
    assert _ledger(simulator, "handed-out") == ["gone"]
    assert (await sms.poll()).json["inboundSMSMessageList"]["inboundSMSMessage"] == []


@pytest.mark.parametrize(("seconds", "violations"), [(60, 1), (300, 0), (1800, 0)])
async def test_polling_too_often_is_noted(
    simulator: Simulator, sms: SmsUser, clock: ManualClock, seconds: int, violations: int
) -> None:
    """More often than every five minutes, with nothing pending."""
    await sms.poll()
    await clock.advance(seconds)
    await sms.poll()
    assert len(simulator.world.violations.lines()) == violations


async def test_two_polls_at_once_are_noted(simulator: Simulator, sms: SmsUser, clock: ManualClock) -> None:
    """Even while the first has not been answered yet."""
    simulator.world.faults.add({"do": "delay", "seconds": 400, "processed": True, "match": {"operation": "inbox"}})
    first = asyncio.create_task(sms.poll())
    await clock.advance(399)
    await sms.poll()
    await clock.advance(1)
    await first
    assert ["same time" in line["what"] for line in simulator.world.violations.lines()] == [True]


def test_an_inbox_has_an_end(world: World) -> None:
    """Then the oldest is lost, and the ledger knows."""
    inbox = Inbox(world, "12345", limit=10)
    for number in range(11):
        inbox.receive(Incoming(f"{number}", SENDER, f"{number}", world.clock.now()))
    assert [line["text"] for line in world.ledger.lines() if line["what"] == "purged"] == ["0"]


def _ledger(simulator: Simulator, what: str) -> list[str]:
    return [line["text"] for line in simulator.world.ledger.lines() if line["what"] == what]
