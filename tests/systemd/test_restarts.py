"""Twenty restarts under a steady stream of web hooks: no connection is refused, nothing is lost, nothing is doubled."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import aiohttp

from tests.system.world import world
from tests.systemd.manager import ManagedRelay

RESTARTS = 20
CALLERS = 6  # half of them make a connection for each hook, half keep theirs
PAUSE = 0.1  # seconds between a caller's hooks
A_LIFE = 12  # hooks are answered in a life, at least
UNDER_WAY = 2  # calls are under way as relay is ended, at least
CUT = {"ClientOSError", "ServerDisconnectedError"}  # of a connection that was made
ATT_WAITS = 7.0  # seconds for an answer: Landline Texting documentation, Events
SECRET = "known-beforehand-to-the-tests"


class Restarted(ManagedRelay):
    """A relay whose web hooks' secret is known beforehand."""

    environment = MappingProxyType({"RELAY_LINES__OFFICE__WEBHOOK_SECRET": SECRET})


@dataclass
class Stream:
    """Callers who deliver web hooks as AT&T does: until each is answered 2xx.

    Attributes:
        url: where to.
        ended_by: what ended relay last.
        answered: the texts that were.
        trouble: how often a call failed, by what ended relay last, whether the connection was new, and how it failed.
        under_way: calls that are.
    """

    url: str
    ended_by: str = "nothing"
    answered: set[str] = field(default_factory=set)
    trouble: Counter[tuple[str, bool, str]] = field(default_factory=Counter)
    under_way: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(864883126574915584))
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Inside hooks come all the time; on leaving the last of them has been answered."""
        ends = asyncio.Event()
        callers = [asyncio.create_task(self._call(ends, new=bool(place % 2))) for place in range(CALLERS)]
        try:
            yield
        finally:
            ends.set()
            await asyncio.gather(*callers)

    async def more(self, count: int) -> None:
        """Wait until so many more have been answered, and some are under way."""
        wanted = len(self.answered) + count
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: len(self.answered) >= wanted and self.under_way >= UNDER_WAY)

    async def _call(self, ends: asyncio.Event, *, new: bool) -> None:
        connector = aiohttp.TCPConnector(force_close=new, limit=1)
        timeout = aiohttp.ClientTimeout(total=ATT_WAITS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while not ends.is_set():
                await self._deliver(session, next(self._ids), new=new)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ends.wait(), PAUSE)

    async def _deliver(self, session: aiohttp.ClientSession, number: int, *, new: bool) -> None:
        text = f"hook {number}"
        hook = {
            "id": number,
            "address": "ptn:/2065550188",
            "finaldestination": "2065550100",
            "type": "MO",
            "body": text,
        }
        while text not in self.answered:
            await self._tell(1)
            try:
                async with session.post(self.url, json=hook) as answer:
                    if answer.ok:
                        self.answered.add(text)
                    else:
                        self.trouble[self.ended_by, new, f"HTTP {answer.status}"] += 1
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self.trouble[self.ended_by, new, type(error).__name__] += 1
            await self._tell(-1)

    async def _tell(self, more_under_way: int) -> None:
        async with self._changed:
            self.under_way += more_under_way
            self._changed.notify_all()


async def test_no_web_hook_is_refused_over_restarts(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Every other time relay is killed: then calls that it had accepted are made again, as AT&T makes them."""
    async with world(tmp_path, free_port, speed=60, relay=Restarted) as made:
        relay = made.relay
        assert isinstance(relay, Restarted)
        async with relay.manager.managing():
            await relay.start()
            stream = Stream(f"{made.hooks}/hooks/office/{SECRET}/receive")
            async with stream.flowing():
                for ending in ("kill", "stop") * (RESTARTS // 2):
                    await stream.more(A_LIFE)
                    stream.ended_by = ending
                    await getattr(relay, ending)()
                    await relay.start()
                await stream.more(A_LIFE)
            await made.ears.until(lambda: len(made.ears.events("message")) >= len(stream.answered), what="all hooks")
            told = Counter(event["data"]["text"] for event in made.ears.events("message"))
            assert set(told) == stream.answered
            assert set(told.values()) == {1}
            # What a kill cuts was accepted. A stop cuts nobody new; who keeps a connection may speak as it is closed.
            cut = {("kill", True), ("kill", False), ("stop", False)}
            assert {one for one in stream.trouble if one[:2] not in cut or one[2] not in CUT} == set()
            assert [one.name for one in relay.manager.kept] == ["webhooks"]
            assert len(relay.logged("listener.handed_over")) == RESTARTS
