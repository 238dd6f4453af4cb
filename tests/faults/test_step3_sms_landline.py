"""Short codes and landline numbers at their worst: no text lost or doubled, no fate told of another, nothing spins."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from relay.bus.bodies import MOST_MEDIA
from relay.domain.errors import ErrorCode, Problem, Refused, RefusedForNow
from relay.domain.messages import (
    CallAnswer,
    Handover,
    InboundMessage,
    InboxPage,
    Media,
    OnUncertain,
    OutboundCall,
    RawAnswer,
    Sighting,
)
from relay.domain.states import Fact
from relay.hookaddresses import hook_addresses, hook_prefix
from relay.intake import MediaFolder
from relay.stages.installer import Installer
from relay.stages.sender import HOOKS_WITHIN
from relay.telemetry.health import LineState
from relay.webhooks import HookKeeper
from tests.contract.journal.desk import ALICE, BOB, ME, Desk, SqlitePlace, delivered, seen
from tests.unit.stages.desk import DeskLine, problem
from tests.unit.stages.house import ALERTS, DESK, GRACE, OFFICE, House, happens, seconds, settled, until_rest

PUBLIC = "http://127.0.0.1:9"
SPAM = problem(ErrorCode.SPAM_BLOCKED, "-801")
UNANSWERED = Problem(ErrorCode.UNCERTAIN, "no answer came")
TO_ALICE, TO_BOB = "+12065550001", "+12065550002"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A small relay."""
    async with AsyncExitStack() as stack:
        yield await House.built(tmp_path, stack)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A journal."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    yield desk
    await desk.journal.aclose()


# What is called back is not asked for


async def test_what_att_calls_back_is_never_asked_for_and_ends_after_72_hours(house: House) -> None:
    """AT&T refuses to be asked for it, and a look that nobody takes would put off its end."""
    house.simulator.act("att-sms", "register", {"short_code": "12345", "delivery_url": f"{PUBLIC}/delivery"})
    await house.send(TO_ALICE)
    await settled(house.sender(house.sms(receipts="callback")))
    assert await house.standing() == {TO_ALICE: "submitted"}
    assert await house.journal.looks.next_due(ALERTS) is None
    await house.clock.advance(72 * 3600.0)
    assert await house.journal.upkeep.end_following() == 1
    assert await house.standing() == {TO_ALICE: "unknown"}


# A line that says to each of its texts where it is called back, by relay's own name of the call


async def test_a_callback_settles_a_call_that_was_never_answered(desk: Desk) -> None:
    """It names the call as relay does: there is no better evidence, and nobody has to decide."""
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    await desk.journal.calls.unanswered(call.call_id, ME, UNANSWERED)
    await desk.report(delivered(call.call_id, fact=Fact.ON_NETWORK, address=BOB))
    assert await desk.standing() == ["uncertain", "sent"]
    for address in (ALICE, BOB):
        await desk.report(delivered(call.call_id, address=address))
    assert await desk.standing() == ["delivered", "delivered"]
    assert await desk.uncertain() == []


async def test_a_callback_settles_a_call_that_was_cut_by_a_restart(desk: Desk) -> None:
    """Whether it came before the restart or after it."""
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    assert (await desk.report(delivered(call.call_id, address=ALICE))).parked == 1
    await desk.reopen()
    await desk.journal.calls.recover()
    assert await desk.standing() == ["delivered", "uncertain"]
    await desk.report(delivered(call.call_id, address=BOB))
    assert await desk.standing() == ["delivered", "delivered"]


async def test_what_a_callback_has_told_is_not_sent_again(desk: Desk) -> None:
    """Although its request wants a text in doubt to be sent again."""
    await desk.send(ALICE, on_uncertain=OnUncertain.RESEND)
    call = await desk.claim()
    await desk.journal.calls.unanswered(call.call_id, ME, UNANSWERED)
    await desk.report(delivered(call.call_id))
    desk.clock.pass_(hours=1)
    assert await desk.none_due()
    assert await desk.standing() == ["delivered"]
    assert [body["final"] for body in await desk.bodies("receipt")].count(True) == 1


# Message ids that came without saying whose they are


async def test_a_report_goes_to_the_number_that_it_names(desk: Desk) -> None:
    """Ids were given to recipients in the order of the call, which nobody has promised; the hook shows the number."""
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    handed = CallAnswer(None, (Handover(Fact.SUBMITTED, "bobs"), Handover(Fact.SUBMITTED, "alices")))
    await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)
    await desk.report(delivered("alices", address=ALICE), delivered("bobs", fact=Fact.UNDELIVERED, address=BOB))
    assert await desk.standing() == ["delivered", "undelivered"]


async def test_a_text_without_an_id_is_known_by_the_hook_that_shows_it(desk: Desk) -> None:
    """Its receipts come all the same, and it is not taken for another device's."""
    await desk.send(ALICE)
    call = await desk.claim()
    handed = CallAnswer(None, (Handover(Fact.SUBMITTED),))
    await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)
    shown: Sighting = seen(fact=Fact.SUBMITTED)
    assert (await desk.see(shown)).own == 1
    await desk.report(delivered("m-1"))
    assert await desk.standing() == ["delivered"]
    desk.clock.pass_(minutes=10)
    await desk.journal.upkeep.settle_sightings()
    assert await desk.bodies("event.sent-elsewhere") == []


# A provider that refuses everything for a time


@dataclass
class Slow(DeskLine):
    """A line whose provider takes its time to answer a send."""

    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, call: OutboundCall) -> CallAnswer:
        """Answer when the test says so."""
        try:
            return await super().send(call)
        finally:
            await self.answers.wait()


async def test_after_a_spam_block_one_text_tries_whether_it_is_over(house: House) -> None:
    """Not a window of them: each would fail. Once one is taken, all may go."""
    line = Slow()
    line.fails("send", *(RefusedForNow(SPAM, 900.0) for _ in range(2)))
    line.answers.set()
    await house.send(TO_ALICE, line=DESK)
    sender = house.sender(line)
    await settled(sender)
    for _ in range(10):
        await house.send(TO_BOB, line=DESK)
    line.answers.clear()
    await house.clock.advance(900)
    trying = asyncio.create_task(until_rest(sender))
    await happens(lambda: line.calls["send"] == 2)
    assert [await house.in_flight(DESK) for _ in range(20)] == [1] * 20
    line.answers.set()
    assert seconds(await trying) == 900
    await house.clock.advance(900)
    await settled(sender)
    assert line.calls["send"] == 11


async def test_a_spam_block_outlives_a_restart(house: House) -> None:
    """A relay that is started again and again does not spend a text each time."""
    line = DeskLine()
    line.fails("send", RefusedForNow(SPAM, 900.0))
    await house.send(TO_ALICE, line=DESK)
    await settled(house.sender(line))
    await house.send(TO_BOB, line=DESK)
    await house.clock.advance(100)
    await house.restart()
    sender = house.sender(line)
    assert seconds(await until_rest(sender)) == 800
    assert house.board.of(DESK).state is LineState.SUSPENDED
    assert line.calls["send"] == 1
    await house.clock.advance(800)
    await settled(sender)
    assert await house.standing("key-2", DESK) == {TO_BOB: "submitted"}
    await house.restart()
    assert (await until_rest(house.sender(line))).bell is not None


# Web hooks by which relay hears what becomes of its texts


def keeper(house: House, *events: str) -> HookKeeper:
    """A keeper of the office's hooks."""
    line = house.landline(events=events)
    wanted = hook_addresses([PUBLIC], OFFICE, "secret-0123456789", events)
    return HookKeeper(line, wanted, [hook_prefix(PUBLIC, OFFICE)], journal=house.journal, node="relay-1")


async def test_a_first_text_waits_for_the_web_hooks_that_tell_of_it(house: House) -> None:
    """Without them nobody would ever hear what became of it."""
    hooks = keeper(house, "receive", "progress")
    sender = house.sender(house.landline(), hooks=hooks.stand)
    await house.send(TO_ALICE, line=OFFICE)
    rest = await sender.step()
    assert rest is not None
    assert (rest.bell, rest.seconds) == (hooks.stand, HOOKS_WITHIN)
    await Installer(hooks, house.ground).step()
    await asyncio.wait_for(rest.over(house.clock), GRACE)
    await settled(sender)
    assert house.accepted() == {TO_ALICE: 1}


async def test_web_hooks_that_cannot_be_installed_hold_up_no_text_for_ever(house: House) -> None:
    """A minute, once; and hooks that somebody removed on purpose not even that."""
    house.fault("status", operation="webhook-list", status=503, times=0)
    hooks = keeper(house, "receive")
    await Installer(hooks, house.ground).step()
    assert not hooks.stand.is_set()
    await house.send(TO_ALICE, line=OFFICE)
    sender = house.sender(house.landline(), hooks=hooks.stand)
    assert seconds(await until_rest(sender)) == 60
    await settled(sender)
    assert house.accepted() == {TO_ALICE: 1}


async def test_a_line_without_events_may_have_some_again(house: House) -> None:
    """Its hooks were not removed on purpose: they are installed when the settings name events again."""
    for events, count in (("receive",), 1), ((), 0), (("receive", "send"), 2):
        await Installer(keeper(house, *events), house.ground).step()
        assert len(await house.landline().list_hooks()) == count


async def test_a_provider_that_asks_for_peace_is_left_in_peace(house: House) -> None:
    """The installer waits for as long as it is told to."""
    house.fault("status", operation="webhook-list", status=429, headers={"Retry-After": "1800"})
    rest = await until_rest(Installer(keeper(house, "receive"), house.ground))
    assert seconds(rest) == 1800


# An inbox that says that more is there, and has nothing


@dataclass
class Boaster:
    """A line whose inbox always has more, and nothing in it."""

    alias: str = ALERTS
    provider: str = "att-sms"
    number: str = "12345"
    polls_inbox: bool = True
    poll_interval: float = 300.0
    loss_after: float = 1800.0
    pages: list[Sequence[InboundMessage]] = field(default_factory=list)

    async def verify(self) -> str:
        """Nothing to try."""
        return ""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def fetch_inbox(self) -> RawAnswer:
        """A page."""
        self.pages.append(())
        return RawAnswer(b"{}", "application/json")

    def read_inbox(self, raw: RawAnswer) -> InboxPage:
        """Nothing, and more of it."""
        return InboxPage((), pending=len(raw.body))


async def test_an_inbox_that_always_has_more_and_hands_out_nothing_is_not_polled_in_a_loop(house: House) -> None:
    """AT&T asks for no more than a poll in five minutes."""
    line = Boaster()
    assert seconds(await until_rest(house.poller(line))) == 300
    assert len(line.pages) == 1


# Attachments from a folder


async def test_files_of_a_request_are_bounded_together(tmp_path: Path) -> None:
    """One small command could name the same large file ten thousand times."""
    (tmp_path / "a.png").write_bytes(b"0123456789")
    folder = MediaFolder(tmp_path, most_bytes=25)
    asked = [Media("image/png", None, b"", "a.png") for _ in range(MOST_MEDIA)]
    assert len(await folder.filled(asked[:2])) == 2
    with pytest.raises(Refused, match=r"media\[2\].*files before it.*media\.max_part") as refused:
        await folder.filled(asked)
    assert refused.value.problem.code is ErrorCode.TOO_LARGE


def descriptors() -> int:
    """How many are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_pipe_a_loop_and_a_folder_are_no_files(tmp_path: Path) -> None:
    """A pipe that nobody writes to would hold a thread for ever, and a link to itself is an error of Python's own."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    before = descriptors()
    for name in ("pipe", "loop", "loop/x", "folder", "a\0b", "."):
        with pytest.raises(Refused, match=r"no such file"):
            await asyncio.wait_for(MediaFolder(tmp_path).filled([Media("image/png", None, b"", name)]), GRACE)
    assert descriptors() == before
