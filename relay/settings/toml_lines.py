"""The line on which each key of a TOML text stands; `tomllib` tells none.

Only for texts that `tomllib` has accepted: what is not a key is skipped, not checked.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

Keys = tuple[str, ...]

_PART = r"""(?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_GAP = re.compile(r"(?:\s+|#[^\n]*)*")
_TABLE = re.compile(rf"\[\[?[ \t]*({_KEY})[ \t]*\]\]?")
_ASSIGNMENT = re.compile(rf"({_KEY})[ \t]*=")
_PIECE = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'{3}.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]|[^\[\]{}\n"'\#]+''',
    re.DOTALL,
)
_DEPTH = {"[": 1, "{": 1, "]": -1, "}": -1}


def lines_of(text: str) -> Mapping[Keys, int]:
    """The line (from 1) of every table's and every key's first mention, and of what they stand below."""
    found: dict[Keys, int] = {}
    table: Keys = ()
    at = _gap_after(text, 0)
    while at < len(text):
        header, assignment = _TABLE.match(text, at), _ASSIGNMENT.match(text, at)
        line = text.count("\n", 0, at) + 1
        if header:
            table, at = _parts(header[1]), header.end()
            _note(found, table, line)
        elif assignment:
            _note(found, table + _parts(assignment[1]), line)
            at = _value_end(text, assignment.end())
        else:
            return found
        at = _gap_after(text, at)
    return found


def line_of(keys: Keys, lines: Mapping[Keys, int]) -> int | None:
    """The line of `keys`, or of the nearest table around it; None where there is not even that."""
    return next((lines[keys[:size]] for size in range(len(keys), 0, -1) if keys[:size] in lines), None)


def _note(found: dict[Keys, int], keys: Keys, line: int) -> None:
    for size in range(1, len(keys) + 1):
        found.setdefault(keys[:size], line)


def _parts(key: str) -> Keys:
    table: Any = tomllib.loads(f"{key} = 0")
    parts: list[str] = []
    while isinstance(table, dict):
        part, table = next(iter(table.items()))
        parts.append(part)
    return tuple(parts)


def _value_end(text: str, at: int) -> int:
    depth = 0
    while piece := _PIECE.match(text, at):
        if piece[0] == "\n" and depth == 0:
            break
        depth += _DEPTH.get(piece[0], 0)
        at = piece.end()
    return at


def _gap_after(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap else at
