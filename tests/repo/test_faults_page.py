"""docs/faults.md is true: every boundary with its outcome, every fault of the battery, every defect with its test."""

import ast
import re
from functools import cache

import pytest

from relay.boundaries import Boundary
from tests.battery.test_process_boundaries import AT_THE_START, EXPECTED, Expected
from tests.repo.sources import ROOT

PAGE = (ROOT / "docs/faults.md").read_text()
FAULT_ID = re.compile(r"[PBVWX]\d+")
UNDER_WAY = {
    "send": "a request to one phone",
    "text-in": "a fetch of the inbox, with one text",
    "hook": "a web hook with one text",
    "mailbox": "a change of a message store",
    "token": "a new token, for a fetch of the inbox with one text",
}


def outcome(wanted: Expected) -> str:
    """What becomes of it, in words."""
    if wanted.provoke == "send":
        answers = "; ".join(_ANSWERS[answer] for answer in wanted.results)
        return f"{answers}; {'sent once' if wanted.sent == 1 else 'not sent'}; `{wanted.end}`"
    said = ["told once" if wanted.heard else "not told"]
    said += ["heard again under the same id"] * wanted.redelivered
    return "; ".join(said + ["a loss is told"] * wanted.told_losses)


_ANSWERS = {"new": "answered", "again": "answered again, as a replay", "perhaps": "perhaps answered again, as a replay"}


def part(heading: str) -> str:
    """What stands under a heading of the page."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("boundary", EXPECTED, ids=str)
def test_every_boundary_has_the_outcome_that_is_tested(boundary: Boundary) -> None:
    """Word by word as the test of the battery expects it."""
    [row] = [line for line in part("Where relay falls").splitlines() if line.startswith(f"| `{boundary}` |")]
    wanted = EXPECTED[boundary]
    [_, under_way, became, why] = [cell.strip() for cell in row.strip("|").split("|")][1:]
    assert (under_way, became, why) == (UNDER_WAY[wanted.provoke], outcome(wanted), wanted.why)


def test_no_boundary_is_left_out() -> None:
    """Nor is there one on the page that relay does not have."""
    named = re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", part("Where relay falls"), re.MULTILINE)
    assert sorted(named) == sorted(str(boundary) for boundary in Boundary)
    assert set(EXPECTED) | AT_THE_START == set(Boundary)


@cache
def tried() -> set[str]:
    """The ids of the faults that the battery and the simulation try."""
    files = [*(ROOT / "tests/battery").glob("*.py"), *(ROOT / "tests/simulation").glob("*.py")]
    return {
        node.value
        for path in files
        if path.name not in {"test_table.py", "table.py"}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and FAULT_ID.fullmatch(node.value)
    }


def test_every_fault_of_the_battery_is_explained() -> None:
    """And none is explained that is not tried."""
    explained = re.findall(r"^\| ([PBVWX]\d+) \|", part("The faults"), re.MULTILINE)
    assert sorted(explained) == sorted(tried())
    assert {"P1", "B1", "V1", "W1"} <= tried()


@cache
def caught() -> dict[str, set[str]]:
    """The tests of what this work has found, by their file."""
    kinds = ("test_step5_*.py", "test_step6_review_*.py")
    files = sorted(file for kind in kinds for file in (ROOT / "tests/faults").glob(kind))
    return {path.name: set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)) for path in files}


def listed(file: str) -> list[str]:
    """The tests that the page lists of a file."""
    section = PAGE.partition(f"\n### `tests/faults/{file}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
    return re.findall(r"\| `(test_\w+)` \|$", section, re.MULTILINE)


@pytest.mark.parametrize("file", caught())
def test_every_defect_that_was_found_is_listed_with_its_test(file: str) -> None:
    """And no test is listed that is not there."""
    assert sorted(listed(file)) == sorted(caught()[file])


def test_the_page_lists_no_other_file() -> None:
    """Each file of defects has one part."""
    assert sorted(re.findall(r"^### `tests/faults/(\S+)`$", PAGE, re.MULTILINE)) == sorted(caught())
    assert all(caught().values())
