"""The project's files as the tests of this folder look at them: text, syntax tree, code lines."""

import ast
import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file. Nothing in it is run."""

    path: Path

    @property
    def name(self) -> str:
        """Its place in the project."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        """The name it is imported by."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def text(self) -> str:
        """What is written in it."""
        return self.path.read_text()

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree, kept until another's is asked for: together they would fill the memory of whoever tests."""
        return _parsed(self)

    def has(self, pattern: re.Pattern[str]) -> bool:
        """Whether it is worth a look into its syntax tree: a name is written out wherever it is used."""
        return pattern.search(self.text) is not None

    @property
    def code_lines(self) -> frozenset[int]:
        """The numbers of the lines that are neither blank nor comment nor docstring."""
        return self._sizes[0]

    @property
    def functions(self) -> dict[str, int]:
        """Every function's place, and its length in code lines."""
        return self._sizes[1]

    @cached_property
    def _sizes(self) -> tuple[frozenset[int], dict[str, int]]:
        nodes = [node for node in ast.walk(self.tree) if hasattr(node, "body")]
        docstrings = {number for node in nodes for number in _docstring_lines(node)}
        lines = enumerate(self.text.splitlines(), 1)
        written = {number for number, line in lines if line.strip() and not line.strip().startswith("#")}
        code = frozenset(written - docstrings)
        spans = {
            f"{self.name}:{node.lineno} {node.name}": range(node.lineno, (node.end_lineno or node.lineno) + 1)
            for node in nodes
            if isinstance(node, FunctionNode)
        }
        return code, {function: len(code.intersection(span)) for function, span in spans.items()}


@lru_cache(maxsize=1)
def _parsed(source: Source) -> ast.Module:
    return ast.parse(source.text, source.name)


def _docstring_lines(node: ast.AST) -> range:
    body = getattr(node, "body", None)
    match body:
        case [ast.Expr(value=ast.Constant(value=str())) as docstring, *_]:
            return range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1)
    return range(0)


def project_files() -> Iterator[Path]:
    """Every file that belongs to the project: what .gitignore names is left out, and a clone is not needed."""
    names = [".git", *(line.strip("/ ") for line in (ROOT / ".gitignore").read_text().split())]
    ignored = re.compile("|".join(fnmatch.translate(name) for name in names))

    def kept(names: list[str]) -> list[str]:
        return sorted(name for name in names if not ignored.match(name))

    for folder, folders, files in os.walk(ROOT):
        folders[:] = kept(folders)
        yield from (Path(folder, name) for name in kept(files))


def python_sources(top: str) -> list[Source]:
    """The Python files below a folder of the project."""
    return [Source(path) for path in project_files() if path.suffix == ".py" and path.is_relative_to(ROOT / top)]


def dotted(node: ast.AST) -> str:
    """`a.b.c` for such an expression, and nothing for any other."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            inner = dotted(value)
            return f"{inner}.{attribute}" if inner else ""
    return ""


def places(source: Source, nodes: Iterator[ast.AST]) -> list[str]:
    """Where these nodes are, one `file:line` each."""
    return [f"{source.name}:{getattr(node, 'lineno', 0)}" for node in nodes]
