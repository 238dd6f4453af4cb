"""The control socket's replays: asked for, shown, and refused with words."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from relay.journal.replays import MOST
from tests.unit.counter import Counter, opened
from tests.unit.stages.house import ALERTS


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket; two events were published."""
    async with AsyncExitStack() as stack:
        desk = await opened(tmp_path, stack)
        for _ in range(2):
            await desk.house.journal.events.announce(ALERTS, "read", {})
        ids = [event.id for _, event in await desk.house.journal.events.follow(0, 10)]
        await desk.house.journal.events.published(ids)
        await desk.house.clock.advance(300)
        yield desk


async def test_a_replay_is_begun_and_shown(desk: Counter) -> None:
    """So long ago, and from a time to a time; of a line, and of kinds."""
    status, begun = await desk.post("/replay", since="1h")
    assert (status, begun["events"], begun["over"]) == (200, 2, False)
    assert await desk.get(f"/replay/{begun['id']}") == begun
    now = desk.house.clock.now().isoformat()
    status, none = await desk.post("/replay", since="2026-01-01T00:00:00Z", until=now, line=ALERTS, kinds=["message"])
    assert (status, none["events"]) == (200, 0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "`since` is required"),
        ({"since": "yesterday"}, "`since` should be a time with a zone"),
        ({"since": "2026-01-01T00:00:00"}, "`since` should be a time with a zone"),
        ({"since": "1h", "until": "2h"}, "`until` should come after `since`"),
        ({"since": "1h", "line": "nowhere"}, "there is no such line; the lines are: alerts"),
        ({"since": "1h", "kinds": ["text"]}, "`kinds` may have: result, receipt, message, event, dead"),
        ({"since": "1h", "kinds": "message"}, "`kinds` may have"),
    ],
)
async def test_what_is_misspelt_is_refused(desk: Counter, asked: dict[str, object], said: str) -> None:
    """With what would be right."""
    status, body = await desk.post("/replay", **asked)
    assert (status, body["error"][: len(said)]) == (400, said)


async def test_an_unknown_replay_is_told(desk: Counter) -> None:
    """As it ended long ago, or never was."""
    async with desk.http.get("http://relay/replay/nothing") as answer:
        assert answer.status == 404


async def test_too_many_are_refused(desk: Counter) -> None:
    """Until some have ended."""
    for _ in range(MOST):
        assert (await desk.post("/replay", since="1h"))[0] == 200
    status, body = await desk.post("/replay", since="1h")
    assert (status, body["error"]) == (409, f"{MOST} replays wait already: let them end first")
