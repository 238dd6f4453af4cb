"""A fresh database for each world of nodes."""

from collections.abc import Iterator

import pytest

from tests.databases import Database, borrowed


@pytest.fixture
def database() -> Iterator[Database]:
    """A database with relay's tables, of a server that syncs nothing."""
    with borrowed() as found:
        yield found
