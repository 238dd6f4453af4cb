"""Messages are marked and deleted by the API of simulated In-App Messaging, and on the phone."""

import json
from typing import Any

import pytest

from relay.simulator.app import Simulator
from tests.unit.simulator.inapp_people import InAppUser, codes, said, texted, wrongs


async def put(inapp: InAppUser, path: str, body: Any) -> Any:
    """PUT a body."""
    return await inapp.call("PUT", path, data=json.dumps(body), headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(("shape", "status"), [("documented", 200), ("served", 204)])
async def test_a_message_is_marked_as_read(simulator: Simulator, inapp: InAppUser, shape: str, status: int) -> None:
    """200 with its id, or 204 with nothing."""
    simulator.set_modes("att-inapp", {"shape": shape})
    (mail_id,) = texted(simulator, "hello")
    answer = await put(inapp, f"/messages/{mail_id}", {"message": {"isUnread": False}})
    assert answer.status == status
    assert answer.text == "" if shape == "served" else answer.json == {"id": mail_id}
    assert (await inapp.message(mail_id))["isUnread"] is False
    assert [(line["id"], line["is_unread"], line["by"]) for line in said(simulator, "updated")] == [
        (mail_id, False, "api")
    ]


async def test_what_does_not_change_anything_is_no_change(simulator: Simulator, inapp: InAppUser) -> None:
    """The state stays."""
    (mail_id,) = texted(simulator, "hello")
    state = await inapp.state()
    assert (await put(inapp, f"/messages/{mail_id}", {"message": {"isUnread": True}})).status == 200
    assert await inapp.state() == state


@pytest.mark.parametrize("shape", ["documented", "served"])
async def test_many_are_marked_at_once(simulator: Simulator, inapp: InAppUser, shape: str) -> None:
    """204; what is not there is passed over."""
    simulator.set_modes("att-inapp", {"shape": shape})
    first, second = texted(simulator, "one", "two")
    entries = [{"messageId": one, "isUnread": False} for one in (first, "nothing")]
    entries.append({"messageId": second, "isUnread": True, "isFavorite": True})
    answer = await put(inapp, "/messages", {"messages": entries})
    assert (answer.status, answer.text) == (204, "")
    assert await inapp.ids("isUnread=false") == [first]
    assert await inapp.ids("isFavorite=true") == [second]
    assert simulator.world.violations.lines() == []


async def test_a_message_is_deleted(simulator: Simulator, inapp: InAppUser) -> None:
    """204, and then 404."""
    (mail_id,) = texted(simulator, "hello")
    answer = await inapp.call("DELETE", f"/messages/{mail_id}")
    assert (answer.status, answer.text) == (204, "")
    assert (await inapp.call("DELETE", f"/messages/{mail_id}")).status == 404
    assert await inapp.ids() == []
    assert [(line["id"], line["by"]) for line in said(simulator, "deleted")] == [(mail_id, "api")]


async def test_many_are_deleted_at_once(simulator: Simulator, inapp: InAppUser) -> None:
    """204; what is not there is passed over."""
    first, second, third = texted(simulator, *"abc")
    assert (await inapp.call("DELETE", f"/messages?messageIds={first},nothing,{third}")).status == 204
    assert await inapp.ids() == [second]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/messages?messageIds=no,nothing", None),
        ("PUT", "/messages", {"messages": [{"messageId": "nothing", "isUnread": False}]}),
        ("PUT", "/messages/nothing", {"message": {"isUnread": False}}),
    ],
)
@pytest.mark.parametrize(("gone", "status"), [("404", 404), ("SVC0001", 400)])
async def test_where_nothing_is_there_it_is_gone(  # noqa: PLR0917 - fixtures are arguments
    simulator: Simulator, inapp: InAppUser, method: str, path: str, body: Any, gone: str, status: int
) -> None:
    """Also where many were asked for."""
    simulator.set_modes("att-inapp", {"gone": gone})
    answer = await inapp.call(method, path, data=json.dumps(body))
    assert (answer.status, codes(simulator)[0][2]) == (status, "SVC0001")


@pytest.mark.parametrize(
    ("path", "body", "part"),
    [
        ("/messages/X", {}, "message"),
        ("/messages/X", {"message": []}, "message"),
        ("/messages/X", {"message": {}}, "isUnread"),
        ("/messages/X", {"message": {"isUnread": "no"}}, "isUnread"),
        ("/messages/X", [], "body"),
        ("/messages", {"messages": {}}, "messages"),
        ("/messages", {"messages": []}, "messages"),
        ("/messages", {"messages": [7]}, "messages"),
        ("/messages", {"messages": [{"isUnread": False}]}, "messageId"),
        ("/messages", {"messages": [{"messageId": "X"}]}, "isUnread"),
    ],
)
async def test_wrong_input_is_named(simulator: Simulator, inapp: InAppUser, path: str, body: Any, part: str) -> None:
    """SVC0002, with the part in its variables."""
    (mail_id,) = texted(simulator, "hello")
    answer = await put(inapp, path.replace("X", mail_id), body)
    assert answer.status == 400
    assert answer.json["RequestError"]["ServiceException"]["Variables"] == part


async def test_a_delete_of_many_needs_ids(inapp: InAppUser) -> None:
    """It does not delete all."""
    assert (await inapp.call("DELETE", "/messages")).status == 400
    assert (await inapp.call("DELETE", "/messages?messageIds=,")).status == 400


async def test_one_message_can_only_be_marked_as_read_or_not(simulator: Simulator, inapp: InAppUser) -> None:
    """OpenAPI, updateMessage: only isUnread can be modified."""
    (mail_id,) = texted(simulator, "hello")
    await put(inapp, f"/messages/{mail_id}", {"message": {"isUnread": False, "text": "hullo"}})
    assert wrongs(simulator) == ["update"]


async def test_the_phone_reads_and_deletes_too(simulator: Simulator, inapp: InAppUser) -> None:
    """Nobody asked the API."""
    first, second = texted(simulator, "one", "two")
    simulator.act("att-inapp", "read", {"ids": [first, second]})
    simulator.act("att-inapp", "read", {"id": first, "is_unread": True})
    simulator.act("att-inapp", "delete", {"id": second})
    assert await inapp.ids("isUnread=true") == [first]
    assert {line["by"] for what in ("updated", "deleted") for line in said(simulator, what)} == {"phone"}


@pytest.mark.parametrize(
    ("action", "facts"),
    [
        ("dance", {}),
        ("read", {}),
        ("read", {"id": "nothing"}),
        ("delete", {"ids": "nothing"}),
        ("receive", {}),
        ("receive", {"from": "nobody"}),
        ("receive", {"from": "+12065550142", "text": 7}),
        ("receive", {"from": "+12065550142", "text": "x", "at": "yesterday"}),
        ("receive", {"from": "+12065550142", "text": "x", "at": "2026-01-01T00:00:00"}),
        ("receive", {"from": "+12065550142", "parts": [{"content_type": "image/png", "data": "?"}]}),
        ("receive", {"from": "+12065550142", "parts": [{}]}),
        ("receive", {"from": "+12065550142", "text": "x", "lost": ["one"]}),
        ("text-from-phone", {"to": []}),
        ("text-from-phone", {"to": "+12065550142"}),
        ("expire-index", {"line": "+12065550199"}),
    ],
)
async def test_an_action_with_wrong_facts_is_refused(
    simulator: Simulator, inapp: InAppUser, action: str, facts: dict[str, Any]
) -> None:
    """ValueError, which the control API answers with 400."""
    with pytest.raises(ValueError, match=r"."):
        simulator.act("att-inapp", action, facts)
    assert await inapp.ids() == []
