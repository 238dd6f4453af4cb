"""What a hostile reading of backup, restore, erasure, the audit and replays found; each fact failed once."""

import asyncio
import multiprocessing
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from relay.domain.addresses import inbound
from relay.domain.messages import DeliveryReport, OnUncertain, Reply
from relay.domain.states import Fact
from relay.journal import JournalUnusable, Lifetimes, Wish
from relay.journal.announce import SetAside, set_aside
from relay.journal.backup import back_up
from relay.journal.restore import Restoration, restore
from relay.journal.transaction import Transaction
from tests.contract.journal.desk import (
    ALICE,
    BOB,
    LINE,
    ME,
    PROBLEM,
    START,
    Desk,
    SqlitePlace,
    StillClock,
    delivered,
    seen,
    text,
)

BACKUP = "backup.db"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An open journal, empty."""
    opened = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    yield opened
    await opened.journal.aclose()


async def test_two_people_who_are_forgotten_at_once_are_both_forgotten(desk: Desk) -> None:
    """Each erasure wrote back what it had read before the other one's: one of the two numbers stayed."""
    for number in range(15):
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


async def test_a_number_in_the_topic_of_an_answer_is_forgotten(desk: Desk) -> None:
    """A client's own choice: it stayed in the request and its events, and no erasure was ever whole again."""
    await desk.sent(ALICE, reply=Reply(topic=f"reply/{ALICE.digits10}"))
    await desk.sent(BOB, reply=Reply(topic="reply/bob"))
    assert (await desk.journal.people.forget([ALICE, BOB], desk.journal.media.drop)).is_clean
    assert {event.reply.topic for event in await desk.events()} == {None, "reply/bob"}
    await desk.report(delivered())
    assert (await desk.bodies("receipt"))[-1]["status"] == "delivered"


async def test_nobody_who_writes_waits_for_a_reader_when_somebody_is_forgotten(desk: Desk) -> None:
    """A backup was under way: the WAL was to be emptied, and all commits waited five seconds for it, twice."""
    await desk.sent(ALICE)
    with closing(sqlite3.connect(desk.place.path, isolation_level=None)) as backup:
        backup.execute("BEGIN")
        assert backup.execute("SELECT count(*) FROM event").fetchone()
        await desk.sent(ALICE)
        forgetting = asyncio.create_task(desk.journal.people.forget([ALICE], desk.journal.media.drop))
        longest = 0.0
        while not forgetting.done():
            began = time.monotonic()
            await desk.send(BOB)
            longest = max(longest, time.monotonic() - began)
        assert not (await forgetting).is_clean
    assert longest < 2.0


async def test_a_flood_of_one_kind_does_not_swallow_the_notice_of_another(desk: Desk) -> None:
    """Of many reasons the last stood for all others: an uncertain copy was told as one more unreadable page."""

    def flood(tx: Transaction) -> None:
        for number in range(40):
            set_aside(tx, SetAside("raw", LINE, "inbox", f"unreadable, {number}"))
        set_aside(tx, SetAside("uncertain", LINE, "uncertain", "nobody knows", copy_id="copy"))

    await desk.journal._core.writer.run(flood)
    desk.clock.pass_(minutes=2)
    await desk.journal.upkeep.tell_untold()
    told = await desk.bodies("dead")
    assert sum(1 + one["more"] for one in told) == 41
    assert (told[-1]["kind"], told[-1]["how"]) == ("uncertain", f"relay dead list --kind uncertain --line {LINE}")


async def test_a_text_is_kept_while_it_may_prove_that_it_was_sent(desk: Desk) -> None:
    """It was wiped an hour after it was given up: a web hook then showed relay's own text as somebody else's."""
    await desk.send(ALICE, on_uncertain=OnUncertain.FAIL)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    desk.clock.pass_(hours=2)
    await desk.journal.upkeep.purge(20, Lifetimes(texts=timedelta(hours=1)))
    assert (await desk.see(seen())).own == 1
    await desk.journal.upkeep.purge(20, Lifetimes(texts=timedelta(hours=1)))
    assert desk.place.column("message", "content") == [b""]


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
    assert killed.rows("command") == 1
    killed = desk.place.after_kill()
    again = SqlitePlace(tmp_path / "again.db")
    await asyncio.to_thread(restore, killed.path, again.path, tmp_path / "media", clock=desk.clock)
    assert again.rows("command") == 1


async def test_two_restores_within_a_second_keep_both_former_journals(desk: Desk, tmp_path: Path) -> None:
    """The second one took the first one's name for what it kept."""
    await asyncio.to_thread(back_up, desk.place.path, tmp_path / "media", tmp_path / BACKUP)
    await desk.journal.aclose()
    restoring = partial(restore, tmp_path / BACKUP, desk.place.path, tmp_path / "media", clock=desk.clock)
    former = {(await asyncio.to_thread(restoring)).former for _ in range(2)}
    assert len(former) == 2


def test_a_restore_may_be_cut_short_anywhere(tmp_path: Path) -> None:
    """A cut left a WAL apart from its file, and a copy of the journal that nobody would ever erase."""
    asyncio.run(_busy(tmp_path))
    for step in range(100):
        folder = tmp_path / f"cut-{step}"
        shutil.copytree(tmp_path / "killed", folder)
        killer = multiprocessing.get_context("fork").Process(target=_restore_until, args=(folder, step))
        killer.start()
        killer.join()
        _restored(folder)
        journals = [file for file in folder.iterdir() if ".before-restore-" in file.name and file.suffix != ".db-wal"]
        kept = [file for file in journals if not file.name.endswith("-wal")]
        assert max(SqlitePlace(file).rows("command") for file in kept) == 1
        assert SqlitePlace(folder / "relay.db").rows("command") == 0
        assert [file.name for file in folder.iterdir() if file.is_dir()] == []
        if killer.exitcode == 0:
            break
    assert step > 5


async def _busy(folder: Path) -> None:
    """A backup of an empty journal, and the journal as a kill has left it: its one command is in the WAL alone."""
    desk = await Desk.at(SqlitePlace(folder / "relay.db"))
    (folder / "killed").mkdir()
    await asyncio.to_thread(back_up, desk.place.path, folder / "media", folder / "killed" / BACKUP)
    await desk.send(ALICE)
    for end in ("", "-wal"):
        shutil.copy(f"{desk.place.path}{end}", folder / "killed")
    await desk.journal.aclose()


def _restored(folder: Path) -> Restoration:
    return restore(folder / BACKUP, folder / "relay.db", folder / "media", clock=StillClock())


def _restore_until(folder: Path, step: int) -> None:
    """Restore, and die before the file system is changed for that time."""
    left = step

    def hook(event: str, _: object) -> None:
        nonlocal left
        if event in {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir"}:
            left -= 1
            if left < 0:
                os._exit(9)

    sys.addaudithook(hook)
    _restored(folder)


async def test_a_backup_does_not_take_the_place_of_the_kept_attachments(desk: Desk, tmp_path: Path) -> None:
    """Its own attachments go to `<file>.media`, which was the folder that relay serves them from."""
    media = tmp_path / "relay.media"
    media.mkdir()
    (media / ("a" * 32)).write_bytes(b"picture")
    inode = media.stat().st_ino
    with pytest.raises(JournalUnusable, match="attachments"):
        await asyncio.to_thread(back_up, desk.place.path, media, tmp_path / "relay", replace=True)
    assert media.stat().st_ino == inode


async def test_a_backup_throws_no_folder_away_that_is_there(desk: Desk, tmp_path: Path) -> None:
    """The folder for its attachments was replaced without being asked, whatever was in it."""
    theirs = tmp_path / "b.db.media"
    theirs.mkdir()
    (theirs / "photo").write_bytes(b"a holiday")
    with pytest.raises(JournalUnusable, match="--replace"):
        await asyncio.to_thread(back_up, desk.place.path, tmp_path / "media", tmp_path / "b.db")
    assert (theirs / "photo").exists()


async def test_two_backups_at_once_do_not_spoil_each_other(desk: Desk, tmp_path: Path) -> None:
    """Each threw away what the other had made so far: neither was made, and the attachments of an older one went."""
    await desk.receive(*(text(f"{number} " + "x" * 300_000) for number in range(10)))
    said: list[str] = []

    def back_up_often() -> None:
        for _ in range(4):
            try:
                back_up(desk.place.path, tmp_path / "media", tmp_path / BACKUP, replace=True)
                said.append("made")
            except JournalUnusable as error:
                said.append(str(error))

    await asyncio.gather(*(asyncio.to_thread(back_up_often) for _ in range(2)))
    assert "made" in said
    assert set(said) <= {"made", f"another backup is being made in {tmp_path}: wait for it"}


async def test_what_root_restores_belongs_to_relays_user(desk: Desk, tmp_path: Path) -> None:
    """Root's own journal could not be opened by the service, which then would not start."""
    home = tmp_path / "home"
    home.mkdir()
    theirs = 12345 if os.geteuid() == 0 else os.geteuid()  # nobody but root can give files away
    os.chown(home, theirs, -1)
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / ("a" * 32)).write_bytes(b"picture")
    await asyncio.to_thread(back_up, desk.place.path, tmp_path / "media", tmp_path / BACKUP)
    await asyncio.to_thread(restore, tmp_path / BACKUP, home / "relay.db", home / "media", clock=desk.clock)
    owners = {file.name: file.stat().st_uid for file in home.rglob("*")}
    assert set(owners.values()) == {theirs}, owners


async def test_a_text_for_the_far_future_is_not_called_damaged(desk: Desk) -> None:
    """Who asks for a time gets it, be it in six years."""
    await desk.send(ALICE, send_at=START + timedelta(days=6 * 365))
    while await desk.journal.audit.look():
        pass
    assert await desk.standing() == ["scheduled"]


async def test_a_rare_event_is_looked_for_in_pieces(desk: Desk) -> None:
    """A replay of one line read all that other lines had told at one go, and every other reader waited."""
    await desk.journal.events.announce(LINE, "read", {})
    await desk.journal.events.announce("other", "read", {})
    await asyncio.to_thread(_multiply_first_event, desk.place.path, 25_000)
    replay = await desk.journal.replays.begin(Wish(START - timedelta(hours=1), START + timedelta(hours=1), "other"))
    told = 0
    while not replay.is_over:
        before = replay.position
        events, replay = await desk.journal.replays.batch(replay, 10)
        told += len(events)
        assert replay.position - before <= 10_000
    assert told == 1


async def test_a_replay_leaves_out_what_was_set_aside(desk: Desk) -> None:
    """The broker refuses it each time: every replay failed, and blamed relay's rights."""
    for _ in range(2):
        await desk.journal.events.announce(LINE, "read", {})
    [poison, good] = [event.id for event in await desk.events()]
    await desk.journal.events.set_aside(poison, "too large")
    await desk.journal.events.published([good])
    replay = await desk.journal.replays.begin(Wish(START - timedelta(hours=1), START + timedelta(hours=1), LINE))
    events, _ = await desk.journal.replays.batch(replay, 10)
    assert [event.id for event in events] == [good]


def _multiply_first_event(path: Path, number: int) -> None:
    """So many more of it, published all, and the second one before and after them."""
    with closing(sqlite3.connect(path)) as connection, connection:
        row = connection.execute("SELECT * FROM event WHERE line = ?", [LINE]).fetchone()
        places = ", ".join("?" * len(row))
        rows = [(place + 10, f"id-{place}", *row[2:]) for place in range(number)]
        connection.executemany(f"INSERT INTO event VALUES ({places})", rows)  # noqa: S608 - question marks
        connection.execute("UPDATE event SET published_at = recorded_at")
