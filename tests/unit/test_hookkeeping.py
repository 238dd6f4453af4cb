"""Where hooks are kept: in the journal as long as it answers, else in the spool, and never in both for two."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.domain.messages import RawAnswer
from relay.hookkeeping import HookKeeping
from relay.journal import JournalError, JournalFull, JournalShut, Spool
from tests import fulldisks
from tests.unit.journal.spooling import MUCH, hook
from tests.unit.stages.house import GRACE, OFFICE, House

SOON = 0.05  # real seconds
ONE, TWO, THREE = (RawAnswer(body) for body in (b"one", b"two", b"three"))


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
async def house(tmp_path: Path, logs: object) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    """An empty spool."""
    async with await Spool.open(tmp_path / "spool.db", MUCH) as opened:
        yield opened


@contextmanager
def hanging(house: House) -> Iterator[None]:
    """While inside, the journal takes what is handed in, and answers nothing."""
    over = threading.Event()
    held = asyncio.ensure_future(house.journal._core.writer.run(lambda _: over.wait(GRACE)))
    try:
        yield
    finally:
        over.set()
        held.add_done_callback(asyncio.Future.result)


async def journaled(house: House) -> list[bytes]:
    """What the journal has, in its order."""
    return [kept.raw.body for kept in await house.journal.raw.unread(OFFICE)]


async def spooled(spool: Spool) -> list[bytes]:
    """What the spool has, in its order."""
    return [one.raw.body for one in await spool.first(100)]


async def fold(house: House, spool: Spool) -> int:
    """Fold all of it in; how many were new to the journal."""
    hooks = await spool.first(100)
    new = await house.journal.raw.keep_deliveries(hooks)
    await spool.drop([one.id for one in hooks])
    return len(new)


async def test_while_the_journal_answers_it_has_them_all(house: House, spool: Spool) -> None:
    """And the spool none."""
    keeping = HookKeeping(house.ground, spool)
    kept = [await keeping.keep(OFFICE, "receive", raw) for raw in (ONE, TWO)]
    assert [one and one.raw for one in kept] == [ONE, TWO]
    assert (await journaled(house), spool.waiting) == ([b"one", b"two"], 0)
    assert kept[0] == (await house.journal.raw.unread(OFFICE))[0]


async def test_while_the_journal_takes_nothing_the_spool_does(
    house: House, spool: Spool, logs: list[MutableMapping[str, Any]]
) -> None:
    """Said once, with the reason; and what was kept has the time at which it came."""
    keeping = HookKeeping(house.ground, spool)
    await fulldisks.shut(house.journal)
    for raw in (ONE, TWO):
        assert await keeping.keep(OFFICE, "receive", raw) is None
        await house.clock.advance(1)
    assert (await journaled(house), await spooled(spool)) == ([], [b"one", b"two"])
    assert [line["event"] for line in logs if line["event"].startswith("spool.")] == ["spool.taking"]
    assert spool.since is not None
    assert (house.clock.now() - spool.since).total_seconds() == 2
    await fulldisks.opened(house.journal)


async def test_what_comes_while_others_wait_waits_behind_them(house: House, spool: Spool) -> None:
    """Also when the journal takes things again; afterwards it has what comes."""
    keeping = HookKeeping(house.ground, spool)
    await fulldisks.shut(house.journal)
    await keeping.keep(OFFICE, "receive", ONE)
    await fulldisks.opened(house.journal)
    assert await keeping.keep(OFFICE, "receive", TWO) is None
    assert await fold(house, spool) == 2
    assert await keeping.keep(OFFICE, "receive", THREE) is not None
    assert await journaled(house) == [b"one", b"two", b"three"]


async def test_a_journal_that_does_not_answer_in_time_is_not_waited_for(house: House, spool: Spool) -> None:
    """It may take the hook all the same: then it has it once, whatever comes of the spool's."""
    keeping = HookKeeping(house.ground, spool, SOON)
    with hanging(house):
        for raw in (ONE, TWO):
            assert await keeping.keep(OFFICE, "receive", raw) is None
    assert [one.in_doubt for one in await spool.first(10)] == [True, False]
    assert await fold(house, spool) == 1
    assert await journaled(house) == [b"one", b"two"]


async def test_equal_hooks_are_as_many_as_came(house: House, spool: Spool) -> None:
    """What tells deliveries apart is not what is in them: AT&T names no text of a short code."""
    keeping = HookKeeping(house.ground, spool, SOON)
    with hanging(house):
        for _ in range(3):
            await keeping.keep(OFFICE, "receive", ONE)
    assert await fold(house, spool) == 2
    assert await journaled(house) == [b"one"] * 3


async def test_what_a_failing_journal_does_not_take_the_spool_does(house: House, spool: Spool) -> None:
    """Nobody knows whether it was written."""
    keeping = HookKeeping(house.ground, spool)
    with house.broken("raw"):
        assert await keeping.keep(OFFICE, "receive", ONE) is None
    [one] = await spool.first(10)
    assert (one.raw, one.in_doubt) == (ONE, True)


async def test_what_nobody_can_keep_is_refused(house: House, tmp_path: Path) -> None:
    """The spool is full, and the journal takes nothing; nothing is kept of it."""
    async with await Spool.open(tmp_path / "spool.db", 300) as spool:
        keeping = HookKeeping(house.ground, spool)
        await fulldisks.shut(house.journal)
        await keeping.keep(OFFICE, "receive", ONE)
        with pytest.raises(JournalFull):
            await keeping.keep(OFFICE, "receive", TWO)
        await fulldisks.opened(house.journal)
        assert (await spooled(spool), await journaled(house)) == ([b"one"], [])


async def test_where_the_spool_takes_no_more_and_the_journal_does_it_is_kept_out_of_order(
    house: House, tmp_path: Path
) -> None:
    """Rather than not at all: a provider promises no order either."""
    async with await Spool.open(tmp_path / "spool.db", 300) as spool:
        keeping = HookKeeping(house.ground, spool)
        await fulldisks.shut(house.journal)
        await keeping.keep(OFFICE, "receive", ONE)
        await fulldisks.opened(house.journal)
        assert await keeping.keep(OFFICE, "receive", TWO) is not None
        keeping = HookKeeping(house.ground, spool, SOON)
        with hanging(house), pytest.raises(JournalError, match="does not answer in time"):
            await keeping.keep(OFFICE, "receive", THREE)


async def test_the_moment_in_which_the_last_is_folded_in_is_waited_for(house: House, spool: Spool) -> None:
    """Else the spool would never be empty while hooks come all the time."""
    keeping = HookKeeping(house.ground, spool)
    await spool.keep(hook(b"one"))
    spool.may_take.clear()
    taking = asyncio.create_task(keeping.keep(OFFICE, "receive", TWO))
    await fold(house, spool)
    spool.may_take.set()
    async with asyncio.timeout(GRACE):
        assert await taking is not None
    assert await journaled(house) == [b"one", b"two"]


async def test_without_a_spool_a_journal_that_takes_nothing_refuses(house: House) -> None:
    """As on a file: the provider calls again."""
    keeping = HookKeeping(house.ground, None)
    assert await keeping.keep(OFFICE, "receive", ONE) is not None
    await fulldisks.shut(house.journal)
    with pytest.raises(JournalShut):
        await keeping.keep(OFFICE, "receive", TWO)
    await fulldisks.opened(house.journal)
    assert await journaled(house) == [b"one"]


async def test_a_sender_that_went_away_is_no_error(house: House, spool: Spool) -> None:
    """What it has sent was handed in, and is kept."""
    keeping = HookKeeping(house.ground, spool)
    with hanging(house):
        task = asyncio.create_task(keeping.keep(OFFICE, "receive", ONE))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
    await keeping.keep(OFFICE, "receive", TWO)
    assert await journaled(house) == [b"one", b"two"]
