"""The opt-out ledger and the guards under attack: nobody who opted out is texted, and no two machines talk for ever."""

import asyncio
import json
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from relay.bus.delivery import Delivery
from relay.bus.requests import CommandRules
from relay.cli.main import app
from relay.cli.words import table
from relay.domain.addresses import inbound, outbound
from relay.domain.keywords import suspected
from relay.domain.messages import InboundMessage, MessageClass, Part, RawAnswer, SendRequest
from relay.intake import Intake
from relay.intake.repeats import Repeats
from relay.journal import JournalUnusable, Listed
from relay.mediastore import MediaStore
from relay.providerkit.linesettings import Replies
from relay.rules.line import Scope
from tests.contract.journal.desk import ALICE, LINE, START, Desk, SqlitePlace
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


async def test_a_line_confirms_no_opt_out_that_another_line_was_asked_for(desk: Desk) -> None:
    """Who stops two lines hears one confirmation of each, whoever is first."""
    desk.journal.follow(rules())
    for line in (LINE, OFFICE):
        await says(desk, "stop", line=line)
    for text in ("One.", "Two."):
        await desk.send(message_class=MessageClass.COMPLIANCE, text=text)
    assert await sent(desk) == ["One."]
    await desk.send(message_class=MessageClass.COMPLIANCE, text="One.", line=OFFICE)
    assert await sent(desk, OFFICE) == ["One."]


async def test_an_operators_word_allows_no_second_confirmation(desk: Desk) -> None:
    """Who has heard that the line texts no more need not hear it again."""
    desk.journal.follow(rules())
    await says(desk, "stop")
    await desk.send(message_class=MessageClass.COMPLIANCE, text="One.")
    assert await sent(desk) == ["One."]
    await desk.journal.optouts.add([ALICE.value])
    await desk.send(message_class=MessageClass.COMPLIANCE, text="Two.")
    assert await sent(desk) == []


async def test_a_robot_that_does_as_it_is_told_is_not_answered_for_ever(desk: Desk) -> None:
    """It stops and starts as each answer says: after some of both it hears nothing, and its last word still counts."""
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
    message = InboundMessage(ALICE, OWN[OFFICE], "STOP", "receive:7", desk.clock.now(), ref="7", has_parts=True)
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
    message = InboundMessage(ALICE, OWN[OFFICE], "STOP", "receive:7", desk.clock.now(), ref="7", has_parts=True)
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
    """A list is taken in, and lifted, in pieces: what else is to be written comes in between."""
    many = [address.value for address in numbered(400)]
    for work in (desk.journal.optouts.import_([Listed(one) for one in many]), desk.journal.optouts.remove(many)):
        task = asyncio.ensure_future(work)
        await asyncio.sleep(0)
        await desk.journal.optouts.of([])
        assert not task.done()
        await task


@pytest.mark.parametrize("damage", ["UPDATE memory SET value = x'00' WHERE {0}", "DELETE FROM memory WHERE {0}"])
async def test_a_journal_that_would_not_know_its_opt_outs_does_not_open(desk: Desk, damage: str) -> None:
    """Numbers are found by a keyed hash: with another key everybody would be texted again."""
    await says(desk, "stop")
    await desk.journal.aclose()
    with closing(sqlite3.connect(desk.place.path)) as connection, connection:
        assert connection.execute(damage.format("key = 'optout.peer_key'")).rowcount == 1
    with pytest.raises(JournalUnusable, match="opt-outs"):
        await Desk.at(desk.place, desk.clock)


def test_what_watches_a_request_shows_no_number() -> None:
    """Whatever prints it."""
    asked = SendRequest("alerts", None, "k", "d", (ALICE,), "Hello")
    repeats = Repeats(1)
    for _ in range(2):
        watch = repeats.of(asked, START)
        assert (watch.problem(ALICE) is not None) is bool(watch.suspected)
        watch.answered({"outcome": "accepted", "replayed": False, "copies": [{"to": ALICE.value, "status": "queued"}]})
    assert watch.suspected == [ALICE.value]
    assert ALICE.digits10 not in repr(watch)


async def test_a_row_whose_columns_are_mixed_up_puts_no_number_among_the_lines(counter: Counter) -> None:
    """It is refused by its place; the answer shows nothing of it."""
    entry = {"address": "+12065550101", "line": "12065550102"}
    status, done = await counter.post("/optout/import", entries=[entry])
    assert (status, done["new"], [one["place"] for one in done["refused"]]) == (200, 0, [0])
    assert "2065550102" not in str(done)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("add", {"addresses": None}),
        ("add", {"addresses": {"a": 1}}),
        ("add", {"addresses": [], "line": ["alerts"]}),
        ("add", {"addresses": [], "line": {}}),
        ("remove", {"addresses": ["+12065550101"] * 501}),
        ("import", {"entries": "+12065550101"}),
        ("of", {"addresses": 7}),
    ],
)
async def test_nonsense_on_the_socket_is_refused_in_words(counter: Counter, path: str, body: dict[str, Any]) -> None:
    """Nothing of it makes the daemon stumble."""
    status, said = await counter.post(f"/optout/{path}", **body)
    assert status == 400
    assert said["error"]


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        {},
        {"address": None},
        {"address": {"a": 1}},
        {"address": "\x00"},
        {"address": "9" * 100_000},
        {"address": "+12065550101", "at": 7},
        {"address": "+12065550101", "at": "0001-01-01T00:00:00+14:00"},
        {"address": "+12065550101", "source": ["keyword"]},
        {"address": "+12065550101", "line": {"a": 1}},
        {"address": "+12065550101", "word": 7},
    ],
)
async def test_an_entry_that_makes_no_sense_is_named_by_its_place(counter: Counter, entry: Any) -> None:
    """The one beside it is taken."""
    status, done = await counter.post("/optout/import", entries=[entry, {"address": "+12065550109"}])
    assert (status, done["new"], [one["place"] for one in done["refused"]]) == (200, 1, [0])


@pytest.mark.parametrize(
    "entry", [{"at": "0001-01-01T00:00:00Z"}, {"word": "\x1b[2Jgone\x00"}, {"at": "9999-12-31T23:59:59Z"}]
)
async def test_a_strange_entry_is_taken_and_shown(counter: Counter, entry: dict[str, str]) -> None:
    """Times before and after all others; a word that would write over the screen."""
    status, done = await counter.post("/optout/import", entries=[{"address": "+12065550101", **entry}])
    assert (status, done["new"]) == (200, 1)
    told = await relay(counter, "list")
    assert (told.exit_code, "+12065550101" in told.output, "\x1b" in told.output) == (0, True, False)
    again = await relay(counter, "export")
    assert (await relay(counter, "import", given=again.output)).exit_code == 0


@pytest.mark.parametrize("query", ["after=%ff", "line=%ff%00", "after=%ED%A0%80", "lifted=%00", "limit=x"])
async def test_a_question_that_is_no_text_finds_nothing(counter: Counter, query: str) -> None:
    """It is a question about what there is not."""
    assert await counter.get(f"/optout?{query}") == []


@pytest.mark.parametrize(
    "given",
    [
        b"1" * 200_000,
        b"address\n" + b"1" * 200_000,
        b'address\n"+12065550101',
        "address\n+12065550101\n".encode("utf-16"),
        "+12065550101\n".encode("utf-16-le"),
        b"\xff\xfe",
        b"address,number\n+12065550101,1\n",
        b"address,address\n+12065550101,1\n",
        b"address;line\n+12065550101;alerts\n",
    ],
)
async def test_a_list_that_is_none_is_refused_in_words(counter: Counter, given: bytes) -> None:
    """The exit code says so, and nothing of it is repeated."""
    told = await relay(counter, "import", given=given)
    assert (told.exit_code, type(told.exception)) == (1, SystemExit)
    assert told.stderr
    assert "2065550101" not in told.output
    assert len(told.output) < 1000


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
async def test_a_list_from_any_spreadsheet_is_read(counter: Counter, end: str, mark: str) -> None:
    """With its mark, its ends of lines and its quotes."""
    rows = ['"Address", Line ', '"+1 (206) 555-0101",alerts', "", '" tel:+12065550102 "', "2065550103,"]
    told = await relay(counter, "import", "--json", given=(mark + end.join(rows)).encode())
    assert (told.exit_code, json.loads(told.output)) == (0, {"new": 3, "unchanged": 0, "refused": 0})


def test_a_table_writes_over_no_screen() -> None:
    """Words that clients and providers choose stand in it."""
    assert table(("id",), [("\x1b[2Jgone\r\n",)]) == ["id", "\ufffd[2Jgone\ufffd\ufffd"]


@pytest.mark.parametrize("reply", ["STOP", "Start!", " help ", "Yes"])
def test_an_answer_that_is_a_keyword_itself_is_refused(reply: str) -> None:
    """Two machines that answer by the same rules would never end."""
    with pytest.raises(ValidationError, match="more than a keyword"):
        Replies(help=reply)


def test_no_text_takes_long_to_be_looked_at() -> None:
    """What comes after it waits."""
    chance = random.Random(4)  # noqa: S311 - chance that can be repeated
    words = ("ok", "stop", "please", "quit", "me", "now", "no", "more", "texts", "dont", "want", "to", "you", "off")
    slowest = 0.0
    for _ in range(300):
        text = " ".join(chance.choices(chance.sample(words, k=3), k=300))
        began = time.process_time()
        suspected(text)
        slowest = max(slowest, time.process_time() - began)
    assert slowest < 0.25


async def test_a_request_that_comes_again_is_answered_as_it_was_whatever_has_changed(counter: Counter) -> None:
    """Its line is gone, or what it needs: it was accepted, and must not be published under another id."""
    alerts = {ALERTS: counter.house.sms()}
    for lines in (alerts, {}):
        intake = Intake(lines, counter.house.journal, counter.house.clock, CommandRules(), store(counter))
        answers = [await intake.take(Delivery(ALERTS, "send", None, asked(key), redelivered=True)) for key in KEYS]
        told = [(answer.outcome, answer.body["replayed"]) for answer in answers]
        assert told == [("accepted", lines is not alerts)] * 2
        assert len({answer.body["message_id"] for answer in answers}) == 2
    other = await intake.take(Delivery(ALERTS, "send", None, asked("order-1", "Other words")))
    assert other.body["error"]["code"] == "unknown_line"


KEYS = ("order-1", None)


def store(counter: Counter) -> MediaStore:
    """Where attachments would be kept."""
    house = counter.house
    return MediaStore(
        house.folder / "media", house.journal, house.clock, inline_max=1, max_part=1, lifetime=1, address="http://x"
    )


def asked(key: str | None, words: str = "Your order is on its way.") -> bytes:
    """A request to send."""
    return json.dumps({"to": ALICE.value, "text": words, **({"id": key} if key else {})}).encode()


async def relay(counter: Counter, *words: str, given: str | bytes = "") -> Result:
    """Run `relay optout`, as another program would."""
    asked = ["optout", *words, "--socket", str(counter.path)]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, asked, input=given))
