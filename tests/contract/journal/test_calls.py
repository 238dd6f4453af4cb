"""Calls: on disk as begun before the request is written, and judged once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from relay.domain.errors import ErrorCode, Problem, ProviderDetail
from relay.domain.messages import (
    CallAnswer,
    DeliveryReport,
    Handover,
    Media,
    OnUncertain,
    OutboundCall,
    Priority,
    Reply,
)
from relay.domain.states import Fact
from relay.journal import Journal
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, START, Desk

NO_ANSWER = Problem(ErrorCode.UNCERTAIN, "no answer came")


async def test_a_claim_gives_everything_that_the_provider_needs(desk: Desk) -> None:
    """And nothing is in it that was not asked for."""
    media = (Media("image/png", "map.png", b"\x89PNG\x00"), Media("text/plain", None, b""))
    answer = await desk.send(
        ALICE,
        BOB,
        text="naïve\0🙂",
        subject="Hi",
        media=media,
        group=True,
        receipts=False,
        reply=Reply(traceparent="00-1"),
    )
    call = await desk.claim()
    assert (call.message_id, call.line, call.attempt) == (answer.message_id, LINE, 1)
    assert [(to.copy_id, to.address) for to in call.recipients] == [
        (f"{answer.message_id}-0", ALICE),
        (f"{answer.message_id}-1", BOB),
    ]
    assert (call.text, call.subject, call.media, call.group) == ("naïve\0🙂", "Hi", media, True)
    assert (call.receipts, call.trace) == (False, "00-1")


async def test_calls_are_claimed_by_lane_then_by_time(desk: Desk) -> None:
    """Each only once, and only of the line."""
    normal = Priority.NORMAL
    for key, to, priority in (("b", ALICE, Priority.BULK), ("n1", ALICE, normal), ("n2", BOB, normal)):
        await desk.send(to, text=key, priority=priority)
        desk.clock.pass_(seconds=1)
    await desk.send(text="h", priority=Priority.HIGH)
    await desk.send(text="later", priority=Priority.HIGH, send_at=desk.clock.now() + timedelta(hours=1))
    await desk.send(text="other", line="other")
    assert [(await desk.claim()).text for _ in range(4)] == ["h", "n1", "n2", "b"]
    assert await desk.none_due()
    assert (await desk.claim("other")).text == "other"


async def test_a_claimed_call_is_in_flight_on_disk(desk: Desk) -> None:
    """After a kill it is found begun: uncertain, and not claimed again."""
    await desk.send(ALICE, BOB)
    await desk.claim()
    left = await desk.after_kill()
    assert await left.standing() == ["sending", "sending"]
    assert await left.none_due()
    recovered = await left.journal.calls.recover()
    assert (recovered.calls, recovered.uncertain) == (1, 2)
    assert await left.none_due()
    assert await left.statuses() == ["uncertain", "uncertain"]
    assert {body["error"]["detail"] for body in await left.bodies("receipt")} == {
        "relay stopped while the call was under way"
    }
    assert (await left.journal.calls.recover()).calls == 0
    await left.journal.aclose()


async def test_next_due_is_the_earliest_of_all_lanes(desk: Desk) -> None:
    """None where nothing waits."""
    assert await desk.journal.calls.next_due(LINE) is None
    await desk.send(priority=Priority.BULK, send_at=START + timedelta(minutes=1))
    await desk.send(priority=Priority.HIGH, send_at=START + timedelta(minutes=2))
    assert await desk.journal.calls.next_due(LINE) == START + timedelta(minutes=1)


async def test_a_new_call_rings_the_line_s_bell(desk: Desk) -> None:
    """So that its sender need not ask all the time."""
    await desk.send()
    async with asyncio.timeout(5):
        await desk.journal.bell(f"calls:{LINE}").wait()


async def test_an_answer_is_told_to_each_copy(desk: Desk) -> None:
    """With the provider's words, the attempt and the metadata, in the recipients' order."""
    answer = await desk.send(ALICE, BOB, metadata={"a": 1}, client="shop", reply=Reply("reply/me"))
    call = await desk.claim()
    refused = Handover(Fact.REFUSED, None, ProviderDetail(200, "-1234", "opted out"), PROBLEM)
    handed = CallAnswer(None, (Handover(Fact.SUBMITTED, "ref-a", ProviderDetail(200, "1", "Queued")), refused))
    assert await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)
    events = await desk.events("receipt")
    assert [(event.sequence, event.subject, event.client, event.reply.topic) for event in events] == [
        (2, answer.message_id, "shop", "reply/me"),
        (3, answer.message_id, "shop", "reply/me"),
    ]
    assert events[0].body == {
        "request_id": "key-1",
        "message_id": answer.message_id,
        "copy_id": f"{answer.message_id}-0",
        "to": ALICE.value,
        "status": "submitted",
        "previous": "sending",
        "final": False,
        "confirmed": None,
        "late": False,
        "attempt": 1,
        "provider": {"message_id": "ref-a", "status": "Queued", "code": "1"},
        "error": None,
        "metadata": {"a": 1},
    }
    assert (events[1].body["status"], events[1].body["final"]) == ("failed", True)
    assert events[1].body["error"] == PROBLEM.as_body()


async def test_only_the_final_receipt_is_told_where_no_others_are_wanted(desk: Desk) -> None:
    """`receipts: false`."""
    await desk.sent(receipts=False)
    assert await desk.statuses() == []
    await desk.report(_delivered())
    assert await desk.statuses() == ["delivered"]


async def test_an_answer_that_does_not_fit_the_call_changes_nothing(desk: Desk) -> None:
    """One handover for each recipient, or none is believed."""
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    with pytest.raises(ValueError, match="shorter"):
        await desk.journal.calls.answered(call.call_id, ME, CallAnswer("x", (Handover(Fact.SUBMITTED),)), first_look=1)
    assert await desk.standing() == ["sending", "sending"]
    assert await desk.hand_over(call)


async def test_a_copy_whose_outcome_the_answer_leaves_open_is_uncertain_alone(desk: Desk) -> None:
    """The others go their way; one that was not handed over goes again by itself, later."""
    await desk.send(ALICE, BOB, CAROL)
    call = await desk.claim()
    handed = (
        Handover(Fact.SUBMITTED),
        Handover(Fact.UNANSWERED, problem=NO_ANSWER),
        Handover(Fact.RETRIED, problem=PROBLEM),
    )
    assert await desk.journal.calls.answered(call.call_id, ME, CallAnswer("SMS1", handed), first_look=0)
    assert await desk.standing() == ["submitted", "uncertain", "sending"]
    assert [one["copy_id"] for one in await desk.uncertain()] == [call.recipients[1].copy_id]
    assert await desk.none_due()
    desk.clock.pass_(minutes=1)
    assert [to.address for to in (await desk.claim()).recipients] == [CAROL]


async def test_a_call_to_be_tried_again_waits_and_keeps_sending(desk: Desk) -> None:
    """The attempt rises, no receipt is told, and the last problem can be looked up."""
    await desk.send()
    call = await desk.claim()
    assert await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 30)
    assert await desk.none_due()
    [shown] = await desk.copies()
    assert (shown["status"], shown["attempt"], shown["error"]) == ("sending", 1, PROBLEM.as_body())
    desk.clock.pass_(seconds=30)
    again = await desk.claim()
    assert (again.call_id, again.attempt) == (call.call_id, 2)
    await desk.hand_over(again)
    assert [(body["status"], body["attempt"]) for body in await desk.bodies("receipt")] == [("submitted", 2)]


async def test_a_released_call_is_queued_again(desk: Desk) -> None:
    """At once, or after a delay."""
    await desk.send()
    assert await desk.journal.calls.release((await desk.claim()).call_id, ME)
    assert await desk.standing() == ["queued"]
    assert await desk.journal.calls.release((await desk.claim()).call_id, ME, 60)
    assert await desk.none_due()
    desk.clock.pass_(seconds=60)
    await desk.claim()


async def test_a_divided_call_becomes_two_halves(desk: Desk) -> None:
    """Until only the bad copy is alone; every copy stays in exactly one call."""
    await desk.send(ALICE, BOB, CAROL)
    call = await desk.claim()
    assert await desk.journal.calls.divide(call.call_id, ME)
    halves = [await desk.claim(), await desk.claim()]
    assert [[to.address for to in half.recipients] for half in halves] == [[ALICE, BOB], [CAROL]]
    assert [half.attempt for half in halves] == [2, 2]
    assert await desk.none_due()


async def test_a_refused_call_fails_every_copy(desk: Desk) -> None:
    """For good, with the provider's reason."""
    problem = Problem(ErrorCode.SPAM_BLOCKED, "blocked", ProviderDetail(403, "POL0001", "policy"))
    await desk.send(ALICE, BOB)
    assert await desk.journal.calls.refused((await desk.claim()).call_id, ME, problem)
    receipts = await desk.bodies("receipt")
    assert [(body["status"], body["final"], body["error"]) for body in receipts] == [
        ("failed", True, problem.as_body())
    ] * 2
    assert receipts[0]["provider"] == {"message_id": None, "status": "policy", "code": "POL0001"}


async def test_a_call_that_was_not_answered_is_held(desk: Desk) -> None:
    """Nothing is resent; its copies are listed, with one notice for the call."""
    answer = await desk.send(ALICE, BOB, client="shop")
    call = await desk.claim()
    assert await desk.journal.calls.unanswered(call.call_id, ME, NO_ANSWER)
    desk.clock.pass_(days=30)
    assert await desk.none_due()
    await desk.journal.upkeep.end_following()
    await desk.journal.upkeep.purge()
    assert await desk.statuses() == ["uncertain", "uncertain"]
    listed = await desk.uncertain()
    assert sorted((one["copy_id"], one["request_id"], one["client"], one["line"]) for one in listed) == [
        (f"{answer.message_id}-{place}", "key-1", "shop", LINE) for place in range(2)
    ]
    assert ALICE.value not in repr(listed)
    assert [aside["kind"] for aside in await desk.journal.dead.list(10)] == ["uncertain", "uncertain"]
    [notice] = await desk.bodies("dead")
    assert (notice["what"], notice["why"], notice["id"], notice["copies"]) == (
        "uncertain",
        "no answer came",
        answer.message_id,
        2,
    )


async def test_a_call_that_was_not_answered_is_resent_if_the_request_says_so(desk: Desk) -> None:
    """It is queued again, after a pause, and noticed nowhere."""
    await desk.send(on_uncertain=OnUncertain.RESEND)
    call = await desk.claim()
    assert await desk.journal.calls.unanswered(call.call_id, ME, NO_ANSWER)
    assert await desk.none_due()
    desk.clock.pass_(seconds=3)
    assert (await desk.claim()).attempt == 2
    assert await desk.statuses() == ["uncertain"]
    assert await desk.journal.dead.list(10) == []


async def test_a_call_that_nobody_ever_answers_is_not_resent_for_ever(desk: Desk) -> None:
    """Each may have been a text: after five it waits for a person, whatever the request wishes."""
    await desk.send(on_uncertain=OnUncertain.RESEND)
    for attempt in range(1, 6):
        call = await desk.claim()
        assert call.attempt == attempt
        await desk.journal.calls.unanswered(call.call_id, ME, NO_ANSWER)
        desk.clock.pass_(minutes=10)
    assert await desk.none_due()
    assert await desk.standing() == ["uncertain"]
    assert len(await desk.journal.dead.list(10)) == 1


async def test_a_call_that_was_not_answered_fails_if_the_request_says_so(desk: Desk) -> None:
    """With the code `uncertain`, and finally."""
    await desk.send(on_uncertain=OnUncertain.FAIL)
    assert await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, NO_ANSWER)
    assert [(body["status"], body["final"]) for body in await desk.bodies("receipt")] == [
        ("uncertain", False),
        ("failed", True),
    ]
    assert (await desk.bodies("receipt"))[1]["error"]["code"] == "uncertain"
    assert await desk.uncertain() == []


Ending = Callable[[Journal, OutboundCall, str], Awaitable[bool]]
ENDINGS: dict[str, Ending] = {
    "answered": lambda journal, call, owner: journal.calls.answered(
        call.call_id, owner, CallAnswer("late", tuple(Handover(Fact.SUBMITTED) for _ in call.recipients)), first_look=1
    ),
    "retry": lambda journal, call, owner: journal.calls.retry(call.call_id, owner, PROBLEM, 0),
    "release": lambda journal, call, owner: journal.calls.release(call.call_id, owner),
    "divide": lambda journal, call, owner: journal.calls.divide(call.call_id, owner),
    "refused": lambda journal, call, owner: journal.calls.refused(call.call_id, owner, PROBLEM),
    "unanswered": lambda journal, call, owner: journal.calls.unanswered(call.call_id, owner, PROBLEM),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_only_the_owner_says_how_a_call_ended(desk: Desk, ending: str) -> None:
    """Another's word changes nothing."""
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    assert await ENDINGS[ending](desk.journal, call, "relay-2") is False
    assert await desk.standing() == ["sending", "sending"]
    assert await ENDINGS[ending](desk.journal, call, ME) is True


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_call_ends_once(desk: Desk, ending: str) -> None:
    """What comes late changes nothing and tells nothing."""
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    await desk.journal.calls.unanswered(call.call_id, ME, NO_ANSWER)
    told = len(await desk.events())
    assert await ENDINGS[ending](desk.journal, call, ME) is False
    assert len(await desk.events()) == told
    assert await desk.none_due()


async def test_a_sender_that_is_cancelled_gives_its_claim_back(desk: Desk) -> None:
    """Nothing was written, so nothing is uncertain."""
    await desk.send()
    claiming = asyncio.create_task(desk.journal.calls.claim(LINE, ME))
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    await desk.claim()


async def test_a_sender_that_is_cancelled_twice_gives_its_claim_back(desk: Desk) -> None:
    """The second time cuts nothing short: else the call would be found cut at the next start, and be uncertain."""
    await desk.send()
    claiming = asyncio.create_task(desk.journal.calls.claim(LINE, ME))
    await asyncio.sleep(0)
    claiming.cancel()
    await asyncio.sleep(0)
    claiming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claiming
    given_back = None
    async with asyncio.timeout(10):
        while given_back is None:
            given_back = await desk.journal.calls.claim(LINE, ME)
    assert given_back.attempt == 1


async def test_what_is_past_its_expiry_is_not_claimed(desk: Desk) -> None:
    """It has expired, which is told; a last problem is in the reason."""
    await desk.send(ttl=60)
    await desk.journal.calls.retry((await desk.claim()).call_id, ME, PROBLEM, 10)
    desk.clock.pass_(seconds=60)
    assert await desk.none_due()
    [receipt] = await desk.bodies("receipt")
    assert (receipt["status"], receipt["final"], receipt["error"]["code"]) == ("expired", True, "expired")
    assert "provider_error" in receipt["error"]["detail"]


async def test_a_damaged_message_is_not_sent(desk: Desk) -> None:
    """Its copies fail, a person is told, and the next message goes out."""
    answer = await desk.send(text="first")
    await desk.send(text="second")
    desk.place.flip_a_bit("message", "content", str(answer.message_id), b"first")
    assert (await desk.claim()).text == "second"
    assert [(body["status"], body["error"]["code"]) for body in await desk.bodies("receipt")] == [
        ("failed", "internal")
    ]
    assert [(body["what"], body["id"]) for body in await desk.bodies("dead")] == [("message", answer.message_id)]


async def test_damaged_metadata_are_left_out(desk: Desk) -> None:
    """The receipts go on, and a person is told once."""
    answer = await desk.send(metadata={"a": "good"})
    desk.place.flip_a_bit("message", "echo", str(answer.message_id), b"good")
    await desk.hand_over(await desk.claim())
    await desk.report(_delivered())
    assert [body["metadata"] for body in await desk.bodies("receipt")] == [None, None]
    assert len(await desk.events("dead")) == 1


def _delivered() -> DeliveryReport:
    return DeliveryReport("SMS1", Fact.DELIVERED)
