"""A house for each test, and what it logs kept quiet."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.unit.stages.house import House


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
async def house(tmp_path: Path, logs: object) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)
