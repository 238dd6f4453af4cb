"""Sightings: relay's own are known again and prove what was uncertain; another device's are published."""

from datetime import UTC, datetime
from typing import Any

import pytest

from relay.domain.addresses import Address
from relay.domain.messages import CallAnswer, Handover, OnUncertain, OutboundCall, Part, Reply, Sighting
from relay.domain.states import Fact
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, START, Desk, delivered, seen

TEXT = "Your order is on its way."


async def _in_doubt(desk: Desk, **wishes: Any) -> None:
    """A request whose call was not answered."""
    await desk.send(**wishes)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM, evidence_within=60)


async def _elsewhere(desk: Desk) -> list[str]:
    """The texts that other devices sent, after the grace."""
    desk.clock.pass_(minutes=2)
    while await desk.journal.upkeep.settle_sightings():
        pass
    return [body["text"] for body in await desk.bodies("event.sent-elsewhere")]


async def test_a_sighting_settles_what_was_uncertain(desk: Desk) -> None:
    """The copy was sent, nobody needs to decide, and it is known by the provider's id from now on."""
    await _in_doubt(desk)
    assert (await desk.see(seen(fact=Fact.SUBMITTED))).own == 1
    assert await desk.statuses() == ["uncertain", "submitted"]
    assert await desk.journal.dead.list(10) == []
    assert (await desk.report(delivered("m-1"))).applied == 1
    assert await desk.standing() == ["delivered"]
    assert await _elsewhere(desk) == []


async def test_a_sighting_that_no_receipt_can_follow_is_the_end(desk: Desk) -> None:
    """With exactly one final receipt; the call is closed."""
    await _in_doubt(desk)
    await desk.see(seen(fact=Fact.SUBMITTED_UNTRACKED))
    assert [(body["status"], body["final"]) for body in await desk.bodies("receipt")] == [
        ("uncertain", False),
        ("submitted", True),
    ]
    assert (await desk.journal.queries.status())["lines"] == {}


async def test_a_sighting_stops_the_resend(desk: Desk) -> None:
    """Which waits for it: nothing goes out twice."""
    await _in_doubt(desk, on_uncertain=OnUncertain.RESEND)
    desk.clock.pass_(seconds=59)
    assert await desk.none_due()
    assert (await desk.see(seen())).own == 1
    desk.clock.pass_(minutes=10)
    assert await desk.none_due()
    assert await desk.standing() == ["submitted"]


@pytest.mark.parametrize("unseen", [True, False])
async def test_what_was_sent_again_is_relays_own_as_often_as_it_is_shown(desk: Desk, *, unseen: bool) -> None:
    """All calls were taken, and what shows the earlier ones comes late: no other device sent it."""
    await desk.send(on_uncertain=OnUncertain.RESEND)
    for _ in range(2):
        await desk.journal.calls.unanswered((await desk.claim(unseen=unseen)).call_id, ME, PROBLEM)
        desk.clock.pass_(hours=1)
    await desk.hand_over(await desk.claim(unseen=unseen), "third")
    for ref in ("third", "first", "second"):
        assert (await desk.see(seen(ref=ref))).own == 1
    assert (await desk.see(seen(ref="another device's"))).own == 0


async def test_a_resend_waits_for_evidence_no_longer_than_it_is_told(desk: Desk) -> None:
    """Then it goes out."""
    await _in_doubt(desk, on_uncertain=OnUncertain.RESEND)
    desk.clock.pass_(seconds=60)
    assert (await desk.claim()).attempt == 2


async def test_a_sighting_of_a_copy_that_was_answered_is_relays_own(desk: Desk) -> None:
    """By the content, where the line shows what it was given; it tells nothing new. Once: the next one is another's."""
    await desk.send()
    await desk.hand_over(await desk.claim(unseen=True), None, Fact.SUBMITTED_UNTRACKED, None)
    told = len(await desk.events())
    assert (await desk.see(seen(ref="m-1"))).own == 1
    assert len(await desk.events()) == told
    assert (await desk.see(seen(ref="m-2"))).own == 0
    assert await _elsewhere(desk) == [TEXT]


async def test_what_was_never_handed_over_is_not_taken_for_a_sighting(desk: Desk) -> None:
    """A call that was given back, tried again or refused left nothing to be seen."""
    ends: dict[str, tuple[Address, tuple[Any, ...]]] = {
        "retry": (ALICE, (PROBLEM, 60)),
        "refused": (BOB, (PROBLEM,)),
        "release": (CAROL, (60,)),
    }
    for end, (to, more) in ends.items():
        await desk.send(to)
        await getattr(desk.journal.calls, end)((await desk.claim(unseen=True)).call_id, ME, *more)
    assert (await desk.see(*(seen(TEXT, to, ref=end) for end, (to, _) in ends.items()))).own == 0
    assert await _elsewhere(desk) == [TEXT] * 3
    assert await desk.standing("key-3") == ["queued"]


async def test_only_copies_that_an_answer_names_as_taken_are_looked_for(desk: Desk) -> None:
    """Of the others nothing is to be seen."""
    await desk.send(ALICE, BOB)
    handed = (Handover(Fact.SUBMITTED_UNTRACKED), Handover(Fact.REFUSED, problem=PROBLEM))
    await desk.journal.calls.answered(
        (await desk.claim(unseen=True)).call_id, ME, CallAnswer(None, handed), first_look=None
    )
    assert (await desk.see(seen(TEXT, ALICE, ref="m-1"), seen(TEXT, BOB, ref="m-2"))).own == 1


async def test_a_sighting_by_its_id_needs_no_text(desk: Desk) -> None:
    """Landline tells the id in its answer; also where the provider has changed the text."""
    await desk.send()
    call = await desk.claim()
    handed = CallAnswer(None, (Handover(Fact.SUBMITTED, "m-1"),))
    await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)
    assert (await desk.see(seen("changed"))).own == 1
    assert await _elsewhere(desk) == []


async def test_a_sighting_by_the_calls_id_is_of_its_recipients(desk: Desk) -> None:
    """And of nobody else's."""
    await desk.sent(ALICE, BOB, ref="root")
    assert (await desk.see(seen("changed", BOB, ref="root"))).own == 1
    assert (await desk.see(seen("changed", CAROL, ref="root"))).own == 0


async def test_a_sighting_before_the_answer_waits_for_it(desk: Desk) -> None:
    """The answer tells the id, and then it is relay's own at once."""
    await desk.send()
    call = await desk.claim()
    assert (await desk.see(seen(fact=Fact.SUBMITTED))).own == 0
    assert (await desk.report(delivered("m-1"))).parked == 1
    assert (await desk.journal.queries.status())["sightings"] == 1
    handed = CallAnswer(None, (Handover(Fact.SUBMITTED, "m-1"),))
    await desk.journal.calls.answered(call.call_id, ME, handed, first_look=None)
    assert (await desk.journal.queries.status())["sightings"] == 0
    assert await desk.standing() == ["delivered"]
    assert await _elsewhere(desk) == []


async def test_a_sighting_of_a_call_under_way_waits_as_long_as_it_takes(desk: Desk) -> None:
    """However long after its grace; when the call is not answered, it settles it at once, and nothing is resent."""
    await desk.send(on_uncertain=OnUncertain.RESEND)
    call = await desk.claim(unseen=True)
    await desk.see(seen())
    for _ in range(10):
        assert await _elsewhere(desk) == []
    await desk.journal.calls.unanswered(call.call_id, ME, PROBLEM)
    assert await desk.standing() == ["submitted"]
    desk.clock.pass_(minutes=10)
    assert await desk.none_due()
    assert await _elsewhere(desk) == []


async def test_a_sighting_settles_what_a_kill_left_uncertain(desk: Desk) -> None:
    """A call cut by the kill is held against the sightings that came meanwhile."""
    await desk.send(on_uncertain=OnUncertain.RESEND)
    await desk.claim(unseen=True)
    await desk.see(seen())
    left = await desk.after_kill()
    await left.journal.calls.recover()
    assert await left.standing() == ["submitted"]
    assert await left.none_due()
    await left.journal.aclose()


async def test_after_a_kill_a_resend_waits_for_evidence(desk: Desk) -> None:
    """On a line that shows what it was given."""
    await desk.send(on_uncertain=OnUncertain.RESEND)
    await desk.claim(unseen=True)
    left = await desk.after_kill()
    await left.journal.calls.recover()
    left.clock.pass_(seconds=119)
    assert await left.none_due()
    assert (await left.see(seen())).own == 1
    await left.journal.aclose()


async def test_a_sighting_of_a_call_that_was_answered_otherwise_is_matched_later(desk: Desk) -> None:
    """Without an id in the answer, by its content, when its time comes."""
    await desk.send()
    call = await desk.claim(unseen=True)
    await desk.see(seen())
    await desk.hand_over(call, None, Fact.SUBMITTED_UNTRACKED, None)
    assert await _elsewhere(desk) == []
    assert (await desk.journal.queries.status())["sightings"] == 0


async def test_what_nobody_here_sent_is_published_after_two_minutes(desk: Desk) -> None:
    """With the message's body; every recipient is named."""
    sent_at = datetime(2026, 11, 21, 8, 59, tzinfo=UTC)
    picture = Part("image/png", "a.png", size=3, data=b"png")
    one = seen("On my way", ALICE, BOB, parts=(picture,), provider_time=sent_at, provider={"message_id": "m-1"})
    await desk.see(one)
    desk.clock.pass_(seconds=119)
    await desk.journal.upkeep.settle_sightings()
    assert await desk.events("event.sent-elsewhere") == []
    assert await _elsewhere(desk) == ["On my way"]
    [event] = await desk.events("event.sent-elsewhere")
    assert (event.line, event.subject, event.occurred_at) == (LINE, event.body["message_id"], sent_at)
    assert {**event.body, "message_id": None} == {
        "message_id": None,
        "from": None,
        "to": [ALICE.value, BOB.value],
        "address_kind": "e164",
        "text": "On my way",
        "subject": None,
        "media": [{"content_type": "image/png", "filename": "a.png", "bytes": 3, "data": "cG5n"}],
        "provider_time": "2026-11-21T08:59:00.000Z",
        "keyword": None,
        "opt_out_suspected": False,
        "duplicate_suspect": False,
        "provider": {"message_id": "m-1"},
    }


@pytest.mark.parametrize(
    ("sight", "own"),
    [
        (seen(TEXT + " "), 0),
        (seen("another text"), 0),
        (seen(TEXT, BOB), 0),
        (seen(TEXT, subject="Hello"), 1),
        (seen(TEXT, subject="Another"), 0),
        (seen(TEXT, subject=None), 1),
        (seen(None, parts=(Part("text/plain; charset=utf-8", data=TEXT.encode()),)), 1),
        (seen(None, parts=(Part("image/png", data=b"png"),)), 0),
    ],
)
async def test_the_content_is_compared_exactly(desk: Desk, sight: Sighting, own: int) -> None:
    """A subject counts where the sighting has one; an MMS may carry its text as a part."""
    await _in_doubt(desk, subject="Hello")
    assert (await desk.see(sight)).own == own


async def test_the_oldest_copy_is_meant(desk: Desk) -> None:
    """And each sighting takes one of them."""
    await _in_doubt(desk)
    await _in_doubt(desk)
    await desk.see(seen(ref="m-1"))
    assert [await desk.standing(key) for key in ("key-1", "key-2")] == [["submitted"], ["uncertain"]]
    await desk.see(seen(ref="m-2"))
    assert await desk.standing("key-2") == ["submitted"]


async def test_a_sighting_of_several_recipients_settles_the_copy_of_each(desk: Desk) -> None:
    """Those that are known; the id names none of them alone."""
    await desk.send(ALICE, BOB, CAROL)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    await desk.see(seen(TEXT, ALICE, CAROL))
    assert await desk.standing() == ["submitted", "uncertain", "submitted"]
    assert len(await desk.journal.dead.list(10)) == 1


async def test_a_sighting_counts_once(desk: Desk) -> None:
    """Whoever tells it, and after a restart."""
    await desk.see(seen())
    await desk.reopen()
    await desk.see(seen(), seen())
    assert await _elsewhere(desk) == [TEXT]


async def test_a_sighting_whose_parts_are_missing_is_fetched_unless_it_is_relays_own(desk: Desk) -> None:
    """What relay has sent itself need not be fetched."""
    await _in_doubt(desk)
    await desk.see(seen(has_parts=True, ref="m-1"), seen("A picture", has_parts=True, ref="m-2"))
    [arrival] = await desk.arriving()
    assert arrival.ref == "m-2"
    await desk.journal.arrivals.whole(arrival, seen("A picture", parts=(Part("image/png", data=b"x"),), ref="m-2"))
    assert await _elsewhere(desk) == ["A picture"]
    assert await desk.arriving() == []


@pytest.mark.parametrize("fact", [Fact.SUBMITTED, Fact.SUBMITTED_UNTRACKED])
@pytest.mark.parametrize("before", ["canceled", "expired", "failed", "delivered", "scheduled"])
async def test_a_sighting_of_a_copy_in_any_state_is_harmless(desk: Desk, before: str, fact: Fact) -> None:
    """Also where it comes too late to change anything."""
    await _in_doubt(desk, on_uncertain=OnUncertain.FAIL if before == "failed" else OnUncertain.RESEND, ttl=100)
    match before:
        case "canceled":
            await desk.journal.commands.cancel(LINE, None, "key-1", None, Reply())
        case "expired":
            desk.clock.pass_(seconds=100)
            await desk.journal.upkeep.expire()
        case "delivered":
            await desk.hand_over(await _due(desk), "SMS1", Fact.DELIVERED)
    assert (await desk.see(seen(fact=fact))).own == 1
    finals = [body["final"] for body in await desk.bodies("receipt")]
    assert finals.count(True) == (before != "scheduled" or fact is Fact.SUBMITTED_UNTRACKED)
    assert await _elsewhere(desk) == []


async def _due(desk: Desk) -> OutboundCall:
    desk.clock.pass_(seconds=60)
    return await desk.claim()


async def test_another_line_sees_nothing_of_it(desk: Desk) -> None:
    """Its copies are its own."""
    await _in_doubt(desk, line="alerts")
    kept = await desk.journal.raw.keep("desk", "hook", "send", "", (await desk.keep()).raw)
    assert (await desk.journal.raw.understood(kept, sightings=[seen()])).own == 0


async def test_a_flipped_bit_in_a_waiting_sighting_is_noticed(desk: Desk) -> None:
    """It is not taken for whole, and a person is told."""
    await desk.see(seen("On my way"))
    [row_id] = desk.place.column("sighting", "id")
    desk.place.flip_a_bit("sighting", "mail", row_id, b"On my way")
    assert await _elsewhere(desk) == []
    [listed] = await desk.journal.dead.list(10)
    assert (listed["kind"], listed["what"]) == ("damaged", "sighting")


async def test_a_trace_shows_a_sighting_that_waits(desk: Desk) -> None:
    """Without what it says and whom it went to."""
    await desk.see(seen("On my way"))
    [row_id] = desk.place.column("sighting", "id")
    [step] = await desk.journal.queries.trace(row_id)
    assert step == {
        "at": START,
        "what": "sighting",
        "sighting_id": row_id,
        "line": LINE,
        "ref": "m-1",
        "due_at": step["due_at"],
    }
