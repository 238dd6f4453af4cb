"""Sending by the simulated SMS API, version 3."""

import json
import re
from typing import Any

import pytest

from relay.providers.att_sms.simulator.sending import length
from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import SmsUser, read

ONE = "tel:+12065550101"


async def test_a_text_is_taken_and_gets_an_id(simulator: Simulator, sms: SmsUser) -> None:
    """201, `SMS` and 16 hexadecimal digits, and a resource URL on a host that is not to be called."""
    answer = await sms.send(ONE, message="hello")
    assert answer.status == 201
    inner = answer.json["outboundSMSResponse"]
    assert re.fullmatch(r"SMS[0-9a-f]{16}", inner["messageId"])
    assert inner["resourceReference"]["resourceURL"].endswith(f"/sms/v3/messaging/outbox/{inner['messageId']}")
    assert simulator.base_url not in answer.text


async def test_with_notification_there_is_no_resource_and_no_status(simulator: Simulator, sms: SmsUser) -> None:
    """A status is either polled or notified."""
    simulator.act("att-sms", "register", {"short_code": "12345", "delivery_url": "http://127.0.0.1:9/"})
    inner = (await sms.send(ONE, notifyDeliveryStatus=True)).json["outboundSMSResponse"]
    assert list(inner) == ["messageId"]
    assert simulator.world.violations.lines() == []
    assert (await sms.status(inner["messageId"])).status == 404
    assert ["notified" in line["what"] for line in simulator.world.violations.lines()] == [True]


async def test_each_recipient_stands_in_the_ledger(simulator: Simulator, sms: SmsUser) -> None:
    """With the message's id, its own, and the text."""
    answer = await sms.send(ONE, "tel:+12065550102", message="hi")
    message_id = answer.json["outboundSMSResponse"]["messageId"]
    lines = [line for line in simulator.world.ledger.lines() if line["what"] == "accepted"]
    assert [(line["to"], line["ref"]) for line in lines] == [("+12065550101", "msg0"), ("+12065550102", "msg1")]
    assert {(line["message_id"], line["text"], line["line"]) for line in lines} == {(message_id, "hi", "12345")}
    assert len({line["request"] for line in lines}) == 1


async def test_one_address_may_stand_alone(sms: SmsUser) -> None:
    """AT&T's kits send a string for one recipient."""
    body = {"outboundSMSRequest": {"address": ONE, "message": "hi"}}
    assert (await sms.post(json.dumps(body))).status == 201


@pytest.mark.parametrize(
    ("address", "violation"),
    [("tel:+12065550101", False), ("tel:12065550101", False), ("tel:2065550101", False), ("2065550101", True)],
)
async def test_addresses_of_every_documented_form_are_taken(
    simulator: Simulator, sms: SmsUser, address: str, violation: bool
) -> None:
    """Others that can be understood are taken too, and noted."""
    assert (await sms.send(address)).status == 201
    assert bool(simulator.world.violations.lines()) is violation


@pytest.mark.parametrize(
    "addresses",
    [
        ["tel:+1206555010"],
        ["tel:+442071838750"],
        ["short:12345"],
        [ONE, "tel:+12065550115"],
        [f"tel:+1206600{n:04}" for n in range(51)],
    ],
    ids=["too short", "abroad", "short code", "not a subscriber", "51"],
)
async def test_a_call_with_one_bad_address_is_refused_as_a_whole(
    simulator: Simulator, sms: SmsUser, addresses: list[str]
) -> None:
    """SVC0004, which does not say which; nothing is sent."""
    answer = await sms.send(*addresses)
    assert (answer.status, answer.json["RequestError"]["ServiceException"]["MessageId"]) == (400, "SVC0004")
    lines = simulator.world.ledger.lines()
    assert [line["what"] for line in lines[1:]] == ["refused"]
    assert lines[1]["code"] == "SVC0004"


async def test_fifty_addresses_are_not_too_many(sms: SmsUser) -> None:
    """The documents' limit."""
    assert (await sms.send(*(f"tel:+120660000{n:02}" for n in range(50)))).status == 201


async def test_an_address_twice_is_refused(simulator: Simulator, sms: SmsUser) -> None:
    """POL0013, in whatever form it stands there twice."""
    answer = await sms.send(ONE, "tel:2065550101")
    assert (answer.status, answer.json["RequestError"]["PolicyException"]["MessageId"]) == (400, "POL0013")
    assert len(simulator.world.violations.lines()) == 1


@pytest.mark.parametrize(
    ("inner", "part"),
    [
        ({"address": [ONE]}, "Message"),
        ({"address": [ONE], "message": ""}, "Message"),
        ({"address": [ONE], "message": 7}, "Message"),
        ({"address": [ONE], "message": "x" * 4097}, "Message"),
        ({"address": [ONE], "message": "\u4f60" * 2049}, "Message"),
        ({"message": "hi"}, "Address"),
        ({"address": [], "message": "hi"}, "Address"),
        ({"address": [7], "message": "hi"}, "Address"),
        ({"address": [ONE], "message": "hi", "notifyDeliveryStatus": "yes"}, "notifyDeliveryStatus"),
    ],
)
async def test_wrong_input_is_named(sms: SmsUser, inner: dict[str, Any], part: str) -> None:
    """SVC0002, with the part in its variables."""
    answer = await sms.post(json.dumps({"outboundSMSRequest": inner}))
    assert answer.status == 400
    error = answer.json["RequestError"]["ServiceException"]
    assert (error["MessageId"], error["Variables"]) == ("SVC0002", part)
    assert "%1" in error["Text"]


@pytest.mark.parametrize("body", ["", "{", "[]", "7", '{"outboundSMSRequest": []}', "[" * 20_000])
async def test_a_body_that_is_no_request_is_refused(sms: SmsUser, body: str) -> None:
    """Rather than breaking the simulator."""
    answer = await sms.post(body)
    assert (answer.status, answer.json["RequestError"]["ServiceException"]["MessageId"]) == (400, "SVC0002")


@pytest.mark.parametrize(
    ("text", "characters"),
    [
        ("x" * 160, 160),
        ("\u20ac" * 3, 3),
        ("\u00e9\u03a9", 2),
        ("\u4f60", 2),
        ("\U0001f600", 4),
        ("\ud800", 2),
        ("", 0),
    ],
)
def test_a_text_is_measured_in_characters_of_one_byte(text: str, characters: int) -> None:
    """GSM's and Latin-1's count one; with any other, all count two."""
    assert length(text) == characters


async def test_the_longest_text_passes(sms: SmsUser) -> None:
    """4096 characters of one byte, or 2048 of two."""
    assert (await sms.send(ONE, message="x" * 4096)).status == 201
    assert (await sms.send(ONE, message="\u4f60" * 2048)).status == 201


async def test_errors_come_in_lower_case_too(simulator: Simulator, sms: SmsUser) -> None:
    """As was seen from the real service."""
    simulator.set_modes("att-sms", {"errors": "lower"})
    answer = await sms.send("tel:1")
    assert answer.json["requestError"]["serviceException"]["messageId"] == "SVC0004"
    assert set(answer.json["requestError"]["serviceException"]) == {"messageId", "text", "variables"}


@pytest.mark.parametrize(
    ("modes", "status", "retry_after"),
    [
        ({"throttle_as": "403", "retry_after": 9}, 403, None),
        ({"throttle_as": "429"}, 429, None),
        ({"throttle_as": "429", "retry_after": 9}, 429, "9"),
    ],
)
async def test_too_many_sends_a_second_are_throttled(
    simulator: Simulator, sms: SmsUser, clock: ManualClock, modes: dict[str, Any], status: int, retry_after: str | None
) -> None:
    """By 403 POL0001, or by 429; the next second is a new one."""
    simulator.set_modes("att-sms", {"rate_limit": 2, **modes})
    answers = [await sms.send(ONE) for _ in range(3)]
    assert [answer.status for answer in answers] == [201, 201, status]
    assert answers[2].json["RequestError"]["PolicyException"]["MessageId"] == "POL0001"
    assert answers[2].headers.get("Retry-After") == retry_after
    await clock.advance(1)
    assert (await sms.send(ONE)).status == 201


async def test_a_format_that_the_gateway_does_not_know_is_refused(simulator: Simulator, sms: SmsUser) -> None:
    """JSON, XML and forms are those it knows."""
    answer = await sms.call("POST", "/sms/v3/messaging/outbox", data=b"x", headers={"Content-Type": "text/plain"})
    assert answer.json["RequestError"]["ServiceException"]["Variables"] == "Content-Type"
    assert ["Content-Type" in line["what"] for line in simulator.world.violations.lines()] == [True]


async def test_a_missing_content_type_is_a_violation_on_get_too(simulator: Simulator, sms: SmsUser) -> None:
    """It is marked as required for every request."""
    headers = {"Authorization": sms.headers["Authorization"]}
    await read(sms.http.get("/sms/v3/messaging/inbox/12345", headers=headers))
    assert ["Content-Type" in line["what"] for line in simulator.world.violations.lines()] == [True]
