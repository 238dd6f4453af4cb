"""A broker that is there no more is noticed by its silence, and by nothing else."""

import asyncio
from itertools import pairwise

from relay.bus.keepalive import Keepalive

SECONDS = 0.05


class Watched:
    """A connection that answers pings, or does not."""

    def __init__(self, *, answers: bool) -> None:
        self.pings: asyncio.Queue[float] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.answers = answers
        self.keepalive = Keepalive(self._ping, self.ended.set)

    def _ping(self) -> None:
        now = asyncio.get_running_loop().time()
        self.pings.put_nowait(now)
        self.keepalive.said = now
        if self.answers:
            self.keepalive.heard = now
            self.keepalive.answered()


async def test_a_broker_that_answers_is_asked_again_and_again() -> None:
    """Once in each keepalive, and is not given up."""
    watched = Watched(answers=True)
    watched.keepalive.start(SECONDS)
    async with asyncio.timeout(10):
        times = [await watched.pings.get() for _ in range(4)]
    watched.keepalive.stop()
    assert not watched.ended.is_set()
    assert all(later - earlier >= SECONDS * 0.9 for earlier, later in pairwise(times))


async def test_a_broker_that_does_not_answer_is_given_up_within_two_keepalives() -> None:
    """One until it is asked, one for its answer."""
    watched = Watched(answers=False)
    began = asyncio.get_running_loop().time()
    watched.keepalive.start(SECONDS)
    async with asyncio.timeout(10):
        await watched.ended.wait()
    assert asyncio.get_running_loop().time() - began >= 2 * SECONDS * 0.9
    assert watched.pings.qsize() == 1


async def test_what_the_broker_sends_is_no_answer() -> None:
    """It may have sent it before it went deaf: an acknowledgement would count as arrived that never did."""
    watched = Watched(answers=False)
    watched.keepalive.start(SECONDS)
    async with asyncio.timeout(10):
        await watched.pings.get()
        while not watched.ended.is_set():
            watched.keepalive.heard = watched.keepalive.said = asyncio.get_running_loop().time()
            await asyncio.sleep(0)
    assert watched.ended.is_set()


async def test_a_connection_that_has_ended_is_not_watched() -> None:
    """Nothing is asked, and nothing is given up."""
    watched, later = Watched(answers=False), Watched(answers=False)
    watched.keepalive.start(SECONDS)
    watched.keepalive.stop()
    later.keepalive.start(SECONDS)
    async with asyncio.timeout(10):
        await later.ended.wait()
    assert watched.pings.empty()
    assert not watched.ended.is_set()
