"""A journal for each database that keeps the promise. A test runs on each of them unless `only` says why not."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.journal.desk import Desk, StillClock
from tests.contract.journal.places import DATABASES, Place, ground

# What is about nodes alone has no half on SQLite.
_ALWAYS = "test_nodes.py"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the half on PostgreSQL to `make nodes` and LONG=1: it takes as long as all else that is about journals."""
    if os.environ.get("LONG", os.environ.get("NODES", "")) not in ("", "0"):
        return
    here = Path(__file__).parent
    other = {item for item in items if item.path.parent == here and item.path.name != _ALWAYS and _is_other(item)}
    config.hook.pytest_deselected(items=list(other))
    items[:] = [item for item in items if item not in other]


def _is_other(item: pytest.Item) -> bool:
    return "postgresql" in item.name or "OnPostgresql" in item.nodeid


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
