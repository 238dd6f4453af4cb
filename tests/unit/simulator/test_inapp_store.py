"""The message store of simulated In-App Messaging: list and get, in both shapes."""

from typing import Any

import pytest

from relay.simulator.app import Simulator
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.inapp_people import FRIEND, NUMBER, InAppUser, codes, texted


async def test_a_handsets_text_is_listed_and_can_be_fetched(simulator: Simulator, inapp: InAppUser) -> None:
    """As documented: a summary in the list, the text in the message."""
    texted(simulator, "hello")
    page = (await inapp.page()).json["messageResultSet"]
    (summary,) = page.pop("messages")
    assert page == {"totalCount": 1, "offset": 0, "limit": 50}
    assert summary == {
        "messageId": summary["messageId"],
        "from": f"tel:{FRIEND}",
        "recipients": [f"tel:{NUMBER}"],
        "isUnread": True,
        "isIncoming": True,
        "type": "TEXT",
        "typeCode": "1",
        "timeStamp": "2026-11-21T09:00:05Z",
    }
    assert await inapp.message(summary["messageId"]) == {**summary, "text": "hello"}
    assert simulator.world.violations.lines() == []


async def test_served_a_list_has_whole_messages_and_the_state(simulator: Simulator, inapp: InAppUser) -> None:
    """With addresses as objects, and times without a zone."""
    simulator.set_modes("att-inapp", {"shape": "served"})
    texted(simulator, "hello")
    body = (await inapp.page()).json["messageList"]
    (message,) = body.pop("messages")
    assert body.pop("state") == await inapp.state()
    assert body == {"offset": 0, "limit": 50, "total": 1, "cacheStatus": "INITIALIZED"}
    assert message == {
        "messageId": message["messageId"],
        "from": {"value": FRIEND},
        "recipients": [{"value": NUMBER}],
        "timeStamp": "2026-11-21T09:00:05",
        "isFavorite": False,
        "isUnread": True,
        "isIncoming": True,
        "type": "TEXT",
        "typeMetaData": {"isSegmented": False},
        "text": "hello",
    }
    assert await inapp.message(message["messageId"]) == message


async def test_what_is_received_and_handed_out_stands_in_the_ledger(simulator: Simulator, inapp: InAppUser) -> None:
    """So that a test can compare it with what relay publishes."""
    (mail_id,) = texted(simulator, "hello")
    await inapp.page()
    await inapp.get(mail_id)
    lines = {line["what"]: line for line in simulator.world.ledger.lines() if line.get("service") == "att-inapp"}
    for what in ("received", "stored", "handed-out"):
        assert (lines[what]["line"], lines[what]["from"], lines[what]["text"]) == (NUMBER, FRIEND, "hello")
        assert lines[what]["id"] == mail_id
    assert (lines["listed"]["count"], lines["listed"]["total"]) == (1, 1)
    assert lines["handed-out"]["request"] > lines["listed"]["request"]


async def test_the_newest_comes_first_and_pages_follow_one_another(
    simulator: Simulator, inapp: InAppUser, clock: ManualClock
) -> None:
    """A page has `limit` messages from `offset` on, and says how many there are."""
    ids = []
    for place in range(5):
        ids += texted(simulator, f"text {place}")
        await clock.advance(1)
    assert await inapp.ids("limit=2&offset=0") == ids[:2:-1]
    assert await inapp.ids("limit=2&offset=2") == ids[2:0:-1]
    assert await inapp.ids("limit=2&offset=4") == ids[:1]
    assert await inapp.ids("limit=2&offset=6") == []
    assert (await inapp.page("limit=2&offset=6")).json["messageResultSet"]["totalCount"] == 5


async def test_a_message_that_was_sent_earlier_is_listed_at_its_time(simulator: Simulator, inapp: InAppUser) -> None:
    """Though it came into the store last."""
    (newer,) = texted(simulator, "newer")
    simulator.act("att-inapp", "receive", {"from": FRIEND, "text": "older", "at": "2025-01-01T01:00:00+01:00"})
    assert (await inapp.ids())[0] == newer
    assert (await inapp.message((await inapp.ids())[1]))["timeStamp"] == "2025-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("isUnread=true", ["unread"]),
        ("isUnread=false", ["sent", "read"]),
        ("isIncoming=true", ["unread", "read"]),
        ("isIncoming=false", ["sent"]),
        ("isFavorite=true", []),
        ("type=TEXT", ["sent", "unread", "read"]),
        ("type=SMS", ["sent", "unread", "read"]),
        ("type=MMS", []),
        ("keyword=2065550142", ["unread", "read"]),
        ("keyword=5550177", ["sent"]),
    ],
)
async def test_a_list_can_be_narrowed(simulator: Simulator, inapp: InAppUser, query: str, expected: list[str]) -> None:
    """By what the documents and the kits name."""
    named = {}
    (named["read"],) = texted(simulator, "one")
    simulator.act("att-inapp", "read", {"id": named["read"]})
    (named["unread"],) = texted(simulator, "two")
    simulator.act("att-inapp", "text-from-phone", {"to": "+12065550177", "text": "three"})
    (named["sent"],) = [
        line["message_id"] for line in simulator.world.ledger.lines() if line["what"] == "sent-elsewhere"
    ]
    assert await inapp.ids(query) == [named[name] for name in expected]
    assert simulator.world.violations.lines() == []


@pytest.mark.parametrize("shape", ["documented", "served"])
async def test_ids_go_before_all_other_filters(simulator: Simulator, inapp: InAppUser, shape: str) -> None:
    """Those without a message are named, where served."""
    simulator.set_modes("att-inapp", {"shape": shape})
    first, second, _ = texted(simulator, "one", "two", "three")
    answer = await inapp.page(f"messageIds={first},nothing,{second}&isUnread=false")
    (body,) = answer.json.values()
    assert {message["messageId"] for message in body["messages"]} == {first, second}
    assert body.get("failedMessages") == (["nothing"] if shape == "served" else None)


@pytest.mark.parametrize(
    ("query", "part", "violations"),
    [
        ("limit=0", "limit", 1),
        ("limit=501", "limit", 1),
        ("limit=many", "limit", 0),
        ("limit=-1", "limit", 0),
        ("limit=" + "9" * 5000, "limit", 0),
        ("limit=%C2%B2", "limit", 0),
        ("offset=-1", "offset", 0),
        ("isUnread=maybe", "isUnread", 0),
        ("type=FAX", "type", 0),
    ],
)
async def test_a_wrong_list_is_refused(
    simulator: Simulator, inapp: InAppUser, query: str, part: str, violations: int
) -> None:
    """SVC0002 names what is wrong."""
    answer = await inapp.page(query)
    assert answer.status == 400
    assert answer.json["RequestError"]["ServiceException"]["MessageId"] == "SVC0002"
    assert answer.json["RequestError"]["ServiceException"]["Variables"] == part
    assert len(simulator.world.violations.lines()) == violations


async def test_500_are_not_too_many(simulator: Simulator, inapp: InAppUser) -> None:
    """The documents' limit."""
    texted(simulator, *(f"text {place}" for place in range(501)))
    assert len(await inapp.ids("limit=500")) == 500


async def test_an_unknown_filter_is_a_violation(simulator: Simulator, inapp: InAppUser) -> None:
    """There is no time range, whatever the document's prose says."""
    assert (await inapp.page("since=2026-01-01")).status == 200
    assert len(simulator.world.violations.lines()) == 1


@pytest.mark.parametrize(("gone", "status"), [("404", 404), ("SVC0001", 400)])
@pytest.mark.parametrize("path", ["/messages/msg-1", "/messages/msg-1/parts/0"])
async def test_what_is_not_there_is_said_to_be_gone(
    simulator: Simulator, inapp: InAppUser, gone: str, status: int, path: str
) -> None:
    """404, or SVC0001 with a text that names it."""
    simulator.set_modes("att-inapp", {"gone": gone})
    answer = await inapp.call("GET", path)
    assert answer.status == status
    error = answer.json["RequestError"]["ServiceException"]
    assert (error["MessageId"], "msg-1" in error["Variables"]) == ("SVC0001", True)


@pytest.mark.parametrize("part", ["0", "x", "-1"])
async def test_a_text_has_no_parts(simulator: Simulator, inapp: InAppUser, part: str) -> None:
    """Nor has anything a part of a wrong name."""
    (mail_id,) = texted(simulator, "hello")
    assert (await inapp.call("GET", f"/messages/{mail_id}/parts/{part}")).status == 404


async def test_an_ugly_id_has_to_be_encoded(simulator: Simulator, inapp: InAppUser) -> None:
    """It has a slash, a plus, an equals sign and a percent sign."""
    simulator.set_modes("att-inapp", {"message_ids": "ugly"})
    (mail_id,) = texted(simulator, "hello")
    assert set("/+=%") <= set(mail_id)
    assert (await inapp.message(mail_id))["text"] == "hello"


@pytest.mark.parametrize(
    ("modes", "shown"),
    [
        ({"incoming_as": "string"}, {"isIncoming": "true"}),
        ({"times": "bare"}, {"timeStamp": "2026-11-21T09:00:05"}),
        ({"times": "zoned", "shape": "served"}, {"timeStamp": "2026-11-21T09:00:05Z"}),
    ],
)
async def test_fields_vary_as_was_seen(
    simulator: Simulator, inapp: InAppUser, modes: dict[str, Any], shown: dict[str, Any]
) -> None:
    """Each by a mode."""
    simulator.set_modes("att-inapp", modes)
    (mail_id,) = texted(simulator, "hello")
    message = await inapp.message(mail_id)
    assert {name: message[name] for name in shown} == shown


async def test_the_direction_may_be_missing(simulator: Simulator, inapp: InAppUser) -> None:
    """Then only the sender tells it."""
    simulator.set_modes("att-inapp", {"incoming_as": "missing"})
    (mail_id,) = texted(simulator, "hello")
    assert "isIncoming" not in await inapp.message(mail_id)


async def test_short_codes_and_mail_write_too(simulator: Simulator, inapp: InAppUser) -> None:
    """Documented with their schemes, served without."""
    (short,) = texted(simulator, "your code", sender="72345")
    simulator.act("att-inapp", "receive", {"from": "anna@example.com", "text": "by mail"})
    assert (await inapp.message(short))["from"] == "short:72345"
    simulator.set_modes("att-inapp", {"shape": "served"})
    assert (await inapp.message(short))["from"] == {"value": "72345"}
    senders = [message["from"]["value"] for message in (await inapp.page()).json["messageList"]["messages"]]
    assert senders == ["anna@example.com", "72345"]


async def test_errors_come_in_lower_case_too(simulator: Simulator, inapp: InAppUser) -> None:
    """As was seen from the real service; and each refusal stands in the ledger."""
    simulator.set_modes("att-inapp", {"errors": "lower"})
    answer = await inapp.get("nothing")
    assert answer.json["requestError"]["serviceException"]["messageId"] == "SVC0001"
    assert codes(simulator) == [("get", 404, "SVC0001")]
