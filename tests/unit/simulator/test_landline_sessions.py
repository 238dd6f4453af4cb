"""Logging in and out at simulated Landline Texting; failures that come late; what was captured since."""

from typing import Any

import aiohttp
import pytest
from openapi_core import OpenAPI

from relay.providers.att_landline.simulator.forms import DOCUMENTED
from relay.simulator.app import Simulator, SimulatorOptions
from relay.simulator.virtual import ManualClock
from tests.unit.simulator.people import SESSION, Answer, LandlineUser, Listener, read

LINE, ONE = "+12065550100", "+12065550101"
LOGIN = {"username": "2065550100", "password": "demo-password"}


async def log_in(http: aiohttp.ClientSession, **changes: str) -> Answer:
    """user/login."""
    return await read(http.post("/user/login", data={**LOGIN, **changes}))


async def test_each_login_gives_another_session(landline: LandlineUser, http: aiohttp.ClientSession) -> None:
    """All are good, the one of the e-mail too."""
    sessions = [(await log_in(http)).json["response"] for _ in range(2)]
    assert len({SESSION, *sessions}) == 3
    for session in (SESSION, *sessions):
        assert (await landline.call("/webhook/list", session=session)).json["success"] is True


async def test_a_logout_ends_one_session(landline: LandlineUser, http: aiohttp.ClientSession) -> None:
    """And no other."""
    session = (await log_in(http)).json["response"]
    assert (await landline.call("/user/logout", session=session)).json == {"response": True, "success": True}
    assert (await landline.call("/webhook/list", session=session)).status == 403
    assert (await landline.call("/webhook/list")).status == 200


@pytest.mark.parametrize("http_status", ["400", "500"])
@pytest.mark.parametrize("wrong", [{"password": "x"}, {"username": "x"}])
async def test_a_wrong_password_is_refused(
    simulator: Simulator, http: aiohttp.ClientSession, http_status: str, wrong: dict[str, str]
) -> None:
    """Under either status that was seen."""
    simulator.set_modes("att-landline", {"bad_login_http": http_status})
    answer = await log_in(http, **wrong)
    assert (str(answer.status), answer.json["success"]) == (http_status, False)


async def test_a_changed_password_leaves_the_sessions(
    simulator: Simulator, landline: LandlineUser, http: aiohttp.ClientSession
) -> None:
    """They do not expire."""
    simulator.act("att-landline", "change-password", {"line": LINE})
    assert (await log_in(http)).json["success"] is False
    assert (await landline.call("/webhook/list")).status == 200


async def test_logins_can_be_missing(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """Nobody has shown them at AT&T."""
    simulator.set_modes("att-landline", {"login": "off"})
    assert (await log_in(http)).status == 404


async def test_a_password_in_an_address_is_noted(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """It would be in every log."""
    await read(http.get("/user/login", params=LOGIN))
    assert [line["what"] for line in simulator.world.violations.lines()] == [
        "password in the query; right is the body of a POST"
    ]


@pytest.mark.parametrize(
    "account",
    [
        {"number": LINE},
        {"session": "s:1", "number": LINE, "username": "u"},
        {"session": "s:1", "number": LINE, "colour": "blue"},
    ],
)
async def test_an_account_that_is_none_is_refused(account: dict[str, str]) -> None:
    """With what would be right."""
    with pytest.raises(ValueError, match="an account has"):
        await Simulator(SimulatorOptions(accounts={"att-landline": [account]})).start()


@pytest.mark.parametrize(
    ("number", "modes", "code"),
    [(ONE, {"spam": True}, -801), ("+12065550123", {}, -124), ("+12065550120", {}, -855)],
)
async def test_failures_can_come_as_progress(  # noqa: PLR0917 - fixtures are arguments
    simulator: Simulator,
    landline: LandlineUser,
    clock: ManualClock,
    listener: Listener,
    number: str,
    modes: dict[str, Any],
    code: int,
) -> None:
    """Zipwhip lists them among the codes of progress."""
    simulator.set_modes("att-landline", {"failures": "async", **modes})
    await landline.hook("progress", f"{listener.url}/progress")
    assert (await landline.send(number)).json["success"] is True
    await clock.advance(30)
    assert listener.codes() == [code]


async def test_later_payloads_have_other_spellings(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """UTC, E.164, one more key, and a text that counts as read at once."""
    simulator.set_modes("att-landline", {"payload": "later"})
    await landline.hook("receive", f"{listener.url}/receive")
    simulator.world.handset.text(ONE, LINE, "Hello")
    await clock.advance(0)
    ((_, _, fields),) = listener.heard
    assert (fields["finalSource"], fields["finalDestination"]) == (ONE, LINE)
    assert fields["dateCreated"] == fields["dateRead"] == "2026-11-21T09:00:00Z"
    assert (fields["statusCode"], fields["read"], "messageStatus" in fields) == (1, True, True)


async def test_a_lone_web_hook_can_be_an_object(simulator: Simulator, landline: LandlineUser) -> None:
    """As the document's broken samples may be read."""
    simulator.set_modes("att-landline", {"hook_answers": "object"})
    fields = (("type", "message"), ("event", "receive"), ("url", "http://127.0.0.1:1/receive"))
    assert (await landline.call("/webhook/add", *fields)).json["response"]["event"] == "receive"
    assert (await landline.call("/webhook/list")).json["response"]["event"] == "receive"


async def test_of_two_hosts_the_one_that_works_gets_the_events(
    simulator: Simulator, landline: LandlineUser, clock: ManualClock, listener: Listener
) -> None:
    """The other is tried on, and gets them again once it works."""
    simulator.set_modes("att-landline", {"hook_hosts": "routed"})
    first, second = f"{listener.url}/first", f"{listener.url}/second".replace("127.0.0.1", "localhost")
    await landline.hook("receive", first)
    await landline.hook("receive", second)
    listener.refused_path = "/first"
    for text in ("a", "b"):
        simulator.world.handset.text(ONE, LINE, text)
        await clock.advance(1)
    assert [(path, fields["body"]) for _, path, fields in listener.heard] == [
        ("/first", "a"),
        ("/second", "a"),
        ("/second", "b"),
    ]
    listener.refused_path = ""
    listener.heard.clear()
    await clock.advance(10)
    simulator.world.handset.text(ONE, LINE, "c")
    await clock.advance(1)
    assert [(path, fields["body"]) for _, path, fields in listener.heard] == [("/first", "a"), ("/first", "c")]


async def test_the_description_is_sound_and_whole(simulator: Simulator) -> None:
    """Every route is in it."""
    service: Any = simulator.services["att-landline"]
    paths = service.describe()["paths"]
    document = {"openapi": "3.0.3", "info": {"title": "simulated", "version": "1"}, "paths": paths}
    OpenAPI.from_dict(document)
    assert len(paths) == len(DOCUMENTED)
    assert all(route.method.lower() in paths[route.path] for route in service.routes())
