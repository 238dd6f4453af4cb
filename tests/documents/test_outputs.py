"""What the documentation shows of outputs is said in relay's own words."""

import re
from functools import cache

import pytest

from tests.documents.pages import Block, blocks
from tests.repo.sources import ROOT

WORD = re.compile(r"(?<![\w./:@-])[a-z]{3,}(?![\w/@-]|[.:]\w)")
DRAWN = re.compile(r"[┌│└─]|^relay/$|-> ", re.MULTILINE)
# They have tests of their own.
TABLES = {"docs/faults.md": "fault "}
# What only this installation of the page has.
NAMES = {"notify", "unit", "systemd"}


@cache
def words() -> frozenset[str]:
    """Every word of relay's source, and of the examples'."""
    files = (path for top in ("relay", "examples") for path in (ROOT / top).rglob("*.*") if path.suffix != ".md")
    texts = (path.read_text() for path in files if path.suffix in {".py", ".sh", ".json"})
    return frozenset(word for text in texts for word in re.findall(r"[a-z]{3,}", text))


def said(block: Block) -> str:
    """What a program says: without what is typed, and without what stands for content in quotation marks."""
    lines = (line for line in block.text.splitlines() if not line.startswith("$ "))
    return re.sub(r"\{.*\}", "", "\n".join(lines))


SHOWN = [
    block
    for block in blocks("text", "console")
    if not DRAWN.search(block.text) and TABLES.get(block.page, "\0") not in block.text and said(block).strip()
]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.place)
def test_an_output_has_no_word_that_relay_does_not_say(block: Block) -> None:
    """What was said in another way once is found when the words change."""
    assert sorted(set(WORD.findall(said(block))) - words() - NAMES) == []


def test_a_word_that_nobody_says_is_found() -> None:
    """The check can fail."""
    told = Block("page", 1, "console", "$ relay status\nthe hippopotamus waits\n")
    assert set(WORD.findall(said(told))) - words() == {"hippopotamus"}
