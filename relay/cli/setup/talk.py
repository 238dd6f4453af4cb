"""questions -> answers: from flags, files and the environment, or from whoever sits at the terminal, until they fit."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import typer

from relay.cli.findings import Finding
from relay.settings.files import BadFile, read_secret
from relay.settings.keys import Keys
from relay.settings.sources import variable

_STANDARD_INPUT = "-"
_MARKS = {"ok": "ok", "hint": "--", "wrong": "!!"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something to be known.

    Attributes:
        keys: the setting that it is.
        words: what a person is asked.
        flag: the flag that answers it.
        default: what holds where nothing is said; None where there is no such thing.
        secret: the answer is not shown, and the flag names a file.
    """

    keys: Keys
    words: str
    flag: str
    default: str | None = None
    secret: bool = False


@dataclass
class Talk:
    """A conversation, on standard error.

    Attributes:
        given: what flags say.
        asks: whether there is somebody to ask.
        tries: whether answers are tried on whom they are about.
        keeps: whether what fails its try is kept without asking.
        found: every finding of a try.
    """

    given: Mapping[str, str]
    asks: bool
    tries: bool
    keeps: bool
    found: list[Finding] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)
    _looked_for: set[str] = field(default_factory=set)
    _said_before: dict[Keys, str] = field(default_factory=dict)

    def settle(self, question: Question, problem: Callable[[str], str | None]) -> str:
        """The answer, once `problem` finds nothing wrong with its form.

        Raises:
            typer.Exit: 2, there is nobody to ask, and the answer is missing or wrong.
            typer.Abort: the person has enough.
        """
        while True:
            answer = self._answer(question)
            wrong = problem(answer) if answer.isprintable() else "must be one line of printable text"
            if wrong is None:
                if not question.secret:
                    self._said_before[question.keys] = answer
                return answer
            self._refuse(question, wrong)

    def until_good(self, ask: Callable[[], Any], attempt: Callable[[], Sequence[Finding]]) -> None:
        """Ask, try what was answered, and ask again as long as it fails and is not to be kept.

        Raises:
            typer.Exit: 1, there is nobody to ask.
        """
        while True:
            ask()
            found = list(attempt()) if self.tries else []
            for finding in found:
                self.tell(finding)
            if all(finding.ok for finding in found) or self._is_kept():
                self.found += found
                return
            if not self.asks:
                say("Nothing was written. To write it all the same: --keep; to try nothing: --offline")
                raise typer.Exit(1)

    def refuse_unasked(self) -> None:
        """Tell of flags that answer nothing: what somebody said is not dropped in silence.

        Raises:
            typer.Exit: 2, there is nobody to tell.
        """
        unasked = ", ".join(flag for flag in self.given if flag not in self._looked_for)
        if not unasked:
            return
        if not self.asks:
            _end(f"{unasked}: nothing here asks for that; leave it out")
        say(f"  --  Not needed here, and not written: {unasked}")

    def confirm(self, words: str, *, default: bool) -> bool:
        """A yes or no; the default where there is nobody to ask."""
        return typer.confirm(words, default=default, err=True) if self.asks else default

    def tell(self, finding: Finding) -> None:
        """What came of a try."""
        more = [f"      {words}" for words in (finding.why, finding.cure) if words]
        say("\n".join([f"  {_MARKS[finding.level]}  {finding.what}", *more]))

    def _is_kept(self) -> bool:
        return self.keeps or (self.asks and self.confirm("  Keep it all the same?", default=False))

    def _answer(self, question: Question) -> str:
        given = self._given(question)
        if given is not None:
            return given
        if self.asks:
            default = self._said_before.get(question.keys, question.default)
            answer = typer.prompt(
                question.words, default=default, err=True, hide_input=question.secret, show_default=bool(default)
            )
            return str(answer) if question.secret else str(answer).strip()
        if question.default is None:
            _end(f"{question.flag} is missing: {question.words.strip()}")
        return question.default

    def _given(self, question: Question) -> str | None:
        """What a flag or the environment says, once: what was wrong is asked for."""
        self._looked_for.add(question.flag)
        if question.flag in self._used:
            return None
        value = self.given.get(question.flag)
        if question.secret:
            value = os.environ.get(variable(question.keys)) if value is None else self._read(question, value)
        if value is not None and self.asks:
            self._used.add(question.flag)
        return value

    def _read(self, question: Question, name: str) -> str:
        if name == _STANDARD_INPUT:
            return sys.stdin.readline().rstrip("\r\n")
        try:
            return read_secret(Path(name))
        except BadFile as bad:
            _end(f"{question.flag}: {bad.what}{f'; {bad.cure}' if bad.cure else ''}")

    def _refuse(self, question: Question, wrong: str) -> None:
        if not self.asks:
            _end(f"{question.flag}: {wrong}")
        say(f"  !!  {wrong[:1].upper()}{wrong[1:]}")


def say(words: str) -> None:
    """Tell the person; standard output is for what was made."""
    typer.echo(words, err=True)


def _end(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(2)
