"""The opt-out ledger: what opts out and in, where it holds, what shows it, and the one confirmation that passes."""

from typing import Any

import pytest

from relay.domain.messages import MessageClass
from relay.journal import Listed
from relay.rules.line import LineRules, Rules, Scope
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, PROBLEM, Desk
from tests.contract.journal.ledger import (
    DESK,
    LINES,
    OFFICE,
    SHOP,
    ago,
    ask,
    copy_of,
    is_refused,
    numbered,
    reaches,
    rules,
    says,
    sent,
)

COMPLIANCE = MessageClass.COMPLIANCE


@pytest.fixture(autouse=True)
def _rules(desk: Desk) -> None:
    desk.journal.follow(rules())


async def test_who_writes_stop_gets_nothing_more(desk: Desk) -> None:
    """At acceptance, with the reason and without the number in it; others do."""
    assert await ask(desk, ALICE, BOB) == ["queued", "queued"]
    await says(desk, "Stop!")
    assert await ask(desk, ALICE, BOB) == ["opted_out", "queued"]
    [refused, taken] = (await desk.send(ALICE, BOB)).body["copies"]
    assert (refused["status"], taken["status"]) == ("failed", "queued")
    assert "relay optout list" in refused["error"]["detail"]
    assert ALICE.value not in refused["error"]["detail"]


async def test_what_waits_already_is_not_sent_to_who_writes_stop(desk: Desk) -> None:
    """It fails at the moment of sending, with its one receipt; the others in its call go out."""
    await desk.send(ALICE, BOB)
    await says(desk, "stop")
    call = await desk.claim()
    assert [one.address for one in call.recipients] == [BOB]
    assert await desk.standing() == ["failed", "sending"]
    [receipt] = await desk.bodies("receipt")
    assert (receipt["to"], receipt["final"], receipt["error"]["code"]) == (ALICE.value, True, "opted_out")


async def test_an_opt_out_is_told_once_with_what_shows_it(desk: Desk) -> None:
    """Who says it again says nothing new."""
    message_id = await says(desk, "Stop all.", at=ago(desk, seconds=2))
    await says(desk, "STOP")
    [event] = await desk.events("event.opt-out")
    assert (event.line, event.subject) == (LINE, message_id)
    assert event.body == {
        "address": ALICE.value,
        "to": ALICE.value,
        "source": "keyword",
        "word": "stopall",
        "scope": "all",
        "message_id": message_id,
        "copy_id": None,
        "code": None,
        "at": "2026-11-21T08:59:58.000Z",
    }


async def test_who_writes_start_gets_texts_again(desk: Desk) -> None:
    """It is told once; a start of who never stopped is told to nobody."""
    await says(desk, "START", sender=BOB)
    await says(desk, "stop")
    desk.clock.pass_(seconds=1)
    message_id = await says(desk, "Unstop")
    await says(desk, "yes")
    assert await reaches(desk)
    [event] = await desk.bodies("event.opt-in")
    wanted = {"address": ALICE.value, "source": "keyword", "word": "unstop", "message_id": message_id}
    assert {name: event[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("scope", "reached"), [(Scope.ALL, ()), (Scope.GROUP, (DESK,)), (Scope.LINE, (OFFICE, DESK))], ids=str
)
async def test_an_opt_out_holds_where_its_scope_says(desk: Desk, scope: Scope, reached: tuple[str, ...]) -> None:
    """On all lines, on those of the same group, or on its own."""
    desk.journal.follow(rules(scope))
    await says(desk, "stop", line=SHOP)
    assert tuple([line for line in LINES if await reaches(desk, line)]) == reached


async def test_a_line_that_leaves_its_group_takes_its_opt_outs_along_and_leaves_them_there(desk: Desk) -> None:
    """The group of the time when it was asked for counts beside the one of now."""
    await says(desk, "stop", line=SHOP)
    desk.journal.follow(Rules({OFFICE: LineRules(OFFICE, group="shop")}, Scope.GROUP))
    assert not await reaches(desk, OFFICE)


async def test_a_start_lifts_only_what_was_asked_for_on_its_line(desk: Desk) -> None:
    """What was asked for on another line holds until it is lifted there."""
    for line in (SHOP, OFFICE):
        await says(desk, "stop", line=line)
    desk.clock.pass_(seconds=1)
    await says(desk, "start", line=SHOP)
    assert not await reaches(desk, SHOP)
    await says(desk, "start", line=OFFICE)
    assert await reaches(desk, SHOP)
    assert [event.line for event in await desk.events("event.opt-in")] == [SHOP, OFFICE]


async def test_words_count_by_when_they_were_said(desk: Desk) -> None:
    """A stop that is heard of after a later start is lifted already, one said after that start is not."""
    await says(desk, "start", at=ago(desk, minutes=5))
    await says(desk, "stop", at=ago(desk, minutes=9))
    assert await reaches(desk)
    assert await desk.events("event.opt-out") == []
    [noted] = await desk.journal.optouts.of([ALICE.value])
    assert (noted["at"], noted["lifted_at"]) == (ago(desk, minutes=9), ago(desk, minutes=5))
    await says(desk, "stop", at=ago(desk, minutes=1))
    await says(desk, "start", at=ago(desk, minutes=2))
    assert not await reaches(desk)
    assert await desk.events("event.opt-in") == []


async def test_a_stop_that_was_said_again_outlives_a_start_between_the_two(desk: Desk) -> None:
    """Whatever the order in which they are heard of."""
    await says(desk, "stop", at=ago(desk, minutes=9))
    await says(desk, "stop", at=ago(desk, minutes=1))
    await says(desk, "start", at=ago(desk, minutes=5))
    assert not await reaches(desk)
    await says(desk, "start")
    assert await reaches(desk)


async def test_a_providers_clock_that_is_ahead_does_not_outlive_a_start(desk: Desk) -> None:
    """Nothing was said after it was heard."""
    await says(desk, "stop", at=ago(desk, hours=-5))
    desk.clock.pass_(seconds=1)
    await says(desk, "start", at=ago(desk, hours=-5))
    assert await reaches(desk)


async def test_a_provider_that_refuses_for_a_stop_is_believed(desk: Desk) -> None:
    """With its code and the copy; the recipient's own words are kept beside it, and told no more."""
    copy_id = await is_refused(desk)
    assert not await reaches(desk, OFFICE)
    [event] = await desk.bodies("event.opt-out")
    told = (event["source"], event["word"], event["code"], event["copy_id"])
    assert told == ("provider", "-1234", "-1234", copy_id)
    await says(desk, "stop")
    assert len(await desk.events("event.opt-out")) == 1
    assert [one["source"] for one in await desk.journal.optouts.list()] == ["provider", "keyword"]
    desk.clock.pass_(seconds=1)
    await says(desk, "start")
    assert await reaches(desk)


async def test_relays_own_refusal_is_no_word_of_the_provider(desk: Desk) -> None:
    """Otherwise an opt-out on one line would become one on each."""
    await desk.send(ALICE, line=OFFICE)
    await says(desk, "stop", line=SHOP)
    assert await sent(desk, OFFICE) == []
    assert [one["line"] for one in await desk.journal.optouts.list()] == [SHOP]


async def test_a_keyword_from_somebody_whom_nothing_can_be_sent_to_changes_nothing(desk: Desk) -> None:
    """It is a message like any other."""
    await says(desk, "stop", sender="Bank of Nowhere")
    assert await desk.journal.optouts.list() == []
    assert [body["keyword"] for body in await desk.bodies("message")] == ["stop"]


async def test_what_may_have_been_meant_as_a_stop_is_told(desk: Desk) -> None:
    """It opts nobody out: a person looks at it."""
    message_id = await says(desk, "please stop texting me")
    await says(desk, "Where does the bus stop?")
    assert await reaches(desk)
    assert await desk.bodies("event.opt-out-suspected") == [{"message_id": message_id, "address": ALICE.value}]
    assert [body["opt_out_suspected"] for body in await desk.bodies("message")] == [True, False]


async def test_one_confirmation_passes(desk: Desk) -> None:
    """The first that is sent, although several were accepted; what is no confirmation never does."""
    await says(desk, "stop")
    answers = [await desk.send(ALICE, message_class=COMPLIANCE, text=f"Goodbye {turn}.") for turn in (1, 2)]
    assert [answer.body["copies"][0]["status"] for answer in answers] == ["queued", "queued"]
    assert await sent(desk) == ["Goodbye 1."]
    assert await desk.standing("key-2") == ["failed"]
    assert await ask(desk, what=COMPLIANCE) == ["opted_out"]
    [out] = await desk.journal.optouts.list()
    assert out["confirmed_by"] == copy_of(answers[0])


async def test_the_confirmation_may_be_tried_again(desk: Desk) -> None:
    """It is the same copy."""
    await says(desk, "stop")
    await desk.send(ALICE, message_class=COMPLIANCE)
    call = await desk.claim()
    await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 1)
    desk.clock.pass_(seconds=2)
    assert [one.address for one in (await desk.claim()).recipients] == [ALICE]


async def test_each_opt_out_may_be_confirmed(desk: Desk) -> None:
    """Another line's, and the next one after a start."""
    await says(desk, "stop", line=SHOP)
    await desk.send(ALICE, message_class=COMPLIANCE, text="First.")
    assert await sent(desk) == ["First."]
    await says(desk, "stop", line=OFFICE)
    await desk.send(ALICE, line=OFFICE, message_class=COMPLIANCE, text="Second.")
    assert await sent(desk, OFFICE) == ["Second."]
    assert await ask(desk, what=COMPLIANCE) == ["opted_out"]
    desk.clock.pass_(seconds=1)
    await says(desk, "start", line=SHOP)
    desk.clock.pass_(seconds=1)
    await says(desk, "stop", line=SHOP)
    assert await ask(desk, what=COMPLIANCE) == ["queued"]


async def test_an_operators_opt_out_holds_on_every_line_until_an_operator_lifts_it(desk: Desk) -> None:
    """It is told on every line, as is its end; a start does not lift it."""
    assert await desk.journal.optouts.add([ALICE.value, BOB.value, ALICE.value]) == 2
    desk.clock.pass_(seconds=1)
    await says(desk, "start")
    desk.journal.follow(rules(Scope.LINE))
    assert not any([await reaches(desk, line) for line in LINES])
    assert await desk.journal.optouts.remove([ALICE.value, "+12065550199"]) == 1
    assert all([await reaches(desk, line) for line in LINES])
    assert not await reaches(desk, LINE, BOB)
    for kind, times in (("event.opt-out", 2), ("event.opt-in", 1)):
        events = await desk.events(kind)
        assert sorted(event.line or "" for event in events) == sorted(LINES * times)
        assert {event.body["source"] for event in events} == {"operator"}


async def test_an_operator_lifts_all_of_a_number_or_what_was_asked_for_on_one_line(desk: Desk) -> None:
    """Whoever asked for it."""
    for line in (SHOP, OFFICE):
        await says(desk, "stop", line=line)
    assert await desk.journal.optouts.remove([ALICE.value], OFFICE) == 1
    assert [one["line"] for one in await desk.journal.optouts.list()] == [SHOP]
    assert await desk.journal.optouts.remove([ALICE.value], DESK) == 0
    assert await desk.journal.optouts.remove([ALICE.value]) == 1
    assert await reaches(desk)
    assert {one["lifted_by"] for one in await desk.journal.optouts.of([ALICE.value])} == {"operator"}


async def test_what_an_operator_lifted_can_be_asked_for_again(desk: Desk) -> None:
    """In the same moment, even."""
    for _ in range(2):
        assert await desk.journal.optouts.add([ALICE.value], LINE) == 1
        assert await desk.journal.optouts.remove([ALICE.value], LINE) == 1
    assert await desk.journal.optouts.add([ALICE.value], LINE) == 1


async def test_a_list_is_taken_in_once(desk: Desk) -> None:
    """What it says stays as it says; the same list again changes nothing, and no later start is undone."""
    entries = [
        Listed(ALICE.value, SHOP, ago(desk, days=300), "keyword", "quit"),
        Listed(BOB.value, None, ago(desk, days=200), "operator"),
        Listed("+12065550104"),
    ]
    assert await desk.journal.optouts.import_(entries) == 3
    assert await desk.journal.optouts.import_(entries) == 0
    fields = ("address", "line", "at", "source", "word")
    shown = [tuple(one[name] for name in fields) for one in await desk.journal.optouts.list()]
    assert shown[:2] == [(ALICE.value, SHOP, ago(desk, days=300), "keyword", "quit"), (*_bob(desk), "operator", None)]
    assert shown[2] == ("+12065550104", None, desk.clock.now(), "import", None)
    assert {event.body["source"] for event in await desk.events("event.opt-out")} == {"import"}
    await says(desk, "start", line=SHOP)
    assert await desk.journal.optouts.import_(entries) == 0
    assert await reaches(desk)


def _bob(desk: Desk) -> tuple[Any, ...]:
    return BOB.value, None, ago(desk, days=200)


async def test_a_list_never_undoes_what_was_said_after_it(desk: Desk) -> None:
    """An opt-out of last year, of somebody who came back this year, is history."""
    await says(desk, "start", at=ago(desk, days=10))
    assert await desk.journal.optouts.import_([Listed(ALICE.value, LINE, ago(desk, days=300))]) == 0
    assert await reaches(desk)


async def test_a_time_to_come_in_a_list_is_now(desk: Desk) -> None:
    """Otherwise no start could lift it."""
    await desk.journal.optouts.import_([Listed(ALICE.value, LINE, ago(desk, days=-300))])
    desk.clock.pass_(seconds=1)
    await says(desk, "start")
    assert await reaches(desk)


async def test_a_line_that_is_gone_is_told_of_nothing(desk: Desk) -> None:
    """And what was asked for there still holds."""
    await desk.journal.optouts.import_([Listed(ALICE.value, "former", ago(desk, days=300))])
    assert not await reaches(desk)
    assert await desk.events("event.opt-out") == []


async def test_a_long_list_is_taken_in_pieces_and_shown_in_pages(desk: Desk) -> None:
    """So that nobody waits for all of it."""
    people = numbered(1_200)
    before = desk.journal.commits
    assert await desk.journal.optouts.import_(Listed(one.value, LINE) for one in people) == 1_200
    assert desk.journal.commits - before == 24
    found: list[dict[str, Any]] = []
    while page := await desk.journal.optouts.list(after=found[-1]["id"] if found else "", limit=700):
        found += page
    assert [one["address"] for one in found] == [one.value for one in people]


async def test_the_ledger_outlives_a_restart(desk: Desk) -> None:
    """The numbers are found again under the same keys."""
    await says(desk, "stop")
    await desk.reopen()
    desk.journal.follow(rules())
    assert not await reaches(desk)
    assert await desk.journal.optouts.remove([ALICE.value]) == 1


async def test_what_was_lifted_is_shown_only_where_it_is_asked_for(desk: Desk) -> None:
    """With what lifted it."""
    await says(desk, "stop")
    desk.clock.pass_(seconds=1)
    message_id = await says(desk, "start")
    assert await desk.journal.optouts.list() == []
    [one] = await desk.journal.optouts.list(lifted=True)
    assert (one["lifted_by"], one["lifted_message_id"], one["line_group"]) == ("keyword", message_id, "shop")
    assert await desk.journal.optouts.list(OFFICE, lifted=True) == []


async def test_a_kill_loses_neither_the_message_nor_its_opt_out(desk: Desk) -> None:
    """They are one commit."""
    await says(desk, "stop")
    left = await desk.after_kill()
    try:
        assert len(await left.events("message")) == len(await left.journal.optouts.list()) == 1
    finally:
        await left.journal.aclose()
