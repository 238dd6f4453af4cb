"""Which message is which: every text carries a mark, wherever it passes; and when each passed."""

import time
from array import array
from collections.abc import Mapping
from pathlib import Path

MARK = b"order-"
DIGITS = 7
_FIRST_PHONE, _PHONES = 2_000_000, 7_999_000  # below +1 206: as many as there are


def mark(number: int) -> str:
    """The mark of a message."""
    return f"order-{number:07d}"


def phone(number: int) -> str:
    """The phone number of a copy, or of whoever texts."""
    return f"+1206{_FIRST_PHONE + number % _PHONES:07d}"


def marked(data: bytes) -> int | None:
    """The number of the first mark in these bytes."""
    at = data.find(MARK)
    if at < 0:
        return None
    return int(data[at + len(MARK) : at + len(MARK) + DIGITS])


def now() -> int:
    """Nanoseconds of a clock that all processes of a machine share."""
    return time.monotonic_ns()


class Times:
    """When each message first passed a place."""

    def __init__(self) -> None:
        self._at: dict[int, int] = {}

    def note(self, data: bytes) -> None:
        """It passes now."""
        number = marked(data)
        if number is not None:
            self._at.setdefault(number, now())

    def note_number(self, number: int) -> None:
        """As above, where the number is known."""
        self._at[number] = now()

    def write(self, path: str) -> int:
        """Into a file, for another process; gives how many there are."""
        flat = array("q", (value for pair in self._at.items() for value in pair))
        Path(path).write_bytes(flat.tobytes())
        return len(self._at)


def read_times(path: Path) -> dict[int, int]:
    """What `Times.write` wrote: nanoseconds by number."""
    flat = array("q")
    flat.frombytes(path.read_bytes())
    return dict(zip(flat[::2], flat[1::2], strict=True))


def ways(begin: Mapping[int, int], end: Mapping[int, int], since: int, until: int) -> list[float]:
    """Milliseconds from place to place, of every message that began within these nanoseconds."""
    return [(end[each] - at) / 1e6 for each, at in begin.items() if since <= at < until and each in end]
