"""PostgreSQL is away: web hooks are answered 2xx all the same, and are in the journal in order and once afterwards."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests import forks
from tests.faults.spooling_node import LINE, SECRET
from tests.postgres import Server

PROGRAM = Path(__file__).with_name("spooling_node.py")
ROOT = Path(__file__).parents[2]
PATIENCE = 60
ANSWERED_WITHIN = 7.0  # seconds: what takes longer is a failure for AT&T


@pytest.fixture
def server() -> Iterator[Server]:
    """A PostgreSQL of one's own, to be stopped."""
    with Server() as running:
        yield running


@dataclass
class Node:
    """A node in a process of its own, and what is sent to it."""

    server: Server
    url: str
    spool: Path
    port: int
    http: aiohttp.ClientSession
    slowest: float = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While inside, it runs; then it is killed."""
        process = await forks.start(PROGRAM, self.url, self.spool, str(self.port), stdout=forks.PIPE)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                assert await process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()
            await process.communicate()

    async def call(self, numbers: range) -> list[int]:
        """Texts come in, one after the other; what each was answered."""
        return [await self._call(number) for number in numbers]

    async def _call(self, number: int) -> int:
        said = {"id": number, "messageType": "MO", "finalSource": "2065550002", "body": f"text {number}"}
        began = asyncio.get_running_loop().time()
        async with self.http.post(f"http://127.0.0.1:{self.port}/hooks/{LINE}/{SECRET}/receive", json=said) as answer:
            status = answer.status
        self.slowest = max(self.slowest, asyncio.get_running_loop().time() - began)
        return status

    async def announced(self, texts: int) -> list[str]:
        """The texts that were announced, in that order, once there are so many."""
        query = "SELECT body FROM event WHERE kind = 'message' ORDER BY position"
        database = self.url.rpartition("/")[2]
        found: list[str] = []
        async with asyncio.timeout(PATIENCE):
            while len(found) < texts:
                rows = await asyncio.to_thread(self.server.execute, query, database=database)
                found = [str(json.loads(bytes(body))["text"]) for (body,) in rows]
        return found


@pytest.fixture
async def node(server: Server, tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[Node]:
    """A node that does not run yet."""
    url = await asyncio.to_thread(server.create_database, "relay")
    async with aiohttp.ClientSession() as http:
        yield Node(server, url, tmp_path / "spool.db", free_port(), http)


def texts(numbers: int) -> list[str]:
    """What is to be announced."""
    return [f"text {number}" for number in range(numbers)]


async def test_hooks_of_an_outage_are_kept_and_folded_in_in_order_and_once(node: Node) -> None:
    """None is refused, and none waits so long that AT&T would call it a failure."""
    async with node.running():
        before = await node.call(range(5))
        await asyncio.to_thread(node.server.stop, "immediate")
        during = await node.call(range(5, 25))
        await asyncio.to_thread(node.server.start)
        after = await node.call(range(25, 30))
        assert await node.announced(30) == texts(30)
    assert set(before + during + after) == {200}
    assert node.slowest < ANSWERED_WITHIN


async def test_a_database_that_hangs_is_not_waited_for(node: Node) -> None:
    """What was handed to it, and may be written when it goes on, is in the journal once."""
    async with node.running():
        answers = await node.call(range(5))
        await asyncio.to_thread(node.server.pause)
        answers += await node.call(range(5, 15))
        await asyncio.to_thread(node.server.resume)
        answers += await node.call(range(15, 20))
        assert await node.announced(20) == texts(20)
    assert set(answers) == {200}
    assert node.slowest < ANSWERED_WITHIN


async def test_a_node_that_is_killed_during_the_outage_folds_in_what_it_had_kept(node: Node) -> None:
    """In its next life, which begins when the database is back."""
    async with node.running():
        answers = await node.call(range(5))
        await asyncio.to_thread(node.server.stop, "immediate")
        answers += await node.call(range(5, 25))
    await asyncio.to_thread(node.server.start)
    async with node.running():
        answers += await node.call(range(25, 30))
        assert await node.announced(30) == texts(30)
    assert set(answers) == {200}


async def test_a_node_that_is_killed_at_any_moment_of_folding_folds_nothing_in_twice(node: Node) -> None:
    """Life after life."""
    async with node.running():
        await asyncio.to_thread(node.server.stop, "immediate")
        answers = await asyncio.gather(*(node.call(range(first, first + 50)) for first in range(0, 500, 50)))
    await asyncio.to_thread(node.server.start)
    for _ in range(2):
        async with node.running():
            pass  # and killed as soon as it listens, while it folds
    async with node.running():
        assert sorted(await node.announced(500)) == sorted(texts(500))
    assert {status for some in answers for status in some} == {200}
