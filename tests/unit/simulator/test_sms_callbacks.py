"""Callbacks of the simulated SMS API: texts that come in, and delivery status, at the listeners that are registered."""

from typing import Any

import aiohttp
import pytest

from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import Listener, SmsUser, read

SENDER, GOOD, BAD, LATE = "+12065550101", "+12065550102", "+12065550113", "+12065550118"


def _register(simulator: Simulator, **urls: str) -> None:
    simulator.act("att-sms", "register", {"short_code": "12345", **urls})


def _bodies(listener: Listener) -> list[Any]:
    return [fields for _, _, fields in listener.heard]


def _ledger(simulator: Simulator, what: str) -> list[dict[str, Any]]:
    return [line for line in simulator.world.ledger.lines() if line["what"] == what]


async def test_a_text_to_a_short_code_that_is_online_goes_to_its_listener(
    simulator: Simulator, listener: Listener, clock: ManualClock
) -> None:
    """Flat, in PascalCase, with an empty id: SMS documentation, Receive SMS."""
    _register(simulator, message_url=f"{listener.url}/in")
    simulator.world.handset.text(SENDER, "12345", "Hello world")
    await clock.advance(0)
    assert listener.heard == [
        (
            "POST",
            "/in",
            {
                "DateTime": "11-21-2026T09:00:00",
                "MessageId": "",
                "Message": "Hello world",
                "SenderAddress": "tel:+12065550101",
                "DestinationAddress": "12345",
            },
        )
    ]
    (handed_out,) = _ledger(simulator, "handed-out")
    assert (handed_out["text"], handed_out["message_id"]) == ("Hello world", "")


@pytest.mark.parametrize(
    ("modes", "field", "value"),
    [
        ({"sender_form": "encoded"}, "SenderAddress", "tel%3A%2B12065550101"),
        ({"sender_form": "ten"}, "SenderAddress", "tel:+2065550101"),
        ({"date_form": "log"}, "DateTime", "21/Nov/2026:09:00:00:000 +0000"),
        ({"date_form": "iso"}, "DateTime", "2026-11-21T09:00:00Z"),
    ],
)
async def test_senders_and_times_come_in_the_forms_that_were_seen(
    simulator: Simulator, listener: Listener, clock: ManualClock, modes: dict[str, Any], field: str, value: str
) -> None:
    """By the modes."""
    simulator.set_modes("att-sms", modes)
    _register(simulator, message_url=listener.url)
    simulator.world.handset.text(SENDER, "12345", "x")
    await clock.advance(0)
    assert _bodies(listener)[0][field] == value


async def test_a_short_code_that_is_online_is_not_polled(
    simulator: Simulator, sms: SmsUser, listener: Listener
) -> None:
    """One mechanism for a short code; without its listener it is offline again."""
    _register(simulator, message_url=listener.url)
    assert (await sms.poll()).status == 403
    assert ["online" in line["what"] for line in simulator.world.violations.lines()] == [True]
    _register(simulator, message_url="")
    assert (await sms.poll()).status == 200


@pytest.mark.parametrize("failure", ["status", "redirect", "silence", "nobody"])
async def test_a_callback_is_repeated_until_it_is_taken(
    simulator: Simulator, listener: Listener, clock: ManualClock, failure: str
) -> None:
    """Whatever is not a 2xx in time is a failure; the waits grow."""
    simulator.set_modes("att-sms", {"hook_timeout": 0.1})
    _register(simulator, message_url="http://127.0.0.1:9/" if failure == "nobody" else listener.url)
    listener.status, listener.silent = 302 if failure == "redirect" else 500, failure == "silence"
    simulator.world.handset.text(SENDER, "12345", "x")
    await clock.advance(25)
    results = {"status": 500, "redirect": 302, "silence": "timeout", "nobody": "no connection"}
    assert [line["result"] for line in _ledger(simulator, "hook")] == [results[failure]] * 2
    listener.status, listener.silent = 204, False
    await clock.advance(6 if failure == "nobody" else 1200)
    last = _ledger(simulator, "hook")[-1]
    assert last["result"] == ("no connection" if failure == "nobody" else 204)
    assert last["attempt"] == 3
    assert len(_ledger(simulator, "handed-out")) == (0 if failure == "nobody" else 1)


async def test_a_text_that_is_never_taken_is_discarded_after_72_hours(
    simulator: Simulator, listener: Listener, clock: ManualClock
) -> None:
    """And the ledger says so."""
    _register(simulator, message_url=listener.url)
    listener.status = 503
    simulator.world.handset.text(SENDER, "12345", "lost")
    await clock.advance(71 * 3600)
    assert _ledger(simulator, "purged") == []
    await clock.advance(3600)
    assert [line["text"] for line in _ledger(simulator, "purged")] == ["lost"]
    assert len(_ledger(simulator, "hook-lost")) == 1
    assert len(listener.heard) > 400
    heard = len(listener.heard)
    await clock.advance(3600)
    assert len(listener.heard) == heard


async def test_callbacks_can_come_twice(simulator: Simulator, listener: Listener, clock: ManualClock) -> None:
    """The second is the same, and not repeated when it fails."""
    simulator.set_modes("att-sms", {"duplicate": 1})
    _register(simulator, message_url=listener.url)
    simulator.world.handset.text(SENDER, "12345", "x")
    await clock.advance(0)
    listener.status = 500
    await clock.advance(3600)
    first, second = _bodies(listener)
    assert first == second
    assert len(_ledger(simulator, "handed-out")) == 1


async def test_each_recipient_s_end_is_notified_by_itself(
    simulator: Simulator, sms: SmsUser, listener: Listener, clock: ManualClock
) -> None:
    """One POST a recipient, whose deliveryInfo is an object; only what is final."""
    _register(simulator, delivery_url=f"{listener.url}/status")
    sent = await sms.send(f"tel:{GOOD}", f"tel:{BAD}", f"tel:{LATE}", notifyDeliveryStatus=True)
    message_id = sent.json["outboundSMSResponse"]["messageId"]
    assert listener.heard == []
    await clock.advance(10)
    told = {body["deliveryInfoNotification"]["deliveryInfo"]["address"]: body for body in _bodies(listener)}
    assert told == {
        f"tel:{number}": {
            "deliveryInfoNotification": {
                "messageId": message_id,
                "deliveryInfo": {"address": f"tel:{number}", "deliveryStatus": status},
            }
        }
        for number, status in ((GOOD, "DeliveredToTerminal"), (BAD, "DeliveryImpossible"))
    }
    await clock.advance(3600)
    assert len(listener.heard) == 3
    assert {line["event"] for line in _ledger(simulator, "hook")} == {"delivery"}


async def test_the_network_s_acceptance_may_be_notified_too(
    simulator: Simulator, sms: SmsUser, listener: Listener, clock: ManualClock
) -> None:
    """Only the final status is promised."""
    simulator.set_modes("att-sms", {"notify_progress": True})
    _register(simulator, delivery_url=listener.url)
    await sms.send(f"tel:{GOOD}", notifyDeliveryStatus=True)
    await clock.advance(10)
    statuses = [body["deliveryInfoNotification"]["deliveryInfo"]["deliveryStatus"] for body in _bodies(listener)]
    assert statuses == ["DeliveredToNetwork", "DeliveredToTerminal"]


async def test_a_status_may_be_notified_before_the_send_is_answered(
    simulator: Simulator, sms: SmsUser, listener: Listener, clock: ManualClock
) -> None:
    """Those that come soon; the rest comes in its time."""
    simulator.set_modes("att-sms", {"early": True})
    _register(simulator, delivery_url=listener.url)
    sent = await sms.send(f"tel:{GOOD}", f"tel:{LATE}", notifyDeliveryStatus=True)
    (early,) = _bodies(listener)
    assert early["deliveryInfoNotification"]["messageId"] == sent.json["outboundSMSResponse"]["messageId"]
    await clock.advance(3600)
    assert len(listener.heard) == 2


async def test_notification_needs_a_listener(simulator: Simulator, sms: SmsUser, listener: Listener) -> None:
    """Without one the send is a bad request, and nothing is sent."""
    answer = await sms.send(f"tel:{GOOD}", notifyDeliveryStatus=True)
    assert (answer.status, answer.json["RequestError"]["ServiceException"]["MessageId"]) == (400, "SVC0283")
    assert _ledger(simulator, "accepted") == []
    _register(simulator, delivery_url=listener.url)
    assert (await sms.send(f"tel:{GOOD}", notifyDeliveryStatus=True)).status == 201


@pytest.mark.parametrize(
    ("modes", "keys"),
    [
        ({}, ["messageId"]),
        ({"notify_reference": True}, ["messageId", "resourceReference"]),
        ({"notify_id": False}, []),
    ],
)
async def test_a_send_with_notification_is_answered_in_different_ways(
    simulator: Simulator, sms: SmsUser, modes: dict[str, Any], keys: list[str]
) -> None:
    """The documents contradict each other."""
    simulator.set_modes("att-sms", modes)
    _register(simulator, delivery_url="http://127.0.0.1:9/")
    answer = await sms.send(f"tel:{GOOD}", notifyDeliveryStatus=True)
    assert list(answer.json["outboundSMSResponse"]) == keys


async def test_the_status_of_a_notified_message_can_be_empty(simulator: Simulator, sms: SmsUser) -> None:
    """Refused or empty is not documented; asking is a violation in any case."""
    simulator.set_modes("att-sms", {"notify_status": "empty"})
    _register(simulator, delivery_url="http://127.0.0.1:9/")
    answer = await sms.send(f"tel:{GOOD}", notifyDeliveryStatus=True)
    told = await sms.status(answer.json["outboundSMSResponse"]["messageId"])
    assert (told.status, told.json["deliveryInfoList"]["deliveryInfo"]) == (200, [])
    assert len(simulator.world.violations.lines()) == 1


async def test_oneapi_notifies_whom_the_request_names(
    simulator: Simulator, sms: SmsUser, listener: Listener, clock: ManualClock
) -> None:
    """With the callback data, and without a message id."""
    inner = {
        "address": [f"tel:{GOOD}"],
        "outboundSMSTextMessage": {"message": "hi"},
        "receiptRequest": {"notifyURL": f"{listener.url}/oneapi", "callbackData": "mine"},
    }
    body = {"outboundSMSMessageRequest": inner}
    assert (await sms.call("POST", "/3/smsmessaging/outbound/12345/requests", json=body)).status == 201
    await clock.advance(10)
    assert listener.heard == [
        (
            "POST",
            "/oneapi",
            {
                "deliveryInfoNotification": {
                    "callbackData": "mine",
                    "deliveryInfo": {"address": f"tel:{GOOD}", "deliveryStatus": "DeliveredToTerminal"},
                }
            },
        )
    ]
    assert simulator.world.violations.lines() == []


async def test_listeners_stand_with_the_accounts(listener: Listener, clock: ManualClock) -> None:
    """As on the account's page."""
    account = {"app_key": "k", "app_secret": "s", "short_code": "777", "registration_id": "R"}
    options = SimulatorOptions(clock=clock, accounts={"att-sms": [{**account, "message_url": listener.url}]})
    async with Simulator(options) as simulator:
        simulator.world.handset.text(SENDER, "777", "hi")
        await clock.advance(0)
        assert [body["Message"] for body in _bodies(listener)] == ["hi"]


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"short_code": "12345"},
        {"short_code": "99999", "message_url": "http://127.0.0.1/"},
        {"short_code": "12345", "message_url": "nowhere"},
        {"short_code": "12345", "message_url": "ftp://127.0.0.1/"},
        {"short_code": "12345", "message_url": 7},
        {"short_code": "12345", "else": "http://127.0.0.1/"},
    ],
)
async def test_a_registration_is_checked(http: aiohttp.ClientSession, facts: dict[str, Any]) -> None:
    """A mistake is named."""
    asked = {"service": "att-sms", "do": "register", "with": facts}
    answer = await read(http.post("/_sim/state", json=asked))
    assert answer.status == 400
    assert answer.json["error"]
