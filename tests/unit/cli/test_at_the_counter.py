"""The commands about web hooks, consents and what was set aside, as their user meets them, with a daemon's socket."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner, Result

from relay.cli.browser import door
from relay.cli.main import app
from tests.unit.consenting import DESK, SECRET
from tests.unit.counter import PATIENCE, Counter, opened, set_aside
from tests.unit.stages.house import ALERTS, OFFICE, happens

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket."""
    async with AsyncExitStack() as stack:
        yield await opened(tmp_path, stack)


async def relay(desk: Counter, *words: str) -> Result:
    """Run a command, as another program would."""
    async with asyncio.timeout(PATIENCE):
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, [*words, "--socket", str(desk.path)]))


def rows(told: Result) -> list[dict[str, Any]]:
    """What `--json` printed."""
    return [json.loads(line) for line in told.output.splitlines()]


async def test_web_hooks_are_listed_as_a_table(desk: Counter) -> None:
    """With their addresses: that is what the command is for."""
    told = await relay(desk, "webhooks", "list")
    assert told.exit_code == 0
    head, *lines = told.output.splitlines()
    assert head.split() == ["line", "state", "event", "address"]
    assert lines[0].split() == [ALERTS, "by-hand", "message", "/hooks/alerts/x/message"]
    assert lines[1].split()[:3] == [OFFICE, "missing", "receive"]
    assert SECRET in lines[1]


async def test_web_hooks_are_listed_for_one_line_and_for_programs(desk: Counter) -> None:
    """One object a line."""
    told = rows(await relay(desk, "webhooks", "list", OFFICE, "--json"))
    assert [(row["line"], row["event"], row["state"]) for row in told] == [
        (OFFICE, "receive", "missing"),
        (OFFICE, "send", "missing"),
    ]
    assert (await relay(desk, "webhooks", "list", "nosuch")).output == "no provider calls this line\n"


async def test_web_hooks_are_installed_repaired_and_removed(desk: Counter) -> None:
    """Each says what it did, without the secret."""
    told = await relay(desk, "webhooks", "install", OFFICE)
    assert (told.exit_code, told.output.splitlines()) == (
        0,
        ["installed: receive at 127.0.0.1:9", "installed: send at 127.0.0.1:9", "office: 2 changes"],
    )
    assert (await relay(desk, "webhooks", "repair", OFFICE)).output == "office: nothing to change\n"
    [removed] = rows(await relay(desk, "webhooks", "remove", OFFICE, "--json"))
    assert [change["repair"] for change in removed["changes"]] == ["removed", "removed"]
    told = await relay(desk, "webhooks", "repair", OFFICE)
    assert (told.exit_code, "removed on purpose" in told.output) == (1, True)


@pytest.mark.parametrize("act", ["install", "repair", "remove"])
async def test_what_relay_cannot_install_is_said_with_exit_code_1(desk: Counter, act: str) -> None:
    """And where the addresses are."""
    told = await relay(desk, "webhooks", act, ALERTS)
    assert told.exit_code == 1
    assert "relay webhooks list prints the addresses" in told.output


async def test_a_login_ends_with_0_once_consent_was_given(desk: Counter) -> None:
    """The address is printed; meanwhile somebody opens it elsewhere."""
    command = asyncio.create_task(relay(desk, "auth", "login", DESK))
    await happens(lambda: DESK in desk.consents._open)
    await desk.consents.returned(DESK, {"code": "a"})
    told = await command
    assert told.exit_code == 0
    assert "https://provider.example/authorize?client_id=key&redirect_uri=" in told.output
    assert told.output.splitlines()[-1] == "consent was given: the subscriber is the line's"


async def test_a_login_ends_with_1_when_consent_was_refused(desk: Counter) -> None:
    """For programs it is two objects."""
    command = asyncio.create_task(relay(desk, "auth", "login", DESK, "--json", "--no-browser"))
    await happens(lambda: DESK in desk.consents._open)
    await desk.consents.returned(DESK, {"error": "access_denied"})
    told = await command
    assert told.exit_code == 1
    opening, end = rows(told)
    assert opening["open"].startswith("https://provider.example/")
    assert end == {"outcome": "refused", "detail": "the provider said: access_denied"}


async def test_a_login_ends_with_1_when_nobody_agreed(desk: Counter) -> None:
    """After the time that was given."""
    told = await relay(desk, "auth", "login", DESK, "--timeout", "10ms")
    assert told.exit_code == 1
    assert told.output.splitlines()[-1] == "it took too long: nobody agreed in time"


async def test_a_login_ends_with_1_when_relay_stops(desk: Counter) -> None:
    """With a sentence that says to begin again."""
    command = asyncio.create_task(relay(desk, "auth", "login", DESK))
    await happens(lambda: DESK in desk.consents._open)
    await desk.server.__aexit__()
    told = await command
    assert told.exit_code == 1
    assert told.output.splitlines()[-1].startswith("relay stopped")


async def test_a_line_that_needs_no_consent_is_said(desk: Counter) -> None:
    """Those that do are named."""
    told = await relay(desk, "auth", "login", ALERTS)
    assert (told.exit_code, told.output.endswith("those that do: desk\n")) == (1, True)


async def test_how_consent_stands_is_shown_and_it_is_revoked(desk: Counter) -> None:
    """What is to be done about it stands beside it."""
    told = await relay(desk, "auth", "status")
    assert told.exit_code == 0
    assert "none (never_given): relay auth login desk" in told.output
    async with desk.consents.login(DESK):
        await desk.consents.returned(DESK, {"code": "a"})
    [standing] = rows(await relay(desk, "auth", "status", "--json"))
    assert (standing["line"], standing["given"]) == (DESK, True)
    assert "2026-11-21 09:00:00Z" in (await relay(desk, "auth", "status")).output
    assert (await relay(desk, "auth", "revoke", DESK)).exit_code == 0
    assert not (await desk.subscriber.consent()).given


async def test_what_was_set_aside_is_listed_shown_and_discarded(desk: Counter) -> None:
    """The list shows no content."""
    assert (await relay(desk, "dead", "list")).output == "nothing waits for a person\n"
    ids = [await set_aside(desk, body) for body in (b"one", b"two", b"three")]
    told = await relay(desk, "dead", "list")
    assert [line.split()[0] for line in told.output.splitlines()] == ids
    assert "it is no page" in told.output
    assert [row["id"] for row in rows(await relay(desk, "dead", "list", "--limit", "2", "--json"))] == ids[:2]
    [shown] = rows(await relay(desk, "dead", "show", ids[0], "--json"))
    assert shown["raw"]["body"] == "b25l"
    assert '"source": "inbox"' in (await relay(desk, "dead", "show", ids[0])).output
    assert (await relay(desk, "dead", "discard", ids[0])).output == f"{ids[0]}: discarded\n"
    told = await relay(desk, "dead", "discard", ids[0])
    assert (told.exit_code, "nothing of this id waits" in told.output) == (1, True)


async def test_what_was_set_aside_is_replayed(desk: Counter) -> None:
    """0 where it was read, 1 where it still cannot be."""
    page = {"inboundSmsMessageList": {"inboundSmsMessage": [], "numberOfMessagesInThisBatch": 0}}
    readable, unreadable = await set_aside(desk, json.dumps(page).encode()), await set_aside(desk, b"noise")
    told = await relay(desk, "dead", "replay", readable)
    assert (told.exit_code, told.output) == (0, "read\n")
    told = await relay(desk, "dead", "replay", unreadable)
    assert (told.exit_code, told.output.startswith("still not readable: ")) == (1, True)
    [done] = rows(await relay(desk, "dead", "replay", unreadable, "--json"))
    assert done["outcome"] == "unreadable"


async def test_the_list_ends_where_there_are_no_more(desk: Counter) -> None:
    """However many were asked for."""
    for number in range(3):
        await set_aside(desk, str(number).encode())
    assert len(rows(await relay(desk, "dead", "list", "--limit", "1000", "--json"))) == 3


async def test_the_door_to_a_browser_opens_once() -> None:
    """The address that holds a secret stands in no process' arguments: what does leads there one single time."""
    secret = "https://provider.example/authorize?redirect_uri=with-a-secret"
    async with door(secret) as entrance, aiohttp.ClientSession() as http:
        assert entrance.startswith("http://127.0.0.1:")
        assert "secret" not in entrance
        async with http.get(f"{entrance}x", allow_redirects=False) as answer:
            assert answer.status == 404
        async with http.get(entrance, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (302, secret)
            assert answer.headers["Referrer-Policy"] == "no-referrer"
        async with http.get(entrance, allow_redirects=False) as answer:
            assert answer.status == 404


BROWSER = """#!{python}
import socket, sys
with socket.create_connection(("127.0.0.1", {port})) as test:
    test.sendall(" ".join(sys.argv[1:]).encode())
"""


async def test_at_a_terminal_a_browser_is_shown_the_way(desk: Counter, tmp_path: Path) -> None:
    """A program named by $BROWSER tells what it was started with, and the way leads where it should."""
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.put_nowait((await reader.read()).decode())
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as test:
        browser = tmp_path / "browser"
        browser.write_text(BROWSER.format(python=sys.executable, port=test.sockets[0].getsockname()[1]))
        browser.chmod(0o700)
        ours, theirs = os.openpty()
        command = (sys.executable, "-m", "relay", "auth", "login", DESK, "--socket", str(desk.path))
        process = await asyncio.create_subprocess_exec(
            *command, stdout=theirs, cwd=ROOT, env={**os.environ, "DISPLAY": ":7", "BROWSER": str(browser)}
        )
        os.close(theirs)
        async with asyncio.timeout(4 * PATIENCE), aiohttp.ClientSession() as http:
            entrance = await asked.get()
            async with http.get(entrance, allow_redirects=False) as answer:
                assert answer.headers["Location"].startswith("https://provider.example/authorize?")
            await desk.consents.returned(DESK, {"code": "a"})
            assert await process.wait() == 0
        os.close(ours)
    assert SECRET not in entrance
