"""Lines for a shell, taken apart and not run: each program with its words, and what it reads."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

_ENDS = {"|", "||", "&&", ";", "&", "(", ")", ";;"}
_REDIRECTS = {"<", ">", ">>", "<<<"}
_ASSIGNED = re.compile(r"[A-Z_][A-Z0-9_]*=")
_HEREDOC = re.compile(r"<<(\w+)\s*$")


@dataclass
class Call:
    """One program that a line would start.

    Attributes:
        words: the program without its folder, and its arguments; without sudo and variables.
        variables: what is set for it.
        reads: what it reads: a file's name, or the words of `echo` before a pipe.
        piped: whether `reads` is the text itself.
    """

    words: list[str]
    variables: dict[str, str] = field(default_factory=dict)
    reads: str | None = None
    piped: bool = False

    @property
    def program(self) -> str:
        """Without its folder."""
        return self.words[0].rpartition("/")[2] if self.words else ""


def lines_of(text: str) -> Iterator[str]:
    """Lines as a shell takes them: continued ones are one, what follows `<<` is left out, comments are gone."""
    waiting = iter(text.replace("\\\n", " ").splitlines())
    for line in waiting:
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if heredoc := _HEREDOC.search(bare):
            for further in waiting:
                if further.strip() == heredoc[1]:
                    break
            else:
                raise ValueError(f"{heredoc[1]} never comes")
            bare = bare[: heredoc.start()]
        yield bare


def prompted(text: str) -> Iterator[str]:
    """The commands of a block that shows a terminal: what stands after `$ `."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            yield line.removeprefix("$ ")


def calls(line: str) -> list[Call]:
    """The programs of a line, in order.

    Raises:
        ValueError: where a quotation does not end.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found, words, reads, before = list[Call](), list[str](), None, ""
    tokens = iter([*lexer, ";"])
    for token in tokens:
        if token in _REDIRECTS:
            reads = next(tokens) if token == "<" else (next(tokens), reads)[1]
        elif token in _ENDS:
            if words:
                found.append(_call(words, reads, found[-1] if before == "|" and found else None))
            words, reads, before = [], None, token
        else:
            words.append(token)
    return found


def _call(words: list[str], reads: str | None, source: Call | None) -> Call:
    variables = dict[str, str]()
    while words and (words[0] == "sudo" or _ASSIGNED.match(words[0])):
        name, _, value = words.pop(0).partition("=")
        if value:
            variables[name] = value
    if source is not None and source.program == "echo":
        return Call(words, variables, " ".join(source.words[1:]), piped=True)
    return Call(words, variables, reads)
