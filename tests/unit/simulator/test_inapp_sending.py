"""Sending by simulated In-App Messaging."""

import json
from typing import Any

import pytest

from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.inapp_people import NUMBER, InAppUser, codes, said, texted, wrongs

ONE, TWO = "tel:+12065550101", "tel:+12065550102"


@pytest.mark.parametrize(("shape", "status"), [("documented", 201), ("served", 200)])
async def test_a_text_is_taken_and_shows_up_a_little_later(
    simulator: Simulator, inapp: InAppUser, clock: ManualClock, shape: str, status: int
) -> None:
    """As an outgoing message of the subscriber's, and with another id than the send was answered with."""
    simulator.set_modes("att-inapp", {"shape": shape})
    answer = await inapp.send(ONE, text="hello")
    assert answer.status == status
    assert set(answer.json) == ({"id", "resourceURL"} if shape == "documented" else {"id"})
    assert simulator.base_url not in answer.text
    assert await inapp.ids() == []
    await clock.advance(2)
    (mail_id,) = await inapp.ids()
    assert mail_id != answer.json["id"]
    message = await inapp.message(mail_id)
    assert (message["isIncoming"], message["isUnread"], message["text"]) == (False, False, "hello")
    assert message["recipients"] == (["tel:+12065550101"] if shape == "documented" else [{"value": "+12065550101"}])
    (line,) = [line for line in said(simulator, "stored") if not line["incoming"]]
    assert (line["id"], line["send_id"]) == (mail_id, answer.json["id"])


async def test_the_id_of_a_send_is_no_messages(simulator: Simulator, inapp: InAppUser, clock: ManualClock) -> None:
    """It is good for tracing; whoever fetches it is wrong."""
    send_id = (await inapp.send(ONE)).json["id"]
    await clock.advance(2)
    assert (await inapp.get(send_id)).status == 404
    assert wrongs(simulator) == ["get"]


async def test_each_recipient_stands_in_the_ledger(simulator: Simulator, inapp: InAppUser) -> None:
    """With the send's id, and what it was sent as."""
    answer = await inapp.send(ONE, "anna@example.com", "short:12345", text="hi")
    lines = said(simulator, "accepted")
    assert [line["to"] for line in lines] == ["+12065550101", "anna@example.com", "12345"]
    known = {
        "line": NUMBER,
        "message_id": answer.json["id"],
        "text": "hi",
        "sent_as": "sms",
        "group": False,
        "parts": [],
    }
    assert all(known.items() <= line.items() for line in lines)


@pytest.mark.parametrize(
    ("fields", "sent_as"),
    [
        ({"text": "x" * 160}, "sms"),
        ({"text": "x" * 161}, "mms"),
        ({"text": "caf\u00e9"}, "sms"),
        ({"text": "\u20ac"}, "mms"),
        ({"text": "\U0001f600"}, "mms"),
        ({"text": "x", "subject": "news"}, "mms"),
        ({"text": "x", "group": True}, "mms"),
        ({"text": "x", "isGroup": "true"}, "mms"),
        ({"text": "x", "group": False, "isGroup": "false"}, "sms"),
    ],
)
async def test_a_text_is_sent_as_an_sms_where_it_fits(
    simulator: Simulator, inapp: InAppUser, fields: dict[str, Any], sent_as: str
) -> None:
    """FAQ: Latin-1, 160 characters at most, no group; and no subject."""
    assert (await inapp.send(ONE, TWO, **fields)).status == 201
    assert {line["sent_as"] for line in said(simulator, "accepted")} == {sent_as}
    assert simulator.world.violations.lines() == []


async def test_an_mms_shows_up_with_its_parts(simulator: Simulator, inapp: InAppUser, clock: ManualClock) -> None:
    """Served, its text is a part and nothing else."""
    simulator.set_modes("att-inapp", {"shape": "served"})
    await inapp.send(ONE, text="hello", subject="news")
    await clock.advance(2)
    message = await inapp.message((await inapp.ids())[0])
    assert ("text" in message, message["type"], message["typeMetaData"]) == (False, "MMS", {"subject": "news"})
    assert [part["contentType"] for part in message["mmsContent"]] == ["application/smil", "text/plain"]
    part = await inapp.call("GET", message["mmsContent"][1]["contentUrl"].removeprefix("/myMessages/v2"))
    assert (part.text, part.headers["Content-Type"]) == ("hello", "text/plain")


async def test_an_address_twice_is_sent_to_once(simulator: Simulator, inapp: InAppUser) -> None:
    """FAQ; in whatever form it stands there twice."""
    assert (await inapp.send(ONE, "tel:2065550101", "tel:12065550101")).status == 201
    assert len(said(simulator, "accepted")) == 1
    assert simulator.world.violations.lines() == []


@pytest.mark.parametrize(
    ("addresses", "code"),
    [
        ([f"tel:+1206600{place:04}" for place in range(11)], "POL0003"),
        ([ONE, "tel:+442071838750"], "SVC0004"),
        ([ONE, f"tel:{NUMBER}"], "SVC0004"),
    ],
    ids=["eleven", "abroad", "one's own"],
)
async def test_addresses_that_the_documents_forbid_are_refused_and_noted(
    simulator: Simulator, inapp: InAppUser, addresses: list[str], code: str
) -> None:
    """As a whole."""
    assert (await inapp.send(*addresses)).status == 400
    assert codes(simulator) == [("send", 400, code)]
    assert wrongs(simulator) == ["send"]
    assert said(simulator, "accepted") == []


@pytest.mark.parametrize("address", ["tel:+12065550115", "tel:+1206555", "anna", "short:1", ""])
async def test_a_number_that_is_none_is_refused(simulator: Simulator, inapp: InAppUser, address: str) -> None:
    """SVC0004, which does not say which."""
    await inapp.send(ONE, address)
    assert codes(simulator) == [("send", 400, "SVC0004")]


async def test_ten_addresses_are_not_too_many(inapp: InAppUser) -> None:
    """The FAQ's limit."""
    assert (await inapp.send(*(f"tel:+1206600{place:04}" for place in range(10)))).status == 201


@pytest.mark.parametrize("address", ["+12065550101", "2065550101", "TEL:+12065550101"])
async def test_an_address_of_another_form_is_taken_and_noted(
    simulator: Simulator, inapp: InAppUser, address: str
) -> None:
    """The documents have tel:, short: and e-mail."""
    assert (await inapp.send(address)).status == 201
    assert wrongs(simulator) == ["send"]


@pytest.mark.parametrize("flag", ["group", "isGroup"])
async def test_a_group_of_one_is_refused(simulator: Simulator, inapp: InAppUser, flag: str) -> None:
    """SVC0002; also where the one stands there twice."""
    await inapp.send(ONE, ONE, **{flag: True})
    assert codes(simulator) == [("send", 400, "SVC0002")]
    assert wrongs(simulator) == ["send"]


@pytest.mark.parametrize("more", [{"group": True, "isGroup": False}, {"addresses_": []}])
async def test_fields_that_contradict_or_are_unknown_are_noted(
    simulator: Simulator, inapp: InAppUser, more: dict[str, Any]
) -> None:
    """They are taken."""
    assert (await inapp.send(ONE, TWO, **more)).status == 201
    assert wrongs(simulator) == ["send"]


@pytest.mark.parametrize(
    ("inner", "part"),
    [
        ({"addresses": [ONE]}, "text"),
        ({"addresses": [ONE], "text": ""}, "text"),
        ({"addresses": [ONE], "text": 7}, "text"),
        ({"addresses": [ONE], "text": "x", "subject": 7}, "subject"),
        ({"addresses": [ONE], "text": "x", "group": "yes"}, "group"),
        ({"addresses": [ONE], "text": "x", "group": 1}, "group"),
        ({"addresses": [ONE], "text": "x", "isGroup": []}, "group"),
        ({"text": "x"}, "addresses"),
        ({"addresses": [], "text": "x"}, "addresses"),
        ({"addresses": [7], "text": "x"}, "addresses"),
        ({"addresses": {}, "text": "x"}, "addresses"),
    ],
)
async def test_wrong_input_is_named(inapp: InAppUser, inner: dict[str, Any], part: str) -> None:
    """SVC0002, with the part in its variables."""
    answer = await inapp.post(json.dumps({"messageRequest": inner}))
    error = answer.json["RequestError"]["ServiceException"]
    assert (answer.status, error["MessageId"], error["Variables"]) == (400, "SVC0002", part)


async def test_one_address_may_stand_alone(inapp: InAppUser) -> None:
    """The server is lenient."""
    assert (await inapp.post(json.dumps({"messageRequest": {"addresses": ONE, "text": "x"}}))).status == 201


async def test_only_json_and_multipart_are_taken(inapp: InAppUser) -> None:
    """No form, and no XML."""
    answer = await inapp.post("addresses=x", "application/x-www-form-urlencoded")
    assert answer.json["RequestError"]["ServiceException"]["Variables"] == "Content-Type"


async def test_recipients_may_answer(simulator: Simulator, inapp: InAppUser, clock: ManualClock) -> None:
    """A number that ends in 16 says YES when it has the text; one in 18 has it after an hour."""
    await inapp.send("tel:+12065550116", "tel:+12065550142", text="well?")
    await clock.advance(20)
    (answer,) = said(simulator, "received")
    assert (answer["from"], answer["text"], answer["line"]) == ("+12065550116", "YES", NUMBER)


async def test_a_send_may_show_up_once_for_each_recipient(
    simulator: Simulator, inapp: InAppUser, clock: ManualClock
) -> None:
    """By a mode; a group never does."""
    simulator.set_modes("att-inapp", {"sends_appear": "apart", "appear_seconds": 10})
    await inapp.send(ONE, TWO)
    await inapp.send(ONE, TWO, group=True)
    await clock.advance(9)
    assert await inapp.ids() == []
    await clock.advance(1)
    recipients = [line["to"] for line in said(simulator, "stored")]
    assert recipients == [["+12065550101"], ["+12065550102"], ["+12065550101", "+12065550102"]]


async def test_the_phone_sends_too(simulator: Simulator, inapp: InAppUser) -> None:
    """It shows up at once, and relay never heard of it."""
    state = await inapp.state()
    simulator.act("att-inapp", "text-from-phone", {"to": ["2065550101", "2065550102"], "text": "hi", "group": True})
    (added,) = (await inapp.changes(state))["addedMessages"]
    message = await inapp.message(added["messageId"])
    assert (message["isIncoming"], message["from"], message["text"]) == (False, f"tel:{NUMBER}", "hi")
    (line,) = said(simulator, "sent-elsewhere")
    assert (line["to"], line["message_id"]) == (["+12065550101", "+12065550102"], added["messageId"])


async def test_a_text_to_oneself_from_elsewhere_is_none_of_the_sends(simulator: Simulator, inapp: InAppUser) -> None:
    """What comes in and what goes out have ids of one row."""
    ids = [*texted(simulator, "one"), (await inapp.send(ONE)).json["id"], *texted(simulator, "two")]
    assert len(set(ids)) == 3
