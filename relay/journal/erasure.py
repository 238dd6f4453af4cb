"""What an erasure shares: whom it forgets, what it has done, and what it has to leave for another time."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from relay.domain.spellings import Spellings
from relay.journal.reader import Reader
from relay.journal.writer import Writer

T = TypeVar("T")

ROWS_AT_ONCE = 10  # in one transaction, so that nobody waits long for it


@dataclass(slots=True)
class Erasure:
    """An erasure under way.

    Attributes:
        writer: writes.
        reader: reads.
        who: whom it forgets.
        drop_media: deletes kept attachments, by their tokens.
        done: how much was erased, by its kind.
        left: what must be left until it has ended, by its kind.
    """

    writer: Writer
    reader: Reader
    who: Spellings
    drop_media: Callable[[Sequence[str]], Awaitable[None]]
    done: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)


def pieces(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """`rows` in parts for one transaction each."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]
