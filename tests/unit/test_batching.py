"""What comes in one turn of the loop is done at once, and each waiter has its own result."""

import asyncio
from collections.abc import Sequence

import pytest

from relay.batching import MOST, Batcher
from relay.journal import JournalFull, JournalUnusable


class Done:
    """What was done together, and what it fails for."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.error: Exception | None = None
        self.bad = -1

    async def __call__(self, some: Sequence[int]) -> list[int]:
        """Ten times each."""
        self.batches.append([*some])
        if self.error is not None and (self.bad in some or self.bad < 0):
            raise self.error
        return [10 * one for one in some]


async def test_what_comes_in_one_turn_is_done_at_once() -> None:
    """What comes in the next one is done by itself."""
    done = Done()
    batcher = Batcher(done)
    assert await asyncio.gather(*(batcher.add(one) for one in range(3))) == [0, 10, 20]
    assert await batcher.add(3) == 30
    assert done.batches == [[0, 1, 2], [3]]


async def test_so_many_at_once_and_no_more() -> None:
    """Others have to wait for no longer than that."""
    done = Done()
    batcher = Batcher(done)
    await asyncio.gather(*(batcher.add(one) for one in range(MOST + 1)))
    assert [len(batch) for batch in done.batches] == [MOST, 1]


@pytest.mark.parametrize("error", [JournalFull(1), ValueError("a defect")])
async def test_what_one_of_them_fails_for_fails_for_that_one(error: Exception) -> None:
    """The others are done."""
    done = Done()
    done.error, done.bad = error, 1
    batcher = Batcher(done)
    ends = await asyncio.gather(*(batcher.add(one) for one in range(3)), return_exceptions=True)
    assert ends == [0, error, 20]
    assert done.batches == [[0, 1, 2], [0], [1], [2]]


async def test_what_fails_for_all_of_them_is_not_tried_for_each() -> None:
    """A journal that cannot be written is not asked a thousand times."""
    done = Done()
    done.error = JournalUnusable("it cannot be written")
    batcher = Batcher(done)
    ends = await asyncio.gather(*(batcher.add(one) for one in range(3)), return_exceptions=True)
    assert ends == [done.error] * 3
    assert len(done.batches) == 1


async def test_whoever_leaves_stops_nothing() -> None:
    """What was handed in is done for the others, and for the journal."""
    done = Done()
    batcher = Batcher(done)
    left, kept = batcher.add(1), batcher.add(2)
    left.cancel()
    assert await kept == 20
    assert done.batches == [[1, 2]]
