"""A spool on a disk of 12 MB, and what it does while that is full. `test_spool.py` runs it on one.

The disk is the directory that `SMALL_DISK` names.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.journal import JournalUnwritten, Spool
from tests.unit.journal.spooling import MUCH, hook

DISK = Path(os.environ["SMALL_DISK"])
FILLER = DISK / "filler"
LARGE = 1_500_000  # bytes


def fill(leave: int) -> None:
    """Leave no more than so many bytes."""
    found = os.statvfs(DISK)
    FILLER.write_bytes(bytes(found.f_bavail * found.f_frsize - leave))


def clean() -> None:
    """Delete everything."""
    for path in DISK.iterdir():
        path.unlink()


@pytest.fixture
async def spool() -> AsyncIterator[Spool]:
    """A spool on the disk."""
    async with await Spool.open(DISK / "spool.db", MUCH) as opened:
        yield opened
    await asyncio.to_thread(clean)


async def test_what_does_not_fit_is_refused_and_there_is_more_when_there_is_room(spool: Spool) -> None:
    """What was kept before is there, what was refused is not, and nothing more is needed than room."""
    before, refused, after = hook(b"before"), hook(bytes(LARGE)), hook(bytes(LARGE))
    await spool.keep(before)
    await asyncio.to_thread(fill, 200_000)
    with pytest.raises(JournalUnwritten, match="the disk under the spool is full"):
        await spool.keep(refused)
    assert spool.waiting == 1
    await asyncio.to_thread(FILLER.unlink)
    await spool.keep(after)
    assert [one.id for one in await spool.first(10)] == [before.id, after.id]


async def test_what_fits_is_kept(spool: Spool) -> None:
    """One that is too large takes nobody with it who waits for the same commit."""
    small = [hook(b"%d" % number) for number in range(5)]
    await asyncio.to_thread(fill, 200_000)
    ends = await asyncio.gather(*map(spool.keep, [*small, hook(bytes(LARGE))]), return_exceptions=True)
    assert [isinstance(end, JournalUnwritten) for end in ends] == [False] * 5 + [True]
    assert await spool.first(10) == small


async def keep_on(spool: Spool, kept: list[str]) -> None:
    """Keep hooks until one is refused."""
    for one in (hook(bytes(50_000)) for _ in range(1000)):
        await spool.keep(one)
        kept.append(one.id)


async def test_what_is_folded_in_can_be_dropped(spool: Spool) -> None:
    """In the room that is held back for that; then hooks are taken again, once there is room."""
    await asyncio.to_thread(fill, 1_000_000)
    kept: list[str] = []
    with pytest.raises(JournalUnwritten):
        await keep_on(spool, kept)
    given: list[str] = []
    while spool.waiting:
        some = [one.id for one in await spool.first(100)]
        await spool.drop(some)
        given += some
    assert given == kept
    await asyncio.to_thread(FILLER.unlink)
    await spool.keep(hook())


async def test_a_spool_is_opened_on_a_full_disk() -> None:
    """It was there before; and where it was not, it says what to do."""
    hooks = [hook(b"one"), hook(b"two")]
    async with await Spool.open(DISK / "spool.db", MUCH) as first:
        for one in hooks:
            await first.keep(one)
    await asyncio.to_thread(fill, 0)
    with pytest.raises(JournalUnwritten, match="the disk under the spool is full"):
        await Spool.open(DISK / "another.db", MUCH)
    await asyncio.to_thread(FILLER.unlink)
    async with await Spool.open(DISK / "spool.db", MUCH) as second:
        assert await second.first(10) == hooks
