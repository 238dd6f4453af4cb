"""The admin listener and the attachments that it hands out: the right bytes, and 404 to all else."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.domain.messages import Part
from relay.ids import Ids
from relay.journal import Journal
from relay.mediastore import MediaStore
from relay.simulator.virtual import ManualClock
from relay.web.admin import AdminListener
from relay.web.attachments import MediaRoute
from relay.web.server import Deadlines
from tests import journals

PATIENCE = 5.0
LIFETIME = 3600.0
PICTURE = Part("image/png", "map.png")
DATA = bytes(range(256)) * 1000
_DATE = re.compile(rb"Date: [^\r]*\r\n")


@dataclass
class Desk:
    """A store and the listener before it."""

    media: MediaStore
    clock: ManualClock
    listener: AdminListener

    async def keep(self, part: Part = PICTURE, data: bytes = DATA) -> str:
        """Keep an attachment; its path."""
        kept = await self.media.keep("desk", replace(part, size=len(data)), data)
        return f"/media/{kept.token}"

    async def raw(self, request: str) -> bytes:
        """An answer as it comes over the socket, up to its end, but for the time."""
        reader, writer = await asyncio.open_connection(self.listener.host, self.listener.port)
        writer.write(request.encode())
        try:
            async with asyncio.timeout(PATIENCE):
                return _DATE.sub(b"", await reader.read())
        finally:
            writer.close()

    async def get(self, path: str, method: str = "GET") -> bytes:
        """The answer to one request."""
        return await self.raw(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A listener with attachments, on a free port."""
    clock = ManualClock()
    url = f"sqlite:///{tmp_path}/relay.db"
    await asyncio.to_thread(journals.lay, tmp_path / "relay.db")
    async with await Journal.open(url, clock=clock, ids=Ids(clock), node="n", real=clock) as journal:
        listener = AdminListener("127.0.0.1", 0, deadlines=Deadlines(head=0.2, body=0.2, idle=0.3))
        listener.claim()
        media = MediaStore(
            tmp_path / "media",
            journal,
            clock,
            inline_max=10,
            max_part=10**6,
            lifetime=LIFETIME,
            address=listener.url,
        )
        listener.mount(MediaRoute(media))
        async with listener:
            yield Desk(media, clock, listener)


async def test_an_attachment_is_handed_out_under_the_address_that_its_message_says(desk: Desk) -> None:
    """With its bytes, its type, and headers that keep browsers from making more of it."""
    part = await desk.media.keep("desk", replace(PICTURE, size=len(DATA)), DATA)
    async with aiohttp.ClientSession() as session, session.get(str(part.href)) as answer:
        assert (answer.status, await answer.read()) == (200, DATA)
        headers = answer.headers
    assert headers["Content-Type"] == "image/png"
    assert headers["Content-Length"] == str(len(DATA))
    assert headers["Content-Disposition"] == "attachment; filename=\"map.png\"; filename*=UTF-8''map.png"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private"
    assert "sandbox" in headers["Content-Security-Policy"]


async def test_head_tells_the_headers_alone(desk: Desk) -> None:
    """For who wants to know the size first."""
    answer = await desk.get(await desk.keep(), "HEAD")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert f"Content-Length: {len(DATA)}".encode() in head
    assert body == b""


async def test_everything_that_is_not_there_is_one_and_the_same_404(desk: Desk) -> None:
    """Unknown, malformed, expired, elsewhere, or asked for in another way: nobody can tell which."""
    path = await desk.keep()
    gone = await desk.keep()
    (desk.media.directory / gone.rpartition("/")[2]).unlink()
    asked = [
        ("GET", gone),
        ("GET", f"/media/{'A' * 32}"),
        ("GET", "/media/"),
        ("GET", "/media/../relay.db"),
        ("GET", "/media/%2e%2e%2frelay.db"),
        ("GET", f"{path}/"),
        ("GET", f"{path}x"),
        ("GET", "/"),
        ("GET", "/healthy"),
        ("POST", path),
        ("DELETE", path),
    ]
    answers = {await desk.get(path, method) for method, path in asked}
    await desk.clock.advance(LIFETIME)
    answers.add(await desk.get(path))
    [answer] = answers
    assert answer.startswith(b"HTTP/1.1 404")


NAMES = [
    (None, "image/png", "attachment.png"),
    ("", "image/png", "attachment.png"),
    ("../../etc/passwd", "text/plain", "passwd"),
    ("C:\\temp\\map.png", "image/png", "map.png"),
    ('a"b\r\nSet-Cookie: x=1.txt', "text/plain", "a_bSet-Cookie_ x_1.txt"),
    ("x" * 500 + ".png", "image/png", "x" * 116 + ".png"),
    (" . ", "nonsense", "attachment.bin"),
]


@pytest.mark.parametrize(("filename", "content_type", "shown"), NAMES)
async def test_a_name_leads_nowhere(desk: Desk, filename: str | None, content_type: str, shown: str) -> None:
    """Whatever the sender called it."""
    path = await desk.keep(Part(content_type, filename))
    head = (await desk.get(path)).partition(b"\r\n\r\n")[0]
    assert f'Content-Disposition: attachment; filename="{shown}"; '.encode() in head
    assert b"Set-Cookie:" not in head


async def test_a_name_in_another_script_arrives_as_it_was(desk: Desk) -> None:
    """Beside one for programs that know ASCII alone."""
    path = await desk.keep(Part("image/png", "Größe 地図.png"))
    async with aiohttp.ClientSession() as session, session.get(f"{desk.listener.url}{path}") as answer:
        assert answer.content_disposition is not None
        assert answer.content_disposition.filename == "Größe 地図.png"


async def test_a_type_that_is_none_is_handed_out_as_bytes(desk: Desk) -> None:
    """It comes from somebody else."""
    head = await desk.get(await desk.keep(Part("text/html\r\nX-Evil: 1", "a")))
    assert b"Content-Type: application/octet-stream" in head
    assert b"X-Evil" not in head


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filename=st.text(max_size=200), content_type=st.text(max_size=80))
async def test_whatever_a_sender_says_the_headers_hold(desk: Desk, filename: str, content_type: str) -> None:
    """One answer, with the same headers as any other, and the bytes."""
    part = Part(content_type.encode(errors="replace").decode(), filename.encode(errors="replace").decode())
    answer = await desk.get(await desk.keep(part, b"bytes of it"))
    head, _, body = answer.partition(b"\r\n\r\n")
    names = sorted(line.partition(b":")[0] for line in head.split(b"\r\n")[1:])
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"bytes of it"
    assert names == [
        b"Cache-Control",
        b"Connection",
        b"Content-Disposition",
        b"Content-Length",
        b"Content-Security-Policy",
        b"Content-Type",
        b"Server",
        b"X-Content-Type-Options",
    ]


async def test_a_caller_who_reads_too_slowly_is_cut_off(desk: Desk) -> None:
    """A connection is not kept for ever, and the next caller is served."""
    huge = await desk.keep(data=b"x" * 30_000_000)
    route, ended = MediaRoute(desk.media, within=0.2), asyncio.Event()

    async def watched(request: web.BaseRequest) -> web.StreamResponse | None:
        try:
            return await route(request)
        finally:
            ended.set()

    async with AdminListener("127.0.0.1", 0) as listener:
        listener.mount(watched)
        reader, writer = await asyncio.open_connection(listener.host, listener.port, limit=1000)
        writer.write(f"GET {huge} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
            received = await _all_of(reader)
        writer.close()
        assert received < 30_000_000
        answer = await Desk(desk.media, desk.clock, listener).get(await desk.keep())
    assert answer.startswith(b"HTTP/1.1 200")


async def _all_of(reader: asyncio.StreamReader) -> int:
    """How many bytes come before the end, however it ends."""
    count = 0
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(100_000):
            count += len(piece)
    return count


async def test_a_caller_who_never_ends_its_head_is_cut_off(desk: Desk) -> None:
    """As on the web-hook listener."""
    assert await desk.raw("GET /media/") == b""


async def test_routes_are_asked_in_the_order_in_which_they_were_mounted(desk: Desk) -> None:
    """The first that has an answer gives it."""

    async def page(request: web.BaseRequest) -> web.Response | None:
        return web.Response(text="a page") if request.path == "/page" else None

    desk.listener.mount(page)
    assert (await desk.get("/page")).endswith(b"a page")
    assert (await desk.get(await desk.keep())).startswith(b"HTTP/1.1 200")


async def test_an_address_that_is_taken_is_told_with_its_setting(desk: Desk) -> None:
    """Whoever starts a second relay reads what to change."""
    with pytest.raises(OSError, match=r"admin\.listen"):
        AdminListener("127.0.0.1", desk.listener.port).claim()


async def test_the_url_holds_the_port_that_was_free(desk: Desk) -> None:
    """Port 0 becomes one; an IPv6 address stands in brackets."""
    assert desk.listener.port != 0
    assert desk.listener.url == f"http://127.0.0.1:{desk.listener.port}"
    assert AdminListener("::1", 9464).url == "http://[::1]:9464"
