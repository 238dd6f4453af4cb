"""Kill it: SIGKILL at random moments while everything flows; nothing is lost and nothing is sent twice."""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import forks
from tests.battery.table import Row
from tests.battery.traffic import ALL_LINES, Traffic
from tests.system.ledgers import compare
from tests.system.world import World, world

SEED = 20261121
KILLS, MANY_KILLS = 8, 1000
IN_START = 5  # each such kill comes before relay is ready


@pytest.mark.timeout(7200)  # its own waits are bounded; the machine may be slow
async def test_kills_at_any_moment_lose_nothing_and_double_nothing(
    tmp_path: Path, free_port: Callable[[], int], long: bool, found: Callable[[Row], None]
) -> None:
    """Requests, inbox pages, statuses, web hooks and a message store's changes flow; afterwards the ledgers agree."""
    chance = random.Random(SEED)  # noqa: S311 - a failure must repeat
    lives = MANY_KILLS if long else KILLS
    # Slower than elsewhere: AT&T's thirty minutes of keeping texts must outlast a few short lives of relay.
    async with world(tmp_path, free_port, speed=60, lines=ALL_LINES) as made:
        traffic = Traffic(made, chance)
        await made.relay.start()
        await traffic.prepare()
        await made.relay.kill()
        starts = [await _life(made, traffic, chance, life) for life in range(lives)]
        await made.relay.start()
        await traffic.settled(within=1800.0 if long else 90.0)
        # A copy that is uncertain may still be settled by a hook that AT&T repeats: the list and the ledgers then agree
        # a moment later.
        async with asyncio.timeout(60):
            while len(await _listed(made)) != compare(made).uncertain:
                pass
        findings = compare(made)
        recovered = made.relay.logged("journal.recovered")

    assert findings.is_clean, findings
    assert len(recovered) >= lives - lives // IN_START
    sent = f"{traffic.requests} requests, {traffic.texts_in} texts in: {findings}"
    longest = max(start for start in starts if start is not None)
    found(Row("P1", "SIGKILL at random, all directions busy", lives, findings.lost, findings.twice, longest, sent))


async def _life(made: World, traffic: Traffic, chance: random.Random, life: int) -> float | None:
    """A life and its end; real seconds until it was ready, or None where it never was."""
    began, ready = time.monotonic(), None
    if life % IN_START == IN_START - 1:
        await made.relay.launch()
        flowing = asyncio.create_task(traffic.round())
        await made.relay.lives_for(chance.uniform(0.2, 1.5))
    else:
        await made.relay.start()
        ready = time.monotonic() - began
        flowing = asyncio.create_task(traffic.round())
        await made.relay.lives_for(chance.uniform(0.0, 0.8))
    await made.relay.kill()
    await flowing
    return ready


async def _listed(made: World) -> list[str]:
    """The copies that `relay queue list` shows to a person."""
    socket = str(made.relay.directory / "relay.sock")
    words = ("-m", "relay", "queue", "list", "--uncertain", "--limit", "10000", "--json", "--socket", socket)
    asking = await forks.start(*words, stdout=forks.PIPE)
    said, _ = await asking.communicate()
    assert asking.returncode == 0
    return said.decode().splitlines()
