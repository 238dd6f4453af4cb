"""Copies of the same words to many numbers travel together; each keeps its own id, status and receipts."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.domain.addresses import outbound
from relay.domain.messages import CallAnswer, Handover, MessageClass, OnUncertain, Priority, Reply
from relay.domain.states import Fact
from relay.rules.line import LineRules, Rules
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, START, Desk, delivered

NUMBERS = [outbound(f"+1206555{place:04d}") for place in range(1000, 1200)]
PATIENT = Rules({LINE: LineRules(LINE, company=5.0)})


async def test_requests_with_the_same_words_share_a_call(desk: Desk) -> None:
    """Up to the provider's limit."""
    answers = [await desk.send(to, size=3) for to in NUMBERS[:7]]
    assert all(answer.body["calls"] == 1 for answer in answers)
    carried = [[to.copy_id for to in (await desk.claim()).recipients] for _ in range(3)]
    assert [len(copies) for copies in carried] == [3, 3, 1]
    assert [copy_id for copies in carried for copy_id in copies] == [f"{answer.message_id}-0" for answer in answers]
    assert await desk.none_due()


async def test_a_request_fills_a_call_that_waits_before_it_begins_its_own(desk: Desk) -> None:
    """So few are half empty."""
    await desk.send(*NUMBERS[:2], size=3)
    assert (await desk.send(*NUMBERS[2:4], size=3)).body["calls"] == 2
    assert [len((await desk.claim()).recipients) for _ in range(2)] == [3, 1]


async def test_each_copy_has_its_own_status_and_receipt(desk: Desk) -> None:
    """Under its own request, with its own metadata."""
    for key, to in (("a", ALICE), ("b", BOB), ("c", CAROL)):
        await desk.send(to, key=key, client=None if key == "a" else "shop", metadata={"for": key})
    call = await desk.claim()
    handed = (Handover(Fact.SUBMITTED, "r1"), Handover(Fact.REFUSED, problem=PROBLEM), Handover(Fact.SUBMITTED, "r3"))
    await desk.journal.calls.answered(call.call_id, ME, CallAnswer("SMS1", handed), first_look=15)
    await desk.report(delivered("r3"))
    told = [
        (one.client, one.body["request_id"], one.body["status"], one.body["metadata"], one.sequence)
        for one in await desk.events("receipt")
    ]
    assert told == [
        (None, "a", "submitted", {"for": "a"}, 2),
        ("shop", "b", "failed", {"for": "b"}, 2),
        ("shop", "c", "submitted", {"for": "c"}, 2),
        ("shop", "c", "delivered", {"for": "c"}, 3),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Other words"},
        {"subject": "Hello"},
        {"priority": Priority.HIGH},
        {"message_class": MessageClass.URGENT},
        {"expires_at": START + timedelta(hours=2)},
        {"ttl": 60.0},
        {"receipts": False},
        {"on_uncertain": OnUncertain.FAIL},
        {"send_at": START + timedelta(hours=1)},
        {"group": True},
        {"line": "other"},
    ],
)
async def test_what_differs_never_travels_together(desk: Desk, other: dict[str, Any]) -> None:
    """Another line, lane, class, expiry, time, wish or word: another call."""
    await desk.send(ALICE)
    await desk.send(BOB, **other)
    desk.clock.pass_(hours=1 if "send_at" in other else 0)
    calls = [await desk.journal.calls.claim(line, ME) for line in (LINE, LINE, "other")]
    assert sorted(len(call.recipients) for call in calls if call) == [1, 1]


async def test_the_same_number_is_never_twice_in_a_call(desk: Desk) -> None:
    """The provider refuses that, and could not tell the two apart."""
    for _ in range(3):
        await desk.send(ALICE)
    await desk.send(BOB)
    first = await desk.claim()
    assert [to.address for to in first.recipients] == [ALICE]
    assert [to.address for to in (await desk.claim()).recipients] == [BOB]
    assert await desk.none_due()
    await desk.hand_over(first)
    assert [to.address for to in (await desk.claim()).recipients] == [ALICE]


async def test_groups_are_never_joined(desk: Desk) -> None:
    """Everybody in a group sees the others."""
    await desk.send(ALICE, BOB, group=True)
    await desk.send(CAROL, group=True)
    assert [len((await desk.claim()).recipients) for _ in range(2)] == [2, 1]


async def test_a_call_that_was_made_takes_no_company(desk: Desk) -> None:
    """Neither on its way nor when it waits to be made again."""
    await desk.send(ALICE)
    call = await desk.claim()
    await desk.send(BOB)
    await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 0)
    await desk.send(CAROL)
    assert [[to.address for to in (await desk.claim()).recipients] for _ in range(2)] == [[ALICE], [BOB, CAROL]]


async def test_a_text_waits_for_company_as_long_as_the_line_says(desk: Desk) -> None:
    """Others with the same words go with it; then it goes."""
    desk.journal.follow(PATIENT)
    await desk.send(ALICE, size=3)
    desk.clock.pass_(seconds=3)
    await desk.send(BOB, size=3)
    assert await desk.none_due()
    assert await desk.journal.calls.next_due(LINE) == START + timedelta(seconds=5)
    desk.clock.pass_(seconds=2)
    assert len((await desk.claim()).recipients) == 2


async def test_a_full_call_waits_no_longer(desk: Desk) -> None:
    """There is nobody left to wait for."""
    desk.journal.follow(PATIENT)
    for to in (ALICE, BOB, CAROL):
        await desk.send(to, size=3)
    assert len((await desk.claim()).recipients) == 3


async def test_what_is_urgent_does_not_wait_for_company(desk: Desk) -> None:
    """A one-time password goes at once."""
    desk.journal.follow(PATIENT)
    await desk.send(ALICE, priority=Priority.HIGH)
    assert len((await desk.claim()).recipients) == 1


async def test_a_cancel_stops_its_own_copies_only(desk: Desk) -> None:
    """What travels with them goes on."""
    await desk.send(ALICE, key="a")
    await desk.send(BOB, key="b")
    answer = await desk.journal.commands.cancel(LINE, None, "a", None, Reply())
    assert (answer.outcome, await desk.standing("b")) == ("canceled", ["queued"])
    assert [to.address for to in (await desk.claim()).recipients] == [BOB]
    assert (await desk.journal.commands.cancel(LINE, None, "b", None, Reply())).outcome == "rejected"


async def test_the_words_stay_while_a_copy_needs_them(desk: Desk) -> None:
    """The request whose words a call was made with may be forgotten long before another one's copy is sent."""
    at = START + timedelta(days=30)
    await desk.send(ALICE, key="a", send_at=at)
    await desk.send(BOB, key="b", send_at=at)
    await desk.journal.commands.cancel(LINE, None, "a", None, Reply())
    desk.clock.pass_(days=20)
    while await desk.journal.upkeep.purge():
        pass
    assert (await desk.journal.commands.lookup(LINE, None, "a", None, Reply())).outcome == "rejected"
    desk.clock.pass_(days=10)
    call = await desk.claim()
    assert ([to.address for to in call.recipients], call.text) == ([BOB], "Your order is on its way.")


async def test_an_unanswered_call_leaves_every_copy_of_it_uncertain(desk: Desk) -> None:
    """Each under its own request, and one notice for the call."""
    for key, to in (("a", ALICE), ("b", BOB)):
        await desk.send(to, key=key)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    assert [await desk.standing(key) for key in ("a", "b")] == [["uncertain"], ["uncertain"]]
    assert [body["copies"] for body in await desk.bodies("dead")] == [2]
    asides = await desk.journal.dead.list(10)
    await desk.journal.dead.again(asides[1]["id"])
    assert [to.address for to in (await desk.claim()).recipients] == [BOB]


async def test_a_thousand_requests_are_twenty_calls(desk: Desk) -> None:
    """As many as fit into a call travel in it."""
    rules = replace(PATIENT.of(LINE), company=60.0)
    desk.journal.follow(Rules({LINE: rules}))
    await asyncio.gather(*(desk.send(outbound(f"+1206556{place:04d}")) for place in range(1000)))
    carried = [len((await desk.claim()).recipients) for _ in range(20)]
    assert (carried, await desk.none_due()) == ([50] * 20, True)
