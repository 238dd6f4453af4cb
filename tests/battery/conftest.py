"""The fixture of the battery: each test says what it found, and the end of the run shows all of it as one table."""

from collections.abc import Callable

import pytest

from tests.battery.table import PROPERTY, Row


@pytest.fixture
def found(record_property: Callable[[str, object], None]) -> Callable[[Row], None]:
    """Puts a row into the table, and fails where something was lost or doubled."""

    def note(row: Row) -> None:
        record_property(PROPERTY, row.sent())
        assert (row.lost, row.doubled) == (0, 0), row

    return note
