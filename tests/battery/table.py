"""What the battery shows in the end: a row for each fault, with how often it was tried and what came of it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

PROPERTY = "fault"  # of a test's report, which is how a row comes from a worker to the terminal


@dataclass(frozen=True, slots=True)
class Row:
    """One fault.

    Attributes:
        id: of the battery, such as `P1`.
        fault: what was done, in words.
        times: how often.
        lost: what was acknowledged and is nowhere.
        doubled: what happened twice without leave.
        recovered: real seconds from the end of the fault until everything flowed again, the longest of all tries; None
            where nothing had stopped.
        note: what a reader has to know besides, such as how many copies are uncertain.
    """

    id: str
    fault: str
    times: int
    lost: int
    doubled: int
    recovered: float | None = None
    note: str = ""

    def sent(self) -> str:
        """As a report's property."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, sent: str) -> "Row":
        """What was sent."""
        return cls(**json.loads(sent))


def lines(rows: Iterable[Row]) -> list[str]:
    """The table, with its totals, as text."""
    ordered = sorted(
        _together(rows), key=lambda row: (row.id[:1], int("".join(filter(str.isdecimal, row.id)) or 0), row.fault)
    )
    cells = [HEAD, *map(_cells, ordered), _totals(ordered)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(HEAD))]
    return [_line(row, widths) for row in cells]


def _together(rows: Iterable[Row]) -> Iterable[Row]:
    """Those of one fault with one note, which several tests have tried, as one."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        key = (row.id, row.fault, row.note)
        if (other := found.get(key)) is not None:
            times, lost, doubled = other.times + row.times, other.lost + row.lost, other.doubled + row.doubled
            longest = max((one for one in (other.recovered, row.recovered) if one is not None), default=None)
            found[key] = replace(row, times=times, lost=lost, doubled=doubled, recovered=longest)
        else:
            found[key] = row
    return found.values()


def _cells(row: Row) -> tuple[str, ...]:
    recovered = "-" if row.recovered is None else f"{row.recovered:.1f} s"
    return (row.id, row.fault, str(row.times), str(row.lost), str(row.doubled), recovered, row.note)


def _totals(rows: Sequence[Row]) -> tuple[str, ...]:
    times, lost, doubled = (sum(getattr(row, name) for row in rows) for name in ("times", "lost", "doubled"))
    longest = max((row.recovered for row in rows if row.recovered is not None), default=0.0)
    return ("", f"{len(rows)} faults in all", str(times), str(lost), str(doubled), f"{longest:.1f} s", "")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if place in _NUMBERS else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


HEAD = ("id", "fault", "times", "lost", "doubled", "recovered in", "note")
_NUMBERS = {2, 3, 4, 5}
