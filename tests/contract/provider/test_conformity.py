"""What the tests of this folder run under sees every operation of AT&T's OpenAPI documents, and what deviates."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.simulator.app import Simulator, SimulatorOptions
from tests.contract.provider.conformity import TOLERATED, Watch, described
from tests.contract.provider.inapp import FRIEND, Desk, a_call, a_desk

SMS = {"sendSms", "getSmsDeliveryStatus", "getInboundSms"}
TOKEN = "getAccessToken"
SENT = '{"outboundSMSRequest": {"address": ["tel:+12065550001"], "message": "Hello"}}'


def both(names: set[str]) -> set[str]:
    """Requests and answers."""
    return names | {f"{name} answer" for name in names}


async def test_every_operation_of_sms_is_looked_at(simulator: Any, watch: Watch, line: Any, call: Any) -> None:
    """Its request and its documented answer."""
    answer = await line.send(call("+12065550001"))
    await line.fetch_status(answer.ref)
    await line.fetch_inbox()
    assert set(watch.seen) == both(SMS | {TOKEN})


async def test_every_operation_of_in_app_messaging_is_looked_at() -> None:
    """Its request and its documented answer."""
    async with a_desk() as desk:
        await everything(desk)
        assert set(desk.watch.seen) == both({one.name for one in described()} - SMS)


async def everything(desk: Desk) -> None:
    """Each operation of In-App Messaging."""
    line = await desk.ready()
    await line.send(a_call(FRIEND))
    page = await line.list_mail(0, 50)
    desk.act("receive", **{"from": FRIEND, "text": "Hello"})
    assert page.cursor is not None
    (added,) = (await line.fetch_changes(page.cursor)).added
    await line.get_mail(added.ref)
    await line.update_mail(added.ref, is_unread=False)
    await line.delete_mail(added.ref)


@pytest.mark.parametrize("modes", [{"shape": "served"}, {"errors": "lower"}])
async def test_an_answer_as_served_is_not_held_against_the_documents(
    simulator: Any, watch: Watch, line: Any, modes: dict[str, str]
) -> None:
    """The request is, whatever the answer's shape."""
    simulator.set_modes("att-sms", modes)
    await line.fetch_inbox()
    assert "getInboundSms" in watch.seen
    assert "getInboundSms answer" not in watch.seen


async def test_an_answer_that_a_fault_spoils_is_not_held_against_the_documents(
    simulator: Any, watch: Watch, line: Any
) -> None:
    """It is no answer of AT&T's service."""
    simulator.world.faults.add({"match": {"operation": "inbox"}, "do": "status", "status": 200, "json": {"odd": 1}})
    await line.fetch_inbox()
    assert "getInboundSms answer" not in watch.seen


Request = Callable[[aiohttp.ClientSession, str], Awaitable[None]]


def posts(path: str, body: str, **headers: str) -> Request:
    """A request that relay would never make."""

    async def make(http: aiohttp.ClientSession, base_url: str) -> None:
        async with http.post(base_url + path, data=body, headers=headers):
            pass

    return make


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (posts("/sms/v3/messaging/outbox", SENT, **{"Content-Type": "application/json"}), "there is no bearer token"),
        (
            posts(
                "/sms/v3/messaging/outbox",
                '{"outboundSMSRequest": {"address": "tel:+12065550001", "message": "Hello", "urgent": true}}',
                **{"Content-Type": "application/json", "Authorization": "Bearer x"},
            ),
            "outboundSMSRequest/address: type 'array' is not kept.*'urgent' was unexpected",
        ),
        (
            posts("/oauth/v4/token", "client_id=a", **{"Content-Type": "application/x-www-form-urlencoded"}),
            "required .* is not kept",
        ),
        (
            posts("/myMessages/v2/messages", "<xml/>", **{"Content-Type": "text/xml", "Authorization": "Bearer x"}),
            "MediaTypeNotFound",
        ),
    ],
)
async def test_a_deviation_is_found(request_: Request, found: str) -> None:
    """And fails the test that it is in."""
    watch = Watch()
    async with Simulator(SimulatorOptions(middlewares=[watch.middleware])) as simulator:
        watch.attend(simulator)
        async with aiohttp.ClientSession() as http:
            await request_(http, simulator.base_url)
    with pytest.raises(AssertionError) as caught:
        watch.check()
    assert re.search(found, str(caught.value), re.DOTALL)


def test_every_tolerated_deviation_names_its_section() -> None:
    """Of the wire facts; nothing is waved through for all operations but the place of a policy's code."""
    assert all(re.fullmatch(r"\d\.\d(, \d\.\d)*", one.section) for one in TOLERATED)
    assert [one.section for one in TOLERATED if one.operation == ".*"] == ["2.8"]


def test_every_simulator_of_this_folder_is_looked_at() -> None:
    """SMS and In-App Messaging go by the fixtures that watch; Landline Texting has no OpenAPI document."""
    starts = {
        path.name
        for path in Path(__file__).parent.rglob("*.py")
        if "Simulator(" in path.read_text() and "Watch()" not in path.read_text()
    }
    assert starts == {"landline.py"}
