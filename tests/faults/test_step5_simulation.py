"""What simulated days have found, each as small as it can be."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from relay.clock import SystemClock
from relay.domain.errors import ErrorCode, TryLater
from relay.domain.messages import RawAnswer
from relay.ids import Ids
from relay.journal import Journal, JournalShut, JournalUnusable, JournalUnwritten
from relay.journal.transaction import Transaction
from relay.journal.writer import Writer
from relay.mediastore import MediaStore
from relay.rules.circuit import OPENS_AFTER
from relay.stagekit import Standing
from relay.stages.collector import Collector
from relay.stages.receiver import Receiver
from relay.stages.syncer import Syncer
from tests.journals import lay
from tests.simulation.passing import passes
from tests.simulation.world import World, simulate
from tests.unit.stages.desk import DeskLine, Stored, problem
from tests.unit.stages.house import ALICE, BOB, GRACE, OFFICE, House, seconds, settled, until_rest

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
    path = tmp_path / "unsure.db"
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


async def test_a_disk_that_fails_is_told_once_and_nothing_new_is_taken_meanwhile(journal: UnsureJournal):
    """Each stage said so again and again, and the bus was left and entered once for each command."""
    with capture_logs() as logs:
        journal.fail(fails=True)
        for number in range(5):
            with pytest.raises(JournalUnwritten) as unwritten:
                await journal.raw.keep("alerts", "inbox", "", f"poll-{number}", PAGE)
        with pytest.raises(JournalShut):
            await journal.raw.keep("office", "hook", "receive", "", PAGE)
        journal.fail(fails=False)
        assert unwritten.value.over is not None
        async with asyncio.timeout(5):
            await unwritten.value.over.wait()
        await journal.raw.keep("office", "hook", "receive", "", PAGE)
    assert [line["event"] for line in logs] == ["journal.full", "journal.takes_again"]


async def test_what_may_be_on_disk_rings_for_whoever_works_on_it(journal: UnsureJournal):
    """A commit was told to have failed and had not: its work waited until somebody looked by himself, or for ever."""
    bell = journal.bell("raw:alerts")
    journal.fail(fails=True)
    with pytest.raises(JournalUnusable):
        await journal.raw.keep("alerts", "inbox", "", "poll-1", PAGE)
    async with asyncio.timeout(20):
        await bell.wait()


async def test_a_hook_that_was_refused_and_is_on_disk_is_read_all_the_same(journal: UnsureJournal, house: House):
    """Its sender was told that it could not be kept, and it stayed unread until the next start."""
    receiver = Receiver({OFFICE: house.landline()}, Standing(journal, house.board, house.clock, house.ids))
    await until_rest(receiver)
    journal.fail(fails=True)
    with pytest.raises(JournalUnusable):
        await receiver.take(OFFICE, "receive", PAGE)
    journal.fail(fails=False)
    assert len(await journal.raw.unread(OFFICE)) == 1
    await until_rest(receiver)
    assert await journal.raw.unread(OFFICE) == []


async def test_a_try_whether_the_provider_answers_again_is_no_warning(house: House):
    """That the circuit opened was one; two hours of an outage had twenty more."""
    for number in range(5):
        await house.send(f"+120655500{number:02}")
    house.fault("status", operation="send", status=503, times=0)
    sender, until = house.sender(window=1), house.clock.now() + timedelta(hours=1)
    with capture_logs() as logs:
        while house.clock.now() < until:
            rest = await settled(sender)
            await house.clock.advance(max(seconds(rest), 0.001))
    levels = [line["log_level"] for line in logs if line["event"] == "call.failed"]
    assert 0 < levels.count("warning") <= OPENS_AFTER
    assert levels.count("info") > OPENS_AFTER


async def test_an_outage_is_not_asked_about_once_for_each_arrival(house: House):
    """Forty messages are to be fetched and the provider is gone: a handful of tries in ten minutes."""
    line = DeskLine()
    await until_rest(Syncer(line, house.ground))
    line.arrives(*(Stored(f"m{number}") for number in range(40)))
    await until_rest(Syncer(line, house.ground))
    line.fails("mail", *[TryLater(problem(ErrorCode.UNREACHABLE))] * 1000)
    media = MediaStore(
        house.folder / "media", house.journal, house.clock, inline_max=1, max_part=1, lifetime=1.0, address=""
    )
    collector = Collector(line, house.ground, media=media, patience=600.0, window=4)
    until = house.clock.now() + timedelta(minutes=10)
    while house.clock.now() < until:
        await house.clock.advance(seconds(await settled(collector)))
    assert line.calls["mail"] < 30
    line.errors.clear()
    until = house.clock.now() + timedelta(minutes=10)
    while house.clock.now() < until:
        await house.clock.advance(seconds(await settled(collector)))
    assert len(await house.bodies("message")) == 40


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
        await passes(5)
        due = (world.relay.clock.now() + timedelta(seconds=60)).isoformat()
        request = {"id": "order-1", "to": "+12065550177", "text": "Hello", "send_at": due}
        assert world.command("alerts", "send", request)
        await passes(55)
        world.relay.journal.writer.trouble = "unsure"
        await passes(20)
        world.relay.journal.writer.trouble = ""
        await passes(900)
        ends = [line["event"]["data"] for line in world.broker.heard if line["event"]["type"] == "relay.receipt.v1"]
        assert [end["status"] for end in ends if end["final"]] == ["delivered"]
        assert len(world.att_lines("accepted")) == 1

    simulate(free_port(), 1, story)
