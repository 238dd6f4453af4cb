"""Landline Texting when AT&T is late, refuses, or takes sessions back."""

import asyncio
import base64
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.system.inhouse import FRIEND, OFFICE, OTHER, PICTURE, at_home, line_state, part, texts
from tests.system.test_cli import run, socket_of
from tests.system.world import SECRETS, World

NUMBER, LOGGED_IN = "+12065550100", "+12065550109"
LOGIN = """
[lines.login]
provider = "att-landline"
base_url = "{att}"
number = "+12065550109"
username = "demo-user"
password_file = "{directory}/inapp_secret"
"""
BY_LOGIN = {"username": "demo-user", "password": SECRETS["inapp_secret"]}
ACCOUNTS = {
    "att-landline": [
        {"session": SECRETS["session"], "number": NUMBER, "username": "office", "password": "office-password"},
        {"session": "unused:1", "number": LOGGED_IN, **BY_LOGIN},
    ]
}


async def hooked(made: World, *lines: str) -> None:
    """Wait until the web hooks of these lines are installed."""
    wanted = 5 * len(lines or ("office",))
    async with asyncio.timeout(20):
        while len(made.ledger("hook-added")) < wanted:  # noqa: ASYNC110 - the ledger rings no bell
            await asyncio.sleep(0)


async def sent(made: World, request_id: str, line: str = "office", **request: Any) -> list[dict[str, Any]]:
    """The final receipts of a request."""
    await made.publish(f"relay/line/{line}/send", {"id": request_id, "text": request_id, **request})
    result = await made.ears.result(request_id)
    assert result["outcome"] == "accepted", result
    return await made.ears.final(result["message_id"], len(result["copies"]))


async def test_an_attachment_that_comes_late_is_waited_for_and_one_that_never_comes_is_told(
    tmp_path: Path, free_port: Callable[[], int]
):
    """The message is announced once: whole, or after the patience with what is wrong with the part."""
    modes = {"att-landline": {"storing_seconds": 40}}
    async with at_home(tmp_path, free_port, lines=OFFICE, modes=modes, media='patience = "2m"') as made:
        await hooked(made)
        made.act("receive", "att-landline", from_=FRIEND, text="late", parts=[part()])
        made.act("receive", "att-landline", from_=FRIEND, text="plain")
        await made.ears.until(lambda: {"late", "plain"} <= set(texts(made)), what="both")
        made.att.set_modes("att-landline", {"storing_seconds": 1e6})
        made.act("receive", "att-landline", from_=FRIEND, text="never", parts=[part()])
        await made.ears.until(lambda: "never" in texts(made), what="the one whose attachment never comes")
        by_text = {event["data"]["text"]: event["data"]["media"] for event in made.ears.events("message")}
        assert [base64.b64decode(each["data"]) for each in by_text["late"]] == [PICTURE]
        assert by_text["plain"] == []
        [lost] = by_text["never"]
        assert (lost["data"], lost["error"]["code"]) == (None, "provider_error")
        assert set(Counter(texts(made)).values()) == {1}


async def test_stop_and_spam_are_heeded(tmp_path: Path, free_port: Callable[[], int]):
    """STOP is heeded; -1234 ends the copy and is told; -801 rests the line, which goes on; others are not touched."""
    async with at_home(tmp_path, free_port, lines=OFFICE, speed=600) as made:
        await hooked(made)
        made.text_in(FRIEND, NUMBER, "STOP")
        await made.ears.until(lambda: made.ears.events("event.opt-out"), what="STOP")
        await made.publish("relay/line/office/send", {"id": "heeded", "to": [FRIEND], "text": "heeded"})
        [heeded] = (await made.ears.result("heeded"))["copies"]
        assert (heeded["status"], heeded["error"]["code"]) == ("failed", "opted_out")
        # An operator may lift what relay knows of, and not what AT&T does.
        assert (await run("optout", "remove", *socket_of(made), stdin=FRIEND.encode()))[0] == 0
        many = [f"+1206555{number:04}" for number in range(200, 231) if number % 100 not in range(13, 24)]
        receipts = await sent(made, "stopped", to=[FRIEND, OTHER, *many])
        by_number = {receipt["to"]: receipt for receipt in receipts}
        assert by_number[FRIEND]["status"] == "failed"
        assert by_number[FRIEND]["error"]["code"] == "opted_out"
        assert {receipt["status"] for to, receipt in by_number.items() if to != FRIEND} == {"delivered"}
        await made.ears.until(lambda: len(made.ears.events("event.opt-out")) > 1, what="it is told")
        told = [event["data"] for event in made.ears.events("event.opt-out")]
        assert [(one["to"], one["source"], one["code"]) for one in told] == [
            (FRIEND, "keyword", None),
            (FRIEND, "provider", "-1234"),
        ]

        made.att.set_modes("att-landline", {"spam": True})
        [blocked] = await sent(made, "blocked", to=OTHER)
        assert (blocked["status"], blocked["error"]["code"]) == ("failed", "spam_blocked")
        await made.ears.until(lambda: line_state(made, "office") == "suspended", what="the line is suspended")
        await made.ears.until(lambda: made.ears.events("event.spam-blocked"), what="it is told")
        made.att.set_modes("att-landline", {"spam": False})
        [after] = await sent(made, "after", to=OTHER)
        assert after["status"] == "delivered"
        await made.ears.until(lambda: line_state(made, "office") == "ready", what="the line goes on")
        assert len(made.ears.events("event.spam-blocked")) == 1
        accepted = Counter((line["text"], line["to"]) for line in made.accepted())
        assert set(accepted.values()) == {1}
        assert len(accepted) == len(receipts)  # one to FRIEND never was, and one came after


async def test_a_session_that_is_revoked_parks_its_line_until_there_is_another(
    tmp_path: Path, free_port: Callable[[], int]
):
    """A line that logs in gets one by itself, once; the other waits, and sends what waited when it is given one."""
    async with at_home(tmp_path, free_port, lines=OFFICE + LOGIN, accounts=ACCOUNTS) as made:
        await hooked(made, "office", "login")
        made.act("revoke-sessions", "att-landline", line=NUMBER)
        made.act("revoke-sessions", "att-landline", line=LOGGED_IN)
        await made.publish("relay/line/office/send", {"id": "waits", "to": [FRIEND, OTHER], "text": "waits"})
        receipts = await sent(made, "goes", "login", to=[FRIEND, OTHER])
        assert {receipt["status"] for receipt in receipts} == {"delivered"}
        assert len(made.ledger("login")) == 2
        await made.ears.until(lambda: line_state(made, "office") == "unauthorized", what="the line is parked")
        assert made.accepted("waits") == []

        await made.relay.stop()
        form = {"username": "office", "password": "office-password"}
        async with aiohttp.ClientSession() as person, person.post(f"{made.att.base_url}/user/login", data=form) as got:
            session = (await got.json())["response"]
        await asyncio.to_thread((tmp_path / "session").write_text, session + "\n")
        await made.relay.start()
        result = await made.ears.result("waits")
        final = await made.ears.final(result["message_id"], 2)
        assert {receipt["status"] for receipt in final} == {"delivered"}
        assert len(made.accepted("waits")) == 2
        await made.ears.until(lambda: line_state(made, "office") == "ready", what="the line goes on")
