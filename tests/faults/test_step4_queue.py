"""What a hostile reader found in the queue: calls that several messages share, the order of a conversation, limits."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from relay.domain.addresses import outbound
from relay.domain.messages import CallAnswer, Handover, MessageClass, Reply
from relay.domain.states import Fact
from relay.journal import Limit
from relay.journal.callrows import COPIES_AT_ONCE
from relay.rules.hours import SendingHours
from relay.rules.line import LineRules, Rules
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, PROBLEM, START, Desk, SqlitePlace, delivered, seen

DAY = LineRules(LINE, hours=SendingHours.parse("08:00-21:00"), urgent_any_time=True)
NOON = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)  # in Seattle, where everybody here lives


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """An open journal, empty."""
    desk = await Desk.at(SqlitePlace(tmp_path / "relay.db"))
    yield desk
    await desk.journal.aclose()


async def _cancel(desk: Desk, key: str) -> None:
    await desk.journal.commands.cancel(LINE, None, key, None, Reply())


async def _texts(desk: Desk) -> list[str]:
    """What is claimed now, without being handed over."""
    found = []
    while (call := await desk.journal.calls.claim(LINE, ME)) is not None:
        found.append(call.text or "")
    return found


async def _with_one_canceled(desk: Desk) -> None:
    """A call with a copy to ALICE that was canceled, then one to BOB, and one to ALICE that another request brought."""
    await desk.send(ALICE, key="canceled")
    await desk.send(BOB, key="bob")
    await _cancel(desk, "canceled")
    await desk.send(ALICE, key="alice")


async def test_a_report_finds_the_copy_that_was_sent_and_not_one_that_was_canceled_before(desk: Desk) -> None:
    """Both had the same number, and waited for the same call."""
    await _with_one_canceled(desk)
    call = await desk.claim()
    handed = CallAnswer(None, tuple(Handover(Fact.SUBMITTED, ref) for ref in "ab"))
    await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)
    await desk.report(delivered("a", address=ALICE))
    assert [await desk.standing(key) for key in ("alice", "bob")] == [["delivered"], ["submitted"]]


async def test_a_sighting_is_of_the_copy_that_was_sent_and_not_of_one_that_was_canceled_before(desk: Desk) -> None:
    """What the mailbox tells of it later is told under the right message."""
    await _with_one_canceled(desk)
    call = await desk.claim(unseen=True)
    await desk.hand_over(call, "m-1")
    await desk.see(seen(None, ALICE, ref="m-1", fact=Fact.DELIVERED))
    standing = [await desk.standing(key) for key in ("canceled", "alice", "bob")]
    assert standing == [["canceled"], ["delivered"], ["submitted"]]
    known = desk.place.column("mail", "message_id")
    assert known in ([], [call.recipients[1].copy_id.rsplit("-", 1)[0]])


async def test_the_words_of_one_message_are_enough_for_all_that_say_the_same(desk: Desk) -> None:
    """A damaged row takes nobody's text with it that another row still has."""
    first = await desk.send(ALICE, key="a")
    await desk.send(BOB, key="b")
    assert first.message_id is not None
    await desk.reopen()
    desk.place.flip_a_bit("message", "content", first.message_id, b"order")
    call = await desk.claim()
    assert (call.text, len(call.recipients)) == ("Your order is on its way.", 2)
    await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 0)
    await desk.claim()
    assert [body["what"] for body in await desk.bodies("dead")] == ["message"]


async def test_a_notice_of_several_messages_names_the_call_that_they_shared(desk: Desk) -> None:
    """With that id all of them are found; with the id of one message the others would be overlooked."""
    await desk.send(ALICE)
    await desk.send(BOB)
    call = await desk.claim()
    await desk.journal.calls.unanswered(call.call_id, ME, PROBLEM)
    [notice] = await desk.bodies("dead")
    [done] = await desk.journal.steering.retry([notice["id"]])
    assert (notice["copies"], done.copies) == (2, 2)


async def test_a_canceled_text_lets_the_next_pass_at_once_though_its_call_goes_on(desk: Desk) -> None:
    """Others travelled with it, and are tried again in an hour."""
    await desk.send(ALICE, key="a")
    await desk.send(BOB)
    await desk.journal.calls.retry((await desk.claim()).call_id, ME, PROBLEM, 3600)
    await desk.send(ALICE, text="next")
    assert await desk.none_due()
    await _cancel(desk, "a")
    assert await _texts(desk) == ["next"]


async def test_an_urgent_text_does_not_wait_all_night_behind_one_that_is_to_be_tried_again(desk: Desk) -> None:
    """The other one's hours are over: it has a time of its own."""
    desk.clock.time = NOON + timedelta(hours=8, minutes=59)
    desk.journal.follow(Rules({LINE: DAY}))
    await desk.send(text="first")
    await desk.journal.calls.retry((await desk.claim()).call_id, ME, PROBLEM, 120)
    desk.clock.pass_(minutes=2)
    assert await desk.none_due()
    await desk.send(text="urgent", message_class=MessageClass.URGENT)
    assert await _texts(desk) == ["urgent"]


async def test_an_urgent_text_that_waited_goes_when_the_one_before_it_is_put_off(desk: Desk) -> None:
    """Whatever puts that off wakes what waits behind it."""
    desk.clock.time = NOON + timedelta(hours=8, minutes=59)
    desk.journal.follow(Rules({LINE: DAY}))
    await desk.send(text="first")
    first = await desk.claim()
    await desk.send(text="urgent", message_class=MessageClass.URGENT)
    assert await desk.none_due()
    await desk.journal.calls.retry(first.call_id, ME, PROBLEM, 90)
    desk.clock.pass_(seconds=90)
    assert await _texts(desk) == ["urgent"]


async def test_a_text_that_waited_for_the_one_before_it_keeps_its_place_in_the_queue(desk: Desk) -> None:
    """Whoever came after both is not served before the second."""
    await desk.send(text="a1")
    first = await desk.claim()
    await desk.send(text="a2")
    assert await desk.none_due()
    desk.clock.pass_(seconds=1)
    await desk.send(BOB, text="b1")
    desk.clock.pass_(seconds=1)
    await desk.hand_over(first)
    assert await _texts(desk) == ["a2", "b1"]


async def test_what_a_call_left_over_can_be_tried_at_once(desk: Desk) -> None:
    """It waits for its next try as everything does that failed, and says so."""
    await desk.send(ALICE, BOB, key="a")
    handed = CallAnswer("SMS1", (Handover(Fact.SUBMITTED), Handover(Fact.RETRIED, problem=PROBLEM)))
    await desk.journal.calls.answered((await desk.claim()).call_id, ME, handed, first_look=None)
    shown = await desk.journal.queries.shown("a")
    assert [call["why"] for call in shown["calls"]] == [None, "retry"]
    [done] = await desk.journal.steering.retry([shown["copies"][1]["copy_id"]])
    assert done.copies == 1
    assert [to.address for to in (await desk.claim()).recipients] == [BOB]


async def test_a_claim_costs_the_same_however_much_has_expired(desk: Desk) -> None:
    """A campaign that was not sent in time is ended in pieces, and holds nobody up meanwhile."""
    most = []
    for campaign in (100, 800):
        numbers = [outbound(f"+1206{2_000_000 + place}") for place in range(campaign)]
        await desk.send(*numbers, size=1, ttl=60.0, text=f"late {campaign}")
        desk.clock.pass_(minutes=2)
        most.append(await _steps_of_a_claim(desk))
        while await desk.journal.upkeep.expire():
            pass
    assert most[1] < 1.5 * most[0]


async def _steps_of_a_claim(desk: Desk) -> int:
    """Tens of steps that the database takes to find the calls of a claim."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def listen(_: object, cursor: sqlite3.Cursor, statement: str, *__: object) -> None:
        looks = statement.startswith("SELECT") and "FROM call" in statement
        cursor.connection.set_progress_handler(count if looks else None, 10)

    event.listen(Engine, "before_cursor_execute", listen)
    await desk.journal.calls.claim(LINE, ME)
    event.remove(Engine, "before_cursor_execute", listen)
    return steps


@pytest.mark.parametrize("what", ["expired", "hours", "followed"])
async def test_nobody_waits_while_a_whole_campaign_is_put_off_or_ended(desk: Desk, what: str) -> None:
    """One transaction moves some hundred copies, however many a call has."""
    numbers = [outbound(f"+1206{2_000_000 + place}") for place in range(2000)]
    await desk.send(*numbers, ttl=60.0 if what == "expired" else None)
    if what == "followed":
        while (call := await desk.journal.calls.claim(LINE, ME)) is not None:
            await desk.hand_over(call, call.call_id, first_look=None)
    if what == "hours":
        desk.journal.follow(Rules({LINE: DAY}))
    before = set(desk.place.column("copy", "state || changed_at"))
    desk.clock.pass_(hours=73 if what == "followed" else 1)
    step = {"expired": desk.journal.upkeep.expire, "followed": desk.journal.upkeep.end_following}
    await (step[what]() if what in step else desk.journal.calls.claim(LINE, ME))
    moved = [one for one in desk.place.column("copy", "state || changed_at") if one not in before]
    assert 0 < len(moved) <= COPIES_AT_ONCE


async def test_a_pace_that_a_wrong_clock_noted_does_not_stop_the_line_for_years(desk: Desk) -> None:
    """Nobody asks for more than hours: what lies further ahead was noted by a clock that has been put right."""
    desk.journal.follow(Rules({LINE: LineRules(LINE, calls_per_second=1.0)}))
    desk.clock.time = START + timedelta(days=2000)
    await desk.send(ALICE)
    await desk.claim()
    desk.clock.time = START
    await desk.send(BOB, text="now")
    assert (await desk.claim()).text == "now"
    assert (await desk.journal.limits.standing(LINE)).permit.limit is Limit.PACE


async def test_calls_of_days_to_come_are_none_of_this_month(desk: Desk) -> None:
    """A clock that was ahead for a while has counted them."""
    desk.journal.follow(Rules({LINE: LineRules(LINE, calls_per_month=1)}))
    desk.clock.time = START + timedelta(days=31)
    await desk.send(ALICE)
    await desk.claim()
    desk.clock.time = START
    await desk.send(BOB)
    assert [to.address for to in (await desk.claim()).recipients] == [BOB]
