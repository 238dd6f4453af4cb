"""A file or standard input -> the numbers in it, each with the place where it stands, so that it can be named by it."""

import csv
import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = ("address", "line", "at", "source", "word")
STDIN = Path("-")


class BadList(Exception):  # noqa: N818 - it says what was given
    """A list that cannot be read at all; says why, and nothing of what it holds."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the line of the file that it begins on, from 1, and its columns."""

    number: int
    entry: dict[str, str] = field(repr=False)


def numbers_of(file: Path) -> list[Row]:
    """The numbers in `file`, one a line; empty lines are left out. Raises BadList."""
    return _numbers(_lines_of(file))


def rows_of(file: Path) -> list[Row]:
    """The rows of a CSV file whose header names the address; or numbers, one a line. Raises BadList."""
    lines = _lines_of(file)
    header = [name.strip().lower() for name in _first_cells(lines)]
    if "address" not in header:
        return _numbers(lines)
    strange = [name for name in header if name not in COLUMNS]
    if strange or len(set(header)) < len(header):
        raise BadList(f"the header of the list must have the columns {','.join(COLUMNS)}, or some of them, each once")
    return _of_csv(header, lines)


def _first_cells(lines: list[str]) -> list[str]:
    try:
        return next(csv.reader(lines[:1]), [])
    except csv.Error:  # a cell that is too long for any column
        return []


def _of_csv(header: list[str], lines: list[str]) -> list[Row]:
    reader = csv.reader(lines, strict=True)
    rows: list[Row] = []
    begins = 1
    try:
        for cells in reader:
            if begins > 1 and any(cells):
                rows.append(Row(begins, _entry(header, cells)))
            begins = reader.line_num + 1
    except csv.Error:
        raise BadList(f"the list is no CSV from line {begins} on: look at its quotes") from None
    return rows


def _entry(header: list[str], cells: list[str]) -> dict[str, str]:
    """A row's columns; one with too many has no address that could be read."""
    return (
        {"address": ""}
        if len(cells) > len(header)
        else dict(zip(header, (cell.strip() for cell in cells), strict=False))
    )


def _numbers(lines: Iterable[str]) -> list[Row]:
    return [Row(number, {"address": line.strip()}) for number, line in enumerate(lines, 1) if line.strip()]


def _lines_of(file: Path) -> list[str]:
    try:
        raw = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
        # utf-8-sig: spreadsheets put a mark in front.
        return list(io.StringIO(raw.decode("utf-8-sig"), newline=None))
    except UnicodeDecodeError:
        raise BadList("the list is no text in UTF-8: save it as UTF-8, or as plain text") from None
    except OSError as error:
        # The name is not repeated: it may be a number that was meant to be in the file.
        raise BadList(
            f"the list cannot be read ({error.strerror}): name a file, or give - for standard input;"
            " numbers are never arguments, for `ps` shows these"
        ) from None
