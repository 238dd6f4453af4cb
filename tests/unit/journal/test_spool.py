"""The spool: what it has kept is on disk, in order; what it cannot keep it refuses, and what is damaged it tells."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.domain.messages import RawAnswer
from relay.journal import HookDelivery, JournalDamaged, JournalFull, JournalInUse, JournalUnusable, Spool
from relay.journal.spool import FOLDED_AT_ONCE
from relay.journal.spoolrows import ROW, weight_of
from tests import forks
from tests.smalldisk import PYTHON, small_disk
from tests.unit.journal.spooling import AT, MUCH, harm, hook, look

PROGRAM = Path(__file__).with_name("spool_process.py")
PROMISES = Path(__file__).with_name("spool_on_small_disk.py")
ROOT = Path(__file__).parents[3]
GRACE = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is."""
    return tmp_path / "spool.db"


@pytest.fixture
async def spool(path: Path) -> AsyncIterator[Spool]:
    """An open spool with much room."""
    async with await Spool.open(path, MUCH) as opened:
        yield opened


async def test_what_was_kept_is_given_as_it_came_and_in_order(spool: Spool) -> None:
    """Whichever was written first: the order is that in which they came."""
    hooks = [hook(b"\x00\xff%d" % number, event=f"e{number}") for number in range(20)]
    await asyncio.gather(*(spool.keep(one) for one in reversed(hooks)))
    assert spool.waiting == 20
    assert await spool.first(100) == hooks


async def test_what_was_kept_is_there_in_the_next_life(path: Path) -> None:
    """With how many they are, and since when they wait."""
    hooks = [hook(b"one"), hook(b"two")]
    async with await Spool.open(path, MUCH) as first:
        assert (first.waiting, first.since, first.arrived.is_set()) == (0, None, False)
        for one in hooks:
            await first.keep(one)
        assert first.since == hooks[0].received_at
    async with await Spool.open(path, MUCH) as second:
        assert (second.waiting, second.since, second.arrived.is_set()) == (2, hooks[0].received_at, True)
        assert await second.first(100) == hooks


async def test_what_was_begun_to_be_folded_in_is_in_doubt_from_then_on(spool: Spool) -> None:
    """The journal may have it, whoever asks the next time."""
    await spool.keep(hook())
    [first] = await spool.first(1)
    [again] = await spool.first(1)
    assert (first.in_doubt, again.in_doubt) == (False, True)


async def test_so_many_are_given_as_are_wanted_and_not_more_bytes_than_fit(spool: Spool) -> None:
    """At least one, however large it is."""
    large = hook(bytes(FOLDED_AT_ONCE + 1))
    small = [hook() for _ in range(3)]
    for one in (large, *small):
        await spool.keep(one)
    assert await spool.first(10) == [large]
    await spool.drop([large.id])
    assert await spool.first(2) == small[:2]


async def test_what_was_dropped_is_gone_and_leaves_nothing(spool: Spool, path: Path) -> None:
    """Not even in room that is free; and the file is small again."""
    hooks = [hook(b"2065550002 " * 1000) for _ in range(100)]
    await asyncio.gather(*(spool.keep(one) for one in hooks))
    await spool.drop([one.id for one in hooks[:50]])
    assert (spool.waiting, spool.since, spool.arrived.is_set()) == (50, hooks[0].received_at, True)
    await spool.drop([one.id for one in hooks])
    assert (spool.waiting, spool.since, spool.arrived.is_set()) == (0, None, False)
    files = await asyncio.to_thread(lambda: {file.name: file.read_bytes() for file in path.parent.iterdir()})
    assert [name for name, content in files.items() if b"2065550002" in content] == []
    assert len(files[path.name]) < 50_000


async def test_it_is_full_at_its_limit_and_takes_again_what_fits(path: Path) -> None:
    """What is refused is not kept, and what was kept is not harmed."""
    async with await Spool.open(path, 10 * (ROW + 1000)) as spool:
        hooks = [HookDelivery(f"{number:02}", "office", "e", RawAnswer(bytes(1000)), AT) for number in range(11)]
        for one in hooks[:10]:
            await spool.keep(one)
        with pytest.raises(JournalFull, match="spool is full"):
            await spool.keep(hooks[10])
        assert (spool.waiting, len(await spool.first(100))) == (10, 10)
        await spool.drop(["00"])
        await spool.keep(hooks[10])
        assert spool.waiting == 10
    # The next life counts the same.
    async with await Spool.open(path, 10 * weight_of(hooks[0])) as spool:
        with pytest.raises(JournalFull):
            await spool.keep(hook(b""))


async def test_a_hook_whose_sender_went_away_is_kept(spool: Spool) -> None:
    """It was handed in, and it is counted."""
    task = asyncio.create_task(spool.keep(hook()))
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(GRACE):
        await spool.arrived.wait()
    assert (spool.waiting, len(await spool.first(10))) == (1, 1)


async def test_a_hook_of_any_words_is_kept(spool: Spool) -> None:
    """What no database takes as text is spelled out, and is whole."""
    odd = HookDelivery("1", "office", "e", RawAnswer(b"", "text/\ud800\0"), AT)
    await spool.keep(odd)
    [found] = await spool.first(1)
    assert (found.raw.content_type, found.is_whole) == ("text/\\ud800\\x00", True)


@pytest.mark.parametrize(
    "damage",
    ["line = 'desk'", "event = 'send'", "body = X'00'", "content_type = X'ff' || ''", "received_at = received_at + 1"],
)
async def test_a_damaged_row_is_not_taken_for_whole(path: Path, damage: str) -> None:
    """It is given all the same: its bytes are for a person, and the others are not held up."""
    async with await Spool.open(path, MUCH) as spool:
        await spool.keep(hook(b"one"))
        await spool.keep(hook(b"two"))
    harm(path, f"UPDATE hook SET {damage} WHERE body = CAST('one' AS BLOB)")  # noqa: S608 - ours
    async with await Spool.open(path, MUCH) as spool:
        assert [one.is_whole for one in await spool.first(10)] == [False, True]


async def test_a_time_that_is_damaged_raises_nothing(path: Path) -> None:
    """It comes back as the nearest time there is."""
    async with await Spool.open(path, MUCH) as spool:
        await spool.keep(hook())
    harm(path, "UPDATE hook SET received_at = 9223372036854775807")
    async with await Spool.open(path, MUCH) as spool:
        [found] = await spool.first(10)
    assert (found.received_at.year, found.is_whole) == (9999, False)


async def test_a_damaged_file_is_told_at_the_start_and_left_as_it_is(path: Path) -> None:
    """It may hold hooks that are nowhere else."""
    async with await Spool.open(path, MUCH) as spool:
        await asyncio.gather(*(spool.keep(hook(bytes(3000))) for _ in range(20)))
    whole = await asyncio.to_thread(path.read_bytes)
    broken = whole[:9000] + b"\x55" * 9000 + whole[18000:]
    await asyncio.to_thread(path.write_bytes, broken)
    with pytest.raises(JournalDamaged, match=r"spool .* is damaged: stop relay and move"):
        await Spool.open(path, MUCH)
    assert await asyncio.to_thread(path.read_bytes) == broken


async def test_only_one_process_has_it(spool: Spool, path: Path) -> None:
    """Another one is turned away, until it is closed."""
    with pytest.raises(JournalInUse, match=r"a journal.spool of its own"):
        await Spool.open(path, MUCH)
    await spool.aclose()
    async with await Spool.open(path, MUCH):
        pass


async def test_a_closed_spool_keeps_nothing(spool: Spool) -> None:
    """Whoever comes late is told."""
    await spool.aclose()
    await spool.aclose()
    with pytest.raises(JournalUnusable, match="closed"):
        await spool.keep(hook())
    assert spool.waiting == 0


async def test_nobody_else_may_read_it(spool: Spool, path: Path) -> None:
    """It holds numbers and texts."""
    await spool.keep(hook())
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert len(modes) >= 3
    assert set(modes.values()) == {0o600}


async def test_a_place_that_cannot_be_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """No folder, a folder, and another program's database."""
    with pytest.raises(JournalUnusable, match="does not exist: make it"):
        await Spool.open(tmp_path / "no" / "spool.db", MUCH)
    (tmp_path / "folder").mkdir()
    with pytest.raises(JournalUnusable, match="cannot be opened"):
        await Spool.open(tmp_path / "folder", MUCH)
    look(tmp_path / "other.db", "CREATE TABLE t (x)")
    with pytest.raises(JournalUnusable, match="another program"):
        await Spool.open(tmp_path / "other.db", MUCH)


async def test_every_promise_of_a_full_disk_is_kept(tmp_path: Path) -> None:
    """On a real file system of 12 MB: see `spool_on_small_disk.py`."""
    async with small_disk(tmp_path / "disk", "12m") as disk:
        process = await asyncio.create_subprocess_exec(
            *disk.inside(PYTHON, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", str(PROMISES)),
            env={**os.environ, "SMALL_DISK": str(disk.path), "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")[-6000:]
    assert b" passed" in said


async def test_a_killed_process_loses_nothing_that_it_had_kept(path: Path, long: bool) -> None:
    """SIGKILL at any moment, life after life."""
    said: set[str] = set()
    chance = random.Random(1)  # noqa: S311 - moments that can be repeated
    for _ in range(30 if long else 5):
        said |= await _killed(path, lines=chance.randrange(1, 200))
    async with await Spool.open(path, MUCH) as spool:
        found = {one.id for one in await spool.first(1_000_000) if one.is_whole}
        assert spool.waiting >= len(found)
    assert len(said) > 50
    assert said <= found


async def _killed(path: Path, lines: int) -> set[str]:
    """The ids of what a process had kept when it was killed, `lines` hooks after its start."""
    process = await forks.start(PROGRAM, path, stdout=forks.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(GRACE):
        read = [await process.stdout.readline() for _ in range(lines)]
        process.kill()
        rest = await process.stdout.read()
        await process.wait()
    # The last line may be cut: it was not said to its end.
    return set((b"".join(read) + rest).decode().split("\n")[:-1])
