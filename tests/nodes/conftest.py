"""A fresh database for each world of nodes, a server of its own for those that stop it, and the table of faults."""

from collections.abc import Iterator

import pytest

from tests.battery.conftest import found
from tests.databases import Database, borrowed, shared
from tests.postgres import Server

__all__ = ["found"]


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables, of a server that syncs nothing."""
    with borrowed() as kept:
        yield kept


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of one's own, to be stopped and killed."""
    with Server() as running:
        yield running


@pytest.fixture
def spent() -> Iterator[Database]:
    """A database with relay's tables that nobody uses again: its tables change."""
    kept = shared().take()
    try:
        yield kept
    finally:
        kept.close()
        kept.server.drop_database(kept.name)
