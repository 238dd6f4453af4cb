"""The status page over HTTP: what is served to whom, with which headers, and what is in its data."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from relay.journal import JournalUnusable
from relay.web.admin import AdminListener
from relay.web.historian import Historian
from relay.web.page import STATUS, TRACE, PageRoute, is_this_machine
from relay.web.pagedata import PageData
from tests.unit.stages.house import ALERTS, ALICE, BOB, House

PATIENCE = 5.0
FILES = {
    "/": "text/html",
    "/page/page.css": "text/css",
    "/page/page.js": "text/javascript",
    "/page/chart.js": "text/javascript",
    "/page/icon.svg": "image/svg+xml",
}


@dataclass
class Window:
    """The page of a small relay, and somebody who looks at it."""

    house: House
    historian: Historian
    listener: AdminListener
    http: aiohttp.ClientSession
    asked: int = 0

    async def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
        """Status, headers and body of an answer."""
        async with self.http.request(method, f"{self.listener.url}{path}", headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()

    async def json(self, path: str) -> Any:
        """A page of data."""
        async with self.http.get(f"{self.listener.url}{path}") as answer:
            assert answer.status == 200
            return await answer.json()

    async def status(self) -> dict[str, Any]:
        """As the node tells of itself."""
        self.asked += 1
        lines = {
            line: {**health.as_body(), "held_at": None, "next_call_at": None, "limits": LIMITS}
            for line, health in self.house.board.all().items()
        }
        return {
            "node": "n1",
            "version": "1",
            "state": "online",
            "since": "2026-11-21T09:00:00.000Z",
            "nodes": [],
            "bus": {"connected": True, "protocol": "5"},
            "lines": lines,
            "consent": {},
            "mailboxes": {},
            "spool": None,
            "journal": await self.house.journal.queries.status(),
        }


LIMITS = {"today": 3, "calls_per_day": None, "month": None}


@pytest.fixture
async def window(tmp_path: Path) -> AsyncIterator[Window]:
    """A listener with the page."""
    async with AsyncExitStack() as stack:
        house = await House.built(tmp_path, stack)
        historian, listener = Historian(house.journal, house.clock), AdminListener("127.0.0.1", 0)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)))
        window = Window(house, historian, listener, http)
        data = PageData(
            window.status,
            lambda: {"journal": "open", "reason": None},
            house.journal.queries.trace,
            historian=historian,
            clock=house.clock,
        )
        listener.mount(PageRoute("127.0.0.1", shown=data.shown, traced=data.traced))
        await stack.enter_async_context(listener)
        yield window


@pytest.mark.parametrize("path", FILES)
async def test_each_file_is_served_under_the_strictest_rules(window: Window, path: str) -> None:
    """No script but its own, no host but this one; asked for again, it is not sent again."""
    status, headers, body = await window.ask(path)
    assert (status, headers["Content-Type"]) == (200, f"{FILES[path]}; charset=utf-8")
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-cache")
    assert b"//" not in body.replace(b"// ", b"").replace(b"http://www.w3.org/2000/svg", b"")
    again = await window.ask(path, **{"If-None-Match": headers["ETag"]})
    assert (again[0], again[2]) == (304, b"")
    assert (await window.ask(path, "HEAD"))[0] == 200


@pytest.mark.parametrize("path", ["/", STATUS, TRACE])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_the_page_changes_nothing(window: Window, path: str, method: str) -> None:
    """It only answers questions."""
    status, headers, _ = await window.ask(path, method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/page/page.js", STATUS, TRACE])
async def test_a_foreign_name_that_leads_here_is_turned_away(window: Window, path: str) -> None:
    """So that no site can read the page through the browser of who runs relay."""
    status, _, body = await window.ask(path, Host="evil.example:9464")
    assert (status, b"n1" in body) == (421, False)


@pytest.mark.parametrize(
    ("host", "listens", "is_here"),
    [
        ("localhost:9464", "127.0.0.1", True),
        ("LOCALHOST.", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2:80", "127.0.0.1", True),
        ("[::1]:9464", "::1", True),
        ("[::1]", "127.0.0.1", True),
        ("192.0.2.7:9464", "192.0.2.7", True),
        ("192.0.2.8:9464", "192.0.2.7", False),
        ("127.0.0.1.evil.example", "127.0.0.1", False),
        ("localhost.evil.example:9464", "127.0.0.1", False),
        ("evil.example", "127.0.0.1", False),
        ("2130706433", "127.0.0.1", False),
        ("[::1", "127.0.0.1", False),
        ("[::1].evil.example", "127.0.0.1", False),
        ("[::1%evil.example]", "127.0.0.1", False),
        ("[localhost]", "127.0.0.1", False),
        ("localhost:evil.example", "127.0.0.1", False),
        ("", "127.0.0.1", False),
    ],
)
def test_only_this_machines_own_names_are_taken(host: str, listens: str, is_here: bool) -> None:
    """Its loopback by any address, and where it listens."""
    assert is_this_machine(host, listens) is is_here


@pytest.mark.parametrize("path", ["/page", "/page/", "/page/page.html", "/page/../page.py", "/index.html", "//"])
async def test_there_is_no_other_file(window: Window, path: str) -> None:
    """It is the one 404."""
    assert (await window.ask(path))[0] == 404


async def test_data_is_never_kept_by_a_browser(window: Window) -> None:
    """What was true a moment ago is of no use."""
    for path in (STATUS, TRACE):
        _, headers, _ = await window.ask(path)
        assert (headers["Cache-Control"], headers["Content-Type"]) == ("no-store", "application/json")


async def test_what_happens_is_in_the_data(window: Window) -> None:
    """What waits, which lines there are, and what was counted."""
    await window.historian.look()
    await window.house.send(ALICE, BOB)
    shown = await window.json(STATUS)
    assert (shown["node"], shown["tone"], shown["summary"]) == ("n1", "good", "Everything is in order")
    tables = {table["name"]: table for table in shown["tables"]}
    assert tables["lines"]["rows"][0]["cells"][:2] == [ALERTS, "ready"]
    assert [row["cells"][-1] for row in tables["waiting"]["rows"]] == ["2 queued"]
    queue = next(chart for chart in shown["charts"] if chart["name"] == "queue")
    assert queue["series"][0]["values"][-1] == 2


async def test_many_who_look_cost_as_much_as_one(window: Window) -> None:
    """It is put together once for all of them."""
    answers = await asyncio.gather(*(window.json(STATUS) for _ in range(20)))
    assert all(answer == answers[0] for answer in answers)
    assert window.asked == 1


async def test_a_trace_is_told_in_words_without_texts_and_numbers(window: Window) -> None:
    """By any id of it; an id that is unknown, empty or far too long has no steps."""
    await window.house.send(ALICE, text="a secret text")
    steps = (await window.json(f"{TRACE}?id=key-1"))["steps"]
    assert {"message", "copy", "call", "result", "waits"} == {step["what"] for step in steps}
    assert all(set(step) == {"at", "what", "sentence"} for step in steps)
    assert "secret" not in str(steps)
    assert ALICE not in str(steps)
    for nothing in ("nosuch", "", "%20", "x" * 5000):
        assert await window.json(f"{TRACE}?id={nothing}") == {"steps": []}


async def test_an_id_that_is_a_phone_number_is_masked(window: Window) -> None:
    """A client may build its ids from one; it is found by it, and is not shown."""
    window.house.keys = iter([12065550199])
    await window.house.send(BOB)
    steps = (await window.json(f"{TRACE}?id=key-12065550199"))["steps"]
    assert steps
    assert "5550199" not in str(steps)
    assert "[peer " in str(steps)


async def test_a_journal_that_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    """The page is there all the same, and shows it."""

    async def broken(*_: object) -> Any:
        raise JournalUnusable("the disk is gone")

    listener = AdminListener("127.0.0.1", 0)
    listener.mount(PageRoute("127.0.0.1", shown=broken, traced=broken))
    async with listener, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as http:
        for path in (STATUS, f"{TRACE}?id=x"):
            async with http.get(f"{listener.url}{path}") as answer:
                said = await answer.json()
            assert (answer.status, said) == (503, {"error": "the journal cannot be read: the disk is gone"})
        async with http.get(listener.url) as answer:
            assert answer.status == 200


async def test_what_is_sent_and_received_is_counted_once(window: Window) -> None:
    """However often it is looked for."""
    await window.historian.look()
    await window.house.sent(ALICE, BOB)
    for _ in range(3):
        await window.historian.look()
    minute = window.historian.minutes.rows(window.house.clock.now())[-1][1]
    assert (minute["sent"], minute["received"]) == (2, 0)


class _Watched(Historian):
    """Says when it has looked."""

    looked = asyncio.Event()

    def saw(self, waiting: Mapping[str, Any]) -> None:
        """Note how much waits."""
        super().saw(waiting)
        self.looked.set()


async def test_the_hour_is_counted_without_anybody_looking(window: Window) -> None:
    """From the start of relay on."""
    historian = _Watched(window.house.journal, window.house.clock)
    async with historian.running(), asyncio.timeout(PATIENCE):
        await historian.looked.wait()
    assert historian.minutes.rows(window.house.clock.now())[-1][1]["queue"] == 0


class _Falling(Historian):
    """Has a defect, and says so."""

    failed = asyncio.Event()

    def saw(self, waiting: Mapping[str, Any]) -> None:
        """Fail."""
        self.failed.set()
        raise ZeroDivisionError(len(waiting))


async def test_charts_that_fail_are_told_and_end_nothing_else(window: Window) -> None:
    """One line in the log; leaving is as ever."""
    with capture_logs() as logs:
        historian = _Falling(window.house.journal, window.house.clock)
        async with historian.running(), asyncio.timeout(PATIENCE):
            await historian.failed.wait()
    assert [line["event"] for line in logs] == ["charts.ended"]
