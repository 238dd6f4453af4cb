"""P8: the journal's file damaged as disks and people do it. Never a silent new one, never a wrong text."""

import asyncio
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from relay.ids import Ids
from relay.journal import Journal, JournalUnusable
from relay.journal.backup import back_up
from tests.battery.table import Row
from tests.contract.journal.desk import ALICE, BOB, CAROL, Desk, SqlitePlace, StillClock

Found = Callable[[Row], None]
RESTORE = r"relay restore FILE"


# Of all journals here: each has a chance of its own, so that no id is made twice.
CLOCK = StillClock()


def _laid(folder: Path, name: str = "relay.db") -> SqlitePlace:
    """A journal with three texts that wait."""
    place = SqlitePlace(folder / name)
    asyncio.run(_fill(place))
    return place


async def _fill(place: SqlitePlace, then: Callable[[], None] = lambda: None) -> None:
    desk = await Desk.at(place, CLOCK)
    for number, to in enumerate((ALICE, BOB, CAROL)):
        await desk.send(to, text=f"Text {number}.")
    await asyncio.to_thread(then)
    await desk.journal.aclose()


def _texts(place: SqlitePlace) -> list[tuple[str, str]]:
    """What relay sends of what it finds there."""
    return asyncio.run(_sent(place))


async def _sent(place: SqlitePlace) -> list[tuple[str, str]]:
    desk = await _opened(place)
    try:
        went = []
        while (call := await desk.journal.calls.claim("alerts", "relay-1")) is not None:
            went += [(call.text or "", one.address.value) for one in call.recipients]
            await desk.hand_over(call, f"SMS{len(went)}")
        return went
    finally:
        await desk.journal.aclose()


async def _opened(place: SqlitePlace) -> Desk:
    """As relay opens it: no empty journal is laid before."""
    CLOCK.lives += 1
    ids = Ids(CLOCK, random.Random(CLOCK.lives))  # noqa: S311 - chance that can be repeated
    return Desk(place, await Journal.open(place.url, clock=CLOCK, ids=ids, node="relay-1", real=CLOCK), CLOCK)


async def _told(place: SqlitePlace) -> tuple[set[str], list[dict[str, Any]]]:
    """The kinds of what is listed for a person, and the receipts of what failed."""
    desk = await _opened(place)
    listed = await desk.journal.dead.list(limit=10)
    failed = [one for one in await desk.bodies("receipt") if one["status"] == "failed"]
    await desk.journal.aclose()
    return {one["kind"] for one in listed}, failed


ALL = [("Text 0.", ALICE.value), ("Text 1.", BOB.value), ("Text 2.", CAROL.value)]


def test_a_damaged_header_is_refused_with_the_way_to_restore(tmp_path: Path, found: Found, *, long: bool) -> None:
    """Or it does no harm: then every text is there, and goes to its number."""
    place = _laid(tmp_path)
    whole = place.path.read_bytes()
    bits = range(800) if long else random.Random(8).sample(range(800), 20)  # noqa: S311 - chance that can be repeated
    refused = lost = 0
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        place.path.write_bytes(damaged)
        try:
            lost += _texts(place) != ALL
        except JournalUnusable as error:
            assert "relay restore" in str(error), error  # noqa: PT017 - both ways are right
            refused += 1
            assert len(place.path.read_bytes()) == len(whole)
        for end in ("-wal", "-shm"):
            Path(f"{place.path}{end}").unlink(missing_ok=True)
    found(Row("P8", "a bit of the header flipped", len(bits), lost, 0, note=f"{refused} refused, the others harmless"))


@pytest.mark.parametrize("what", ["missing", "empty", "cut off", "overwritten"])
def test_a_lost_file_is_never_begun_anew(tmp_path: Path, found: Found, what: str) -> None:
    """It is refused, with the command that restores a backup, and nothing is made in its place."""
    place = _laid(tmp_path)
    whole = place.path.read_bytes()
    if what == "missing":
        place.path.unlink()
    else:
        left = {"empty": b"", "cut off": whole[: len(whole) // 2], "overwritten": os.urandom(len(whole))}[what]
        place.path.write_bytes(left)
    before = place.path.read_bytes() if place.path.exists() else None
    with pytest.raises(JournalUnusable, match=RESTORE):
        _texts(place)
    assert (place.path.read_bytes() if place.path.exists() else None) == before
    found(Row("P8", f"the journal's file {what}", 1, 0, 0, note="refused, with the way to restore"))


def test_what_a_crash_leaves_of_the_wal_is_recovered(tmp_path: Path, found: Found, *, long: bool) -> None:
    """A torn tail and a missing -shm lose nothing; of a WAL that was cut, what was before the cut is there."""
    place = SqlitePlace(tmp_path / "relay.db")
    copies: dict[str, bytes] = {}

    def as_a_crash_leaves_it() -> None:
        copies.update({end: Path(f"{place.path}{end}").read_bytes() for end in ("", "-wal")})

    asyncio.run(_fill(place, as_a_crash_leaves_it))
    wal = copies["-wal"]
    cuts = [int(len(wal) * part / 40) for part in range(1, 40)] if long else [0, len(wal) // 2, len(wal) - 100]
    tails = [wal + b"\xff" * 4096, wal + os.urandom(777), wal]
    lost = 0
    for number, left in enumerate([*tails, *(wal[:cut] for cut in cuts)]):
        there = SqlitePlace(tmp_path / f"left-{number}.db")
        there.path.write_bytes(copies[""])
        Path(f"{there.path}-wal").write_bytes(left)
        went = _texts(there)
        lost += len(ALL) - len(went) if number < len(tails) else 0
        assert went == ALL[: len(went)]
    times = len(tails) + len(cuts)
    found(Row("P8", "-shm missing, WAL torn or cut", times, lost, 0, note="a cut WAL: what came before is there"))


def test_a_damaged_page_is_met_with_words(tmp_path: Path, found: Found, *, long: bool) -> None:
    """What can be read is sent right, once; the rest is said, with the way to restore. A backup of it is refused."""
    place = _laid(tmp_path)
    whole = place.path.read_bytes()
    pages = range(1, len(whole) // 4096) if long else random.Random(4).sample(range(1, len(whole) // 4096), 12)  # noqa: S311
    said = wrong = doubled = 0
    for page in pages:
        damaged = bytearray(whole)
        damaged[page * 4096 : page * 4096 + 2048] = bytes(2048)
        place.path.write_bytes(damaged)
        try:
            went = _texts(place)
        except JournalUnusable as error:
            assert "relay restore" in str(error), error  # noqa: PT017 - both ways are right
            said += 1
        else:
            wrong += len(set(went) - set(ALL))
            doubled += max(Counter(went).values(), default=1) - 1
        place.path.write_bytes(damaged)
        for end in ("-wal", "-shm"):
            Path(f"{place.path}{end}").unlink(missing_ok=True)
    note = f"{said} refused or said while running, the others harmless"
    found(Row("P8", "half a page overwritten", len(pages), wrong, doubled, note=note))


def test_a_backup_of_a_damaged_journal_is_refused(tmp_path: Path) -> None:
    """So that it does not take the place of a good one."""
    place = _laid(tmp_path)
    damaged = bytearray(place.path.read_bytes())
    root = _root_of(place.path, "copy")
    damaged[(root - 1) * 4096 : (root - 1) * 4096 + 2048] = bytes(2048)
    place.path.write_bytes(damaged)
    with pytest.raises(JournalUnusable, match=RESTORE):
        back_up(place.path, tmp_path / "media", tmp_path / "backup.db")
    assert not list(tmp_path.glob("backup.db*"))


def test_a_bit_flipped_on_the_disk_in_a_number_sends_nothing_there(tmp_path: Path, found: Found) -> None:
    """The copy fails and is listed, also where the index does not fit it any more; the others go."""
    place = _laid(tmp_path)
    wrong = lost = tries = 0
    whole = place.path.read_bytes()
    for at in _every(whole, f"e164{BOB.value}".encode()):
        damaged = bytearray(whole)
        damaged[at + 4 + 11] ^= 1
        place.path.write_bytes(damaged)
        went = _texts(place)
        lost += len({ALL[0], ALL[2]} - set(went))
        wrong += len(set(went) - set(ALL))
        tries += 1
        kinds, [receipt] = asyncio.run(_told(place))
        assert kinds == {"damaged"}
        assert (receipt["final"], receipt["to"]) == (True, "")
    assert tries
    found(Row("P8", "a bit of a recipient's number flipped on disk", tries, lost, wrong, note="failed, listed"))


def _every(content: bytes, what: bytes) -> list[int]:
    places, start = [], content.find(what)
    while start >= 0:
        places.append(start)
        start = content.find(what, start + 1)
    return places


def _root_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        [root] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [table]).fetchone()
    return int(root)
