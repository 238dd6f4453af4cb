"""A journal on a disk of some MB, and what it does while that is full. `test_full_disk.py` runs it on one.

The disk is the directory that `SMALL_DISK` names.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from relay.domain.messages import RawAnswer
from relay.journal import Journal, JournalShut, JournalUnusable, JournalUnwritten
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, Desk, SqlitePlace

DISK = Path(os.environ["SMALL_DISK"])
BALLAST = 1024 * 1024
LARGE = 200_000  # bytes
POLLS = itertools.count()


def free_bytes() -> int:
    """What is left."""
    found = os.statvfs(DISK)
    return found.f_bavail * found.f_frsize


def fill(name: str = "filler", leave: int = 0) -> None:
    """Fill the disk."""
    with (DISK / name).open("ab", buffering=0) as file:
        while free_bytes() > leave:
            try:
                file.write(bytes(min(free_bytes() - leave, 65536)))
            except OSError:
                return


def free(name: str = "filler") -> None:
    """Empty what filled it."""
    (DISK / name).unlink()


def clean() -> None:
    """Delete everything."""
    for path in DISK.iterdir():
        path.unlink()


def ballast() -> os.stat_result:
    """The ballast's file."""
    return (DISK / "relay.db.ballast").stat()


@pytest.fixture
async def logs() -> AsyncIterator[list[MutableMapping[str, Any]]]:
    """What is logged."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """A journal with a ballast, on the small disk, which is emptied afterwards."""
    desk = await Desk.at(SqlitePlace(DISK / "relay.db"), ballast=BALLAST)
    yield desk
    await desk.journal.aclose()
    clean()


def about(logs: list[MutableMapping[str, Any]], *events: str) -> list[str]:
    """The lines about these, in their order."""
    return [line["event"] for line in logs if line["event"] in events]


async def page(journal: Journal, size: int = LARGE) -> None:
    """Keep an inbox page, which the provider has deleted."""
    await journal.raw.keep(LINE, "inbox", "", f"poll-{next(POLLS)}", RawAnswer(bytes(size), "application/json"))


async def hook(journal: Journal) -> None:
    """Keep a web hook."""
    await journal.raw.keep(LINE, "hook", "message", "", RawAnswer(b"{}", "application/json"))


async def pages(journal: Journal) -> None:
    """More of them than the disk has room for."""
    for _ in range(20):
        await page(journal)


async def hooks(journal: Journal) -> None:
    """More of them than the disk has room for."""
    for _ in range(1000):
        await hook(journal)


async def shut(journal: Journal) -> None:
    """Fill the disk until something new is refused."""
    fill()
    with pytest.raises(JournalShut):
        await hooks(journal)


async def again(journal: Journal) -> None:
    """Wait until it takes new things."""
    async with asyncio.timeout(5):
        if journal.shut is not None:
            await journal.shut.over.wait()


async def test_the_ballast_is_really_allocated(desk: Desk) -> None:
    """Its bytes are gone from the disk, and not only promised."""
    found = ballast()
    assert found.st_size == BALLAST
    assert found.st_blocks * 512 >= BALLAST
    assert desk.journal.shut is None


async def test_what_is_new_is_refused_in_words(desk: Desk) -> None:
    """It is the disk and not the queue, and the text says what to do; nothing of it was kept."""
    await shut(desk.journal)
    with pytest.raises(JournalShut, match=r"disk .* is full: free some space"):
        await desk.send(ALICE)
    assert desk.journal.shut is not None


async def test_no_call_begins(desk: Desk) -> None:
    """What is claimed and cannot be ended would be uncertain; it is claimed once there is room."""
    await desk.send(ALICE)
    await shut(desk.journal)
    with pytest.raises(JournalShut):
        await desk.journal.calls.claim(LINE, ME)
    free()
    await again(desk.journal)
    assert (await desk.claim()).attempt == 1


async def test_outcomes_and_fetched_pages_are_written_in_the_room_of_the_ballast(desk: Desk) -> None:
    """They can be had only once."""
    await desk.send(ALICE)
    call = await desk.claim()
    await shut(desk.journal)
    assert await desk.hand_over(call)
    await page(desk.journal)
    assert [len(kept.raw.body) for kept in await desk.journal.raw.unread(LINE, source="inbox")] == [LARGE]
    assert ballast().st_size == 0


async def test_a_page_that_finds_the_disk_full_is_written_at_once(desk: Desk) -> None:
    """Nobody has tried anything new before."""
    fill()
    for _ in range(3):
        await page(desk.journal)
    assert len(await desk.journal.raw.unread(LINE, source="inbox")) == 3
    assert desk.journal.shut is not None


async def test_new_things_are_taken_again_without_a_restart(desk: Desk, logs: list[MutableMapping[str, Any]]) -> None:
    """In seconds; the ballast is held again; each trouble has one line when it begins and one when it ends."""
    for _ in range(2):
        await shut(desk.journal)
        with pytest.raises(JournalShut):
            await hook(desk.journal)
        free()
        await again(desk.journal)
        assert ballast().st_size == BALLAST
        await hook(desk.journal)
    assert about(logs, "journal.full", "journal.takes_again") == ["journal.full", "journal.takes_again"] * 2


async def test_a_little_room_is_not_enough(desk: Desk, logs: list[MutableMapping[str, Any]]) -> None:
    """The disk would be full again at once: it would flap."""
    await shut(desk.journal)
    free()
    fill(leave=BALLAST + 50_000)
    before = desk.journal.shut
    assert before is not None
    opening = asyncio.create_task(before.over.wait())
    await asyncio.wait({opening}, timeout=2.5)
    assert not opening.done()
    opening.cancel()
    assert about(logs, "journal.full", "journal.takes_again") == ["journal.full"]


async def test_once_the_ballast_is_used_up_outcomes_fail_and_are_taken_when_there_is_room(desk: Desk) -> None:
    """Whoever has them keeps them, and is told that they are not written."""
    await shut(desk.journal)
    with pytest.raises(JournalUnwritten) as unwritten:
        await pages(desk.journal)
    kept = len(await desk.journal.raw.unread(LINE, source="inbox"))
    assert kept >= 2
    free()
    assert unwritten.value.over is not None
    async with asyncio.timeout(5):
        await unwritten.value.over.wait()
    await page(desk.journal)
    assert len(await desk.journal.raw.unread(LINE, source="inbox")) == kept + 1


async def test_small_outcomes_go_on_for_long(desk: Desk) -> None:
    """The WAL is copied back and used again: what is written over and over does not use the ballast up."""
    await shut(desk.journal)
    fill("rest", leave=BALLAST // 2)
    memory = desk.journal.memory(LINE)
    for number in range(500):
        await memory.put("cursor", b"%d" % number * 100)
    assert await memory.get("cursor") == b"499" * 100
    free("rest")


async def test_purging_goes_on(desk: Desk) -> None:
    """It is what makes room inside the file."""
    await hook(desk.journal)
    await shut(desk.journal)
    [kept, *_] = await desk.journal.raw.unread(LINE)
    await desk.journal.raw.understood(kept)
    desk.clock.pass_(days=90)
    assert await desk.journal.upkeep.purge()


async def test_a_journal_opens_on_a_disk_that_is_too_full_for_the_ballast(logs: list[MutableMapping[str, Any]]) -> None:
    """It takes nothing new, says so, and does once there is room."""
    first = await Desk.at(SqlitePlace(DISK / "relay.db"))
    await first.journal.aclose()
    fill(leave=BALLAST // 2)
    desk = await Desk.at(first.place, ballast=BALLAST)
    try:
        with pytest.raises(JournalShut):
            await hook(desk.journal)
        await page(desk.journal, 1000)
        assert about(logs, "journal.full") == ["journal.full"]
        free()
        await again(desk.journal)
        await hook(desk.journal)
    finally:
        await desk.journal.aclose()
        clean()


async def test_a_journal_that_held_a_ballast_opens_on_a_full_disk() -> None:
    """The ballast gives it the room in which to open at all."""
    first = await Desk.at(SqlitePlace(DISK / "relay.db"), ballast=BALLAST)
    await first.journal.aclose()
    fill()
    desk = await Desk.at(first.place, ballast=BALLAST)
    try:
        assert desk.journal.shut is not None
        await page(desk.journal, 1000)
    finally:
        await desk.journal.aclose()
        clean()


async def test_an_erasure_that_finds_no_room_gives_back_what_it_took() -> None:
    """To write the file anew filled the disk, and the WAL kept all of that until relay was stopped."""
    desk = await Desk.at(SqlitePlace(DISK / "relay.db"))
    try:
        for _ in range(10):
            await page(desk.journal)
        await desk.sent(ALICE)
        await desk.reopen()
        fill(leave=BALLAST)
        left = free_bytes()
        assert not (await desk.journal.people.forget([ALICE], desk.journal.media.drop)).is_clean
        assert free_bytes() > left // 2
    finally:
        await desk.journal.aclose()
        clean()


async def test_an_erasure_says_in_words_that_the_wal_cannot_be_emptied() -> None:
    """It raised SQLite's own error, which no caller knows: whoever asked for it was told nothing."""
    desk = await Desk.at(SqlitePlace(DISK / "relay.db"))
    try:
        for _ in range(10):
            await page(desk.journal)
        fill()
        with pytest.raises(JournalUnusable):
            await desk.journal.people.forget([BOB], desk.journal.media.drop)
    finally:
        await desk.journal.aclose()
        clean()
