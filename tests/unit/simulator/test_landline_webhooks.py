"""Web hooks of simulated Landline Texting: installing them, and what they carry."""

from typing import Any

import aiohttp
import pytest

from relay.providerkit.simulated import World
from relay.providers.att_landline.simulator.texts import Texts
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import SESSION, LandlineUser, Listener, read

LINE, ONE = "+12065550100", "+12065550101"
URL = "http://127.0.0.1:1/receive"


async def _list(landline: LandlineUser) -> list[dict[str, Any]]:
    hooks: list[dict[str, Any]] = (await landline.call("/webhook/list")).json["response"]
    return hooks


async def test_a_web_hook_is_installed_and_listed(landline: LandlineUser) -> None:
    """Both answers are lists."""
    fields = (("type", "message"), ("event", "receive"), ("url", URL))
    answer = await landline.call("/webhook/add", *fields)
    (hook,) = answer.json["response"]
    assert answer.json["success"] is True
    assert isinstance(hook["webhookId"], int)
    assert {key: hook[key] for key in ("type", "event", "url", "method")} == {
        "type": "message",
        "event": "receive",
        "url": URL,
        "method": "POST",
    }
    assert await _list(landline) == [hook]


async def test_installing_the_same_twice_makes_two(landline: LandlineUser) -> None:
    """And every event will come twice."""
    assert await landline.hook("receive", URL) != await landline.hook("receive", URL)
    assert len(await _list(landline)) == 2


async def test_a_web_hook_is_updated_and_deleted(landline: LandlineUser) -> None:
    """What is not given stays; deleting answers an empty list."""
    hook = await landline.hook("receive", URL)
    answer = await landline.call("/webhook/update", ("webhookId", str(hook)), ("method", "PUT"))
    assert [(one["url"], one["method"]) for one in answer.json["response"]] == [(URL, "PUT")]
    await landline.call("/webhook/update", ("webhookId", str(hook)), ("url", URL + "2"))
    assert [(one["url"], one["method"]) for one in await _list(landline)] == [(URL + "2", "PUT")]
    assert (await landline.call("/webhook/delete", ("webhookId", str(hook)))).json["response"] == []
    assert await _list(landline) == []


async def test_listing_works_with_get_too(landline: LandlineUser, http: aiohttp.ClientSession) -> None:
    """The document's sample uses it."""
    await landline.hook("receive", URL)
    answer = await read(http.get("/webhook/list", params={"session": SESSION}))
    assert len(answer.json["response"]) == 1


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/webhook/add", {}),
        ("/webhook/add", {"type": "call", "event": "receive", "url": URL}),
        ("/webhook/add", {"type": "message", "event": "arrive", "url": URL}),
        ("/webhook/add", {"type": "message", "event": "receive", "url": "ftp://x/y"}),
        ("/webhook/add", {"type": "message", "event": "receive", "url": "http://[x"}),
        ("/webhook/add", {"type": "message", "event": "receive", "url": URL, "method": "BREW"}),
        ("/webhook/update", {"method": "PUT"}),
        ("/webhook/update", {"webhookId": "1", "method": "PUT"}),
        ("/webhook/update", {"webhookId": "687557714", "method": "BREW"}),
        ("/webhook/update", {"webhookId": "687557714", "url": "nowhere"}),
        ("/webhook/delete", {"webhookId": "\u00b2"}),
        ("/webhook/delete", {}),
    ],
)
async def test_bad_arguments_change_nothing(landline: LandlineUser, path: str, fields: dict[str, str]) -> None:
    """-703."""
    await landline.hook("receive", URL)
    before = await _list(landline)
    assert (await landline.call(path, *fields.items())).json["response"]["code"] == -703
    assert await _list(landline) == before


async def test_a_web_hook_of_another_line_cannot_be_touched() -> None:
    """Nor is it listed."""
    accounts = {"att-landline": [{"session": SESSION, "number": LINE}, {"session": "s:2", "number": "+12065550200"}]}
    options = SimulatorOptions(accounts=accounts)
    async with Simulator(options) as simulator, aiohttp.ClientSession(simulator.base_url) as http:
        landline = LandlineUser(http)
        hook = await landline.hook("receive", URL)
        answer = await landline.call("/webhook/delete", ("webhookId", str(hook)), session="s:2")
        assert answer.json["response"]["code"] == -703
        assert (await landline.call("/webhook/list", session="s:2")).json["response"] == []


async def test_a_text_that_comes_in_is_told_as_documented(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """The document's sample, field for field."""
    await landline.hook("receive", f"{listener.url}/receive")
    simulator.world.handset.text(ONE, LINE, "Hello")
    await clock.advance(0)
    ((method, path, fields),) = listener.heard
    assert (method, path) == ("POST", "/receive")
    changing = {"id", "fingerprint", "contactId", "deviceId"}
    assert {key: value for key, value in fields.items() if key not in changing} == {
        "body": "Hello",
        "bodySize": 5,
        "visible": True,
        "hasAttachment": False,
        "dateRead": None,
        "bcc": None,
        "finalDestination": "2065550100",
        "messageType": "MO",
        "deleted": False,
        "statusCode": 4,
        "scheduledDate": None,
        "messageTransport": 9,
        "address": "ptn:/2065550101",
        "read": False,
        "dateCreated": "2026-11-21T01:00:00-08:00",
        "dateDeleted": None,
        "dateDelivered": None,
        "cc": None,
        "finalSource": "2065550101",
    }
    assert fields["id"] > 2**53
    assert fields["contactId"] > 2**31
    assert isinstance(fields["fingerprint"], str)


async def test_all_five_events_carry_the_same_fields(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """Only the address that was registered tells them apart."""
    for event in ("receive", "send", "progress", "read", "delete"):
        await landline.hook(event, f"{listener.url}/{event}")
    simulator.world.handset.text(ONE, LINE, "Hello")
    message_id = await landline.sent(ONE)
    await clock.advance(30)
    simulator.act("att-landline", "read", {"id": message_id})
    simulator.act("att-landline", "delete", {"id": message_id})
    await clock.advance(0)
    by_path = {path: fields for _, path, fields in listener.heard}
    assert set(by_path) == {"/receive", "/send", "/progress", "/read", "/delete"}
    assert len({frozenset(fields) for fields in by_path.values()}) == 1
    assert (by_path["/read"]["read"], by_path["/read"]["dateRead"] is None) == (True, False)
    assert (by_path["/delete"]["deleted"], by_path["/delete"]["visible"]) == (True, False)
    assert by_path["/progress"]["finalDestination"] == "2065550101"
    assert by_path["/progress"]["messageType"] == "ZO"
    assert str(by_path["/progress"]["id"]) == message_id


@pytest.mark.parametrize(
    ("number", "courses"),
    [
        (ONE, [[2, 1, 0], [3, 1, 4], [1, 0, 6]]),
        ("+12065550113", [[1, 5], [1, 7]]),
        ("+12065550114", [[2, 1]]),
        ("+12065550118", [[2, 1, 0, 6]]),
    ],
)
async def test_progress_follows_the_number_s_fate(
    simulator: Simulator,
    landline: LandlineUser,
    clock: ManualClock,
    listener: Listener,
    number: str,
    courses: list[list[int]],
) -> None:
    """By chance one of the courses that were seen; each is seen in thirty sends."""
    await landline.hook("progress", f"{listener.url}/progress")
    seen = []
    for _ in range(30):
        await landline.send(number)
        await clock.advance(4000)
        seen.append(listener.codes())
        listener.heard.clear()
    assert all(course in courses for course in seen)
    assert all(course in seen for course in courses)


async def test_events_come_out_of_order_and_twice(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """As often as the modes say."""
    simulator.set_modes("att-landline", {"reorder": 1.0, "duplicate": 1.0})
    for event in ("send", "progress"):
        await landline.hook(event, f"{listener.url}/{event}")
    disordered = 0
    for _ in range(20):
        await landline.send(ONE)
        await clock.advance(60)
        told = [(path, fields["statusCode"]) for _, path, fields in listener.heard]
        assert len(told) == 5
        assert len(set(told)) == 4
        disordered += told[0][0] != "/send" or [code for path, code in told if path == "/progress"][:3] not in (
            [2, 1, 0],
            [3, 1, 4],
            [1, 0, 6],
        )
        listener.heard.clear()
    assert disordered >= 15


async def test_a_phone_gets_a_text_once_in_whatever_order_its_events_come(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock
) -> None:
    """Delivered, under way, delivered: it answers once all the same."""
    simulator.set_modes("att-landline", {"reorder": 1.0, "duplicate": 1.0})
    for _ in range(30):
        await landline.send("+12065550116")  # it answers YES
    await clock.advance(600)
    assert len([line for line in simulator.world.ledger.lines() if line["what"] == "received"]) == 30


async def test_events_can_come_before_the_send_is_answered(
    simulator: Simulator, landline: LandlineUser, listener: Listener
) -> None:
    """So that they speak of an id which nobody knows yet."""
    simulator.set_modes("att-landline", {"early_progress": True})
    for event in ("send", "progress"):
        await landline.hook(event, f"{listener.url}/{event}")
    message_id = await landline.sent(ONE)
    assert [(path, str(fields["id"])) for _, path, fields in listener.heard] == [
        ("/send", message_id),
        ("/progress", message_id),
    ]


async def test_a_text_from_the_web_app_is_told_like_any_other(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """Relay has never heard of it."""
    for event in ("send", "progress"):
        await landline.hook(event, f"{listener.url}/{event}")
    simulator.act("att-landline", "text-from-app", {"line": LINE, "to": ONE, "text": "typed"})
    await clock.advance(30)
    assert {path for _, path, _ in listener.heard} == {"/send", "/progress"}
    assert {fields["messageType"] for _, _, fields in listener.heard} == {"MT"}
    assert [line["what"] for line in simulator.world.ledger.lines()][:3] == [
        "hook-added",
        "hook-added",
        "sent-elsewhere",
    ]


@pytest.mark.parametrize(
    ("action", "facts"),
    [
        ("text-from-app", {"line": "+12065559999", "to": ONE, "text": "x"}),
        ("text-from-app", {"line": LINE, "to": ONE}),
        ("read", {"id": "17"}),
        ("delete", {}),
        ("explode", {}),
        ("revoke-sessions", {"line": "+12065559999"}),
    ],
)
async def test_an_action_with_wrong_facts_is_refused(simulator: Simulator, action: str, facts: dict[str, str]) -> None:
    """With what would be right."""
    with pytest.raises(ValueError, match=r"(is|are) to be"):
        simulator.act("att-landline", action, facts)


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_web_hooks_use_the_method_they_were_installed_with(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener, method: str
) -> None:
    """GET carries the fields in its query."""
    await landline.hook("receive", f"{listener.url}/receive", method)
    simulator.world.handset.text(ONE, LINE, "Hello")
    await clock.advance(0)
    ((used, _, fields),) = listener.heard
    assert (used, fields["body"]) == (method, "Hello")
    assert str(fields["dateRead"]) == ("null" if method == "GET" else "None")


def test_texts_are_not_remembered_without_end(world: World) -> None:
    """Ids go on rising; the latest ten thousand can be read and deleted."""
    texts = Texts(world)
    ids = [texts.new(LINE, ONE, "x", "MO", 4).id for _ in range(10_005)]
    assert ids == sorted(set(ids))
    assert texts.get(ids[4]) is None
    assert texts.get(ids[5]) is not None
