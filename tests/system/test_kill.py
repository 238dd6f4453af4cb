"""Kill it: SIGKILL at random moments while everything flows; nothing is lost and nothing is sent twice."""

import asyncio
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.inhouse import DESK, SUBSCRIBER, agree, followed, media, part
from tests.system.ledgers import compare
from tests.system.world import LINES, ROOT, World, world

KILLS = 50
PICTURES = 0.5  # of the messages to a subscriber
SEED = 20261121


@pytest.mark.timeout(3600)  # its own waits are bounded; the machine may be slow
async def test_fifty_kills_lose_nothing_and_double_nothing(
    tmp_path: Path, free_port: Callable[[], int], long: bool, record_property: Callable[[str, object], None]
):
    """Requests, inbox pages, statuses, web hooks and a message store's changes flow; afterwards two ledgers agree."""
    chance = random.Random(SEED)  # noqa: S311 - a failure must repeat
    requests: dict[str, dict[str, Any]] = {}
    texts_in: list[str] = []
    lives = KILLS * (10 if long else 1)
    # Slower than elsewhere: AT&T's thirty minutes of keeping texts must outlast a few short lives of relay.
    async with world(tmp_path, free_port, speed=60, lines=LINES + DESK) as made:
        await made.relay.start()
        await made.listening()
        await agree(made)
        await followed(made)
        await made.relay.kill()
        for life in range(lives):
            await made.relay.start()
            traffic = asyncio.create_task(_traffic(made, chance, life, requests, texts_in))
            await made.relay.lives_for(chance.uniform(0.0, 0.8))
            await made.relay.kill()
            await traffic
        await made.relay.start()
        await _settled(made, requests, texts_in)
        # A copy that is uncertain may still be settled by a hook that AT&T repeats: the list and the ledgers then agree
        # a moment later.
        async with asyncio.timeout(60):
            while len(await _listed(made)) != compare(made, requests, texts_in).uncertain:
                pass
        found = compare(made, requests, texts_in)
        recovered = made.relay.logged("journal.recovered")

    assert (found.unanswered, found.endless, found.unsent) == ([], [], [])
    assert found.doubled == []
    assert (found.unheard, found.heard_twice) == ([], [])
    assert (found.unsettled, found.untold, found.mistaken) == ([], [], [])
    assert len(recovered) == lives + 2
    record_property("found", f"{lives} kills, {len(requests)} requests, {len(texts_in)} texts in: {found}")


async def _traffic(
    made: World, chance: random.Random, life: int, requests: dict[str, dict[str, Any]], texts_in: list[str]
) -> None:
    """A little of everything, within a moment."""
    for number in range(3):
        line = chance.choice(("alerts", "office", "desk"))
        request_id = f"life-{life}-{number}"
        to = [f"+1206555{chance.randrange(2, 100):02}{place:02}" for place in range(chance.randrange(1, 4))]
        request = {"id": request_id, "to": to, "text": f"text {request_id}"}
        if line == "desk" and number:
            request |= {"media": [media()]}
        await made.publish(f"relay/line/{line}/send", request)
        requests[request_id] = request
        texts_in.append(_text_in(made, chance, f"in {request_id}"))
    made.act("text-from-phone", to="+12065550199", text=f"phone {life}", parts=[part()] if life % 2 else [])


def _text_in(made: World, chance: random.Random, text: str) -> str:
    """Somebody texts one of the lines; the subscriber's with a picture at times."""
    number_in = chance.choice(("12345", "+12065550100", SUBSCRIBER))
    if number_in == SUBSCRIBER:
        made.act("receive", from_="+12065550199", text=text, parts=[part()] if chance.random() < PICTURES else [])
    else:
        made.text_in("+12065550100" if number_in == "12345" else "+12065550199", number_in, text)
    return text


async def _listed(made: World) -> list[str]:
    """The copies that `relay queue list` shows to a person."""
    socket = str(made.relay.directory / "relay.sock")
    asking = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "relay", "queue", "list", "--uncertain", "--json", "--socket", socket),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    said, _ = await asking.communicate()
    assert asking.returncode == 0
    return said.decode().splitlines()


async def _settled(made: World, requests: dict[str, dict[str, Any]], texts_in: list[str]) -> None:
    """Wait until every request has ended and every text was heard, or told to be lost."""

    def settled() -> bool:
        found = compare(made, requests, texts_in)
        return not (found.unanswered or found.endless or found.unheard or found.unsettled or found.untold)

    await made.ears.until(settled, within=90.0, what="everything has ended")
