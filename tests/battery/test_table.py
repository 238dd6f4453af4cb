"""The table of the battery says what was found."""

from tests.battery.table import Row, lines


def test_a_row_comes_whole_from_a_worker() -> None:
    """Every field of it."""
    row = Row("P1", "SIGKILL at random", 50, 0, 0, 1.25, "3 uncertain")
    assert Row.of(row.sent()) == row


def test_the_table_is_in_the_order_of_the_battery_and_ends_with_its_totals() -> None:
    """Numbers are added up; of the recoveries the longest is told."""
    rows = [Row("P10", "b", 1, 0, 0, 9.0), Row("P2", "a", 20, 1, 2, 0.5), Row("B1", "c", 4, 0, 0)]
    shown = lines(rows)
    assert [line.split()[0] for line in shown] == ["id", "B1", "P2", "P10", "3"]
    assert shown[-1].split() == ["3", "faults", "in", "all", "25", "1", "2", "9.0", "s"]
