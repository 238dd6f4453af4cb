"""The fixtures of system tests."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.system.world import World, world


@pytest.fixture
async def running(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[World]:
    """A world whose relay is running."""
    async with world(tmp_path, free_port) as made:
        await made.relay.start()
        await made.listening()
        await made.hooked()
        yield made
