"""A fresh database for each world of nodes, a server of its own for those that stop it, and the table of faults."""

import os
from collections.abc import Iterator

import pytest

from tests.battery.conftest import found
from tests.databases import Database, borrowed
from tests.postgres import Server

__all__ = ["found"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what takes long to `make nodes` and LONG=1: `tests/system/test_two_nodes.py` has its short form."""
    if os.environ.get("LONG", os.environ.get("NODES", "")) not in ("", "0"):
        return
    long = [item for item in items if item.get_closest_marker("takes_long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


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
