"""The web-hook listener, over raw sockets: callers that are right, wrong, slow, large and broken."""

import asyncio
import contextlib
import gzip
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Self

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from relay.domain.messages import RawAnswer
from relay.journal import JournalFull, JournalUnusable
from relay.web.callers import Callers
from relay.web.public import Hooks, Listener, Page
from relay.web.server import MOST_CONNECTIONS, Deadlines

PATIENCE = 5.0
SECRET = "secret-0123456789"
FORMER = "former-0123456789"
HOOK = f"/hooks/office/{SECRET}/receive"
CHUNKED = f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
QUICK = Deadlines(head=0.15, body=0.15, idle=0.3)
_DATE = re.compile(rb"Date: [^\r]*\r\n")


@dataclass
class Shelf:
    """What keeps the hooks, as the test wants."""

    kept: list[tuple[str, str, RawAnswer]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None

    async def take(self, line: str, event: str, raw: RawAnswer) -> None:
        """Keep a hook once the shelf is open."""
        self.asked.set()
        await self.open.wait()
        if self.error:
            raise self.error
        self.kept.append((line, event, raw))


@dataclass
class Answer:
    """An answer as it came over the socket."""

    raw: bytes

    @property
    def status(self) -> int:
        """Its status."""
        return int(self.raw.split(b" ", 2)[1])

    @property
    def undated(self) -> bytes:
        """Every byte of it but the time."""
        return _DATE.sub(b"", self.raw)

    def header(self, name: str) -> str | None:
        """A header's value."""
        found = re.search(rf"\r\n{name}: ([^\r]*)".encode(), self.raw, re.IGNORECASE)
        return found[1].decode() if found else None


class Caller:
    """A raw socket to the listener."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def say(self, data: bytes) -> None:
        """Write."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> Answer:
        """One whole answer."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            return Answer(head + await self._reader.readexactly(int(length[1]) if length else 0))

    async def end(self) -> bytes:
        """What comes until the listener closes the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.read()
            except ConnectionError:
                return b""

    async def ask(self, data: bytes) -> Answer:
        """Write, and read the answer."""
        await self.say(data)
        return await self.answer()


def request(path: str = HOOK, body: bytes = b"{}", method: str = "POST", *headers: str) -> bytes:
    """A request's bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@pytest.fixture
def shelf() -> Shelf:
    """A shelf that is open."""
    shelf = Shelf()
    shelf.open.set()
    return shelf


secrets_of = {"office": (SECRET, FORMER)}.get


Listen = Callable[..., Awaitable[Listener]]


@pytest.fixture
async def listen(shelf: Shelf) -> AsyncIterator[Listen]:
    """Starts a listener."""
    async with contextlib.AsyncExitStack() as stack:

        async def listening(
            deadlines: Deadlines | None = None, *pages: Page, callers: Callers | None = None
        ) -> Listener:
            hooks = Hooks(secrets_of, lambda _, event: event in {"receive", "send"}, shelf.take, 1000)
            listener = Listener("127.0.0.1", 0, hooks, pages=pages, callers=callers, deadlines=deadlines)
            return await stack.enter_async_context(listener)

        yield listening


@pytest.fixture
async def caller(listen: Listen) -> AsyncIterator[Caller]:
    """A caller of a listener that has its usual patience."""
    async with Caller((await listen()).port) as caller:
        yield caller


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("secret", [SECRET, FORMER])
async def test_a_hook_is_taken_with_its_bytes_and_its_content_type(
    caller: Caller, shelf: Shelf, method: str, secret: str
) -> None:
    """Under the present secret and under a former one, by both methods that AT&T can be told to use."""
    body = b'{"text": "\xff\x00"}'
    path = f"/hooks/office/{secret}/receive"
    answer = await caller.ask(request(path, body, method, "Content-Type: application/json; charset=utf-8"))
    assert answer.status == 200
    assert shelf.kept == [("office", "receive", RawAnswer(body, "application/json; charset=utf-8"))]


async def test_200_comes_only_after_the_hook_was_kept(caller: Caller, shelf: Shelf) -> None:
    """Not a byte of an answer leaves before."""
    shelf.open.clear()
    await caller.say(request())
    await asyncio.wait_for(shelf.asked.wait(), PATIENCE)
    answering = asyncio.create_task(caller.answer())
    done, _ = await asyncio.wait({answering}, timeout=0.05)
    assert not done
    shelf.open.set()
    assert (await answering).status == 200


async def test_a_body_in_chunks_is_taken_whole(caller: Caller, shelf: Shelf) -> None:
    """Nobody says how the provider frames it."""
    answer = await caller.ask(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert answer.status == 200
    assert [raw.body for _, _, raw in shelf.kept] == [b"abcde"]


async def test_a_query_after_the_path_does_not_matter(caller: Caller, shelf: Shelf) -> None:
    """The address is the path."""
    assert (await caller.ask(request(f"{HOOK}?retry=1"))).status == 200


async def test_a_connection_serves_one_hook_after_the_other(caller: Caller, shelf: Shelf) -> None:
    """Keep-alive works, also for requests that come all at once, and in their order."""
    for number in range(3):
        assert (await caller.ask(request(body=b"%d" % number))).status == 200
    await caller.say(request(body=b"3") + request(body=b"4"))
    assert [(await caller.answer()).status for _ in range(2)] == [200, 200]
    assert [raw.body for _, _, raw in shelf.kept] == [b"0", b"1", b"2", b"3", b"4"]


WRONG = {
    "nowhere": request("/"),
    "another-folder": request(f"/hook/office/{SECRET}/receive"),
    "no-event": request(f"/hooks/office/{SECRET}"),
    "too-deep": request(f"{HOOK}/more"),
    "slash-at-the-end": request(f"{HOOK}/"),
    "no-such-line": request(f"/hooks/desk/{SECRET}/receive"),
    "no-such-event": request(f"/hooks/office/{SECRET}/progress"),
    "wrong-secret": request("/hooks/office/secret-9876543210/receive"),
    "no-secret": request("/hooks/office//receive"),
    "beginning-of-the-secret": request(f"/hooks/office/{SECRET[:-1]}/receive"),
    "secret-and-more": request(f"/hooks/office/{SECRET}x/receive"),
    "dash-for-an-unknown-line": request("/hooks/desk/-/receive"),
    "escaped": request(HOOK.replace("office", "%6fffice")),
    "large-and-wrong": request("/hooks/office/wrong/receive", b"x" * 5000),
    "get": request(method="GET", body=b""),
    "delete": request(method="DELETE"),
    "options": request(method="OPTIONS", body=b""),
}


async def test_whatever_is_wrong_has_one_and_the_same_answer(listen: Listen, shelf: Shelf) -> None:
    """Path, line, event, secret, method: nobody learns by trying what it was."""
    port = (await listen()).port
    answers = {}
    for name, wrong in WRONG.items():
        async with Caller(port) as caller:
            answers[name] = await caller.ask(wrong)
    assert {answer.undated for answer in answers.values()} == {answers["nowhere"].undated}
    assert answers["nowhere"].status == 404
    assert shelf.kept == []


@pytest.mark.parametrize(
    "framed",
    [
        pytest.param(request(body=b"x" * 1001), id="declared-and-sent"),
        pytest.param(
            f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n".encode(), id="declared-only"
        ),
        pytest.param(
            CHUNKED + b"100\r\n%b\r\n" % (b"x" * 256) * 4, id="in-chunks-without-an-end"
        ),
        pytest.param(request(HOOK, gzip.compress(bytes(9000)), "POST", "Content-Encoding: gzip"), id="once-unpacked"),
    ],
)  # fmt: skip
async def test_a_body_over_the_limit_is_413(listen: Listen, shelf: Shelf, framed: bytes) -> None:
    """However it is framed, and as soon as it is known; then the connection is closed."""
    async with Caller((await listen(QUICK)).port) as caller:
        answer = await caller.ask(framed)
        assert (answer.status, answer.header("Connection")) == (413, "close")
        await caller.end()
    assert shelf.kept == []


async def test_a_body_of_just_the_limit_is_taken(caller: Caller, shelf: Shelf) -> None:
    """The limit is the largest that passes."""
    assert (await caller.ask(request(body=b"x" * 1000))).status == 200


@pytest.mark.parametrize(
    "head", [b"", b"P", request()[:40], request(body=b"")[:-2]], ids=["none", "one", "some", "most"]
)
async def test_a_caller_that_is_slow_with_its_head_is_cut_off(listen: Listen, head: bytes) -> None:
    """Without a word: there is no request to answer."""
    async with Caller((await listen(QUICK)).port) as caller:
        await caller.say(head)
        assert await caller.end() == b""


async def test_a_head_that_drips_is_cut_off_all_the_same(listen: Listen, shelf: Shelf) -> None:
    """The deadline is for the whole head, and no further byte puts it off."""
    async with Caller((await listen(QUICK)).port) as caller:
        ended = asyncio.create_task(caller.end())
        drops = 0
        while not ended.done():
            with contextlib.suppress(ConnectionError):
                await caller.say(b"x" if drops else b"POST /hooks/")
            drops += 1
            await asyncio.wait({ended}, timeout=0.02)
        assert await ended == b""
    assert drops < 50


async def test_a_second_request_that_is_slow_with_its_head_is_cut_off(listen: Listen) -> None:
    """A connection that has served well earns no more time."""
    async with Caller((await listen(Deadlines(head=0.15, body=0.15, idle=60))).port) as caller:
        assert (await caller.ask(request())).status == 200
        await caller.say(b"POST /ho")
        assert await caller.end() == b""


async def test_half_a_head_behind_a_whole_request_is_cut_off_when_the_connection_would_be(
    listen: Listen, shelf: Shelf
) -> None:
    """What came before the first answer is bounded by the time that a connection may be idle."""
    async with Caller((await listen(QUICK)).port) as caller:
        await caller.say(request() + b"POST /ho")
        assert (await caller.answer()).status == 200
        assert await caller.end() == b""


async def test_an_idle_connection_is_closed(listen: Listen) -> None:
    """Connections are not hoarded."""
    async with Caller((await listen(QUICK)).port) as caller:
        assert (await caller.ask(request())).status == 200
        assert await caller.end() == b""


async def test_a_slow_body_is_408(listen: Listen, shelf: Shelf) -> None:
    """It is not kept in part, and the connection is closed."""
    async with Caller((await listen(QUICK)).port) as caller:
        answer = await caller.ask(request(body=b"{}" * 10)[:-5])
        assert (answer.status, answer.header("Connection")) == (408, "close")
        await caller.end()
    assert shelf.kept == []


async def test_a_slow_keeper_is_not_a_slow_caller(listen: Listen, shelf: Shelf) -> None:
    """The deadlines are the caller's: a journal that takes its time is waited for."""
    shelf.open.clear()
    async with Caller((await listen(QUICK)).port) as caller:
        await caller.say(request())
        await asyncio.wait_for(shelf.asked.wait(), PATIENCE)
        answering = asyncio.create_task(caller.answer())
        done, _ = await asyncio.wait({answering}, timeout=0.5)
        assert not done
        shelf.open.set()
        assert (await answering).status == 200


async def test_a_good_caller_is_served_while_others_are_slow(listen: Listen, shelf: Shelf) -> None:
    """Two hundred that say half a request keep nobody waiting."""
    port = (await listen(Deadlines(head=60, body=60, idle=60))).port
    async with contextlib.AsyncExitStack() as stack:
        for number in range(200):
            slow = await stack.enter_async_context(Caller(port))
            await slow.say(request(body=b"x" * 50)[: 20 if number % 2 else -10])
        async with asyncio.timeout(PATIENCE), Caller(port) as good:
            assert (await good.ask(request(body=b"good"))).status == 200
    assert [raw.body for _, _, raw in shelf.kept] == [b"good"]


@pytest.mark.parametrize("error", [JournalFull(10_000), JournalUnusable("the disk is full")], ids=["full", "unusable"])
async def test_what_cannot_be_kept_is_503_with_a_time_to_come_again(
    caller: Caller, shelf: Shelf, error: Exception
) -> None:
    """The provider keeps it; the connection lives on, and the next hook may pass."""
    shelf.error = error
    answer = await caller.ask(request())
    assert (answer.status, answer.header("Retry-After")) == (503, "30")
    shelf.error = None
    assert (await caller.ask(request())).status == 200


GARBAGE = {
    "noise": bytes(range(128, 256)) * 4 + b"\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50) + b"\r\n\r\n",
    "another-protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "no-version": b"POST /hooks\r\n\r\n",
    "two-lengths": request(HOOK, b"{}", "POST", "Content-Length: 5"),
    "length-and-chunks": request(HOOK, b"{}", "POST", "Transfer-Encoding: chunked"),
    "unheard-of-method": request(method="SECRETS"),
    "bytes-that-are-no-text": request("/hooks/office/\xff\xfe/receive"),
    "negative-length": f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n".encode(),
    "zero-in-a-header": request(HOOK, b"{}", "POST", "X: a\0b"),
    "a-header-without-a-name": request(HOOK, b"{}", "POST", ": b"),
    "a-long-line": request("/" + "x" * 20_000),
    "many-headers": request(HOOK, b"{}", "POST", *[f"X-{n}: 1" for n in range(2000)]),
    "broken-chunks": CHUNKED + b"zz\r\nabc\r\n",
    "chunks-that-break-later": CHUNKED + b"3\r\nabcdef\r\n",
    "packed-and-broken": request(HOOK, b"this is no gzip", "POST", "Content-Encoding: gzip"),
}  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
async def test_what_is_no_http_is_refused_without_a_stack_trace(
    listen: Listen, shelf: Shelf, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody may send anything: it fills no log, it stops nobody, and it is not our failure."""
    port = (await listen(QUICK)).port
    with caplog.at_level(logging.DEBUG):
        async with Caller(port) as caller:
            await caller.say(garbage)
            said = await caller.end()
    assert said[9:12] in {b"", b"400", b"404"}
    assert SECRET.encode() not in said
    assert [line for line in caplog.records if line.exc_info] == []
    assert sum(len(line.getMessage()) for line in caplog.records) < 500
    async with Caller(port) as good:
        assert (await good.ask(request(body=b"good"))).status == 200
    assert [raw.body for _, _, raw in shelf.kept] == [b"good"]


async def test_a_failure_of_our_own_is_500_and_is_logged(
    caller: Caller, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    """It tells the caller nothing, and the operator where it was."""
    shelf.error = ZeroDivisionError("a defect")
    answer = await caller.ask(request())
    assert answer.status == 500
    assert b"defect" not in answer.raw
    assert [type(line.exc_info[1]) for line in caplog.records if line.exc_info] == [ZeroDivisionError]


async def test_a_caller_that_leaves_in_the_middle_leaves_no_trace(
    listen: Listen, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a body is not kept."""
    port = (await listen()).port
    with caplog.at_level(logging.DEBUG, "aiohttp.server"):
        async with Caller(port) as caller:
            await caller.say(request(body=b"x" * 100)[:-50])
        async with Caller(port) as good:
            assert (await good.ask(request(body=b"good"))).status == 200
    assert [line for line in caplog.records if line.exc_info] == []
    assert [raw.body for _, _, raw in shelf.kept] == [b"good"]


async def test_a_stop_answers_what_is_under_way_first(listen: Listen, shelf: Shelf) -> None:
    """A hook that is being kept gets its 200; then nobody listens any more."""
    listener = await listen()
    shelf.open.clear()
    async with Caller(listener.port) as caller:
        await caller.say(request())
        await asyncio.wait_for(shelf.asked.wait(), PATIENCE)
        stopping = asyncio.create_task(listener.__aexit__())
        await asyncio.sleep(0)
        shelf.open.set()
        assert (await caller.answer()).status == 200
        await asyncio.wait_for(stopping, PATIENCE)
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", listener.port)


async def test_a_stop_does_not_wait_for_idle_connections(listen: Listen) -> None:
    """Keep-alive keeps nobody alive."""
    listener = await listen()
    async with Caller(listener.port) as caller, Caller(listener.port):
        assert (await caller.ask(request())).status == 200
        await asyncio.wait_for(listener.__aexit__(), 1)
        assert await caller.end() == b""


async def test_an_address_that_is_taken_is_an_oserror(listen: Listen, shelf: Shelf) -> None:
    """The daemon says so and does not start half."""
    first = await listen()
    hooks = Hooks(secrets_of, lambda _, __: False, shelf.take, 10)
    with pytest.raises(OSError, match=r"Address already in use: .* \(webhooks.listen\)"):
        await Listener("127.0.0.1", first.port, hooks).__aenter__()


async def number_nine(request: web.BaseRequest) -> web.Response | None:
    """A page that answers at one path only."""
    return web.Response(text="nine") if request.rel_url.raw_path == "/pages/9" else None


async def any_other(request: web.BaseRequest) -> web.Response | None:
    """A page that answers at every path below its own."""
    return web.Response(text="some other") if request.rel_url.raw_path.startswith("/pages/") else None


async def test_pages_are_asked_in_their_order(listen: Listen) -> None:
    """The first that knows the path answers."""
    port = (await listen(None, number_nine, any_other)).port
    async with Caller(port) as caller:
        said = [(await caller.ask(request(f"/pages/{page}", b"", "GET"))).raw for page in (9, 8)]
    assert [raw.rpartition(b"\r\n\r\n")[2] for raw in said] == [b"nine", b"some other"]


async def test_what_no_page_knows_is_the_same_404(listen: Listen, shelf: Shelf) -> None:
    """Also a hook's address that is fetched, and a page that is written to."""
    port = (await listen(None, number_nine)).port
    answers = []
    for asked in (
        request("/", b"", "GET"),
        request(HOOK, b"", "GET"),
        request("/pages/9"),
        request("/pages/8", b"", "GET"),
    ):
        async with Caller(port) as caller:
            answers.append((await caller.ask(asked)).undated)
    assert {answer[9:12] for answer in answers} == {b"404"}
    assert len(set(answers)) == 1
    assert shelf.kept == []


async def test_a_crowd_that_says_nothing_keeps_nobody_out(listen: Listen, shelf: Shelf) -> None:
    """Descriptors are bounded: for each connection too many the one that was silent for longest is cut."""
    port = (await listen()).port
    async with contextlib.AsyncExitStack() as crowd:
        silent = [await crowd.enter_async_context(Caller(port)) for _ in range(MOST_CONNECTIONS)]
        with capture_logs() as logged:
            async with Caller(port) as good, Caller(port) as another:
                assert (await good.ask(request())).status == (await another.ask(request())).status == 200
            assert [await one.end() for one in silent[:2]] == [b"", b""]
            assert (await silent[2].ask(request())).status == 200
        assert [line["event"] for line in logged] == ["listener.crowded"]
    assert len(shelf.kept) == 3


async def test_who_keeps_asking_for_what_is_not_there_fills_no_log(listen: Listen, shelf: Shelf) -> None:
    """One line for all of it, with where it comes from and without what was asked."""
    port = (await listen()).port
    with capture_logs() as logged:
        for _ in range(50):
            async with Caller(port) as stranger:
                assert (await stranger.ask(request("/hooks/office/marked-secret/receive"))).status == 404
    told = {"event": "hook.turned_away", "source": "127.0.0.1", "reason": "unknown path or secret"}
    assert logged == [{**told, "unlogged": 0, "log_level": "info"}]


@pytest.mark.parametrize(
    ("callers", "header", "status"),
    [
        (Callers(allow=[ip_network("127.0.0.0/8")]), None, 200),
        (Callers(allow=[ip_network("203.0.113.0/24")]), None, 404),
        (Callers(allow=[ip_network("203.0.113.0/24")]), "203.0.113.7", 404),
        (Callers([ip_network("203.0.113.0/24")], [ip_network("127.0.0.1")]), "203.0.113.7", 200),
        (Callers([ip_network("203.0.113.0/24")], [ip_network("127.0.0.1")]), "203.0.113.7, 198.51.100.1", 404),
        (Callers([ip_network("203.0.113.0/24")], [ip_network("127.0.0.1")]), "203.0.113.7, 127.0.0.1", 200),
        (Callers([ip_network("203.0.113.0/24")], [ip_network("127.0.0.1")]), None, 404),
        (Callers([ip_network("203.0.113.0/24")], [ip_network("127.0.0.1")]), "203.0.113.7, nonsense", 404),
        (Callers([ip_network("203.0.113.0/24")], [ip_network("127.0.0.1")]), "::ffff:203.0.113.7", 200),
    ],
)
async def test_only_who_is_allowed_delivers_hooks(
    listen: Listen, shelf: Shelf, callers: Callers, header: str | None, status: int
) -> None:
    """By the connection's address; behind a proxy that is known, by the last address that it does not know as one."""
    headers = [f"X-Forwarded-For: {header}"] if header else []
    async with Caller((await listen(callers=callers)).port) as caller:
        assert (await caller.ask(request(HOOK, b"{}", "POST", *headers))).status == status
    assert len(shelf.kept) == (status == 200)


_segment = st.text(max_size=40).map(lambda text: text.replace("/", ""))


@given(st.lists(_segment, max_size=7).map("/".join))
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_no_path_matches_but_the_right_ones(path: str) -> None:
    """Whatever the path, the answer is a match or None."""
    routes = Hooks(secrets_of, lambda _, event: event == "receive", Shelf().take, 10)
    right = {f"/hooks/office/{secret}/receive" for secret in (SECRET, FORMER)}
    assert (routes.match(path) is not None) == (path in right)


def test_a_line_whose_secrets_are_gone_matches_nothing() -> None:
    """No secret is not an empty secret."""
    routes = Hooks(lambda _: (), lambda _, __: True, Shelf().take, 10)
    assert [routes.match(path) for path in ("/hooks/office/-/receive", "/hooks/office//receive")] == [None, None]


async def test_each_answer_is_told_in_a_word(shelf: Shelf) -> None:
    """With its line where the secret was right, and the seconds where the hook was kept."""
    told: list[tuple[str | None, str, bool]] = []

    def seen(line: str | None, outcome: str, seconds: float | None) -> None:
        told.append((line, outcome, seconds is not None))

    hooks = Hooks(secrets_of, lambda _, event: event == "receive", shelf.take, 10, seen)
    nobody = Callers(allow=[ip_network("203.0.113.0/24")])
    async with Listener("127.0.0.1", 0, hooks) as here, Listener("127.0.0.1", 0, hooks, callers=nobody) as closed:
        for port, path, body in (
            (here.port, HOOK, b"{}"),
            (here.port, "/hooks/office/guessed/receive", b"{}"),
            (here.port, HOOK, b"x" * 11),
            (closed.port, HOOK, b"{}"),
        ):
            async with Caller(port) as caller:
                await caller.ask(request(path, body))
        shelf.error = JournalUnusable("no disk")
        async with Caller(here.port) as caller:
            assert (await caller.ask(request())).status == 503
    assert told == [
        ("office", "kept", True),
        (None, "not_found", False),
        ("office", "http_413", False),
        (None, "not_allowed", False),
        ("office", "refused", False),
    ]


async def test_a_connection_that_is_used_again_and_again_has_its_time_for_each_head(listen: Listen) -> None:
    """It is not cut while it speaks in time, however long that goes on; a head that does not end is."""
    async with Caller((await listen(Deadlines(head=0.15, body=0.15, idle=60))).port) as caller:
        until = asyncio.get_running_loop().time() + 0.5
        while asyncio.get_running_loop().time() < until:
            assert (await caller.ask(request())).status == 200
        began = asyncio.get_running_loop().time()
        await caller.say(b"POST ")
        assert await caller.end() == b""
        assert 0.1 < asyncio.get_running_loop().time() - began < PATIENCE


@pytest.mark.parametrize("size", [0, 1, 1000, 1001])
async def test_a_body_that_comes_with_its_head_is_taken_as_one_that_comes_after_it(
    caller: Caller, shelf: Shelf, size: int
) -> None:
    """The same bytes, and the same bound."""
    whole = request(body=b"x" * size, method="POST")
    head, _, body = whole.partition(b"\r\n\r\n")
    await caller.say(head + b"\r\n\r\n")
    await asyncio.sleep(0)
    late = await caller.ask(body) if body else await caller.answer()
    assert late.status == (200 if size <= 1000 else 413)
    if size <= 1000:
        assert (await caller.ask(whole)).undated == late.undated
        assert [kept.body for _, _, kept in shelf.kept] == [b"x" * size] * 2
