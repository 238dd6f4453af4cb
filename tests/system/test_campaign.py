"""A campaign in the queue: what is urgent overtakes it, it still moves, and relay stays small and quick to answer."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from aiohttp import web

from tests.system.inhouse import daemon
from tests.system.world import World, world

LINES = """
[lines.alerts]
provider = "att-sms"
base_url = "{att}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "{directory}/app_secret"
calls_per_second = 10
window = 8
"""
PER_REQUEST = 10_000
SOON = 2.0  # seconds, as promised
MOST_MEMORY = 200  # MB
OVERTAKEN_BY = 3  # calls that may have been claimed before the urgent one was accepted, and not have arrived yet
PLACES = 8
BULK = "campaign"
HELD_UP_FOR = 300.0
FATES = {"handset": {"fates": False}}  # every text is delivered
SEND = "relay/line/alerts/send"


@dataclass
class Provider:
    """AT&T's side: the calls to send in the order in which they arrived, and a way to let a campaign's hang."""

    arrived: list[str] = field(default_factory=list)
    held: int = 0
    _request: int = 0
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self._open.set()

    def watch(self, line: dict[str, Any]) -> None:
        """Look at a line of the simulator's ledger: it has one for each recipient."""
        if line["what"] == "accepted" and line["request"] != self._request:
            self._request = line["request"]
            self.arrived.append(line["text"])

    @web.middleware
    async def slowly(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer at once, but for a campaign's calls while they are to hang."""
        if not self._open.is_set() and BULK.encode() in await request.read():
            self.held += 1
            await self._tell()
            await self._open.wait()
        answer = await handler(request)
        await self._tell()
        return answer

    async def until(self, condition: Callable[[], bool], within: float) -> None:
        """Wait until a call has changed what is so."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(condition)

    @asynccontextmanager
    async def hanging(self, calls: int) -> AsyncIterator[None]:
        """Inside so many of a campaign's calls are under way, and none of them is answered."""
        self.held = 0
        self._open.clear()
        try:
            await self.until(lambda: self.held >= calls, HELD_UP_FOR)
            yield
        finally:
            self._open.set()

    @property
    def campaign(self) -> int:
        """How many of the campaign's calls have arrived."""
        return self.arrived.count(BULK)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@dataclass
class Found:
    """What was measured: seconds, and MB."""

    accepted_in: float = 0
    started_in: float = 0
    urgent_in: list[float] = field(default_factory=list)
    status_in: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


@pytest.mark.timeout(3600)  # its own waits are bounded; the long form has a million copies
async def test_what_is_urgent_overtakes_a_campaign_that_still_moves(
    tmp_path: Path, free_port: Callable[[], int], long: bool, record_property: Callable[[str, object], None]
):
    """In less than two seconds, also while all of the campaign's calls hang, and right after a start."""
    requests, flow = (100, 100) if long else (6, 30)
    provider, found = Provider(), Found()
    async with world(tmp_path, free_port, speed=1, lines=LINES, middlewares=[provider.slowly], modes=FATES) as made:
        made.att.world.ledger.copy = provider.watch
        await made.relay.start()
        await made.listening()
        found.accepted_in = await _timed(_campaign(made, requests))
        for number in range(5):
            found.urgent_in.append(await _urgent(made, provider, f"urgent {number}"))
        async with provider.hanging(PLACES - 1):
            hung = provider.campaign
            found.urgent_in.append(await _urgent(made, provider, "urgent while all hang"))
            assert provider.campaign == hung
            assert (await _status(made, found))["copies"]["queued"] > requests * PER_REQUEST / 2
        await _fair(made, provider, flow)
        found.memory.append(_memory(made))
        assert await made.relay.stop() == 0
        found.started_in = await _timed(made.relay.start())
        found.urgent_in.append(await _urgent(made, provider, "urgent after a start"))
        assert (await _status(made, found))["calls"]["waiting"] > 0
        found.memory.append(_memory(made))
        assert made.violations() == []
    record_property("found", str(found))

    assert max(found.memory) < MOST_MEMORY
    assert max(*found.urgent_in, *found.status_in) < SOON


async def _campaign(made: World, requests: int) -> None:
    """Hand in a campaign, as fast as the broker takes it, and wait until all of it was accepted."""
    async with aiomqtt.Client("127.0.0.1", made.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        for number in range(requests):
            first = 2_000_000 + number * PER_REQUEST
            to = [f"+1312{first + place}" for place in range(PER_REQUEST)]
            request = {"id": f"campaign-{number}", "to": to, "text": BULK, "priority": "bulk"}
            await client.publish(f"{SEND}/marketing", json.dumps(request), qos=1)
    await made.ears.until(lambda: _answered(made) >= requests, within=60 + 10 * requests, what="it is accepted")
    outcomes = Counter(event["data"]["outcome"] for event in made.ears.events("result"))
    assert outcomes == {"accepted": requests}


def _answered(made: World) -> int:
    return sum(topic == "relay/line/alerts/result/marketing" for topic, _ in made.ears.heard)


async def _urgent(made: World, provider: Provider, text: str) -> float:
    """Ask for an urgent text; the seconds until AT&T has it."""
    request = {"id": text, "to": "+12065550101", "text": text, "priority": "high"}
    async with aiomqtt.Client("127.0.0.1", made.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        before, began = provider.campaign, time.monotonic()
        await client.publish(f"{SEND}/login", json.dumps(request), qos=1)
        await provider.until(lambda: text in provider.arrived, SOON)
    took = time.monotonic() - began
    assert provider.arrived[: provider.arrived.index(text)].count(BULK) - before <= 10 * took + OVERTAKEN_BY
    return round(took, 3)


async def _fair(made: World, provider: Provider, count: int) -> None:
    """Ask for many texts of both lanes above the campaign's at once: each lane has its share all the same."""
    begin = len(provider.arrived)
    async with aiomqtt.Client("127.0.0.1", made.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        for number in range(count):
            for lane in ("high", "normal"):
                to = f"+1206555{number % 10}{number:03}"
                request = {"id": f"{lane}-{number}", "to": to, "text": f"{lane} {number}", "priority": lane}
                await client.publish(f"{SEND}/shop", json.dumps(request), qos=1)
    wanted = {f"{lane} {number}" for lane in ("high", "normal") for number in range(count)}
    await provider.until(lambda: wanted <= set(provider.arrived[begin:]), HELD_UP_FOR)
    lanes = [text.split()[0] for text in provider.arrived[begin:]]
    last = max(place for place, lane in enumerate(lanes) if lane != BULK)
    last_high = max(place for place, lane in enumerate(lanes) if lane == "high")
    # Calls that are under way together may arrive in another order.
    assert lanes[: last + 1].count(BULK) >= last // 10 - 1
    assert lanes[:last_high].count(BULK) <= last_high / 10 + PLACES
    assert last_high // 5 - 1 <= lanes[:last_high].count("normal") <= last_high / 5 + PLACES


async def _status(made: World, found: Found) -> Any:
    """What `relay status` shows of what waits on the line; it is noted how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(SOON), daemon(made) as asking, asking.get("http://relay/status") as answer:
        shown = await answer.json()
    found.status_in.append(round(time.monotonic() - began, 3))
    return shown["journal"]["lines"]["alerts"]


async def _timed(what: Awaitable[None]) -> float:
    began = time.monotonic()
    await what
    return round(time.monotonic() - began, 1)


def _memory(made: World) -> int:
    """The most that relay's process has ever held, in MB."""
    lines = Path(f"/proc/{made.relay.process.pid}/status").read_text(encoding="ascii").splitlines()
    held = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return round(int(held) * 1024 / 1e6)
