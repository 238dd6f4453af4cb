"""SIGKILL at any moment: what was acknowledged is there, and what was begun is known as begun."""

import asyncio
import random
from collections import defaultdict
from pathlib import Path

from relay.journal.failures import JournalInUse
from tests import forks
from tests.contract.journal.desk import Desk
from tests.contract.journal.places import Place, only

PROGRAM = Path(__file__).with_name("writer_process.py")
ROOT = Path(__file__).parents[3]


async def test_a_killed_process_loses_nothing_that_was_acknowledged(place: Place, long: bool) -> None:
    """And a call that it had claimed and not ended is uncertain, in every one of its copies."""
    said: defaultdict[str, set[str]] = defaultdict(set)
    chance = random.Random(1)  # noqa: S311 - moments that can be repeated
    for _ in range(100 if long else 10):
        for word, about in await _killed(place, lines=chance.randrange(1, 400)):
            said[word].add(about)
    assert min(len(said[word]) for word in ("raw", "accepted", "claimed", "answered")) > 10
    desk = await Desk.at(place)
    recovered = await desk.journal.calls.recover()
    await desk.journal.aclose()
    found = {name: {next(iter(row.values())) for row in place.read(query)} for name, query in FOUND.items()}
    place.check()
    assert said["raw"] <= found["raw"]
    assert said["read"] <= found["read"]
    assert said["accepted"] <= found["accepted"]
    assert said["answered"] <= found["followed"]
    assert said["claimed"] <= found["followed"] | found["held"]
    assert recovered.calls == len(found["held"])
    assert found["in_flight"] == set()


FOUND = {
    "raw": "SELECT id FROM raw",
    "read": "SELECT id FROM raw WHERE state = 'read'",
    "accepted": "SELECT key FROM command",
    "followed": "SELECT id FROM call WHERE stage = 'followed'",
    "held": "SELECT id FROM call WHERE stage = 'held'",
    "in_flight": "SELECT id FROM call WHERE stage = 'in_flight'",
}


async def _killed(place: Place, lines: int) -> list[tuple[str, str]]:
    """What a process said before it was killed, about `lines` lines after its start."""
    process = await forks.start(PROGRAM, place.url, stdout=forks.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.readline() == b"ready\n"
        read = [await process.stdout.readline() for _ in range(lines)]
        process.kill()
        rest = await process.stdout.read()
        await process.wait()
    # The last line may be cut: it was not said to its end.
    whole = (b"".join(read) + rest).decode().split("\n")[:-1]
    return [(word, about) for word, about in (line.split(" ") for line in whole)]


@only("sqlite", because="it locks a file; a database of PostgreSQL's is many nodes'")
async def test_a_lock_does_not_outlive_its_process(place: Place) -> None:
    """A second process is turned away while the first lives, and let in when that was killed."""
    process = await forks.start(PROGRAM, place.url, stdout=forks.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        await process.stdout.readline()
        refusal = await asyncio.gather(Desk.at(place), return_exceptions=True)
        process.kill()
        await process.stdout.read()
        await process.wait()
    assert isinstance(refusal[0], JournalInUse)
    assert f"process {process.pid}" in str(refusal[0])
    await (await Desk.at(place)).journal.aclose()
