"""What comes in to a subscriber of simulated In-App Messaging: long texts in pieces, and MMS."""

import base64

import pytest

from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.inapp_people import NUMBER, InAppUser, received, said, texted

LONG = "".join(f"{place:03}," for place in range(100))  # 400 characters
IMAGE = {"content_type": "image/jpeg", "name": "cat.jpg", "data": base64.b64encode(b"\xff\xd8\x00").decode()}


@pytest.mark.parametrize("shape", ["documented", "served"])
@pytest.mark.parametrize(
    ("text", "pieces"), [("x" * 160, 1), ("x" * 161, 2), (LONG, 3), ("\u4f60" * 70, 1), ("\u4f60" * 71, 2)]
)
async def test_a_long_text_comes_in_pieces(
    simulator: Simulator, inapp: InAppUser, shape: str, text: str, pieces: int
) -> None:
    """Each a message of its own, with its place and the number that they share."""
    simulator.set_modes("att-inapp", {"shape": shape})
    ids = texted(simulator, text)
    messages = [await inapp.message(mail_id) for mail_id in ids]
    assert "".join(message["text"] for message in messages) == text
    assert len(ids) == pieces
    if pieces > 1:
        details = [message["typeMetaData"]["segmentationDetails"] for message in messages]
        assert [one["thisPartNumber"] for one in details] == list(range(1, pieces + 1))
        assert {one["totalNumberOfParts"] for one in details} == {pieces}
        assert len({one["segmentationMsgRefNumber"] for one in details}) == 1
    (line,) = said(simulator, "received")
    assert (line["text"], line["pieces"], line["id"]) == (text, pieces, ids[0])


async def test_pieces_may_come_late_and_in_any_order(
    simulator: Simulator, inapp: InAppUser, clock: ManualClock
) -> None:
    """By modes."""
    simulator.set_modes("att-inapp", {"segment_order": "reversed", "segment_seconds": 10})
    texted(simulator, LONG)
    places = []
    for _ in range(3):
        newest = await inapp.message((await inapp.ids())[0])
        places.append(newest["typeMetaData"]["segmentationDetails"]["thisPartNumber"])
        await clock.advance(10)
        assert len(await inapp.ids()) == min(len(places) + 1, 3)
    assert places[0] == 3


async def test_pieces_may_be_lost(simulator: Simulator, inapp: InAppUser) -> None:
    """They were sent, and never come."""
    ids = received(simulator, text=LONG, lost=[2])
    details = [(await inapp.message(mail_id))["typeMetaData"]["segmentationDetails"] for mail_id in ids]
    assert [(one["thisPartNumber"], one["totalNumberOfParts"]) for one in details] == [(1, 3), (3, 3)]
    assert received(simulator, text=LONG, lost=[1, 2, 3]) == []


async def test_long_texts_may_come_whole(simulator: Simulator, inapp: InAppUser) -> None:
    """By a mode."""
    simulator.set_modes("att-inapp", {"segments": False})
    (mail_id,) = texted(simulator, LONG)
    assert (await inapp.message(mail_id))["text"] == LONG


async def test_an_mms_has_its_parts(simulator: Simulator, inapp: InAppUser) -> None:
    """Layout first, then the text, then what was attached; each fetched at its relative address."""
    simulator.set_modes("att-inapp", {"shape": "served"})
    (mail_id,) = received(simulator, text="look", subject="cat", parts=[IMAGE])
    message = await inapp.message(mail_id)
    assert (message["type"], message["typeMetaData"], "text" in message) == ("MMS", {"subject": "cat"}, False)
    base = f"/myMessages/v2/messages/{mail_id}/parts/"
    assert message["mmsContent"] == [
        {"contentName": "0.smil", "contentType": "application/smil", "contentUrl": base + "0", "type": "APPLICATION"},
        {"contentName": "text_0.txt", "contentType": "text/plain", "contentUrl": base + "1", "type": "TEXT"},
        {"contentName": "cat.jpg", "contentType": "image/jpeg", "contentUrl": base + "2", "type": "IMAGE"},
    ]
    async with inapp.http.get(base + "2", headers={"Authorization": f"Bearer {inapp.token}"}) as response:
        assert (await response.read(), response.headers["Content-Type"]) == (b"\xff\xd8\x00", "image/jpeg")
    (line,) = said(simulator, "part-handed-out")
    assert (line["id"], line["part"]) == (mail_id, "2")


async def test_documented_the_text_stands_in_the_message_alone(simulator: Simulator, inapp: InAppUser) -> None:
    """So that it is not there twice; the parts keep their numbers."""
    (mail_id,) = received(simulator, text="look", subject="cat", parts=[IMAGE])
    message = await inapp.message(mail_id)
    assert (message["text"], message["subject"], message["typeCode"]) == ("look", "cat", "2")
    assert [part["contentUrl"][-1] for part in message["mmsContent"]] == ["0", "2"]


async def test_addresses_of_parts_may_name_a_host_that_is_not_to_be_called(
    simulator: Simulator, inapp: InAppUser
) -> None:
    """Only their path is good."""
    simulator.set_modes("att-inapp", {"content_urls": "foreign", "smil": False})
    (mail_id,) = received(simulator, parts=[IMAGE])
    (part,) = (await inapp.message(mail_id))["mmsContent"]
    assert part["contentUrl"] == f"http://ewr2-api.att.invalid:8080/myMessages/v2/messages/{mail_id}/parts/0"


async def test_a_group_message_shows_who_else_has_it(simulator: Simulator, inapp: InAppUser) -> None:
    """It comes as an MMS."""
    (mail_id,) = received(simulator, text="all of you", recipients=["+12065550177"])
    message = await inapp.message(mail_id)
    assert (message["type"], message["recipients"]) == ("MMS", [f"tel:{NUMBER}", "tel:+12065550177"])
