"""The opt-out ledger and the guards under attack: nobody who opted out is texted, and no two machines talk for ever."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relay.cli.main import app
from relay.domain.addresses import inbound, outbound
from relay.domain.keywords import suspected
from relay.domain.messages import InboundMessage, Part, RawAnswer
from relay.intake.repeats import Repeats
from relay.journal import Listed
from relay.rules.line import Scope
from tests.contract.journal.desk import ALICE, LINE, Desk, SqlitePlace
from tests.contract.journal.ledger import DESK, OFFICE, OWN, SAID, ask, numbered, reaches, rules, says, sent
from tests.unit.counter import Counter, opened
from tests.unit.stages.house import ALERTS

MAIL = ("Jane.Doe@example.com", "jane.doe@Example.com")  # one person's address as two programs write it


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An open journal, whose lines answer keywords."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    desk.journal.follow(rules(Scope.ALL, "stop", "start", "help"))
    yield desk
    await desk.journal.aclose()


@pytest.fixture
async def counter(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket."""
    async with AsyncExitStack() as stack:
        yield await opened(tmp_path, stack)


async def comes(desk: Desk, message: InboundMessage, line: str = LINE) -> None:
    """A message comes in."""
    kept = await desk.journal.raw.keep(line, "inbox", "", "", RawAnswer(b"bytes", "application/json"))
    await desk.journal.raw.understood(kept, messages=[message])


@pytest.mark.parametrize(("stopped", "sent_to"), [MAIL, MAIL[::-1], (MAIL[0].upper(), MAIL[0])])
async def test_an_opt_out_by_e_mail_holds_however_the_address_is_written(
    desk: Desk, stopped: str, sent_to: str
) -> None:
    """Capitals make nobody another person: at acceptance, at the moment of sending, and when an operator asks."""
    await desk.send(outbound(sent_to), line=DESK)
    await says(desk, "stop", line=DESK, sender=stopped)
    assert await ask(desk, outbound(sent_to), line=DESK) == ["opted_out"]
    assert await sent(desk, DESK) == []
    assert len(await desk.journal.optouts.of([outbound(sent_to).value])) == 1


async def test_two_spellings_in_one_request_are_both_refused(desk: Desk) -> None:
    """An opt-out is found for each of them."""
    await says(desk, "stop", line=DESK, sender=MAIL[0])
    assert await ask(desk, *map(outbound, MAIL), line=DESK) == ["opted_out", "opted_out"]


async def test_a_robot_that_does_as_it_is_told_is_not_answered_for_ever(desk: Desk) -> None:
    """It stops and starts as each answer says; after some of both nothing is answered, and the last word still counts."""
    answers = []
    for words in islice(cycle(("stop", "start")), 40):
        desk.clock.pass_(seconds=2)
        await says(desk, words)
        answers += await sent(desk)
    assert answers[:4] == [SAID["stop"], SAID["start"]] * 2
    assert len(answers) <= 12
    assert await reaches(desk)
    desk.clock.pass_(hours=1)
    await says(desk, "stop")
    assert await sent(desk) == [SAID["stop"]]


@pytest.mark.parametrize("text", [None, "", " "])
async def test_a_stop_that_is_a_messages_subject_counts(desk: Desk, text: str | None) -> None:
    """A telephone that writes an MMS may put the only word there."""
    message = InboundMessage(ALICE, OWN[LINE], text, subject="STOP", provider_time=desk.clock.now())
    await comes(desk, message)
    assert not await reaches(desk)
    assert (await desk.bodies("message"))[0]["keyword"] == "stop"
    assert await sent(desk) == [SAID["stop"]]


async def test_a_subject_beside_a_text_asks_for_nothing(desk: Desk) -> None:
    """Only a bare word does."""
    await comes(desk, InboundMessage(ALICE, OWN[LINE], "Bus stop?", subject="Stop"))
    await comes(desk, InboundMessage(ALICE, OWN[LINE], "stop", subject="Re: your offer"))
    assert [body["keyword"] for body in await desk.bodies("message")] == [None, "stop"]


async def test_a_stop_from_an_address_that_cannot_be_read_is_told(desk: Desk) -> None:
    """Nobody can be opted out by it: a person is to look."""
    await says(desk, "STOP", sender=inbound("442071234567"))
    assert len(await desk.events("event.opt-out-suspected")) == 1


async def test_a_stop_does_not_wait_for_its_picture(desk: Desk) -> None:
    """What is attached may take a day to come; nothing is sent meanwhile, and all is told and answered once."""
    message = InboundMessage(
        ALICE, OWN[OFFICE], "STOP", "receive:7", desk.clock.now(), ref="7", has_parts=True
    )
    await comes(desk, message, OFFICE)
    assert not await reaches(desk)
    assert await sent(desk, OFFICE) == [SAID["stop"]]
    desk.clock.pass_(hours=5)
    [arrived] = await desk.arriving(OFFICE)
    whole = replace(message, parts=(Part("image/png", data=b"png"),), has_parts=False)
    await desk.journal.arrivals.whole(arrived, whole)
    assert await sent(desk, OFFICE) == []
    assert len(await desk.events("event.opt-out")) == 1
    [shown] = await desk.journal.optouts.list()
    assert shown["message_id"] == (await desk.bodies("message"))[0]["message_id"]


async def test_a_start_that_was_said_before_the_picture_came_is_not_undone_by_it(desk: Desk) -> None:
    """The word counts by when it was said, not by when the picture was there."""
    message = InboundMessage(
        ALICE, OWN[OFFICE], "STOP", "receive:7", desk.clock.now(), ref="7", has_parts=True
    )
    await comes(desk, message, OFFICE)
    desk.clock.pass_(minutes=1)
    await says(desk, "START", line=OFFICE)
    desk.clock.pass_(minutes=1)
    [arrived] = await desk.arriving(OFFICE)
    await desk.journal.arrivals.whole(arrived, replace(message, has_parts=False))
    assert await reaches(desk)


async def test_a_start_that_may_be_a_repetition_lifts_nothing(desk: Desk) -> None:
    """A web hook without an id and a time, delivered again after the STOP that came since."""
    for words in ("stop", "START", "STOP", "START"):
        desk.clock.pass_(seconds=20)
        await comes(desk, InboundMessage(ALICE, OWN[LINE], words))
    assert not await reaches(desk)


async def test_many_opt_outs_hold_up_nobody_for_long(desk: Desk) -> None:
    """A list is taken in, and lifted, by so few at a time that whoever writes meanwhile waits for few."""
    many = [address.value for address in numbered(400)]
    for work in (desk.journal.optouts.import_([Listed(one) for one in many]), desk.journal.optouts.remove(many)):
        task = asyncio.ensure_future(work)
        await asyncio.sleep(0)
        await desk.journal.optouts.of([])
        assert not task.done()
        [before] = [len(await desk.journal.optouts.list(limit=1000, lifted=True))]
        assert before <= len(many)
        await task


def test_a_watch_shows_no_number() -> None:
    """Whatever prints it."""
    watch = Repeats(1).of(Any, __import__("datetime").datetime.now())  # replaced below
