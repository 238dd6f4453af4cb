"""Requests for later that the provider keeps until then: handed over at once, followed from their time on."""

from datetime import timedelta

from relay.domain.messages import CallAnswer, Handover, Plan, Reply
from relay.domain.states import Fact
from tests.contract.journal.desk import BOB, LINE, ME, PROBLEM, START, Desk, delivered, seen

WAITS = Plan("gsm-7", 1, 50, provider_waits=True)
AT = START + timedelta(days=5)


async def test_what_the_provider_waits_for_is_due_at_once(desk: Desk) -> None:
    """With the time at which it is to be sent."""
    answer = await desk.send(send_at=AT, plan=WAITS)
    assert [one["status"] for one in answer.body["copies"]] == ["queued"]
    assert (await desk.claim()).send_at == AT


async def test_the_time_is_given_again_when_the_call_is_made_again(desk: Desk) -> None:
    """Unless it is over by then."""
    await desk.send(send_at=START + timedelta(minutes=10), plan=WAITS)
    for pause, send_at in ((60, START + timedelta(minutes=10)), (600, START + timedelta(minutes=10)), (0, None)):
        call = await desk.claim()
        assert call.send_at == send_at
        await desk.journal.calls.retry(call.call_id, ME, PROBLEM, pause)
        desk.clock.pass_(seconds=pause)


async def test_a_time_that_is_over_is_not_given(desk: Desk) -> None:
    """Nor one that relay waits for itself."""
    await desk.send(send_at=START - timedelta(seconds=1), plan=WAITS)
    await desk.send(BOB, send_at=START + timedelta(hours=1))
    assert (await desk.claim()).send_at is None
    assert await desk.none_due()
    desk.clock.pass_(hours=1)
    assert (await desk.claim()).send_at is None


async def test_it_is_followed_for_72_hours_from_its_time_on(desk: Desk) -> None:
    """Nothing is heard of it before; nor is the provider asked."""
    await desk.send(send_at=AT, plan=WAITS)
    await desk.hand_over(await desk.claim(), first_look=15)
    assert await desk.journal.looks.next_due(LINE) == AT + timedelta(seconds=15)
    desk.clock.pass_(days=7, hours=23)
    assert await desk.journal.upkeep.end_following() == 0
    assert (await desk.report(delivered())).applied == 1


async def test_nothing_heard_for_72_hours_after_its_time_is_the_end(desk: Desk) -> None:
    """As for any other."""
    await desk.send(send_at=AT, plan=WAITS)
    await desk.hand_over(await desk.claim(), first_look=None)
    desk.clock.pass_(days=8)
    assert await desk.journal.upkeep.end_following() == 1
    assert await desk.standing() == ["unknown"]


async def test_one_that_was_not_answered_is_followed_from_its_time_on(desk: Desk) -> None:
    """Evidence that comes before it does not begin the 72 hours."""
    await desk.send(send_at=AT, plan=WAITS)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    await desk.see(seen(fact=Fact.SUBMITTED))
    desk.clock.pass_(days=7, hours=23)
    assert await desk.journal.upkeep.end_following() == 0
    desk.clock.pass_(hours=1)
    assert await desk.journal.upkeep.end_following() == 1


async def test_what_the_provider_has_cannot_be_canceled(desk: Desk) -> None:
    """It tells no way to; before the call it can."""
    await desk.send(send_at=AT, plan=WAITS)
    call = await desk.claim()
    await desk.journal.calls.answered(
        call.call_id, ME, CallAnswer(None, (Handover(Fact.SUBMITTED, "m-1"),)), first_look=None
    )
    answer = await desk.journal.commands.cancel(LINE, None, "key-1", None, Reply())
    assert (answer.outcome, answer.body["error"]["code"]) == ("rejected", "too_late")
