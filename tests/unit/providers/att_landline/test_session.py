"""A session that is got by logging in: once, kept, and once more where it is refused."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.clock import SystemClock
from relay.domain.addresses import outbound
from relay.domain.errors import NotAuthorized, RelayError, TryLater
from relay.domain.messages import Media, OutboundCall, Recipient
from relay.ids import Ids
from relay.journal import Journal
from relay.nodesharing import NodeSharing
from relay.providerkit.http import Http
from relay.providerkit.spec import LineContext
from relay.providers.att_landline import PROVIDER
from relay.providers.att_landline.client import AttLandlineLine
from relay.providers.att_landline.session import LoginSession
from tests.memory import Memory

USERNAME, PASSWORD = "2065550100", "correct-horse-battery"
KEY = "3d0f1dde-aaff-4ce8-b61a-af212a860abc:{}"


@dataclass
class Account:
    """A server with logins: the sessions that it gave, those that are good, and what it was asked."""

    logins: list[dict[str, list[str]]] = field(default_factory=list)
    good: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    answers: deque[web.Response] = field(default_factory=deque)
    revoked_at_once: bool = False

    async def log_in(self, request: web.Request) -> web.Response:
        """Give the next session, or what is to be answered."""
        assert request.query_string == ""
        self.logins.append(parse_qs(await request.text(), strict_parsing=True))
        if self.answers:
            return self.answers.popleft()
        key = KEY.format(len(self.logins))
        self.good |= set() if self.revoked_at_once else {key}
        return web.json_response({"success": True, "response": key})

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a call, if its session is good."""
        key = request.query.get("session") or str((await request.post()).get("session"))
        self.asked.append((request.path, key))
        if key not in self.good:
            return web.json_response({"success": False, "response": "Unauthorized"}, status=403)
        return web.json_response({"success": True, "response": {"id": 7} if "send" in request.path else []})


@pytest.fixture
def account() -> Account:
    """The server's mind."""
    return Account()


@pytest.fixture
async def base_url(account: Account) -> AsyncIterator[str]:
    """The server, listening."""
    app = web.Application()
    app.router.add_post("/user/login", account.log_in)
    app.router.add_post("/{path:.*}", account.handle)
    server = TestServer(app)
    async with server:
        yield str(server.make_url("/"))


@pytest.fixture
def memory() -> Memory:
    """An empty memory."""
    return Memory()


def context_at(base_url: str, memory: Memory, **more: Any) -> LineContext:
    """What wiring hands over."""
    given = {"number": "+12065550100", "username": USERNAME, "password": PASSWORD, "base_url": base_url, **more}
    clock = SystemClock()
    return LineContext("office", PROVIDER.settings.model_validate(given), memory, clock, Ids(clock))


@pytest.fixture
async def line(base_url: str, memory: Memory) -> AsyncIterator[AttLandlineLine]:
    """A line that logs in."""
    line = AttLandlineLine(context_at(base_url, memory, mms=True))
    yield line
    await line.aclose()


async def test_many_calls_need_one_login(line: AttLandlineLine, account: Account) -> None:
    """Also when they come at once."""
    await asyncio.gather(*(line.verify() for _ in range(8)))
    await line.verify()
    assert account.logins == [{"username": [USERNAME], "password": [PASSWORD]}]
    assert {key for _, key in account.asked} == {KEY.format(1)}


async def test_the_session_outlives_the_process(base_url: str, memory: Memory, account: Account) -> None:
    """It does not expire, so it is kept."""
    for _ in range(2):
        line = AttLandlineLine(context_at(base_url, memory))
        await line.verify()
        await line.aclose()
    assert len(account.logins) == 1


async def test_another_account_s_session_is_not_used(base_url: str, memory: Memory, account: Account) -> None:
    """After the user name was changed in the settings."""
    for username in (USERNAME, f"somebody@{USERNAME}"):
        line = AttLandlineLine(context_at(base_url, memory, username=username))
        await line.verify()
        await line.aclose()
    assert [login["username"] for login in account.logins] == [[USERNAME], [f"somebody@{USERNAME}"]]


@pytest.mark.parametrize("kept", [b"", b"{", b"[]", b'{"session": "x"}', b"\xff"])
async def test_what_cannot_be_read_is_got_anew(
    line: AttLandlineLine, memory: Memory, account: Account, kept: bytes
) -> None:
    """A damaged memory costs one login."""
    memory.kept["session"] = kept
    await line.verify()
    assert len(account.logins) == 1


async def test_a_refused_session_is_renewed_once(line: AttLandlineLine, memory: Memory, account: Account) -> None:
    """And the call is made with the new one; whoever else comes with the old one gets the new one too."""
    await line.verify()
    account.good.clear()
    await asyncio.gather(*(line.verify() for _ in range(5)))
    assert len(account.logins) == 2
    assert json.loads(memory.kept["session"])["session"] == KEY.format(2)


async def test_a_text_and_an_mms_go_out_with_the_new_session(line: AttLandlineLine, account: Account) -> None:
    """The refused call had no effect."""
    for media in ((), (Media("image/png", None, b"x"),)):
        await line.verify()
        account.good.clear()
        call = OutboundCall("c", "m", "office", 1, (Recipient("m-0", outbound("2065550101")),), "Hi", media=media)
        answer = await line.send(call)
        assert [handover.ref for handover in answer.handovers] == ["7"]


async def test_a_new_session_that_is_refused_too_is_the_end(line: AttLandlineLine, account: Account) -> None:
    """No loop of logins: somebody has to look."""
    account.revoked_at_once = True
    with pytest.raises(NotAuthorized):
        await line.verify()
    assert len(account.logins) == 2
    assert len(account.asked) == 2


def refused(status: int) -> web.Response:
    """A login with a wrong password, as seen."""
    return web.json_response({"success": False, "response": f"no such password {PASSWORD}"}, status=status)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
async def test_a_wrong_password_parks_the_line(line: AttLandlineLine, account: Account, status: int) -> None:
    """Whatever the status under the failure; and it is not repeated in the error."""
    account.answers.append(refused(status))
    with structlog.testing.capture_logs() as lines, pytest.raises(NotAuthorized) as caught:
        await line.verify()
    assert len(account.logins) == 1
    shown = f"{caught.value!r} {caught.value.problem} {lines}"
    assert PASSWORD not in shown
    assert USERNAME not in shown


async def test_calls_in_flight_do_not_repeat_a_login_that_is_refused(line: AttLandlineLine, account: Account) -> None:
    """Eight of them with one wrong password look like an attack, and accounts are locked for that."""
    await line.verify()
    account.good.clear()
    account.answers.extend(refused(400) for _ in range(8))
    ends = await asyncio.gather(*(line.verify() for _ in range(8)), return_exceptions=True)
    assert [type(end) for end in ends] == [NotAuthorized] * 8
    assert len(account.logins) == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 503},
        {"status": 500, "text": "<html/>"},
        {"status": 502, "text": "<html/>", "content_type": "text/html"},
        {"status": 404, "text": "<html/>", "content_type": "text/html"},
        {"status": 200, "text": "welcome"},
        {"status": 200, "text": '{"success": true}'},
        {"status": 200, "text": '{"success": true, "response": {"user": 1}}'},
        {"status": 302},
    ],
    ids=lambda answer: f"{answer['status']}",
)
async def test_a_login_that_is_not_answered_leaves_no_text_in_doubt(
    line: AttLandlineLine, account: Account, answer: dict[str, Any]
) -> None:
    """Nothing was sent yet: it is tried again."""
    account.answers.append(web.Response(**answer))
    with pytest.raises(TryLater):
        await line.send(OutboundCall("c", "m", "office", 1, (Recipient("m-0", outbound("2065550101")),), "Hi"))
    assert account.asked == []


async def test_a_session_in_an_object_is_found(line: AttLandlineLine, account: Account) -> None:
    """Should it be wrapped."""
    account.good.add("a:1")
    account.answers.append(web.json_response({"success": True, "response": {"session": "a:1"}}))
    assert "0 web hooks" in await line.verify()


async def test_no_session_is_in_logs(line: AttLandlineLine, account: Account) -> None:
    """Neither the password that gets it; nor is the address of an MMS."""
    call = OutboundCall(
        "c",
        "m",
        "office",
        1,
        (Recipient("m-0", outbound("2065550101")),),
        "Hi there",
        media=(Media("image/png", None, b""),),
    )
    with structlog.testing.capture_logs() as lines:
        await line.send(call)
        account.good.clear()
        await line.send(call)
    assert [entry["event"] for entry in lines].count("session.opened") == 2
    for secret in (PASSWORD, USERNAME, KEY.format(1)[:20], "2065550101", "Hi there"):
        assert secret not in str(lines)


@pytest.fixture
async def nodes(base_url: str, tmp_path: Path) -> AsyncIterator[tuple[AttLandlineLine, AttLandlineLine]]:
    """The same line on two nodes that share a journal."""
    clock = SystemClock()
    url = f"sqlite:///{tmp_path}/relay.db"
    async with await Journal.open(url, clock=clock, ids=Ids(clock), node="n") as journal:
        one, other = (
            AttLandlineLine(replace(context_at(base_url, Memory()), state=journal.memory("office"), sharing=sharing))
            for sharing in (NodeSharing("office", journal, node) for node in ("a/1", "b/1"))
        )
        yield one, other
        for line in (one, other):
            await line.aclose()


async def test_nodes_share_a_session(nodes: tuple[AttLandlineLine, AttLandlineLine], account: Account) -> None:
    """Whether a login ends the sessions before it is not documented: one login is enough, also for another one."""
    one, other = nodes
    await asyncio.gather(one.verify(), other.verify())
    assert len(account.logins) == 1
    account.good.clear()
    await asyncio.gather(one.verify(), other.verify())
    assert len(account.logins) == 2
    assert {key for _, key in account.asked[-2:]} == {KEY.format(2)}


async def test_a_login_that_was_refused_is_not_repeated_by_another_node(
    nodes: tuple[AttLandlineLine, AttLandlineLine], account: Account
) -> None:
    """Accounts are locked for that."""
    account.answers.extend(refused(400) for _ in range(4))
    ends = await asyncio.gather(*(line.verify() for line in nodes), return_exceptions=True)
    assert [type(end) for end in ends] == [NotAuthorized] * 2
    assert len(account.logins) == 1


@settings(max_examples=30, deadline=None)
@given(
    st.binary()
    | st.dictionaries(st.sampled_from(["success", "response"]), st.booleans() | st.text()).map(
        lambda value: json.dumps(value).encode()
    ),
    st.sampled_from([200, 400, 403, 500, 503]),
)
def test_a_login_is_a_session_or_an_error_whatever_the_bytes(body: bytes, status: int) -> None:
    """And the errors are the two that a session may raise."""

    async def log_in() -> str:
        app = web.Application()

        async def answer(_: web.Request) -> web.Response:
            return web.Response(body=body, status=status)

        app.router.add_post("/user/login", answer)
        async with TestServer(app) as server:
            url = str(server.make_url("/"))
            http = Http(url)
            try:
                return await LoginSession(context_at(url, Memory()), http, USERNAME, PASSWORD).key()
            finally:
                await http.aclose()

    try:
        assert asyncio.run(log_in())
    except RelayError as error:
        assert type(error) in {TryLater, NotAuthorized}  # noqa: PT017 - either end is right
