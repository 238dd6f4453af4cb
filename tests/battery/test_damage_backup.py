"""P14: a backup while relay writes, and what a restore of an older one sends: nothing by itself, and nothing twice."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from relay.domain.mailbox import MailEntry
from relay.domain.messages import OnUncertain
from relay.journal import JournalInUse, JournalTooNew, JournalUnusable
from relay.journal.backup import back_up, checked
from relay.journal.restore import restore
from tests.battery.table import Row
from tests.contract.journal.desk import ALICE, BOB, CAROL, Desk, SqlitePlace, delivered, text

Found = Callable[[Row], None]


async def _enlarge(desk: Desk, size: int) -> None:
    """Let the journal have about so many bytes."""
    body = "x" * 64_000
    for number in range(0, size, 64_000 * 8):
        await asyncio.gather(*(desk.receive(text(f"{number}-{each} {body}")) for each in range(2)))


async def test_a_backup_holds_nobody_up(tmp_path: Path, found: Found, *, long: bool) -> None:
    """Whoever writes meanwhile waits no longer than otherwise, and what was accepted before is in the backup."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    await _enlarge(desk, 200_000_000 if long else 8_000_000)
    backup = asyncio.create_task(
        asyncio.to_thread(back_up, tmp_path / "relay.db", tmp_path / "media", tmp_path / "b.db")
    )
    longest, written = 0.0, 0
    while not backup.done() or written < 20:
        began = time.monotonic()
        await desk.send(BOB)
        longest = max(longest, time.monotonic() - began)
        written += 1
    made = await backup
    await desk.journal.aclose()
    rows = await asyncio.to_thread(checked, tmp_path / "b.db")
    assert rows == dict(made.rows)
    assert rows["command"] <= written
    assert longest < 2.0
    note = f"{made.bytes / 1e6:.0f} MB; the longest of {written} commits meanwhile took {longest * 1000:.0f} ms"
    found(Row("P14", "backup under load", 1, 0, 0, note=note))


async def _restored(desk: Desk, backup: Path) -> Desk:
    """The journal after the restore of a backup."""
    await desk.journal.aclose()
    await asyncio.to_thread(restore, backup, desk.place.path, desk.place.path.with_name("media"), clock=desk.clock)
    return await Desk.at(desk.place, desk.clock)


async def test_an_older_backup_sends_nothing_by_itself(tmp_path: Path, found: Found) -> None:
    """What waited when it was made was sent since: it is held, listed once, and goes when a person says so."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    await desk.send(ALICE, text="Was sent since.")
    await desk.send(BOB, text="Was under way.", on_uncertain=OnUncertain.RESEND)
    under_way = await desk.claim()
    await asyncio.to_thread(back_up, desk.place.path, tmp_path / "media", tmp_path / "b.db")
    await desk.hand_over(under_way, "SMS1")
    await desk.hand_over(await desk.claim(), "SMS2")
    ids = {event.id for event in await desk.events()}
    desk = await _restored(desk, tmp_path / "b.db")
    await desk.journal.calls.recover()
    desk.clock.pass_(hours=1)
    went = 0 if await desk.none_due() else 1
    [notice] = [one for one in await desk.bodies("dead") if one["what"] == "journal"]
    assert "held" in notice["why"]
    # Events that were not published when the backup was made go out under their own ids.
    again = {event.id for _, event in await desk.journal.events.pending(0, 100)} & ids
    assert again
    assert await desk.journal.steering.release_line("alerts")
    assert {(await desk.claim()).text} <= {"Was sent since.", "Was under way."}
    found(Row("P15", "an older backup restored", 1, 0, went, note="held until a person lets it go"))
    await desk.journal.aclose()


async def test_what_expires_while_it_is_held_after_a_restore_is_not_told_to_be_unsent(tmp_path: Path) -> None:
    """It may have been sent: whoever reads that it was not would send it once more."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    await desk.send(ALICE, ttl=60)
    await asyncio.to_thread(back_up, desk.place.path, tmp_path / "media", tmp_path / "b.db")
    await desk.hand_over(await desk.claim(), "SMS1")
    desk = await _restored(desk, tmp_path / "b.db")
    desk.clock.pass_(hours=1)
    assert await desk.journal.upkeep.expire() == 1
    [receipt] = [body for body in await desk.bodies("receipt") if body["final"]]
    assert (receipt["status"], receipt["error"]["code"]) == ("expired", "uncertain")
    await desk.journal.aclose()


async def test_what_an_old_backup_knows_is_not_told_twice(tmp_path: Path) -> None:
    """Messages and reports that the provider repeats after the restore are recognised."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    await desk.sent(ALICE)
    await desk.receive(text("Hello", key="m-1"))
    await desk.report(delivered("SMS1", dedupe_key="r-1"))
    await desk.journal.mailbox.compared("alerts", [MailEntry("m-7")], "cursor", unpublished_before=None)
    await asyncio.to_thread(back_up, desk.place.path, tmp_path / "media", tmp_path / "b.db")
    desk = await _restored(desk, tmp_path / "b.db")
    await desk.receive(text("Hello", key="m-1"))
    await desk.report(delivered("SMS1", dedupe_key="r-1"))
    await desk.journal.mailbox.compared("alerts", [MailEntry("m-7")], "cursor", unpublished_before=None)
    assert len(await desk.bodies("message")) == 1
    assert await desk.statuses() == ["submitted", "delivered"]
    assert len(await desk.arriving()) == 1
    await desk.journal.aclose()


async def test_a_time_that_is_still_to_come_is_kept(tmp_path: Path) -> None:
    """What was to be sent later was not sent before: it waits for its time."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    await desk.send(CAROL, text="Later.", send_at=desk.clock.now().replace(hour=20))
    await asyncio.to_thread(back_up, desk.place.path, tmp_path / "media", tmp_path / "b.db")
    desk = await _restored(desk, tmp_path / "b.db")
    desk.clock.pass_(hours=12)
    assert (await desk.claim()).text == "Later."
    await desk.journal.aclose()


async def test_attachments_come_along(tmp_path: Path) -> None:
    """They are beside the backup, and come back; a file that is still being written does not."""
    media = tmp_path / "media"
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))

    def lay() -> None:
        media.mkdir()
        (media / ("a" * 32)).write_bytes(b"picture")
        (media / ("b" * 32 + ".part")).write_bytes(b"half")

    await asyncio.to_thread(lay)
    made = await asyncio.to_thread(back_up, desk.place.path, media, tmp_path / "b.db")
    assert (made.attachments, made.attachment_bytes) == (1, 7)
    await asyncio.to_thread((media / ("a" * 32)).unlink)
    desk = await _restored(desk, tmp_path / "b.db")
    assert await asyncio.to_thread((media / ("a" * 32)).read_bytes) == b"picture"
    await desk.journal.aclose()


async def test_what_is_no_backup_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    """Another program's file, a damaged one, a newer relay's, and any while relay runs."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    await desk.send(ALICE)
    backup, media = tmp_path / "b.db", tmp_path / "media"
    await asyncio.to_thread(back_up, desk.place.path, media, backup)
    with pytest.raises(JournalInUse):
        await asyncio.to_thread(restore, backup, desk.place.path, media, clock=desk.clock)
    await desk.journal.aclose()
    before = await asyncio.to_thread(desk.place.path.read_bytes)
    for damage, error in ((_theirs, JournalUnusable), (_bent, JournalUnusable), (_newer, JournalTooNew)):
        await asyncio.to_thread(damage, tmp_path / "bad.db", backup)
        with pytest.raises(error):
            await asyncio.to_thread(restore, tmp_path / "bad.db", desk.place.path, media, clock=desk.clock)
        assert await asyncio.to_thread(desk.place.path.read_bytes) == before
    assert not list(await asyncio.to_thread(lambda: list(tmp_path.glob("*restore*"))))


def _theirs(path: Path, _: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE photos (id)")


def _bent(path: Path, backup: Path) -> None:
    content = bytearray(backup.read_bytes())
    content[8192:20480] = bytes(12288)
    path.write_bytes(content)


def _newer(path: Path, backup: Path) -> None:
    path.write_bytes(backup.read_bytes())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
