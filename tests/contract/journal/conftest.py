"""A journal for each database that keeps the promise. Another database joins as one more parameter."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.journal.desk import Desk, SqlitePlace, StillClock

Open = Callable[..., Awaitable[Desk]]


@pytest.fixture(params=["sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlitePlace:
    """Where a new journal will lie."""
    return {"sqlite": SqlitePlace}[request.param](tmp_path / "relay.db")


@pytest.fixture
async def open_journal(place: SqlitePlace) -> AsyncIterator[Open]:
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
