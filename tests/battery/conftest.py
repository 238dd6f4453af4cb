"""The fixtures of the battery: each test says what it found, which the run's end shows as one table; relay's log."""

from collections.abc import Callable, Iterator

import pytest
import structlog

from tests.battery.brokering import LogWatch
from tests.battery.table import PROPERTY, Row


@pytest.fixture
def found(record_property: Callable[[str, object], None]) -> Callable[[Row], None]:
    """Puts a row into the table, and fails where something was lost or doubled."""

    def note(row: Row) -> None:
        record_property(PROPERTY, row.sent())
        assert (row.lost, row.doubled) == (0, 0), row

    return note


@pytest.fixture
def logs() -> Iterator[LogWatch]:
    """Relay's log."""
    kept = LogWatch()
    structlog.configure(processors=[kept])
    yield kept
    structlog.reset_defaults()
