"""Looks: a call is asked for until every copy of it is final, and no longer."""

import asyncio
from datetime import timedelta

from relay.domain.errors import ErrorCode, Problem
from relay.domain.states import Fact
from relay.journal import Understood
from tests.contract.journal.desk import ALICE, BOB, LINE, START, Desk, delivered

GONE = Problem(ErrorCode.PROVIDER_REFUSED, "the provider no longer knows the message")


async def _called(desk: Desk, first_look: float | None = 15) -> str:
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    await desk.hand_over(call, first_look=first_look)
    return call.call_id


async def test_a_call_is_to_be_asked_for_after_its_first_wait(desk: Desk) -> None:
    """Under the id that the provider gave."""
    call_id = await _called(desk)
    assert await desk.journal.looks.next_due(LINE) == START + timedelta(seconds=15)
    assert await desk.journal.looks.due(LINE, 10) == []
    desk.clock.pass_(seconds=15)
    [look] = await desk.journal.looks.due(LINE, 10)
    assert (look.call_id, look.ref, look.handed_over_at, look.looks) == (call_id, "SMS1", START, 0)


async def test_a_new_look_rings_the_line_s_bell(desk: Desk) -> None:
    """So that the tracker need not ask all the time."""
    await _called(desk)
    async with asyncio.timeout(5):
        await desk.journal.bell(f"looks:{LINE}").wait()


async def test_a_call_that_cannot_be_asked_for_is_not(desk: Desk) -> None:
    """It is followed by what comes in by itself."""
    await _called(desk, first_look=None)
    assert await desk.journal.looks.next_due(LINE) is None


async def test_a_status_schedules_the_next_look(desk: Desk) -> None:
    """As long as a copy is open."""
    call_id = await _called(desk, first_look=0)
    done = await desk.look(call_id, delivered(position=0), delivered(position=1, fact=Fact.ON_NETWORK), next_look=60)
    assert done == Understood(applied=2)
    assert await desk.journal.looks.next_due(LINE) == START + timedelta(seconds=60)
    desk.clock.pass_(seconds=60)
    assert [look.looks for look in await desk.journal.looks.due(LINE, 10)] == [1]


async def test_a_call_whose_copies_are_final_is_not_asked_for(desk: Desk) -> None:
    """Its last status told everything."""
    call_id = await _called(desk, first_look=0)
    await desk.look(call_id, delivered(position=0), delivered(position=1))
    assert await desk.journal.looks.next_due(LINE) is None
    assert (await desk.journal.queries.status())["lines"] == {}


async def test_a_status_is_about_its_call_whatever_id_it_names(desk: Desk) -> None:
    """And is never parked."""
    call_id = await _called(desk, first_look=0)
    done = await desk.look(call_id, delivered("SMS1 in another spelling", position=1))
    assert (done.applied, done.parked) == (1, 0)
    assert await desk.standing() == ["submitted", "delivered"]


async def test_a_look_that_failed_is_due_again_later(desk: Desk) -> None:
    """After the delay."""
    call_id = await _called(desk, first_look=0)
    await desk.journal.looks.later(call_id, 60)
    assert await desk.journal.looks.due(LINE, 10) == []
    assert await desk.journal.looks.next_due(LINE) == START + timedelta(seconds=60)


async def test_a_call_that_the_provider_forgot_ends_unknown(desk: Desk) -> None:
    """What was final stays so."""
    call_id = await _called(desk, first_look=0)
    await desk.look(call_id, delivered(position=0))
    await desk.journal.looks.forgotten(call_id, GONE)
    [receipt] = [body for body in await desk.bodies("receipt") if body["final"] and body["to"] == BOB.value]
    assert (receipt["status"], receipt["error"], receipt["provider"]["message_id"]) == (
        "unknown",
        GONE.as_body(),
        "SMS1",
    )
    assert await desk.standing() == ["delivered", "unknown"]
    assert await desk.journal.looks.next_due(LINE) is None


async def test_following_ends_72_hours_after_the_hand_over(desk: Desk) -> None:
    """Where no look is left; one that is still to come has an hour."""
    call_id = await _called(desk)
    await desk.send(key="hooks")
    await desk.hand_over(await desk.claim(), "SMS2", first_look=None)
    desk.clock.pass_(hours=72)
    assert await desk.journal.upkeep.end_following() == 1
    assert [await desk.standing(), await desk.standing("hooks")] == [["submitted", "submitted"], ["unknown"]]
    await desk.look(call_id, delivered(position=0), next_look=None)
    assert await desk.journal.upkeep.end_following() == 1
    assert await desk.standing() == ["delivered", "unknown"]
    assert await desk.journal.upkeep.end_following() == 0


async def test_following_ends_for_a_line_that_nobody_asks_for_any_more(desk: Desk) -> None:
    """An hour after the last look should have come."""
    await _called(desk)
    desk.clock.pass_(hours=73)
    assert await desk.journal.upkeep.end_following() == 2
    assert await desk.journal.looks.next_due(LINE) is None
