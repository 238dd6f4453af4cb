"""Tests -> workers: what takes long begins first, and what wants the machine for itself stands behind one another.

Each worker is given one part of the list at first, and takes from the ends of the others' when it is done.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

# One pile for a worker: nodes beside nodes would be three times as many processes as this machine has to bear.
PILES = (
    ("tests/nodes/", "tests/test_postgres.py"),
    ("tests/systemd/", "tests/packages/", "tests/browser/", "tests/examples/", "tests/documents/test_running.py"),
    ("tests/battery/",),
    ("tests/system/",),
)


def dealt(tests: Sequence[tuple[str, T]], workers: int) -> list[T]:
    """The tests in the order in which they are to be handed out, the same for all workers.

    Args:
        tests: each with its id.
        workers: how many there are.
    """
    piles: list[list[T]] = [[] for _ in range(workers)]
    light: list[T] = []
    for name, test in tests:
        place = next((place for place, heavy in enumerate(PILES) if name.startswith(heavy)), None)
        (light if place is None else piles[place % workers]).append(test)
    return list(_filled_up(piles, light, -(-len(tests) // workers)))


def _filled_up(piles: Iterable[list[T]], light: Iterable[T], size: int) -> Iterable[T]:
    rest = iter(light)
    for pile in piles:
        yield from pile
        yield from islice(rest, max(size - len(pile), 0))
    yield from rest
