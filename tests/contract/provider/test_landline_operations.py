"""Every operation of the Landline Texting documentation, over real sockets, as documented and as it is served."""

from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from relay.domain.errors import ErrorCode, Gone, NotAuthorized, Refused, RefusedAsGroup, RefusedForNow, TryLater
from relay.domain.messages import Content, Media
from relay.domain.states import Fact
from relay.providers.att_landline.operations import OPERATIONS
from relay.providers.att_landline.schedule import PACIFIC
from tests.contract.provider.landline import (
    FRIEND,
    NUMBER,
    OTHER,
    PASSWORD,
    SESSION,
    USERNAME,
    World,
    call_to,
    landline_world,
)

PROVIDER = "att-landline"
# What the documentation's samples show, and what was captured since (wire facts, 4.1 to 4.6).
SHAPES: dict[str, dict[str, Any]] = {
    "documented": {"hook_answers": "object", "reorder": 0, "duplicate": 0},
    "served": {
        "failure_http": "400",
        "send_ids": "int",
        "payload": "later",
        "bad_login_http": "500",
        "reorder": 0,
        "duplicate": 0,
    },
}
PACIFIC_TIME = ZoneInfo(PACIFIC)  # read from the disk here, where nobody waits for the event loop
PICTURE = Media("image/png", "map.png", b"\x89PNG\r\n--relay--" * 40)


def makes(*names: str) -> pytest.MarkDecorator:
    """Runs a test in both shapes, and says which operations it makes."""
    return pytest.mark.parametrize(
        "shape",
        [
            pytest.param(shape, marks=[pytest.mark.operation(PROVIDER, name, shape) for name in names])
            for shape in SHAPES
        ],
    )


@pytest.fixture
async def world(shape: str) -> AsyncIterator[World]:
    """A line that may do everything, and a service in one of its shapes."""
    async with landline_world(SHAPES[shape], mms=True, scheduling="provider") as world:
        yield world


def part(media: Media) -> dict[str, str | None]:
    """A medium as the simulator's actions take it."""
    data = b64encode(media.data).decode()
    return {"content_type": media.content_type, "filename": media.filename, "data": data}


def test_every_operation_has_a_name_of_its_own() -> None:
    """And the five callbacks are among them."""
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS) == 16
    assert sum(operation.is_callback for operation in OPERATIONS) == 5


@makes("Send to One Individual Contact")
async def test_a_text_goes_to_one(world: World) -> None:
    """And its id is exact."""
    answer = await world.line.send(call_to(FRIEND))
    (accepted,) = world.ledger("accepted")
    assert [handover.ref for handover in answer.handovers] == [accepted["ref"]]
    assert (accepted["to"], accepted["text"]) == (FRIEND, "Hello + ☎")


@makes("Send to Multiple Individual Contacts")
async def test_a_text_goes_to_fifteen(world: World) -> None:
    """A token each, in their order."""
    numbers = [f"+142577701{place:02}" for place in range(30, 45)]
    assert world.line.plan(Content("Hello", recipients=15)).recipients_per_call == 15
    answer = await world.line.send(call_to(*numbers))
    accepted = world.ledger("accepted")
    assert [entry["to"] for entry in accepted] == numbers
    assert [handover.ref for handover in answer.handovers] == [entry["ref"] for entry in accepted]


@makes("Send a Scheduled Message")
@pytest.mark.parametrize("zone", ["utc", "pacific"])
async def test_a_text_waits_at_the_provider(shape: str, zone: str) -> None:
    """It goes out at its time, whether or not that has to be moved."""
    shift = "pacific" if zone == "pacific" else "none"
    modes = {**SHAPES[shape], "dates": "strict", "dates_in": zone}
    async with landline_world(modes, scheduling="provider", scheduled_date_shift=shift) as world:
        await world.install()
        send_at = world.clock.now() + timedelta(hours=5)
        assert world.line.plan(Content("Later", send_at=send_at)).provider_waits
        await world.line.send(call_to(FRIEND, text="Later", send_at=send_at))
        scheduled = datetime.fromisoformat(world.ledger("accepted")[0]["scheduled"])
        assert scheduled.astimezone(PACIFIC_TIME) == send_at
        await world.pass_time(5 * 3600 - 1)
        assert world.heard == []
        await world.pass_time(60)
        assert world.reports


@makes("MMS Send")
async def test_pictures_and_long_texts_go_out_whole(world: World) -> None:
    """As files or as a body; the id is a number that no double can hold."""
    letters = [
        call_to(FRIEND, text="Look", media=(PICTURE,)),
        call_to(FRIEND, text=None, media=(PICTURE, Media("image/jpeg", None, b"JPG"))),
        call_to(FRIEND, text="é" * 350),
        call_to(FRIEND, text="é" * 351),
    ]
    refs = [(await world.line.send(letter)).handovers[0].ref for letter in letters]
    accepted = world.ledger("accepted")
    assert [entry["ref"] for entry in accepted] == refs
    assert [entry["text"] for entry in accepted] == ["Look", "", "é" * 350, ""]
    assert [[file["name"] for file in entry["files"]] for entry in accepted] == [
        ["image"],
        ["image1", "image2"],
        [],
        ["file"],
    ]
    assert accepted[0]["files"][0]["sha256"] == sha256(PICTURE.data).hexdigest()
    assert accepted[3]["files"][0]["sha256"] == sha256(("é" * 351).encode()).hexdigest()


@makes("MMS Send")
@pytest.mark.parametrize(
    ("to", "modes", "error", "code"),
    [
        ("+14257771215", {}, Refused, ErrorCode.INVALID_RECIPIENT),
        ("+14257771223", {}, Refused, ErrorCode.CARRIER_UNKNOWN),
        (FRIEND, {"mms": False}, Refused, ErrorCode.PROVIDER_REFUSED),
        (FRIEND, {"spam": True}, RefusedForNow, ErrorCode.SPAM_BLOCKED),
    ],
)
async def test_an_mms_is_refused_with_words(
    world: World, to: str, modes: dict[str, Any], error: type[Refused], code: ErrorCode
) -> None:
    """`errorDesc` has no code beside it."""
    world.simulator.set_modes(PROVIDER, modes)
    with pytest.raises(Refused) as caught:
        await world.line.send(call_to(to, media=(PICTURE,)))
    assert (type(caught.value), caught.value.problem.code) == (error, code)
    assert world.ledger("accepted") == []


@makes("MMS Send")
async def test_an_mms_to_several_is_to_be_divided(world: World) -> None:
    """Should a plan of old have put them together."""
    with pytest.raises(RefusedAsGroup):
        await world.line.send(call_to(FRIEND, OTHER, media=(PICTURE,)))
    assert world.ledger("accepted") == []


@makes("MMS Retrieve Process", "Retrieve Hosted Content")
async def test_what_a_handset_sends_is_fetched(world: World) -> None:
    """Once AT&T has stored it; the layout is left out, and a text file is a part like any other."""
    await world.install()
    files = [PICTURE, Media("text/plain", "text_0.txt", b"a long text")]
    facts = {"from": FRIEND, "text": "Look", "parts": [part(file) for file in files]}
    world.simulator.act(PROVIDER, "receive", facts)
    await world.pass_time(1)
    (message,) = world.messages
    assert (message.text, message.has_parts) == ("Look", True)
    assert message.ref is not None
    with pytest.raises(TryLater):
        await world.line.list_parts(message.ref)
    await world.pass_time(2)
    parts = await world.line.list_parts(message.ref)
    shown = [(part.content_type, part.filename, part.size) for part in parts]
    assert shown == [(file.content_type, file.filename, len(file.data)) for file in files]
    assert [await world.line.fetch_part(message.ref, part) for part in parts] == [file.data for file in files]


@makes("MMS Retrieve Process", "Retrieve Hosted Content")
async def test_what_is_not_there_is_gone(world: World) -> None:
    """And is not asked for again."""
    with pytest.raises(Gone):
        await world.line.list_parts("17")
    world.simulator.act(PROVIDER, "receive", {"from": FRIEND, "parts": [part(PICTURE)]})
    await world.pass_time()
    (listed,) = await world.line.list_parts(world.ledger("received")[0]["id"])
    unknown = type(listed)(listed.content_type, ref="nothing")
    with pytest.raises(Refused):
        await world.line.fetch_part("17", unknown)


@makes("Install Web Hooks", "List Web Hooks")
async def test_web_hooks_are_installed_and_listed(world: World) -> None:
    """A lone one may be an object and no list."""
    await world.line.install_hook("receive", f"{world.base}secret/receive")
    (hook,) = await world.line.list_hooks()
    assert (hook.event, hook.url, hook.method) == ("receive", f"{world.base}secret/receive", "POST")
    await world.line.install_hook("send", f"{world.base}secret/send")
    assert [hook.event for hook in await world.line.list_hooks()] == ["receive", "send"]


@makes("Update Web Hooks")
async def test_a_web_hook_is_pointed_elsewhere(world: World) -> None:
    """Under its own id."""
    await world.line.install_hook("receive", f"{world.base}secret/receive")
    (before,) = await world.line.list_hooks()
    await world.line.update_hook(before.provider_id, f"{world.base}other/receive")
    (after,) = await world.line.list_hooks()
    assert (after.provider_id, after.url) == (before.provider_id, f"{world.base}other/receive")


@makes("Delete Web Hooks")
async def test_a_web_hook_is_removed(world: World) -> None:
    """Twice does no harm."""
    await world.line.install_hook("receive", f"{world.base}secret/receive")
    (hook,) = await world.line.list_hooks()
    await world.line.remove_hook(hook.provider_id)
    await world.line.remove_hook(hook.provider_id)
    assert await world.line.list_hooks() == ()


@makes("user/login")
async def test_a_line_logs_in_by_itself(shape: str) -> None:
    """Once, and once more when its session was revoked; then somebody has to look."""
    async with landline_world(SHAPES[shape], username=USERNAME, password=PASSWORD) as world:
        await world.line.verify()
        await world.line.send(call_to(FRIEND))
        assert len(world.ledger("login")) == 1
        world.simulator.act(PROVIDER, "revoke-sessions", {"line": NUMBER})
        await world.line.send(call_to(FRIEND))
        assert (len(world.ledger("login")), len(world.ledger("accepted"))) == (2, 2)
        world.simulator.act(PROVIDER, "revoke-sessions", {"line": NUMBER})
        world.simulator.act(PROVIDER, "change-password", {"line": NUMBER})
        with pytest.raises(NotAuthorized):
            await world.line.send(call_to(FRIEND))
        assert len(world.ledger("accepted")) == 2


@makes("user/login")
async def test_a_service_without_logins_needs_a_session(shape: str) -> None:
    """Which somebody has to ask AT&T for."""
    modes = {**SHAPES[shape], "login": "off"}
    async with landline_world(modes, username=USERNAME, password=PASSWORD) as world:
        with pytest.raises(NotAuthorized):
            await world.line.verify()


@makes("Event Receive")
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_text_comes_in(world: World, method: str) -> None:
    """By either method that is taken."""
    await world.install()
    hook = next(hook for hook in await world.line.list_hooks() if hook.event == "receive")
    form = {"session": SESSION, "webhookId": hook.provider_id, "method": method}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{world.simulator.base_url}/webhook/update", data=form) as told,
    ):
        assert told.ok
    world.simulator.world.handset.text(FRIEND, NUMBER, "Hi ☎")
    await world.pass_time()
    (message,) = world.messages
    (received,) = world.ledger("received")
    assert (message.sender.value, message.recipient, message.text) == (FRIEND, NUMBER, "Hi ☎")
    assert (message.ref, message.provider_time) == (received["id"], world.clock.now() - timedelta(seconds=60))


@makes("Event Receive")
async def test_a_long_text_comes_in_as_a_file(world: World) -> None:
    """It is fetched like any other attachment."""
    world.simulator.set_modes(PROVIDER, {"long_text": "attachment"})
    await world.install()
    world.simulator.world.handset.text(FRIEND, NUMBER, "é" * 400)
    await world.pass_time()
    (message,) = world.messages
    assert message.has_parts
    (listed,) = await world.line.list_parts(message.ref or "")
    assert listed.content_type == "text/plain"
    assert (await world.line.fetch_part(message.ref or "", listed)).decode() == "é" * 400


@makes("Event Send")
async def test_own_texts_and_those_from_the_app_are_seen(world: World) -> None:
    """Ours by the id that it was answered with; whose the other is nobody else can say."""
    await world.install()
    answer = await world.line.send(call_to(FRIEND))
    files = {"parts": [part(PICTURE)]}
    world.simulator.act(PROVIDER, "text-from-app", {"line": NUMBER, "to": OTHER, "text": "by hand", **files})
    await world.pass_time()
    own, foreign = sorted({one.ref: one for one in world.sightings}.values(), key=lambda one: one.to[0].value)
    assert (own.ref, own.text, own.fact) == (answer.handovers[0].ref, "Hello + ☎", Fact.SUBMITTED)
    assert (foreign.ref, foreign.text) == (world.ledger("sent-elsewhere")[0]["message_id"], "by hand")
    assert (own.has_parts, foreign.has_parts) == (False, True)
    (listed,) = await world.line.list_parts(foreign.ref)
    assert await world.line.fetch_part(foreign.ref, listed) == PICTURE.data


@makes("Event Send")
async def test_an_mms_of_ours_is_seen_under_its_id(world: World) -> None:
    """And what becomes of it is told under the same."""
    await world.install()
    answer = await world.line.send(call_to(FRIEND, media=(PICTURE,)))
    await world.pass_time()
    assert {sighting.ref for sighting in world.sightings} == {answer.handovers[0].ref}
    assert {report.ref for report in world.reports} == {answer.handovers[0].ref}


@makes("Event Progress")
@pytest.mark.parametrize("modes", [{}, {"failures": "async", "spam": True}, {"stop": "async"}])
async def test_progress_ends_what_was_sent(world: World, modes: dict[str, Any]) -> None:
    """Also where a code of the other table comes this way."""
    world.simulator.set_modes(PROVIDER, modes)
    await world.install()
    world.simulator.world.handset.text(FRIEND, NUMBER, "STOP" if "stop" in modes else "Hi")
    answer = await world.line.send(call_to(FRIEND))
    await world.pass_time()
    last = [report for report in world.reports if report.ref == answer.handovers[0].ref][-1]
    assert last.fact in ({Fact.REFUSED} if modes else {Fact.DELIVERED, Fact.DELIVERED_UNCONFIRMED})
    assert last.address is not None
    assert last.address.value == FRIEND


@makes("Event Read")
async def test_that_a_text_was_read_is_told(world: World) -> None:
    """And that it was marked as unread again."""
    await world.install()
    world.simulator.world.handset.text(FRIEND, NUMBER, "Hi")
    ref = world.ledger("received")[0]["id"]
    world.simulator.act(PROVIDER, "read", {"id": ref})
    await world.pass_time(1)
    world.simulator.act(PROVIDER, "unread", {"id": ref})
    await world.pass_time(1)
    assert [(change.ref, change.facts) for change in world.changes] == [
        (ref, {"is_unread": False}),
        (ref, {"is_unread": True}),
    ]


@makes("Event Delete")
async def test_that_a_text_was_deleted_is_told(world: World) -> None:
    """Once, however often it comes."""
    world.simulator.set_modes(PROVIDER, {"duplicate": 1})
    await world.install()
    world.simulator.world.handset.text(FRIEND, NUMBER, "Hi")
    ref = world.ledger("received")[0]["id"]
    world.simulator.act(PROVIDER, "delete", {"id": ref})
    await world.pass_time()
    assert {(change.name, change.ref, change.dedupe_key) for change in world.changes} == {
        ("deleted", ref, f"delete:{ref}")
    }
