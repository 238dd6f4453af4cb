"""What is wrong with the settings, all of it at once, in words for the person who mends them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

_FEW = 24


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """One thing to mend. None of its fields holds a setting's value.

    `where` is a file and line, or the environment; `key` is the setting's dotted name; `what` is wrong with it;
    `cure` says what would be right.
    """

    where: str
    key: str
    what: str
    cure: str = ""

    def __str__(self) -> str:
        said = f"{self.where}: {self.key}: {self.what}" if self.key else f"{self.where}: {self.what}"
        return f"{said}; {self.cure}" if self.cure else said


class BadSettings(Exception):  # noqa: N818 - it says what it is
    """Settings that relay will not start with. Its text is one line for each problem; a program exits with 78."""

    def __init__(self, problems: Sequence[SettingProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)


def nearest(name: str, names: Iterable[str], *, before: str = "") -> str:
    """The cure for a name that nothing has: the most similar of `names`, or all of them where they are few.

    `before` is what every name begins with, and is not compared.
    """
    known = sorted(names)
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{before}{close[0]}"?'
    if len(known) > _FEW:
        return "`relay schema settings` lists them all"
    return f"there are: {', '.join(known)}" if known else "nothing can be set here"
