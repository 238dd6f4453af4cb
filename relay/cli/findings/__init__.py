"""What `relay check` finds: one file for each part that it looks at."""

from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["ok", "hint", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        part: `settings`, `clock`, `journal`, `broker`, `webhooks`, or a line's alias.
        what: what was found.
        why: why it matters; None where it is in order.
        cure: what to do about it.
        is_hint: it works, and could be better.
    """

    part: str
    what: str
    why: str | None = None
    cure: str | None = None
    is_hint: bool = False

    @property
    def ok(self) -> bool:
        """Whether it works."""
        return self.why is None or self.is_hint

    @property
    def level(self) -> Level:
        """`ok`, `hint` where it works and could be better, or `wrong`."""
        return "wrong" if not self.ok else "hint" if self.is_hint else "ok"

    def as_body(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "part": self.part,
            "ok": self.ok,
            "level": self.level,
            "what": self.what,
            "why": self.why,
            "cure": self.cure,
        }


def good(part: str, what: str) -> Finding:
    """Something that is in order."""
    return Finding(part, what)


def wrong(part: str, what: str, why: str, cure: str) -> Finding:
    """Something that is not."""
    return Finding(part, what, why, cure)


def hint(part: str, what: str, cure: str, why: str | None = None) -> Finding:
    """Something that works, and could be better."""
    return Finding(part, what, why, cure, is_hint=True)
