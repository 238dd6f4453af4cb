"""The control socket: commands, questions, following, web hooks, consents, what was set aside; over a real socket."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.control import ControlServer
from relay.domain.errors import ErrorCode, Problem, TryLater
from tests.unit.consenting import DESK as CONSENTING
from tests.unit.counter import PATIENCE, PUBLIC, Counter, controls, opened, set_aside
from tests.unit.stages.house import ALERTS, ALICE, OFFICE, happens


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket."""
    async with AsyncExitStack() as stack:
        yield await opened(tmp_path, stack)


async def test_the_socket_is_for_its_user_alone(desk: Counter) -> None:
    """Whoever may open it may send texts."""
    mode = (await asyncio.to_thread(desk.path.stat)).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_a_command_is_answered_as_on_the_bus(desk: Counter) -> None:
    """It is on disk then, and the same id again is a replay."""
    status, first = await desk.command()
    assert (status, first["outcome"], first["replayed"]) == (200, "accepted", False)
    _, second = await desk.command()
    assert (second["replayed"], second["copies"]) == (True, first["copies"])
    assert await desk.house.standing("order-1") == {ALICE: "queued"}
    _, found = await desk.command(verb="lookup", payload={"id": "order-1"})
    assert found["outcome"] == "found"


@pytest.mark.parametrize(
    "asked",
    [{"line": "nowhere"}, {"verb": "forget"}, {"verb": ["send"]}, {"line": None}, {"line": {}}],
    ids=["line", "verb", "verb-list", "line-null", "line-object"],
)
async def test_a_command_that_there_is_not_is_refused_and_says_what_there_is(desk: Counter, asked: Any) -> None:
    """The lines are named."""
    status, body = await desk.command(**asked)
    assert status == 400
    assert body["error"].endswith("the lines are: alerts")


NO_COMMANDS = [b"", b"\xff", b"[]", b"null", b"{}", b'"text"', b'{"line": "alerts", "verb": "send"}']


@pytest.mark.parametrize("body", NO_COMMANDS)
async def test_a_body_that_is_no_command_is_refused(desk: Counter, body: bytes) -> None:
    """Whatever it is."""
    async with desk.http.post("http://relay/command", data=body) as answer:
        assert answer.status == 400
        assert "error" in await answer.json()


async def test_a_full_journal_is_503(tmp_path: Path) -> None:
    """The caller may try again."""
    async with AsyncExitStack() as stack:
        status, body = await (await opened(tmp_path, stack, queue=0)).command()
    assert status == 503
    assert "try again" in body["error"]


async def test_a_journal_that_fails_is_503(desk: Counter) -> None:
    """And says what is wrong."""
    with desk.house.broken("command"):
        status, body = await desk.command()
    assert status == 503
    assert "SQLITE_ERROR" in body["error"]


async def test_questions_are_answered(desk: Counter) -> None:
    """Status, what waits for a person, and all that is known of an id."""
    _, result = await desk.command()
    assert (await desk.get("/status"))["node"] == "n1"
    assert await desk.get("/queue?status=uncertain") == []
    assert [line["what"] for line in await desk.get(f"/trace/{result['message_id']}")]
    assert await desk.get("/trace/nothing") == []


class Following:
    """Somebody who follows events."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def begun(self) -> None:
        """Wait until everything that comes will be seen."""
        async with asyncio.timeout(PATIENCE):
            assert await self._answer.content.readline() == b"\n"

    async def next(self) -> dict[str, Any]:
        """The next event."""
        async with asyncio.timeout(PATIENCE):
            event: dict[str, Any] = json.loads(await self._answer.content.readline())
            return event


async def announce(desk: Counter, number: int) -> None:
    """Something happens."""
    await desk.house.journal.events.announce(ALERTS, "read", {"number": number})


async def test_whoever_follows_sees_what_happens_from_now_on(desk: Counter) -> None:
    """As the bus's envelope has it, also when two follow at once, and also what the bus has had already."""
    await announce(desk, 0)
    async with desk.http.get("http://relay/events") as one, desk.http.get("http://relay/events") as other:
        for following in (Following(one), Following(other)):
            await following.begun()
        for number in (1, 2):
            await announce(desk, number)
        for following in (Following(one), Following(other)):
            assert [(await following.next())["data"]["number"] for _ in range(2)] == [1, 2]


async def test_whoever_asks_for_the_past_gets_it_first(desk: Counter) -> None:
    """From a position on, in order, without a gap to what happens now."""
    for number in range(3):
        await announce(desk, number)
    async with desk.http.get("http://relay/events?after=1") as answer:
        following = Following(answer)
        await following.begun()
        await announce(desk, 3)
        assert [(await following.next())["data"]["number"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("after", ["x", "-1", "9" * 40, "²"])
async def test_a_position_that_is_none_means_from_now_on(desk: Counter, after: str) -> None:
    """Nobody is refused for it, nor does it end the daemon's patience."""
    await announce(desk, 0)
    async with desk.http.get("http://relay/events", params={"after": after}) as answer:
        following = Following(answer)
        await following.begun()
        await announce(desk, 1)
        assert (await following.next())["data"]["number"] == 1


async def test_a_stop_lets_followers_go_at_once(desk: Counter) -> None:
    """And takes the socket away."""
    async with desk.http.get("http://relay/events") as answer:
        await Following(answer).begun()
        await asyncio.wait_for(desk.server.__aexit__(), 1)
        assert await answer.content.read() == b""
    assert not await asyncio.to_thread(desk.path.exists)


async def test_a_socket_that_a_dead_daemon_left_is_replaced(desk: Counter, tmp_path: Path) -> None:
    """A kill is no reason not to start."""
    left = tmp_path / "left.sock"
    server = await asyncio.start_unix_server(lambda *_: None, left)
    server.close()
    await server.wait_closed()
    async with (
        ControlServer(left, controls(desk.house, desk.subscriber)),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(left))) as http,
        http.get("http://relay/status") as answer,
    ):
        assert (await answer.json())["node"] == "n1"


async def test_a_file_that_is_no_socket_is_left_alone(desk: Counter, tmp_path: Path) -> None:
    """A setting that names the wrong file does not delete it."""
    precious = tmp_path / "precious"
    await asyncio.to_thread(precious.write_text, "keep me")
    with pytest.raises(OSError, match="precious"):
        await ControlServer(precious, controls(desk.house, desk.subscriber)).__aenter__()
    assert await asyncio.to_thread(precious.read_text) == "keep me"


async def test_web_hooks_are_installed_listed_repaired_and_removed(desk: Counter) -> None:
    """What was done is told without the secret; the list is what shows it."""
    installed = {"line": OFFICE, "changes": [_repair("receive", "installed"), _repair("send", "installed")]}
    assert await desk.post("/webhooks/install", line=OFFICE) == (200, installed)
    rows = await desk.get("/webhooks")
    assert [(row["line"], row["event"], row["state"]) for row in rows] == [
        (ALERTS, "message", "by-hand"),
        (OFFICE, "receive", "ok"),
        (OFFICE, "send", "ok"),
    ]
    assert rows[1]["url"] == f"{PUBLIC}/hooks/{OFFICE}/secret-0123456789/receive"
    assert await desk.post("/webhooks/repair", line=OFFICE) == (200, {"line": OFFICE, "changes": []})
    status, removed = await desk.post("/webhooks/remove", line=OFFICE)
    assert (status, [change["repair"] for change in removed["changes"]]) == (200, ["removed", "removed"])


def _repair(hook: str, repair: str) -> dict[str, str]:
    return {"hook": hook, "host": "127.0.0.1:9", "repair": repair}


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [(ALERTS, 409, "by hand"), ("nosuch", 409, "no such line"), (None, 400, "line must be there"), (7, 400, "line")],
)
async def test_web_hooks_that_there_are_not_are_refused(desk: Counter, line: Any, status: int, said: str) -> None:
    """With a sentence that says why."""
    refused, body = await desk.post("/webhooks/install", line=line)
    assert refused == status
    assert said in body["error"]


async def test_a_provider_that_would_not_is_502(desk: Counter) -> None:
    """It is neither relay's failure nor the caller's."""
    desk.house.fault("status", operation="webhook-list", status=503)
    status, body = await desk.post("/webhooks/install", line=OFFICE)
    assert status == 502
    assert body["error"].startswith("the provider would not: ")


async def said_by(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """The next line that says something."""
    async with asyncio.timeout(PATIENCE):
        while not (line := (await answer.content.readline())).strip():
            assert line, "the answer has ended"
    said: dict[str, Any] = json.loads(line)
    return said


async def test_a_login_tells_its_address_and_how_it_ended(desk: Counter) -> None:
    """Between the two the browser comes back."""
    asked = {"line": CONSENTING, "timeout": 60}
    async with desk.http.post("http://relay/auth/login", json=asked) as answer:
        assert "consent%2Fdesk%2Fsecret-0123456789" in (await said_by(answer))["open"]
        await desk.consents.returned(CONSENTING, {"code": "a"})
        assert await said_by(answer) == {"outcome": "given", "detail": "the subscriber is the line's"}
        assert (await answer.content.read()).strip() == b""
    assert [standing["given"] for standing in await desk.get("/auth")] == [True]
    assert await desk.post("/auth/revoke", line=CONSENTING) == (200, {"line": CONSENTING, "revoked": True})
    assert [standing["reason"] for standing in await desk.get("/auth")] == ["revoked"]


async def test_a_login_times_out(desk: Counter) -> None:
    """Then its address is closed."""
    asked = {"line": CONSENTING, "timeout": 0.01}
    async with desk.http.post("http://relay/auth/login", json=asked) as answer:
        assert "open" in await said_by(answer)
        assert (await said_by(answer))["outcome"] == "timed_out"
    assert await desk.consents.returned(CONSENTING, {"code": "a"}) is None


async def test_a_login_that_nobody_waits_for_is_closed(desk: Counter) -> None:
    """Ctrl-C is seen within moments."""
    async with desk.http.post("http://relay/auth/login", json={"line": CONSENTING, "timeout": 60}) as answer:
        await said_by(answer)
        answer.close()
    await happens(lambda: not desk.consents._open)


async def test_a_stop_lets_a_login_go(desk: Counter) -> None:
    """At once; whoever waits sees that the daemon is gone."""
    async with desk.http.post("http://relay/auth/login", json={"line": CONSENTING, "timeout": 60}) as answer:
        await said_by(answer)
        await asyncio.wait_for(desk.server.__aexit__(), 1)
        assert (await answer.content.read()).strip() == b""


@pytest.mark.parametrize("seconds", [None, 0, -1, True, "10m", 86_401, float("inf")])
async def test_a_login_waits_for_a_time_that_is_one(desk: Counter, seconds: Any) -> None:
    """At most a day."""
    body = json.dumps({"line": CONSENTING, "timeout": seconds})
    async with desk.http.post("http://relay/auth/login", data=body) as answer:
        assert answer.status == 400
        assert "error" in await answer.json()


@pytest.mark.parametrize("line", [ALERTS, "nosuch", None, ["desk"]])
async def test_a_line_that_needs_no_consent_is_refused(desk: Counter, line: Any) -> None:
    """Those that do are named."""
    for path in ("/auth/login", "/auth/revoke"):
        status, body = await desk.post(path, line=line, timeout=60)
        assert status == 400
        assert body["error"].endswith("those that do: desk")


async def test_a_consent_that_cannot_be_given_back_is_502(desk: Counter) -> None:
    """The provider did not hear."""
    desk.subscriber.trouble = TryLater(Problem(ErrorCode.UNREACHABLE, "it cannot be reached"))
    status, body = await desk.post("/auth/revoke", line=CONSENTING)
    assert (status, body["error"]) == (502, "the provider would not: it cannot be reached")


async def test_what_was_set_aside_is_listed_shown_and_given_up(desk: Counter) -> None:
    """The list has no content; the one that is shown has."""
    one, other = await set_aside(desk, b"first"), await set_aside(desk, b"second")
    assert [each["id"] for each in await desk.get("/dead?limit=1")] == [one]
    assert [each["id"] for each in await desk.get(f"/dead?limit=9&after={one}")] == [other]
    shown = await desk.get(f"/dead/{one}")
    assert (shown["why"], shown["raw"]["source"], shown["raw"]["body"]) == ("it is no page", "inbox", "Zmlyc3Q=")
    assert await desk.post(f"/dead/{one}/discard") == (200, {"id": one, "discarded": True})
    assert [each["id"] for each in await desk.get("/dead")] == [other]


async def test_what_was_set_aside_is_read_again(desk: Counter) -> None:
    """By what the line can read now; what it still cannot stays where it is."""
    page = {"inboundSmsMessageList": {"inboundSmsMessage": [], "numberOfMessagesInThisBatch": 0}}
    readable = await set_aside(desk, json.dumps(page).encode())
    unreadable = await set_aside(desk, b"noise")
    status, done = await desk.post(f"/dead/{readable}/replay")
    assert (status, done["outcome"], done["messages"]) == (200, "read", 0)
    status, done = await desk.post(f"/dead/{unreadable}/replay")
    assert (status, done["outcome"]) == (200, "unreadable")
    assert done["detail"]
    assert [each["id"] for each in await desk.get("/dead")] == [unreadable]


@pytest.mark.parametrize("path", ["/dead/nothing/replay", "/dead/nothing/discard"])
async def test_what_was_never_set_aside_is_404(desk: Counter, path: str) -> None:
    """With a sentence."""
    status, body = await desk.post(path)
    assert status == 404
    assert "error" in body
    async with desk.http.get("http://relay/dead/nothing") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("limit", ["", "x", "-1", "9" * 40, "²"])
async def test_a_limit_that_is_none_is_the_usual_one(desk: Counter, limit: str) -> None:
    """Nobody is refused for it."""
    one = await set_aside(desk, b"first")
    async with desk.http.get("http://relay/dead", params={"limit": limit}) as answer:
        assert [each["id"] for each in await answer.json()] == [one]
