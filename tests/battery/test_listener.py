"""W1 to W7: whoever reaches the web-hook listener does to it what he likes, and AT&T's hooks are taken meanwhile."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.battery.table import Row
from tests.system.ledgers import compare
from tests.system.test_cli import run, socket_of
from tests.system.world import World, world
from tests.unit.web.test_public import GARBAGE, Caller, request

OFFICE, FRIEND = "+12065550100", "+12065550177"
SLOW = 450  # callers at once: more than the listener holds
FLOOD = 400
MOST_GROWTH = 20 * 1024 * 1024  # bytes of memory
AT_ONCE = 50

Found = Callable[[Row], None]
Attack = Callable[["Gate"], Awaitable[int]]


@dataclass
class Gate:
    """A listener that is attacked: the world behind it, where it is, and a path that is right."""

    made: World
    port: int
    path: str
    rounds: int

    async def many(self, count: int, one: Callable[[int], Awaitable[object]]) -> int:
        """Do `one` so often, some at once, however each ends; gives how often."""
        room = asyncio.Semaphore(AT_ONCE)

        async def do(place: int) -> None:
            async with room:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    await one(place)

        await asyncio.gather(*(do(place) for place in range(count * self.rounds)))
        return count * self.rounds

    async def ask(self, raw: bytes) -> int:
        """The status that a request is answered with."""
        async with Caller(self.port) as caller:
            return (await caller.ask(raw)).status


@asynccontextmanager
async def gate(folder: Path, free_port: Callable[[], int], *, long: bool) -> AsyncIterator[Gate]:
    """A world whose Landline hooks are installed."""
    async with world(folder, free_port, speed=60) as made:
        await made.relay.start()
        await made.listening()
        async with asyncio.timeout(20):
            while len(made.ledger("hook-added")) < 5:  # noqa: ASYNC110 - the ledger rings no bell
                await asyncio.sleep(0)
        _, said = await run("webhooks", "list", "--json", *socket_of(made))
        hooks = [json.loads(line) for line in said.splitlines()]
        [url] = [hook["url"] for hook in hooks if (hook["line"], hook["event"]) == ("office", "receive")]
        yield Gate(made, urlsplit(url).port or 0, urlsplit(url).path, 20 if long else 1)


async def _slow_heads(gate: Gate) -> int:
    """Hundreds say half a head, and stay."""
    async with contextlib.AsyncExitStack() as crowd:
        for _ in range(SLOW):
            caller = await crowd.enter_async_context(Caller(gate.port))
            with contextlib.suppress(ConnectionError):
                await caller.say(b"POST /hooks HTTP/1.1\r\nHost: x\r\n")
        await _good(gate, "beside slow heads")
    return SLOW


async def _slow_bodies(gate: Gate) -> int:
    """Hundreds begin a body under a wrong secret; none is waited for."""
    async with contextlib.AsyncExitStack() as crowd:
        for _ in range(SLOW):
            caller = await crowd.enter_async_context(Caller(gate.port))
            with contextlib.suppress(ConnectionError):
                await caller.say(b"POST /hooks/office/no/receive HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{")
        await _good(gate, "beside slow bodies")
    return SLOW


async def _oversized(gate: Gate) -> int:
    """Bodies that are, or say they are, far too large; memory stays as it is."""
    before = await _resident(gate.made)
    huge = f"POST {gate.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\n".encode()

    async def one(place: int) -> None:
        assert await gate.ask(huge if place % 2 else request(gate.path, b" " * 200_000)) == 413

    tried = await gate.many(100, one)
    assert await _resident(gate.made) - before < MOST_GROWTH
    return tried


async def _smuggled(gate: Gate) -> int:
    """Two lengths, a length and chunks, signs before numbers, a second request inside a body: 400, and nothing kept."""
    inner = request(gate.path, b'{"smuggled": 1}')
    raws = [
        request(gate.path, b"{}", "POST", "Content-Length: 5"),
        request(gate.path, inner, "POST", "Transfer-Encoding: chunked"),
        request(gate.path, b"{}").replace(b"Content-Length: 2", b"Content-Length: +2"),
        request(gate.path, b"{}").replace(b"Content-Length: 2", b"Content-Length: 0x2"),
        request(gate.path, b"{}").replace(b"Content-Length: 2", b"Transfer-Encoding: chunked, identity"),
    ]

    async def one(place: int) -> None:
        assert await gate.ask(raws[place % len(raws)]) == 400

    return await gate.many(50, one)


async def _replayed(gate: Gate) -> int:
    """One hook's bytes, again and again, and at once: 2xx each time, and one message."""
    said = {"id": 864883126574915584, "address": "ptn:/2065550188", "finaldestination": "2065550100"}
    body = json.dumps({**said, "type": "MO", "body": "replayed"}).encode()
    raw = request(gate.path, body, "POST", "Content-Type: application/json")

    async def one(_: int) -> None:
        assert await gate.ask(raw) == 200

    return await gate.many(60, one)


async def _guessed(gate: Gate) -> int:
    """Wrong secrets, lines and events: one and the same answer, a line in the log now and then."""
    paths = ["/hooks/office/{}/receive", "/hooks/nowhere/{}/receive", "/hooks/office/{}/nothing", "/{}"]

    async def one(place: int) -> None:
        path = paths[place % len(paths)].format(f"guess-{place}")
        assert await gate.ask(request(path)) == 404

    tried = await gate.many(FLOOD, one)
    assert 1 <= len(gate.made.relay.logged("hook.turned_away")) <= 3 * gate.rounds
    return tried


async def _injected(gate: Gate) -> int:
    """Line breaks, escapes and lone surrogates wherever a log or a topic could take them up."""
    evil = '\\n{\\"level\\": \\"critical\\", \\"event\\": \\"forged\\"}\\u001b[2J\\u2028\\ud800/+/#'
    fields = ("id", "type", "address", "body", "finaldestination", "datecreated", "status", "deviceaddress")
    before = len(gate.made.relay.log_path.read_text().splitlines())

    async def one(place: int) -> None:
        name = fields[place % len(fields)]
        body = f'{{"id": "{place}", "type": "MO", "{name}": "{evil}"}}'.encode()
        assert await gate.ask(request(gate.path, body, "POST", "User-Agent: \xe2\x80\xa8")) == 200

    tried = await gate.many(40, one)
    await _good(gate, "after what was injected")
    for line in gate.made.relay.log_path.read_text().splitlines()[before:]:
        said = json.loads(line)
        assert (line.isascii(), said["event"] != "forged", "\x1b" not in line) == (True, True, True)
    assert {topic.count("/") for topic, _ in gate.made.ears.heard if "forged" in topic} == set()
    return tried


async def _noise(gate: Gate) -> int:
    """What is no HTTP at all."""
    kinds = list(GARBAGE.values())

    async def one(place: int) -> None:
        async with Caller(gate.port) as caller:
            await caller.say(kinds[place % len(kinds)])
            await caller.answer()

    return await gate.many(FLOOD, one)


_bytes = st.one_of(
    st.binary(max_size=300),
    st.sampled_from(sorted(GARBAGE.values())),
    st.builds(
        lambda method, path, headers, body: request(path, body, method, *headers),
        st.sampled_from(["POST", "PUT", "GET", "HEAD", "DELETE", "BREW"]),
        st.sampled_from(["/", "/hooks/office/x/receive", "//hooks", "/hooks/%2e%2e/x", "*", "http://x/hooks"]),
        st.lists(st.sampled_from(["Expect: 100-continue", "Upgrade: h2c", "Connection: x", "Content-Length: 1"])),
        st.binary(max_size=100),
    ),
)


async def _random(gate: Gate) -> int:
    """What Hypothesis makes, in pieces; a connection that it leaves half said is not waited for."""
    streams: list[list[bytes]] = []

    @settings(max_examples=100 * gate.rounds, database=None, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(_bytes, min_size=1, max_size=4))
    def gather(pieces: list[bytes]) -> None:
        streams.append(pieces)

    await asyncio.to_thread(gather)

    async def one(place: int) -> None:
        async with Caller(gate.port) as caller:
            for piece in streams[place % len(streams)]:
                await caller.say(piece)

    return await gate.many(100, one)


async def _good(gate: Gate, text: str) -> None:
    """AT&T delivers a text by a web hook, and it is heard."""
    gate.made.text_in(FRIEND, OFFICE, text)
    await gate.made.ears.until(
        lambda: any(event["data"]["text"] == text for event in gate.made.ears.events("message")), what=text
    )


async def _resident(made: World) -> int:
    """Bytes of memory that relay has."""
    status = await asyncio.to_thread(Path(f"/proc/{made.relay.process.pid}/status").read_text)
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


ATTACKS: tuple[tuple[str, str, Attack], ...] = (
    ("W1", "slow heads, more than are held", _slow_heads),
    ("W1", "slow bodies, more than are held", _slow_bodies),
    ("W2", "oversized bodies", _oversized),
    ("W2", "smuggled requests", _smuggled),
    ("W3", "one hook replayed, also at once", _replayed),
    ("W4", "wrong secrets", _guessed),
    ("W5", "injected into logs and topics", _injected),
    ("W6", "noise", _noise),
    ("W6", "random bytes, by Hypothesis", _random),
)


@pytest.mark.timeout(900)
async def test_attacks_keep_nobody_out_and_bring_nothing_in(
    tmp_path: Path, free_port: Callable[[], int], found: Found, *, long: bool
):
    """One after the other, with a good hook after each; in the end the ledgers agree, and relay logged no failure."""
    async with gate(tmp_path, free_port, long=long) as here:
        for number, (fault_id, fault, attack) in enumerate(ATTACKS):
            tried = await attack(here)
            began = time.monotonic()
            await _good(here, f"good {number}")
            recovered = time.monotonic() - began
            seen = compare(here.made)
            found(Row(fault_id, fault, tried, seen.lost, seen.twice, recovered))
        heard = [event["data"]["text"] for event in here.made.ears.events("message")]
        assert heard.count("replayed") == 1
        assert '{"smuggled' not in json.dumps(heard)
        bad = [line for line in _logged(here.made) if line["level"] in {"error", "critical"}]
        assert bad == []


def _logged(made: World) -> list[dict[str, str]]:
    return [json.loads(line) for line in made.relay.log_path.read_text().splitlines()]
