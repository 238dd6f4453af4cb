"""What `relay check` finds: one file for each part that it looks at."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        part: `settings`, `journal`, `broker`, or a line's alias.
        what: what was found.
        why: why it matters; None where it is in order.
        cure: what to do about it.
        late: it did not answer in time.
    """

    part: str
    what: str
    why: str | None = None
    cure: str | None = None
    late: bool = False

    @property
    def ok(self) -> bool:
        """Whether it is in order."""
        return self.why is None

    def as_body(self) -> dict[str, Any]:
        """For `--json`."""
        return {"part": self.part, "ok": self.ok, "what": self.what, "why": self.why, "cure": self.cure}


def good(part: str, what: str) -> Finding:
    """Something that is in order."""
    return Finding(part, what)


def wrong(part: str, what: str, why: str, cure: str) -> Finding:
    """Something that is not."""
    return Finding(part, what, why, cure)


def hint(part: str, what: str, cure: str) -> Finding:
    """Something that works, and could be better."""
    return Finding(part, what, cure=cure)
