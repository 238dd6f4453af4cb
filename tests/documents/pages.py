"""The documentation as its tests see it: pages, their blocks, and what stands in them in backticks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.repo.sources import ROOT

_MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A fenced or indented block.

    Attributes:
        page: its page's place in the project.
        line: where it begins there.
        language: the word after the fence; empty where there is none.
        text: what is in it.
    """

    page: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        """As an editor opens it."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        path: where it is.
    """

    path: Path

    @property
    def name(self) -> str:
        """Its place in the project."""
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def text(self) -> str:
        """What is written on it."""
        return self.path.read_text()

    @cached_property
    def tokens(self) -> list[Token]:
        """It, as Markdown."""
        return _MARKDOWN.parse(self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        """Its blocks, the indented ones too."""
        found = (token for token in self.tokens if token.type in {"fence", "code_block"})
        return [Block(self.name, (token.map or [0])[0] + 1, token.info.strip(), token.content) for token in found]

    @cached_property
    def spoken(self) -> list[str]:
        """What stands in backticks, in order."""
        return [" ".join(token.content.split()) for token in self._inline() if token.type == "code_inline"]

    @cached_property
    def links(self) -> list[str]:
        """Where it leads to: links and pictures."""
        ways = (token.attrs.get("href") or token.attrs.get("src") for token in self._inline())
        return [str(way) for way in ways if way]

    @cached_property
    def anchors(self) -> set[str]:
        """Its headings, as addresses spell them."""
        pairs = zip(self.tokens, self.tokens[1:], strict=False)
        return {slug(inline.content) for opening, inline in pairs if opening.type == "heading_open"}

    def _inline(self) -> Iterator[Token]:
        for token in self.tokens:
            yield from token.children or ()


def slug(heading: str) -> str:
    """A heading as addresses spell it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def pages() -> list[Page]:
    """Every page of the project."""
    named = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    folders = ("docs", "examples", "systemd", "monitoring", "packaging", "config", "schemas")
    return [Page(path) for path in (*named, *(one for top in folders for one in sorted((ROOT / top).rglob("*.md"))))]


PAGES = pages()
BLOCKS = [block for page in PAGES for block in page.blocks]


def blocks(*languages: str) -> list[Block]:
    """All blocks of these languages."""
    return [block for block in BLOCKS if block.language in languages]


def remarks() -> Iterator[tuple[str, str]]:
    """What stands in backticks in the comments of units, alerts and settings: the file, and the words."""
    for top in ("systemd", "monitoring", "config", "packaging"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and path.suffix not in {".md", ".json"}:
                for words in re.findall(r"`([^`\n]+)`", path.read_text()):
                    yield path.relative_to(ROOT).as_posix(), words
