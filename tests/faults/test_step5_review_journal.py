"""What a hostile reading of backup, restore, erasure, the audit and replays found; each fact failed once."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from relay.domain.addresses import inbound
from relay.domain.messages import DeliveryReport
from relay.domain.states import Fact
from relay.journal import Journal
from relay.journal.backup import back_up
from relay.journal.restore import restore
from tests.contract.journal.desk import ALICE, BOB, LINE, START, Desk, SqlitePlace, text

BACKUP = "backup.db"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An open journal, empty."""
    opened = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    yield opened
    await opened.journal.aclose()


async def test_two_people_who_are_forgotten_at_once_are_both_forgotten(desk: Desk) -> None:
    """Each erasure wrote back what it had read before the other one's: one of the two numbers stayed."""
    for number in range(30):
        await desk.sent(ALICE, BOB, ref=f"S{number}")
    people, media = desk.journal.people, desk.journal.media
    await asyncio.gather(people.forget([ALICE], media.drop), people.forget([BOB], media.drop))
    told = b"".join(desk.place.column("event", "body"))
    assert (ALICE.digits10.encode() in told, BOB.digits10.encode() in told) == (False, False)


async def test_a_report_about_somebody_forgotten_still_finds_their_copy(desk: Desk) -> None:
    """It names the number: it found no copy, was kept with the number for a person, and the copy never ended."""
    await desk.sent(ALICE, BOB)
    await desk.journal.people.forget([ALICE], desk.journal.media.drop)
    reports = [DeliveryReport("SMS1", Fact.DELIVERED, inbound(f"tel:{one.value}")) for one in (ALICE, BOB)]
    await desk.report(*reports)
    assert await desk.standing() == ["delivered", "delivered"]
    assert await desk.journal.dead.list(10) == []
    assert desk.place.rows("parked") == 0


async def test_a_clock_that_starts_in_1970_ends_nothing(desk: Desk) -> None:
    """A machine whose clock has lost its battery: all that waited seemed due in fifty years, and was failed."""
    await desk.send(ALICE, text="Waits.")
    await desk.sent(BOB, text="Followed.")
    desk.clock.time -= timedelta(days=20_000)
    while await desk.journal.audit.look():
        pass
    assert [await desk.standing("key-1"), await desk.standing("key-2")] == [["submitted"], ["queued"]]
    assert await desk.journal.dead.list(10) == []


async def test_a_restore_brings_what_only_the_wal_has(desk: Desk, tmp_path: Path) -> None:
    """After a kill the newest rows are in the WAL alone; the journal that was kept aside was restored without it."""
    await desk.send(ALICE)
    killed = desk.place.after_kill()
    assert Path(f"{killed.path}-wal").stat().st_size
    again = SqlitePlace(tmp_path / "again.db")
    await asyncio.to_thread(restore, killed.path, again.path, tmp_path / "media", clock=desk.clock)
    assert again.rows("command") == 1


async def test_a_restore_that_was_cut_short_leaves_no_copy_of_the_journal(desk: Desk, tmp_path: Path) -> None:
    """It holds texts and numbers, which nobody would ever forget there."""
    await asyncio.to_thread(back_up, desk.place.path, tmp_path / "media", tmp_path / BACKUP)
    await desk.journal.aclose()
    left = tmp_path / ".relay-restore-cut"
    left.mkdir()
    shutil.copy(tmp_path / BACKUP, left / "relay.db")
    await asyncio.to_thread(restore, tmp_path / BACKUP, desk.place.path, tmp_path / "media", clock=desk.clock)
    assert [one.name for one in tmp_path.iterdir() if "relay-restore" in one.name] == []


async def test_two_restores_within_a_second_keep_both_former_journals(desk: Desk, tmp_path: Path) -> None:
    """The second one took the first one's name for what it kept."""
    await asyncio.to_thread(back_up, desk.place.path, tmp_path / "media", tmp_path / BACKUP)
    await desk.journal.aclose()
    former = {
        (await asyncio.to_thread(restore, tmp_path / BACKUP, desk.place.path, tmp_path / "media", clock=desk.clock)).former
        for _ in range(2)
    }
    assert len(former) == 2


async def test_a_restore_cut_short_between_the_file_and_its_wal_keeps_them_together(desk: Desk, tmp_path: Path) -> None:
    """The next one gave the WAL another name than its file: what only the WAL has could not be read any more."""
    await asyncio.to_thread(back_up, desk.place.path, tmp_path / "media", tmp_path / BACKUP)
    await desk.send(ALICE)
    killed = desk.place.after_kill()
    former = Path(f"{killed.path}.before-restore-20261121T080000Z")
    killed.path.rename(former)
    await asyncio.to_thread(restore, tmp_path / BACKUP, killed.path, tmp_path / "media", clock=desk.clock)
    assert SqlitePlace(former).rows("command") == 1


async def test_a_backup_does_not_take_the_place_of_the_kept_attachments(desk: Desk, tmp_path: Path) -> None:
    """Its own attachments go to `<file>.media`, which was the folder that relay serves them from."""
    media = tmp_path / "relay.media"
    media.mkdir()
    (media / ("a" * 32)).write_bytes(b"picture")
    inode = media.stat().st_ino
    try:
        await asyncio.to_thread(back_up, desk.place.path, media, tmp_path / "relay")
    except Exception:
        pass
    assert media.stat().st_ino == inode
