"""The operator's answers to keywords: once, where something changed, to people alone."""

from datetime import timedelta

import pytest

from relay.domain.addresses import outbound
from relay.domain.keywords import Keyword
from relay.domain.messages import MessageClass, Reply
from relay.journal import Listed
from relay.rules.hours import SendingHours
from relay.rules.line import Scope
from tests.contract.journal.desk import ALICE, BOB, LINE, Desk
from tests.contract.journal.ledger import OFFICE, OWN, SAID, ago, rules, says, sent

HOUR = timedelta(hours=1)
NIGHT = SendingHours.parse("23:00-23:30")  # of Seattle, where ALICE lives; it is one o'clock there


@pytest.fixture(autouse=True)
def _rules(desk: Desk) -> None:
    desk.journal.follow(rules(Scope.ALL, "stop", "start", "help"))


async def test_a_stop_is_confirmed_once(desk: Desk) -> None:
    """The answer passes the opt-out that it confirms; who stops twice is not answered twice."""
    message_id = await says(desk, "stop")
    await says(desk, "STOP!")
    assert await sent(desk) == [SAID["stop"]]
    receipts = await desk.bodies("receipt")
    assert {receipt["request_id"] for receipt in receipts} == {f"keyword-{message_id}"}
    [out] = await desk.journal.optouts.list()
    assert out["confirmed_by"] == receipts[0]["copy_id"]


async def test_an_answer_can_be_looked_up_by_its_id(desk: Desk) -> None:
    """By the one that its receipts show."""
    message_id = await says(desk, "stop")
    found = await desk.journal.commands.lookup(LINE, None, f"keyword-{message_id}", None, Reply())
    assert [one["status"] for one in found.body["copies"]] == ["queued"]
    assert [step["what"] for step in await desk.journal.queries.trace(f"keyword-{message_id}")][:1] == ["message"]


async def test_no_client_can_send_what_the_answer_has_sent(desk: Desk) -> None:
    """The one confirmation was relay's own."""
    await says(desk, "stop")
    await desk.send(ALICE, message_class=MessageClass.COMPLIANCE, text="Goodbye.")
    assert await sent(desk) == [SAID["stop"]]


async def test_a_start_is_answered_where_it_changed_something(desk: Desk) -> None:
    """Who says yes to something else hears nothing of it."""
    await says(desk, "yes")
    await says(desk, "stop")
    desk.clock.pass_(seconds=1)
    await says(desk, "start")
    assert await sent(desk) == [SAID["stop"], SAID["start"]]


async def test_a_start_is_not_answered_where_another_lines_opt_out_holds(desk: Desk) -> None:
    """It would say what is not true, and may not be sent."""
    for line in (LINE, OFFICE):
        await says(desk, "stop", line=line)
        assert await sent(desk, line) == [SAID["stop"]]
    desk.clock.pass_(seconds=1)
    await says(desk, "start")
    assert await sent(desk) == []
    assert len(await desk.events("event.opt-in")) == 1


async def test_help_is_answered_at_most_once_an_hour(desk: Desk) -> None:
    """Each number on each line: two machines must not talk for ever."""
    for words, sender in (("help", ALICE), ("Info", ALICE), ("help", BOB)):
        await says(desk, words, sender=sender)
    await says(desk, "help", line=OFFICE)
    assert (await sent(desk), await sent(desk, OFFICE)) == ([SAID["help"]] * 2, [SAID["help"]])
    desk.clock.pass_(minutes=59)
    await says(desk, "help")
    assert await sent(desk) == []
    desk.clock.pass_(minutes=1)
    await says(desk, "help")
    await says(desk, "help")
    assert await sent(desk) == [SAID["help"]]


async def test_help_is_not_answered_to_who_has_opted_out(desk: Desk) -> None:
    """Nothing is queued that would only fail, and the confirmation stays theirs."""
    await desk.journal.optouts.add([ALICE.value])
    await says(desk, "help")
    assert await desk.events("receipt") == []
    await says(desk, "stop")
    assert await sent(desk) == [SAID["stop"]]


@pytest.mark.parametrize("words", ["stop", "help"])
async def test_machines_are_not_answered(desk: Desk, words: str) -> None:
    """Neither a short code, nor the line itself, nor an e-mail address."""
    for sender in ("54321", "someone@example.com", outbound(OWN[OFFICE])):
        await says(desk, words, line=OFFICE, sender=sender)
    assert await sent(desk, OFFICE) == []


@pytest.mark.parametrize(("hours", "answers"), [(23, [SAID["stop"]]), (25, [])])
async def test_what_was_said_long_ago_is_heeded_and_not_answered(desk: Desk, hours: int, answers: list[str]) -> None:
    """A mailbox may show years."""
    await says(desk, "stop", at=ago(desk, hours=hours))
    assert await sent(desk) == answers
    assert len(await desk.journal.optouts.list()) == 1


async def test_an_answer_that_could_not_be_sent_for_an_hour_is_not_sent(desk: Desk) -> None:
    """It would come out of the blue."""
    await says(desk, "stop")
    desk.clock.pass_(minutes=60, seconds=1)
    assert await sent(desk) == []
    assert await desk.statuses() == ["expired"]


async def test_a_confirmation_does_not_wait_for_the_sending_hours(desk: Desk) -> None:
    """It is owed at once; other answers may, where the operator lets urgent texts through."""
    desk.journal.follow(rules(Scope.ALL, "stop", "help", hours=NIGHT))
    for words in ("help", "stop"):
        await says(desk, words)
    assert await sent(desk) == [SAID["stop"]]
    desk.journal.follow(rules(Scope.ALL, "stop", "help", hours=NIGHT, urgent_any_time=True))
    await says(desk, "help", sender=BOB)
    assert await sent(desk) == [SAID["help"]]


@pytest.mark.parametrize("words", ["stop", "start", "help"])
async def test_without_an_answer_of_the_operator_nothing_is_sent(desk: Desk, words: Keyword) -> None:
    """Relay puts no words into anybody's mouth."""
    others = [one for one in SAID if one != words]
    desk.journal.follow(rules(Scope.ALL, *others))
    await desk.journal.optouts.import_([Listed(ALICE.value, LINE, ago(desk, days=1))] if words == "start" else [])
    await says(desk, words)
    assert await sent(desk) == []


async def test_a_kill_leaves_one_answer(desk: Desk) -> None:
    """It is in the commit that announces the message; the provider's repetition of it brings no other."""
    await says(desk, "stop")
    left = await desk.after_kill()
    try:
        left.journal.follow(rules(Scope.ALL, "stop"))
        assert await sent(left) == [SAID["stop"]]
        await says(left, "stop")
        assert await sent(left) == []
    finally:
        await left.journal.aclose()
