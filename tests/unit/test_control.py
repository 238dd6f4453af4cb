"""The control socket: commands, questions and the following of events, over a real Unix socket."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from relay.bus.requests import CommandRules
from relay.control import Controls, ControlServer
from relay.stages.consumer import Intake
from tests.unit.stages.house import ALERTS, ALICE, TEXT, House

PATIENCE = 5.0


@dataclass
class Desk:
    """A daemon's socket and somebody at it."""

    house: House
    path: Path
    server: ControlServer
    http: aiohttp.ClientSession

    async def command(self, **more: Any) -> tuple[int, Any]:
        """Ask for a send, or something else: HTTP status and body."""
        asked = {"line": ALERTS, "verb": "send", "payload": {"id": "order-1", "to": ALICE, "text": TEXT}, **more}
        async with self.http.post("http://relay/command", json=asked) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> Any:
        """A question's answer."""
        async with self.http.get(f"http://relay{path}") as answer:
            assert answer.status == 200
            return await answer.json()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A daemon's socket."""
    with capture_logs():
        async with AsyncExitStack() as stack:
            house = await House.built(tmp_path, stack)
            intake = Intake({ALERTS: house.sms()}, house.journal, house.clock, CommandRules())
            path = tmp_path / "control.sock"
            controls = Controls(intake.take, _status, house.journal, (ALERTS,))
            server = await stack.enter_async_context(ControlServer(path, controls))
            connector, patience = aiohttp.UnixConnector(str(path)), aiohttp.ClientTimeout(PATIENCE)
            http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=patience))
            yield Desk(house, path, server, http)


async def _status() -> dict[str, Any]:
    return {"node": "n1"}


async def test_the_socket_is_for_its_user_alone(desk: Desk) -> None:
    """Whoever may open it may send texts."""
    mode = (await asyncio.to_thread(desk.path.stat)).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_a_command_is_answered_as_on_the_bus(desk: Desk) -> None:
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
    [{"line": "nowhere"}, {"verb": "delete"}, {"verb": ["send"]}, {"line": None}, {"line": {}}],
    ids=["line", "verb", "verb-list", "line-null", "line-object"],
)
async def test_a_command_that_there_is_not_is_refused_and_says_what_there_is(desk: Desk, asked: Any) -> None:
    """The lines are named."""
    status, body = await desk.command(**asked)
    assert status == 400
    assert body["error"].endswith("the lines are: alerts")


NO_COMMANDS = [b"", b"\xff", b"[]", b"null", b"{}", b'"text"', b'{"line": "alerts", "verb": "send"}']


@pytest.mark.parametrize("body", NO_COMMANDS)
async def test_a_body_that_is_no_command_is_refused(desk: Desk, body: bytes) -> None:
    """Whatever it is."""
    async with desk.http.post("http://relay/command", data=body) as answer:
        assert answer.status == 400
        assert "error" in await answer.json()


@pytest.mark.parametrize("limits", [{"queue": 0}])
async def test_a_full_journal_is_503(tmp_path: Path, limits: dict[str, int]) -> None:
    """The caller may try again."""
    with capture_logs():
        async with AsyncExitStack() as stack:
            house = await House.built(tmp_path, stack, **limits)
            intake = Intake({ALERTS: house.sms()}, house.journal, house.clock, CommandRules())
            path = tmp_path / "control.sock"
            server = ControlServer(path, Controls(intake.take, _status, house.journal, (ALERTS,)))
            await stack.enter_async_context(server)
            http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))))
            status, body = await Desk(house, path, server, http).command()
    assert status == 503
    assert "try again" in body["error"]


async def test_a_journal_that_fails_is_503(desk: Desk) -> None:
    """And says what is wrong."""
    with desk.house.broken("command"):
        status, body = await desk.command()
    assert status == 503
    assert "SQLITE_ERROR" in body["error"]


async def test_questions_are_answered(desk: Desk) -> None:
    """Status, what waits for a person, and all that is known of an id."""
    _, result = await desk.command()
    assert await desk.get("/status") == {"node": "n1"}
    assert await desk.get("/uncertain") == []
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


async def announce(desk: Desk, number: int) -> None:
    """Something happens."""
    await desk.house.journal.events.announce(ALERTS, "read", {"number": number})


async def test_whoever_follows_sees_what_happens_from_now_on(desk: Desk) -> None:
    """As the bus's envelope has it, also when two follow at once, and also what the bus has had already."""
    await announce(desk, 0)
    async with desk.http.get("http://relay/events") as one, desk.http.get("http://relay/events") as other:
        for following in (Following(one), Following(other)):
            await following.begun()
        for number in (1, 2):
            await announce(desk, number)
        for following in (Following(one), Following(other)):
            assert [(await following.next())["data"]["number"] for _ in range(2)] == [1, 2]


async def test_whoever_asks_for_the_past_gets_it_first(desk: Desk) -> None:
    """From a position on, in order, without a gap to what happens now."""
    for number in range(3):
        await announce(desk, number)
    async with desk.http.get("http://relay/events?after=1") as answer:
        following = Following(answer)
        await following.begun()
        await announce(desk, 3)
        assert [(await following.next())["data"]["number"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("after", ["x", "-1", "9" * 40, "²"])
async def test_a_position_that_is_none_means_from_now_on(desk: Desk, after: str) -> None:
    """Nobody is refused for it, nor does it end the daemon's patience."""
    await announce(desk, 0)
    async with desk.http.get("http://relay/events", params={"after": after}) as answer:
        following = Following(answer)
        await following.begun()
        await announce(desk, 1)
        assert (await following.next())["data"]["number"] == 1


async def test_a_stop_lets_followers_go_at_once(desk: Desk) -> None:
    """And takes the socket away."""
    async with desk.http.get("http://relay/events") as answer:
        await Following(answer).begun()
        await asyncio.wait_for(desk.server.__aexit__(), 1)
        assert await answer.content.read() == b""
    assert not await asyncio.to_thread(desk.path.exists)


async def test_a_socket_that_a_dead_daemon_left_is_replaced(desk: Desk, tmp_path: Path) -> None:
    """A kill is no reason not to start."""
    left = tmp_path / "left.sock"
    server = await asyncio.start_unix_server(lambda *_: None, left)
    server.close()
    await server.wait_closed()
    async with (
        ControlServer(left, Controls(_never, _status, desk.house.journal, (ALERTS,))),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(left))) as http,
        http.get("http://relay/status") as answer,
    ):
        assert await answer.json() == {"node": "n1"}


async def _never(_: object) -> Any:
    raise AssertionError


async def test_a_file_that_is_no_socket_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    """A setting that names the wrong file does not delete it."""
    precious = tmp_path / "precious"
    await asyncio.to_thread(precious.write_text, "keep me")
    with pytest.raises(OSError, match="precious"):
        await ControlServer(precious, Controls(_never, _status, desk.house.journal, (ALERTS,))).__aenter__()
    assert await asyncio.to_thread(precious.read_text) == "keep me"
