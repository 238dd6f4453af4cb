"""What simulated days have found, each as small as it can be."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from relay.clock import SystemClock
from relay.domain.messages import RawAnswer
from relay.ids import Ids
from relay.journal import Journal, JournalUnusable
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer
from tests.journals import lay
from tests.simulation.world import World, simulate
from tests.unit.stages.house import ALICE, BOB, GRACE, House, seconds, until_rest

PAGE = RawAnswer(json.dumps({"InboundSmsMessageList": {}}).encode(), "application/json")


class UnsureWriter(Writer):
    """What it commits is told to have failed, as long as `fails`."""

    fails = False

    def _commit(self, transaction: Transaction) -> None:
        super()._commit(transaction)
        if self.fails:
            raise OperationalError("commit", {}, Exception("an error of the disk after the commit was synced"))


class UnsureJournal(Journal):
    """A journal on a disk of which nobody knows."""

    writes = UnsureWriter

    def fail(self, *, fails: bool) -> None:
        """Let commits be told to have failed, or no longer."""
        writer = self._core.writer
        assert isinstance(writer, UnsureWriter)
        writer.fails = fails


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[UnsureJournal]:
    """An empty one."""
    path = tmp_path / "relay.db"
    await asyncio.to_thread(lay, path)
    clock = SystemClock()
    async with await UnsureJournal.open(f"sqlite:///{path}", clock=clock, ids=Ids(clock), node="relay-1") as opened:
        yield opened


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


async def test_a_page_that_is_kept_again_is_there_once(journal: UnsureJournal):
    """A commit was told to have failed and had not: the page would be read once now, and once more after a restart."""
    journal.fail(fails=True)
    for _ in range(2):
        with pytest.raises(JournalUnusable):
            await journal.raw.keep("alerts", "inbox", "", "poll-1", PAGE)
    journal.fail(fails=False)
    kept = await journal.raw.keep("alerts", "inbox", "", "poll-1", PAGE)
    assert [one.id for one in await journal.raw.unread("alerts")] == [kept.id]


async def test_the_pages_of_two_polls_are_two(journal: UnsureJournal):
    """However equal their bytes are."""
    for poll in ("poll-1", "poll-2"):
        await journal.raw.keep("alerts", "inbox", "", poll, PAGE)
    assert len(await journal.raw.unread("alerts")) == 2


async def test_two_equal_hooks_are_kept_twice(journal: UnsureJournal):
    """Nobody knows whether they tell of one event; that is judged when they are read."""
    for _ in range(2):
        await journal.raw.keep("office", "hook", "receive", "", PAGE)
    assert len(await journal.raw.unread("office")) == 2


async def test_an_outage_is_not_asked_about_once_for_each_text_that_is_followed(house: House):
    """Forty texts are followed while AT&T answers nothing: a handful of tries in ten minutes, and not four hundred."""
    for _ in range(40):
        await house.sent(ALICE, BOB)
    house.fault("status", operation="status", status=503, times=0)
    tracker, until = house.tracker(), house.clock.now() + timedelta(minutes=10)
    while house.clock.now() < until:
        rest = await until_rest(tracker)
        await tracker.drain(GRACE)
        await house.clock.advance(seconds(rest))
    assert len(house.ledger("fault")) < 100


def test_a_call_that_was_claimed_unknown_to_the_sender_is_made_all_the_same(free_port: Callable[[], int]):
    """The commit of a claim was told to have failed and had not: the call would stay begun until the next start."""

    async def story(world: World) -> None:
        await asyncio.sleep(5)
        due = (world.relay.clock.now() + timedelta(seconds=60)).isoformat()
        request = {"id": "order-1", "to": "+12065550177", "text": "Hello", "send_at": due}
        assert world.command("alerts", "send", request)
        await asyncio.sleep(55)
        world.relay.journal.writer.trouble = "unsure"
        await asyncio.sleep(20)
        world.relay.journal.writer.trouble = ""
        await asyncio.sleep(900)
        ends = [line["event"]["data"] for line in world.broker.heard if line["event"]["type"] == "relay.receipt.v1"]
        assert [end["status"] for end in ends if end["final"]] == ["delivered"]
        assert len(world.att_lines("accepted")) == 1

    simulate(free_port(), 1, story)
