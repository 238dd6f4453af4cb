"""How a listener ends: who was accepted is answered, who was not waits for the next one, nobody holds it up."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from relay.telemetry.notify import Notifier
from relay.web.listening import Listening
from relay.web.server import BACKLOG, Deadlines, WebServer, read_body
from tests.unit.web.test_public import PATIENCE, Caller, request

HALF_A_HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Len"
REST = b"gth: 2\r\n\r\n{}"
HEAD = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


@dataclass
class Desk:
    """Answers with what was asked, once it is open."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[bytes] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer; `asked` has whose head has come."""
        self.asked.append(request.rel_url.raw_path.encode())
        await self.open.wait()
        body = await read_body(request, 1000, PATIENCE)
        return body if isinstance(body, web.Response) else web.Response(body=body)

    async def until_asked(self, count: int) -> None:
        """Wait until so many heads have come."""
        async with asyncio.timeout(PATIENCE):
            while len(self.asked) < count:  # noqa: ASYNC110 - turns of the loop are what is waited for
                await asyncio.sleep(0)


@asynccontextmanager
async def serving(
    desk: Desk, listening: Listening | None = None, farewell: float = PATIENCE
) -> AsyncIterator[WebServer]:
    """A listener."""
    deadlines = Deadlines(farewell=farewell)
    server = WebServer("127.0.0.1", 0, desk.answer, setting="none", deadlines=deadlines)
    server.claim(listening)
    async with server:
        yield server


async def test_a_body_that_comes_after_the_stop_has_begun_is_taken() -> None:
    """The head was here; the answer says that the connection ends with it."""
    desk = Desk()
    async with serving(desk) as server, Caller(server.port) as caller:
        await caller.say(HEAD)
        await desk.until_asked(1)
        stopping = asyncio.create_task(server.__aexit__())
        await asyncio.sleep(0)
        desk.open.set()
        await caller.say(b"{}")
        answer = await caller.answer()
        assert (answer.status, answer.header("Connection")) == (200, "close")
        await asyncio.wait_for(stopping, PATIENCE)
        assert await caller.end() == b""


async def test_who_has_begun_to_speak_may_finish() -> None:
    """A connection with part of a head, and one that was made a moment ago."""
    desk = Desk()
    desk.open.set()
    async with serving(desk) as server, Caller(server.port) as begun, Caller(server.port) as new:
        await begun.say(HALF_A_HEAD)
        async with Caller(server.port) as earlier:
            assert (await earlier.ask(request())).status == 200  # so that both others have been accepted
        stopping = asyncio.create_task(server.__aexit__())
        await asyncio.sleep(0)
        assert (await begun.ask(REST)).status == 200
        assert (await new.ask(request())).status == 200
        await asyncio.wait_for(stopping, PATIENCE)


async def test_who_says_nothing_is_not_waited_for() -> None:
    """Longer than a farewell takes."""
    desk = Desk()
    desk.open.set()
    async with serving(desk, farewell=0.05) as server, Caller(server.port) as silent, Caller(server.port) as caller:
        assert (await caller.ask(request())).status == 200
        await asyncio.wait_for(server.__aexit__(), 2)
        assert await silent.end() == b""


async def test_what_two_lives_share_answers_everybody() -> None:
    """Callers between the two lives wait in the backlog; the second life answers them."""
    desk, listening = Desk(), Listening(Notifier("/no/such/socket"))
    desk.open.set()
    async with serving(desk, listening) as first:
        port = first.port
        async with Caller(port) as caller:
            assert (await caller.ask(request())).status == 200
    async with Caller(port) as between:
        await between.say(request())
        async with serving(desk, listening) as second:
            assert second.port == port
            assert (await between.answer()).status == 200
    listening.close()


async def test_where_all_connections_are_being_answered_the_next_waits_and_is_not_cut() -> None:
    """Its caller was not refused, and is answered as soon as another is done."""
    desk = Desk()
    async with serving(desk) as server:
        server._server.most = 2
        async with Caller(server.port) as one, Caller(server.port) as two:
            await one.say(request())
            await two.say(request())
            await desk.until_asked(2)
            async with Caller(server.port) as three:
                await three.say(request())
                for _ in range(20):
                    await asyncio.sleep(0)
                assert len(desk.asked) == 2
                desk.open.set()
                assert [(await caller.answer()).status for caller in (one, two)] == [200] * 2
                assert (await three.answer()).status == 200


def test_a_backlog_holds_as_many_as_call_while_relay_is_started_again() -> None:
    """A hundred hooks in a second, for ten; as far as the kernel allows."""
    allowed = int(Path("/proc/sys/net/core/somaxconn").read_text())

    async def claimed() -> socket.socket:
        return WebServer("127.0.0.1", 0, Desk().answer, setting="none").claim()

    with asyncio.run(claimed()) as listening:
        told = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        assert int.from_bytes(told[28:32], sys.byteorder) == min(BACKLOG, allowed)  # tcp(7): of a socket that listens
    assert BACKLOG >= 1000
