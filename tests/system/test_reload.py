"""Settings that are read again while relay works: lines come, change and go, and nothing else notices."""

import asyncio
import itertools
import json
import random
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.battery.traffic import ALL_LINES, Traffic
from tests.system.test_cli import run, socket_of
from tests.system.world import World, notifications, world

SPEED = 300.0
BROKER_LOG = "broker.log"
FRIEND = "+12065550101"
FIRST_ACCOUNT = {
    "app_key": "demo-key",
    "app_secret": "demo-secret",
    "short_code": "12345",
    "registration_id": "12345",
}
SECOND_ACCOUNT = {**FIRST_ACCOUNT, "app_key": "second-key", "short_code": "54321", "registration_id": "54321"}
SECOND = """
[lines.second]
provider = "att-sms"
base_url = "{att}"
short_code = "54321"
app_key = "second-key"
app_secret_file = "{directory}/app_secret"
timeout = "60s"
{more}
"""
EVERY = 0.2  # real seconds between two texts of the steady stream
MEANWHILE = 3  # texts of it that go out while a call of the other line takes its time
EXCHANGES, MANY_EXCHANGES = 5, 200  # of all lines in the storm
TOO_LATE = "no poll for longer than the provider keeps texts"


class Settings:
    """The settings file of a world, written again and again."""

    def __init__(self, made: World) -> None:
        self._made = made
        self._path = made.relay.directory / "relay.toml"
        self.first = self._path.read_text()

    def write(self, added: str = "", *, instead: str | None = None) -> None:
        """As they were at the start, and this."""
        self._path.write_text((self.first if instead is None else instead) + added)

    def second(self, more: str = "") -> str:
        """A second short code."""
        return SECOND.format(att=self._made.att.base_url, directory=self._made.relay.directory, more=more)


class Slow:
    """AT&T takes a call of the second line, and answers when a test says so.

    Attributes:
        holds: whether it does.
        held: set once a call is held.
    """

    def __init__(self) -> None:
        self.holds = False
        self.held = asyncio.Event()
        self._released = asyncio.Event()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Take it, hold it, answer."""
        answer = await handler(request)
        if self.holds and request.method == "POST" and b"second-" in await request.read():
            self.held.set()
            await self._released.wait()
        return answer

    def release(self) -> None:
        """Answer what is held, and hold nothing any more."""
        self.holds = False
        self._released.set()


def patient(made: World) -> None:
    """Before relay starts: a stop may take long enough for calls that take long."""
    path = made.relay.directory / "relay.toml"
    path.write_text(path.read_text().replace('grace = "20s"', 'grace = "100s"'))


@asynccontextmanager
async def stream(made: World) -> AsyncIterator[list[str]]:
    """Texts on the line `alerts`, one after the other, for as long as the block lasts; gives their words."""
    texts: list[str] = []
    ended = asyncio.Event()

    async def go() -> None:
        while not ended.is_set():
            texts.append(f"steady {len(texts)}")
            request = {"id": f"steady-{len(texts)}", "to": [FRIEND], "text": texts[-1]}
            await made.publish("relay/line/alerts/send", request)
            try:
                await asyncio.wait_for(ended.wait(), EVERY)
            except TimeoutError:
                continue

    going = asyncio.create_task(go())
    try:
        yield texts
    finally:
        ended.set()
        await going


async def reload(made: World, *words: str) -> tuple[int | None, str]:
    """`relay reload`: its exit code and its words."""
    return await run("reload", *words, *socket_of(made))


async def reloaded(made: World) -> Any:
    """What came of a reload that is asked for; it has to be taken."""
    code, said = await reload(made, "--json")
    assert code == 0, said
    return json.loads(said)


async def retained(made: World) -> set[str]:
    """The lines of which a status is retained."""
    found: set[str] = set()
    async with aiomqtt.Client("127.0.0.1", made.broker.port) as client:
        await client.subscribe("relay/line/+/status", qos=1)
        await client.subscribe("relay/node/+/info", qos=1)
        async for message in client.messages:
            topic = str(message.topic).split("/")
            if topic[1] == "node":
                return found  # retained as well, and subscribed to last
            found.add(topic[2])
    raise AssertionError


def told(directory: Path) -> list[str]:
    """Have the broker write down all that it says."""
    return [f"log_dest file {directory / BROKER_LOG}"]


def connects(made: World) -> int:
    """How often relay's clients have connected to the broker."""
    said = (made.relay.directory / BROKER_LOG).read_text().splitlines()
    return sum("New client connected" in line and " as relay-" in line for line in said)


async def send(made: World, request_id: str) -> dict[str, Any]:
    """Send on the second line; the result."""
    await made.publish("relay/line/second/send", {"id": request_id, "to": [FRIEND], "text": f"text {request_id}"})
    return await made.ears.result(request_id)


async def send_until_refused(made: World) -> tuple[dict[str, Any], int]:
    """The answer to the first request that the second line does not take, and how many it took before."""
    for number in itertools.count():
        found = await send(made, f"late-{number}")
        if found["outcome"] != "accepted":
            return found, number
    raise AssertionError


def steady(made: World) -> list[str]:
    """The words of the stream that AT&T has taken."""
    return [line["text"] for line in made.accepted() if line["text"].startswith("steady")]


async def waiting(made: World) -> list[dict[str, Any]]:
    """The copies that wait on the second line."""
    code, said = await run("queue", "list", "--line", "second", "--json", *socket_of(made))
    assert code == 0, said
    return [json.loads(line) for line in said.splitlines()]


async def in_order(made: World) -> None:
    """Nothing was uncertain, nothing failed, and relay stops as always."""
    assert await made.relay.stop() == 0
    statuses = {event["data"]["status"] for event in made.ears.events("receipt")}
    assert "uncertain" not in statuses
    for event in ("stage.failed", "stage.undrained", "reload.failed", "bus.lost"):
        assert made.relay.logged(event) == [], event
    # A short code that was away for too long may well have lost texts.
    assert {line["reason"] for line in made.relay.logged("inbox.loss_suspected")} <= {TOO_LATE}
    assert made.violations() == []


async def test_lines_come_change_and_go_while_another_works(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """The other's texts go out once each without a gap, and relay's clients stay connected all the while."""
    accounts = {"att-sms": [FIRST_ACCOUNT, SECOND_ACCOUNT]}
    slow = Slow()
    async with world(
        tmp_path, free_port, speed=SPEED, accounts=accounts, middlewares=[slow.middleware], broker_extra=told(tmp_path)
    ) as made:
        patient(made)
        await made.relay.start()
        await made.listening()
        settings, connected = Settings(made), connects(made)
        async with stream(made) as texts:
            await _comes(made, settings)
            await _changes(made, settings)
            await _goes_with_a_call_in_flight(made, settings, slow)
            await _bad_settings_change_nothing(made, settings)
            await _comes_back(made, settings)
        await made.ears.result(f"steady-{len(texts)}")
        await made.until_att(lambda: len(steady(made)) >= len(texts))
        assert connects(made) == connected
        assert sorted(steady(made)) == sorted(texts)
        await in_order(made)


async def _comes(made: World, settings: Settings) -> None:
    """A line that is new is told of, sends, and receives."""
    settings.write(settings.second())
    assert (await reloaded(made))["added"] == ["second"]
    assert "second" in await retained(made)
    assert (await send(made, "second-1"))["outcome"] == "accepted"
    await made.until_att(lambda: made.accepted("text second-1"))
    made.text_in(FRIEND, "54321", "hello second")
    await made.ears.until(lambda: any(each["data"]["text"] == "hello second" for each in made.ears.events("message")))


async def _changes(made: World, settings: Settings) -> None:
    """A line with other settings goes on; what asks for a restart is named, and not taken."""
    other = settings.first.replace('grace = "100s"', 'grace = "101s"')
    settings.write(settings.second('window = 1\npoll_interval = "6m"'), instead=other)
    code, said = await reload(made)
    assert (code, said) == (0, "second: changed\nnot taken before relay is restarted: node.grace\n")
    assert (await send(made, "second-2"))["outcome"] == "accepted"
    await made.until_att(lambda: made.accepted("text second-2"))


async def _goes_with_a_call_in_flight(made: World, settings: Settings, slow: "Slow") -> None:
    """The call ends as itself; what waits behind it is kept and listed; nobody is served there any more."""
    slow.holds = True
    for number in (3, 4, 5):
        await send(made, f"second-{number}")
    await slow.held.wait()
    settings.write()
    reloading = asyncio.create_task(reloaded(made))
    refusal, taken = await send_until_refused(made)
    assert refusal["error"]["code"] == "unknown_line"
    before = len(steady(made))
    await made.until_att(lambda: len(steady(made)) >= before + MEANWHILE)
    assert not reloading.done()
    begun = len(made.relay.logged("reload.begun"))
    for _ in range(3):
        made.relay.process.send_signal(signal.SIGHUP)
    slow.release()
    assert await reloading == {
        "outcome": "taken",
        "added": [],
        "removed": ["second"],
        "changed": [],
        "needs_restart": [],
        "problems": [],
    }
    assert [line["text"] for line in made.accepted() if line["text"].startswith("text second-")][2:] == [
        "text second-3"
    ]
    assert {one["status"] for one in await waiting(made)} == {"queued"}
    assert len(await waiting(made)) == 2 + taken
    assert "second" not in await retained(made)
    # Those who asked meanwhile are served after it, by one more.
    assert (await reloaded(made))["outcome"] == "unchanged"
    assert len(made.relay.logged("reload.begun")) in {begun + 1, begun + 2}


async def _bad_settings_change_nothing(made: World, settings: Settings) -> None:
    """They are refused whole, with words, whoever asks."""
    settings.write(settings.second("windw = 1"))
    code, said = await reload(made)
    assert code == 78
    assert "lines.second.windw" in said
    assert 'did you mean "window"?' in said
    refused = len(made.relay.logged("reload.refused"))
    made.relay.process.send_signal(signal.SIGHUP)
    await made.ears.until(lambda: len(made.relay.logged("reload.refused")) > refused)
    code, said = await run("status", "--json", *socket_of(made))
    assert sorted(json.loads(said)["lines"]) == ["alerts", "office"]


async def _comes_back(made: World, settings: Settings) -> None:
    """What was kept for a line goes out once it is there again."""
    settings.write(settings.second())
    assert (await reloaded(made))["added"] == ["second"]
    await made.until_att(lambda: made.accepted("text second-4") and made.accepted("text second-5"))


async def test_a_storm_of_reloads_loses_and_doubles_nothing(
    tmp_path: Path, free_port: Callable[[], int], *, long: bool
) -> None:
    """All three kinds of lines are exchanged again and again under traffic in every direction."""
    async with world(tmp_path, free_port, speed=SPEED, lines=ALL_LINES, broker_extra=told(tmp_path)) as made:
        await made.relay.start()
        traffic = Traffic(made, random.Random(7))  # noqa: S311 - a seed that can be repeated
        await traffic.prepare()
        settings, connected = Settings(made), connects(made)
        for number in range(MANY_EXCHANGES if long else EXCHANGES):
            settings.write(instead=settings.first.replace("provider =", f"window = {number % 3 + 4}\nprovider ="))
            made.relay.process.send_signal(signal.SIGHUP)
            await traffic.round(2)
        settings.write()
        await reloaded(made)
        findings = await traffic.settled()
        assert (findings.lost, findings.twice, findings.uncertain) == (0, 0, 0), str(findings)
        assert connects(made) == connected
        assert len(made.relay.logged("line.changed")) > 0
        await in_order(made)


async def test_systemd_hears_of_a_reload_and_a_stop_ends_one_cleanly(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """RELOADING with its time, then READY; a call that the reload waits for ends within the grace of the stop."""
    slow, accounts = Slow(), {"att-sms": [FIRST_ACCOUNT, SECOND_ACCOUNT]}
    async with world(tmp_path, free_port, speed=SPEED, accounts=accounts, middlewares=[slow.middleware]) as made:
        patient(made)
        settings, path = Settings(made), tmp_path / "notify"
        settings.write(settings.second())
        with notifications(path) as notified:
            await made.relay.launch(NOTIFY_SOCKET=str(path))
            await said(notified, "READY=1")
            await made.listening()
            settings.write(settings.second("window = 1"))
            made.relay.process.send_signal(signal.SIGHUP)
            before = [word for word in await said(notified, "READY=1") if not word.startswith("STATUS=node ")]
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", before[0])
            assert before[1:] == ["STATUS=reloaded"]
            slow.holds = True
            await send(made, "second-1")
            await send(made, "second-2")
            await slow.held.wait()
            settings.write()
            made.relay.process.send_signal(signal.SIGHUP)
            await said(notified, "RELOADING=1")
            made.relay.process.send_signal(signal.SIGTERM)
            await said(notified, "STOPPING=1")
            slow.release()
            assert await made.relay.process.wait() == 0
        settings.write(settings.second())
        await made.relay.start()
        assert made.relay.logged("journal.recovered")[-1]["cut_calls"] == 0
        await made.until_att(lambda: made.accepted("text second-2"))
        assert len(made.accepted("text second-1")) == 1
        await in_order(made)


async def said(notified: socket.socket, word: str) -> list[str]:
    """Wait until relay says this to systemd; what it said before, without its signs of life."""
    before: list[str] = []
    async with asyncio.timeout(60):
        while True:
            heard = (await asyncio.get_running_loop().sock_recv(notified, 4096)).decode()
            if heard.startswith(word):
                return before
            before += [heard] if heard != "WATCHDOG=1" else []
