"""A journal for each database that keeps the promise. A test runs on each of them unless `only` says why not."""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.bus.payloads import event
from relay.journal import JournalUnusable
from tests.contract.journal.desk import Desk, StillClock
from tests.contract.journal.places import DATABASES, Place, ground
from tests.spoken import misfits

Open = Callable[..., Awaitable[Desk]]


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where a new journal will lie."""
    with ground(request.param, tmp_path) as place:
        yield place


@pytest.fixture
async def open_journal(place: Place) -> AsyncIterator[Open]:
    """Opens the journal; closes at the end whatever is open."""
    opened: list[Desk] = []

    async def opening(clock: StillClock | None = None, **limits: Any) -> Desk:
        opened.append(await Desk.at(place, clock, **limits))
        return opened[-1]

    yield opening
    found: list[str] = []
    for desk in opened:
        found += await _misfits(desk)
        await desk.journal.aclose()
    assert not found, found[:5]


async def _misfits(desk: Desk) -> list[str]:
    """What is told of commands, copies and things set aside, and is not as its schema has it."""
    with contextlib.suppress(JournalUnusable):
        told = [one for _, one in await desk.journal.events.follow(0, 50) if one.kind in {"result", "receipt", "dead"}]
        told = [one for one in told if one.body.keys() != {"kind"}]  # a test's own, which says nothing
        return [wrong for one in told for wrong in misfits("dead", json.loads(event(one)))]
    return []


@pytest.fixture
async def desk(open_journal: Open) -> Desk:
    """An open journal, empty."""
    return await open_journal()
