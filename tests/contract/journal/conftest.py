"""A journal for each database that keeps the promise. A test runs on each of them unless `only` says why not."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.journal.desk import Desk, StillClock
from tests.contract.journal.places import DATABASES, Place, ground

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
    for desk in opened:
        await desk.journal.aclose()


@pytest.fixture
async def desk(open_journal: Open) -> Desk:
    """An open journal, empty."""
    return await open_journal()
