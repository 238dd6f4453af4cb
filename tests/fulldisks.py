"""A journal whose disk takes no more, as far as the journal knows: for the tests of those who meet that."""

import asyncio

from relay.journal import Journal

HOUR = 3600.0
WHY = "the disk under the journal is full: free some space"


async def shut(journal: Journal) -> None:
    """Its disk is full from now on."""
    space = journal._core.space
    told = await asyncio.to_thread(space.close, WHY)
    assert told is not None
    space._probe_at = space._seconds() + HOUR  # nobody looks whether it is
    space.tell_shut(told)


async def opened(journal: Journal) -> None:
    """It takes new things again."""
    space = journal._core.space
    told = await asyncio.to_thread(space.open, lambda: True)
    assert told is not None
    space.tell_open(told)
