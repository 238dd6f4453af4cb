"""Reports: told of the right copy, once; kept for a while where nobody knows yet whom they are about."""

import pytest

from relay.domain.addresses import inbound, outbound
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import CallAnswer, Handover, OnUncertain
from relay.domain.states import Fact
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, Desk, delivered

NO_ANSWER = Problem(ErrorCode.UNCERTAIN, "no answer came")


async def _each_with_a_ref(desk: Desk) -> None:
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    handed = CallAnswer(None, (Handover(Fact.SUBMITTED, "a"), Handover(Fact.SUBMITTED, "b")))
    await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)


async def test_a_report_finds_the_copy_by_its_own_id(desk: Desk) -> None:
    """Also where it names a number of nobody's, or one that is none."""
    await _each_with_a_ref(desk)
    await desk.report(delivered("b", fact=Fact.ON_NETWORK, address=inbound("unknown")))
    done = await desk.report(delivered("b", address=outbound("+13125550199")))
    assert (done.applied, done.parked) == (1, 0)
    assert await desk.standing() == ["submitted", "delivered"]


@pytest.mark.parametrize("spelling", ["tel:+12065550102", "2065550102", "ptn:/2065550102", "tel:2065550102"])
async def test_a_report_finds_the_copy_of_a_call_by_its_address(desk: Desk, spelling: str) -> None:
    """In whatever spelling, and over a place that says otherwise."""
    await desk.sent(ALICE, BOB)
    await desk.report(delivered("SMS1", address=inbound(spelling), position=0))
    assert await desk.standing() == ["submitted", "delivered"]


async def test_a_report_finds_the_copy_of_a_call_by_its_place(desk: Desk) -> None:
    """Where the address tells nothing; the place is the one in the call, not in the request."""
    await desk.send(ALICE, BOB, size=1)
    await desk.hand_over(await desk.claim(), "SMS1")
    await desk.hand_over(await desk.claim(), "SMS2")
    await desk.report(delivered("SMS2", address=inbound("unknown"), position=0))
    assert await desk.standing() == ["submitted", "delivered"]


async def test_the_only_copy_of_a_call_needs_no_address(desk: Desk) -> None:
    """There is nobody else."""
    await desk.sent()
    await desk.report(delivered())
    assert await desk.standing() == ["delivered"]


async def test_a_report_that_fits_no_copy_of_its_call_changes_nothing(desk: Desk) -> None:
    """To guess would tell one recipient's fate of another."""
    await desk.sent(ALICE, BOB)
    elsewhere = outbound("+13125550199")
    done = await desk.report(delivered("SMS1"), delivered("SMS1", address=elsewhere), delivered("SMS1", position=2))
    assert (done.applied, done.parked) == (0, 0)
    assert await desk.standing() == ["submitted", "submitted"]


async def test_a_report_of_another_line_is_not_ours(desk: Desk) -> None:
    """Ids are only good on their line."""
    await desk.sent()
    kept = await desk.journal.raw.keep("other", "hook", "progress", "", (await desk.keep()).raw)
    assert (await desk.journal.raw.understood(kept, reports=[delivered()])).parked == 1
    assert await desk.standing() == ["submitted"]


async def test_a_report_that_comes_before_the_answer_waits_for_it(desk: Desk) -> None:
    """And is told after it, in one commit with it."""
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    assert (await desk.report(delivered("b", status="OK", code="4"))).parked == 1
    await desk.reopen()
    handed = CallAnswer(None, (Handover(Fact.SUBMITTED, "a"), Handover(Fact.SUBMITTED, "b")))
    await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)
    receipts = await desk.bodies("receipt")
    assert [(body["status"], body["provider"]["code"]) for body in receipts] == [
        ("submitted", None),
        ("submitted", None),
        ("delivered", "4"),
    ]
    assert desk.place.rows("parked") == 0


async def test_a_parked_report_is_set_aside_in_the_end(desk: Desk) -> None:
    """It was about something that was sent elsewhere: perhaps by another relay, perhaps by a lost one."""
    await desk.report(delivered("sent elsewhere"))
    desk.clock.pass_(hours=71)
    assert await desk.journal.upkeep.give_up_parked() == 0
    desk.clock.pass_(hours=2)
    assert await desk.journal.upkeep.give_up_parked() == 1
    assert await desk.journal.upkeep.give_up_parked() == 0
    assert [one["kind"] for one in await desk.journal.dead.list(10)] == ["orphan"]


async def test_a_report_seen_before_is_ignored(desk: Desk) -> None:
    """AT&T sends a web hook again until it is answered."""
    await desk.sent()
    assert (await desk.report(delivered(fact=Fact.ON_NETWORK, dedupe_key="x"))).applied == 1
    assert (await desk.report(delivered(fact=Fact.DELIVERED, dedupe_key="x"))).applied == 0
    assert await desk.standing() == ["sent"]


async def test_a_report_that_teaches_nothing_tells_nothing(desk: Desk) -> None:
    """An old "sent" after "delivered"."""
    await desk.sent()
    await desk.report(delivered())
    assert (await desk.report(delivered(fact=Fact.ON_NETWORK))).applied == 0
    assert await desk.statuses() == ["submitted", "delivered"]


async def test_a_report_that_cannot_be_true_changes_nothing(desk: Desk) -> None:
    """A copy that waits for its time cannot have arrived."""
    await desk.send(ALICE, BOB, on_uncertain=OnUncertain.RESEND)
    call = await desk.claim()
    handed = CallAnswer(None, (Handover(Fact.SUBMITTED, "a"), Handover(Fact.SUBMITTED, "b")))
    await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)
    assert (await desk.report(delivered("a", fact=Fact.UNANSWERED))).applied == 0
    assert await desk.standing() == ["submitted", "submitted"]


async def test_every_copy_gets_exactly_one_final_receipt(desk: Desk) -> None:
    """What comes after it is late: a delivery without confirmation that turns out a failure."""
    await desk.sent()
    await desk.report(delivered(fact=Fact.DELIVERED_UNCONFIRMED), delivered(fact=Fact.UNDELIVERED))
    told = [(body["status"], body["confirmed"], body["final"], body["late"]) for body in await desk.bodies("receipt")]
    assert told == [
        ("submitted", None, False, False),
        ("delivered", False, True, False),
        ("undelivered", None, False, True),
    ]


async def test_evidence_decides_an_uncertain_copy(desk: Desk) -> None:
    """It leaves the list, and is followed from when its call began."""
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    handed = (Handover(Fact.UNANSWERED, "a", problem=NO_ANSWER), Handover(Fact.UNANSWERED, "b", problem=NO_ANSWER))
    await desk.journal.calls.answered(call.call_id, ME, CallAnswer(None, handed), first_look=None)
    assert len(await desk.journal.dead.list(10)) == 2
    await desk.report(delivered("a", fact=Fact.SUBMITTED), delivered("b"))
    assert await desk.standing() == ["submitted", "delivered"]
    assert await desk.journal.dead.list(10) == []
    desk.clock.pass_(hours=72)
    assert await desk.journal.upkeep.end_following() == 1
    assert await desk.standing() == ["unknown", "delivered"]


async def test_a_copy_that_is_to_be_resent_and_had_arrived_is_not_resent(desk: Desk) -> None:
    """The first call's report came in time."""
    await desk.send(on_uncertain=OnUncertain.RESEND)
    call = await desk.claim()
    handed = CallAnswer(None, (Handover(Fact.UNANSWERED, "a", problem=NO_ANSWER),))
    await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)
    await desk.report(delivered("a"))
    desk.clock.pass_(hours=1)
    assert await desk.none_due()
    assert await desk.statuses() == ["uncertain", "delivered"]


async def test_a_late_answer_after_the_end_is_told_as_late(desk: Desk) -> None:
    """Nothing was heard for 72 hours, and it was delivered after all."""
    await desk.sent()
    desk.clock.pass_(hours=73)
    await desk.journal.upkeep.end_following()
    await desk.report(delivered())
    told = [(body["status"], body["final"], body["late"]) for body in await desk.bodies("receipt")]
    assert told == [("submitted", False, False), ("unknown", True, False), ("delivered", False, True)]


async def test_several_words_about_one_copy_count_in_their_order(desk: Desk) -> None:
    """Also when they come together, between words about the other copies of the call."""
    await desk.sent(ALICE, BOB, ref="SMS1")
    words = [
        delivered(fact=Fact.ON_NETWORK, address=ALICE),
        delivered(fact=Fact.ON_NETWORK, address=BOB),
        delivered(address=ALICE),
        delivered(fact=Fact.UNDELIVERED, address=BOB),
        delivered(fact=Fact.ON_NETWORK, address=ALICE),
    ]
    done = await desk.report(*words)
    assert (done.applied, await desk.standing()) == (4, ["delivered", "undelivered"])
    assert await desk.statuses() == ["submitted", "submitted", "sent", "sent", "delivered", "undelivered"]


async def test_a_ref_of_any_characters_is_found_again(desk: Desk) -> None:
    """Also with those that no database takes."""
    await desk.sent(ref="odd\0\ud800")
    await desk.report(delivered("odd\0\ud800"))
    assert await desk.standing() == ["delivered"]
    assert await desk.none_due(LINE)
