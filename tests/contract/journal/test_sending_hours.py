"""A line's sending hours are kept in the recipient's own time, at acceptance and at the moment of sending."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from relay.domain.addresses import Address, outbound
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import MessageClass, Plan, Reply
from relay.rules.hours import SendingHours
from relay.rules.line import LineRules, Rules
from tests.contract.journal.desk import LINE, ME, PROBLEM, START, Desk

SEATTLE, NEW_YORK, HONOLULU = (outbound(f"+1{area}5550101") for area in ("206", "212", "808"))
TOLL_FREE = outbound("+18885550101")
DAY = LineRules(LINE, hours=SendingHours.parse("09:00-20:00"))
# The clock stands at 09:00 UTC on a Saturday: 04:00 in New York, 01:00 in Seattle, 23:00 in Honolulu.
OPENS = {
    NEW_YORK: datetime(2026, 11, 21, 14, tzinfo=UTC),
    SEATTLE: datetime(2026, 11, 21, 17, tzinfo=UTC),
    HONOLULU: datetime(2026, 11, 21, 19, tzinfo=UTC),
}


@pytest.fixture
def hours(desk: Desk) -> Desk:
    """A journal that follows the hours."""
    desk.journal.follow(Rules({LINE: DAY}))
    return desk


async def test_a_copy_outside_the_hours_is_scheduled_for_the_next_opening(hours: Desk) -> None:
    """The result says when; each recipient by the clock where he is."""
    answer = await hours.send(NEW_YORK, SEATTLE, HONOLULU)
    told = [(one["status"], one["due_at"]) for one in answer.body["copies"]]
    assert told == [("scheduled", f"2026-11-21T{hour}:00:00.000Z") for hour in (14, 17, 19)]
    assert answer.body["calls"] == 3


@pytest.mark.parametrize("to", list(OPENS))
async def test_it_goes_when_its_hours_open_and_not_before(hours: Desk, to: Address) -> None:
    """To the second."""
    await hours.send(to)
    assert await hours.journal.calls.next_due(LINE) == OPENS[to]
    hours.clock.time = OPENS[to] - timedelta(seconds=1)
    assert await hours.none_due()
    hours.clock.pass_(seconds=1)
    assert [one.address for one in (await hours.claim()).recipients] == [to]


async def test_what_waits_when_the_hours_end_waits_for_the_next_ones(hours: Desk) -> None:
    """It was accepted in time, and its turn did not come."""
    hours.clock.time = OPENS[NEW_YORK]
    answer = await hours.send(NEW_YORK)
    assert [one["status"] for one in answer.body["copies"]] == ["queued"]
    hours.clock.pass_(hours=11)
    assert await hours.none_due()
    assert await hours.standing() == ["scheduled"]
    assert await hours.journal.calls.next_due(LINE) == OPENS[NEW_YORK] + timedelta(days=1)


async def test_who_is_asleep_does_not_hold_up_who_is_awake(hours: Desk) -> None:
    """Recipients of one call are taken apart."""
    hours.clock.time = OPENS[HONOLULU]
    await hours.send(NEW_YORK, SEATTLE, HONOLULU)
    hours.clock.pass_(hours=7)
    assert [one.address for one in (await hours.claim()).recipients] == [SEATTLE, HONOLULU]
    assert await hours.none_due()
    assert (await hours.journal.calls.next_due(LINE)) == OPENS[NEW_YORK] + timedelta(days=1)


async def test_a_retry_keeps_the_hours_too(hours: Desk) -> None:
    """The second try is a text like the first."""
    hours.clock.time = OPENS[NEW_YORK] + timedelta(hours=10, minutes=59)
    await hours.send(NEW_YORK)
    await hours.journal.calls.retry((await hours.claim()).call_id, ME, PROBLEM, 120)
    hours.clock.pass_(seconds=120)
    assert await hours.none_due()
    assert await hours.standing() == ["scheduled"]


async def test_a_wish_for_later_is_kept_within_the_hours(hours: Desk) -> None:
    """At its time where they are open then, else at the next opening."""
    within, outside = OPENS[NEW_YORK] + timedelta(hours=2), START + timedelta(days=1)
    told = [(await hours.send(NEW_YORK, send_at=at)).body["copies"][0]["due_at"] for at in (within, outside)]
    assert told == ["2026-11-21T16:00:00.000Z", "2026-11-22T14:00:00.000Z"]


async def test_the_provider_is_not_given_a_time_outside_the_hours(hours: Desk) -> None:
    """Relay waits itself then."""
    plan = Plan("gsm-7", 1, 50, provider_waits=True)
    await hours.send(NEW_YORK, plan=plan, send_at=START + timedelta(days=1))
    assert await hours.none_due()
    await hours.send(SEATTLE, plan=plan, send_at=OPENS[SEATTLE])
    assert (await hours.claim()).send_at == OPENS[SEATTLE]


@pytest.mark.parametrize("to", [TOLL_FREE, replace(SEATTLE, value="+15005550101")])
async def test_who_may_be_anywhere_gets_texts_when_it_is_day_everywhere(hours: Desk, to: Address) -> None:
    """The strictest of all time zones that the number may be in."""
    await hours.send(to)
    due = await hours.journal.calls.next_due(LINE)
    assert due is not None
    assert due >= OPENS[HONOLULU]


async def test_what_is_urgent_passes_only_where_the_line_allows_it(hours: Desk) -> None:
    """And a confirmation does where an opt-out holds; to anybody else it is a text like any."""
    urgent, compliance = MessageClass.URGENT, MessageClass.COMPLIANCE
    await hours.journal.optouts.add([SEATTLE.value], LINE)
    assert (await hours.send(NEW_YORK, message_class=urgent)).body["copies"][0]["status"] == "scheduled"
    assert (await hours.send(NEW_YORK, message_class=compliance)).body["copies"][0]["status"] == "scheduled"
    assert (await hours.send(SEATTLE, message_class=compliance)).body["copies"][0]["status"] == "queued"
    hours.journal.follow(Rules({LINE: replace(DAY, urgent_any_time=True)}))
    assert (await hours.send(HONOLULU, message_class=urgent)).body["copies"][0]["status"] == "queued"
    assert {one.address for _ in range(2) for one in (await hours.claim()).recipients} == {SEATTLE, HONOLULU}


async def test_a_group_goes_when_it_may_go_to_all(hours: Desk) -> None:
    """In one call, once it is day for everybody."""
    await hours.send(NEW_YORK, HONOLULU, group=True)
    assert await hours.journal.calls.next_due(LINE) == OPENS[HONOLULU]
    hours.clock.time = OPENS[HONOLULU]
    assert len((await hours.claim()).recipients) == 2


async def test_hours_that_never_come_refuse_the_copy(desk: Desk) -> None:
    """Of a number that may be in Honolulu and in New York, where the hours never meet."""
    desk.journal.follow(Rules({LINE: LineRules(LINE, hours=SendingHours.parse("09:00-10:00"))}))
    answer = await desk.send(TOLL_FREE, NEW_YORK)
    assert [one["status"] for one in answer.body["copies"]] == ["failed", "scheduled"]
    assert answer.body["copies"][0]["error"]["code"] == "unsupported"


async def test_new_hours_hold_for_what_waits_already(desk: Desk) -> None:
    """The operator has changed the settings meanwhile."""
    await desk.send(NEW_YORK)
    desk.journal.follow(Rules({LINE: DAY}))
    assert await desk.none_due()
    assert await desk.journal.calls.next_due(LINE) == OPENS[NEW_YORK]


async def test_a_copy_that_waits_for_its_hours_can_be_canceled_and_expires(hours: Desk) -> None:
    """As any that waits."""
    await hours.send(NEW_YORK, key="a")
    await hours.send(SEATTLE, key="b", ttl=3600.0)
    await hours.journal.commands.cancel(LINE, None, "a", None, Reply())
    hours.clock.pass_(hours=1)
    await hours.journal.upkeep.expire()
    assert (await hours.standing("a"), await hours.standing("b")) == (["canceled"], ["expired"])


async def test_who_is_refused_for_other_reasons_does_not_move_the_others(hours: Desk) -> None:
    """A bad number has no hours."""
    problem = Problem(ErrorCode.INVALID_RECIPIENT, "no number")
    answer = await hours.send(NEW_YORK, SEATTLE, refusals=[problem, None])
    assert [one["status"] for one in answer.body["copies"]] == ["failed", "scheduled"]
    assert "due_at" not in answer.body["copies"][0]
