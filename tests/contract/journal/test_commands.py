"""Commands: one answer each, on disk with what it answers for."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from relay.domain.addresses import outbound
from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import Plan, Priority, Reply, SendRequest
from relay.domain.states import Fact
from relay.journal.callrows import COPIES_AT_ONCE
from tests.contract.journal.conftest import Open
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, START, Desk

OPTED_OUT = Problem(ErrorCode.OPTED_OUT, "this number has opted out")
REPLY = Reply("reply/me", b"\x00\xff", "00-abc-def-01")


async def test_an_accepted_request_is_answered_as_the_contract_says(desk: Desk) -> None:
    """Every field of section 4, under the message's subject, as its first event, to whoever asked."""
    answer = await desk.send(ALICE, BOB, CAROL, size=2, ref="r", metadata={"a": [1]}, client="shop", reply=REPLY)
    [event] = await desk.events("result")
    assert (event.line, event.client, event.sequence, event.reply) == (LINE, "shop", 1, REPLY)
    assert (event.subject, event.body) == (answer.message_id, answer.body)
    assert answer.body == {
        "request_id": "key-1",
        "message_id": answer.message_id,
        "outcome": "accepted",
        "replayed": False,
        "idempotent": True,
        "copies": [
            {"to": address.value, "copy_id": f"{answer.message_id}-{place}", "status": "queued"}
            for place, address in enumerate((ALICE, BOB, CAROL))
        ],
        "encoding": "gsm-7",
        "segments": 1,
        "sent_as": "sms",
        "calls": 2,
        "ref": "r",
        "error": None,
        "metadata": {"a": [1]},
    }


async def test_an_accepted_request_survives_a_kill(desk: Desk) -> None:
    """With its key, its copies, its calls and its answer."""
    answer = await desk.send(ALICE, BOB)
    left = await desk.after_kill()
    assert [event.body for event in await left.events()] == [answer.body]
    assert await left.standing() == ["queued", "queued"]
    assert [to.address for to in (await left.claim()).recipients] == [ALICE, BOB]
    await left.journal.aclose()


async def test_the_same_key_and_body_answer_with_the_first_result(desk: Desk) -> None:
    """Replayed, with the present ref and the statuses of the first time; nothing is sent again."""
    first = await desk.send(key="k", ref="one")
    await desk.hand_over(await desk.claim())
    await desk.reopen()
    again = await desk.send(key="k", ref="two")
    assert (again.replayed, again.outcome, again.message_id) == (True, "accepted", first.message_id)
    assert again.body == {**first.body, "replayed": True, "ref": "two"}
    assert await desk.none_due()
    assert [event.sequence for event in await desk.events()] == [1, 2, 3]


async def test_the_same_key_with_another_body_is_a_conflict(desk: Desk) -> None:
    """And changes nothing."""
    await desk.send(key="k")
    answer = await desk.send(BOB, key="k", digest="other")
    assert (answer.outcome, answer.message_id, answer.body["error"]["code"]) == ("rejected", None, "conflict")
    assert [to.address for to in (await desk.claim()).recipients] == [ALICE]
    assert await desk.none_due()


async def test_a_key_belongs_to_its_line_and_client(desk: Desk) -> None:
    """Others may use the same."""
    answers = [
        await desk.send(key="k"),
        await desk.send(key="k", client="shop"),
        await desk.send(key="k", line="other"),
    ]
    assert len({answer.message_id for answer in answers}) == 3
    assert not any(answer.replayed for answer in answers)


async def test_a_request_without_a_key_gets_one(desk: Desk) -> None:
    """It is not idempotent, says so, and can be looked up."""
    first, second = await desk.send(key=None), await desk.send(key=None)
    assert first.message_id != second.message_id
    assert first.body["idempotent"] is False
    assert await desk.standing(first.body["request_id"]) == ["queued"]


async def test_the_broker_s_redelivery_of_a_request_without_a_key_is_recognised(desk: Desk) -> None:
    """By its bytes, and only where the broker says that it delivers again."""
    first = await desk.send(key=None, raw_digest="bytes")
    again = await desk.send(key=None, raw_digest="bytes", redelivered=True)
    assert (again.replayed, again.message_id) == (True, first.message_id)
    assert (await desk.send(key=None, raw_digest="bytes", redelivered=False)).replayed is False
    assert (await desk.send(key=None, raw_digest="others", redelivered=True)).replayed is False
    assert (await desk.send(key=None, raw_digest="bytes", redelivered=True, client="shop")).replayed is False


async def test_what_the_broker_will_not_deliver_again_is_not_recognised(desk: Desk) -> None:
    """Who says the same again means another; and other requests are left as they are."""
    first = await desk.send(key=None, raw_digest="bytes")
    await desk.send(key=None, raw_digest="others")
    await desk.journal.commands.acknowledged([str(first.message_id)])
    assert (await desk.send(key=None, raw_digest="bytes", redelivered=True)).replayed is False
    assert (await desk.send(key=None, raw_digest="others", redelivered=True)).replayed is True


async def test_a_redelivery_is_recognised_as_long_as_the_broker_keeps_the_session(desk: Desk) -> None:
    """However long relay was away; what was said longer ago than that is another request."""
    await desk.send(key=None, raw_digest="bytes")
    desk.clock.pass_(days=6, hours=23)
    assert (await desk.send(key=None, raw_digest="bytes", redelivered=True)).replayed is True
    desk.clock.pass_(hours=1, seconds=1)
    assert (await desk.send(key=None, raw_digest="bytes", redelivered=True)).replayed is False


async def test_copies_refused_at_acceptance_stand_in_the_result(desk: Desk) -> None:
    """As failed, with their error; they are in no call, and no receipt follows."""
    answer = await desk.send(ALICE, BOB, CAROL, size=2, refusals=[None, OPTED_OUT, None])
    assert [one["status"] for one in answer.body["copies"]] == ["queued", "failed", "queued"]
    assert answer.body["copies"][1]["error"] == OPTED_OUT.as_body()
    assert answer.body["calls"] == 1
    assert [to.address for to in (await desk.claim()).recipients] == [ALICE, CAROL]
    assert await desk.events("receipt") == []


async def test_a_request_whose_copies_are_all_refused_is_accepted(desk: Desk) -> None:
    """It binds its key, and there is nothing to send."""
    answer = await desk.send(refusals=[OPTED_OUT])
    assert (answer.outcome, answer.body["calls"]) == ("accepted", 0)
    assert await desk.none_due()
    assert (await desk.send(key="key-1", refusals=[OPTED_OUT])).replayed is True


async def test_too_many_waiting_copies_reject_a_request_and_bind_no_key(open_journal: Open) -> None:
    """Room that was made is room again, also after a restart."""
    desk = await open_journal(waiting_copies=3)
    await desk.send(ALICE, BOB)
    refused = await desk.send(ALICE, BOB, key="k")
    assert (refused.outcome, refused.body["error"]["code"]) == ("rejected", "queue_full")
    assert (await desk.send(CAROL)).outcome == "accepted"
    call = await desk.claim()
    assert (await desk.send(key="k")).outcome == "rejected"
    await desk.hand_over(call)
    assert (await desk.send(ALICE, BOB, CAROL, key="k")).outcome == "accepted"
    await desk.journal.aclose()
    desk = await open_journal(desk.clock, waiting_copies=3)
    assert (await desk.send(key="another")).body["error"]["code"] == "queue_full"


async def test_a_request_for_later_is_scheduled(desk: Desk) -> None:
    """Until its time has come."""
    answer = await desk.send(send_at=START + timedelta(hours=1))
    assert [one["status"] for one in answer.body["copies"]] == ["scheduled"]
    assert await desk.none_due()
    assert await desk.journal.calls.next_due(LINE) == START + timedelta(hours=1)
    desk.clock.pass_(hours=1)
    await desk.claim()
    assert await desk.standing() == ["sending"]


async def test_a_request_that_ends_before_it_begins_is_rejected(desk: Desk) -> None:
    """Only acceptance can tell: the time to live runs from there."""
    answer = await desk.send(send_at=START + timedelta(hours=1), ttl=600)
    assert (answer.outcome, answer.body["error"]["code"]) == ("rejected", "invalid_request")


@pytest.mark.parametrize("line", [LINE, None])
async def test_a_command_without_effect_is_answered(desk: Desk, line: str | None) -> None:
    """With the problem, also where it names no line."""
    answer = await desk.journal.commands.reject(line, "shop", "k", "r", PROBLEM, REPLY, {"a": 1})
    [event] = await desk.events("result")
    assert (event.line, event.client, event.reply, event.sequence) == (line, "shop", REPLY, 1)
    assert (answer.outcome, answer.message_id, answer.replayed) == ("rejected", None, False)
    expected = {"outcome": "rejected", "request_id": "k", "ref": "r", "error": PROBLEM.as_body(), "metadata": {"a": 1}}
    assert {name: event.body[name] for name in expected} == expected


async def test_a_check_is_answered_and_nothing_is_kept(desk: Desk) -> None:
    """The result says what would become of the request."""
    request = SendRequest(LINE, None, "k", "d", (ALICE, BOB, CAROL), "Hello", ref="r")
    answer = await desk.journal.commands.checked(request, Plan("ucs-2", 2, 1), [None, OPTED_OUT, None])
    check = answer.body["check"]
    assert (answer.outcome, answer.body["request_id"], answer.body["ref"]) == ("checked", "k", "r")
    assert {name: check[name] for name in ("encoding", "segments", "calls", "sent_as")} == {
        "encoding": "ucs-2",
        "segments": 2,
        "calls": 2,
        "sent_as": "sms",
    }
    assert [one["status"] for one in check["copies"]] == ["queued", "failed", "queued"]
    assert await desk.none_due()
    assert (await desk.send(key="k")).replayed is False


async def test_a_lookup_tells_how_the_copies_stand(desk: Desk) -> None:
    """As they are now, with what went wrong."""
    await desk.send(ALICE, BOB, key="k", size=1, metadata={"a": 1}, client="shop")
    await desk.hand_over(await desk.claim(), fact=Fact.DELIVERED)
    await desk.journal.calls.refused((await desk.claim()).call_id, ME, PROBLEM)
    answer = await desk.journal.commands.lookup(LINE, "shop", "k", "r", REPLY)
    assert (answer.outcome, answer.body["ref"], answer.body["metadata"]) == ("found", "r", {"a": 1})
    shown: list[dict[str, Any]] = answer.body["copies"]
    assert [(one["to"], one["status"], one["final"], one["confirmed"], one["attempt"]) for one in shown] == [
        (ALICE.value, "delivered", True, True, 1),
        (BOB.value, "failed", True, None, 1),
    ]
    assert [one["error"] for one in shown] == [None, PROBLEM.as_body()]
    assert (await desk.events("result"))[-1].reply == REPLY


@pytest.mark.parametrize("verb", ["lookup", "cancel"])
async def test_an_unknown_id_is_rejected(desk: Desk, verb: str) -> None:
    """Another client's id is unknown too."""
    await desk.send(key="k")
    answer = await getattr(desk.journal.commands, verb)(LINE, "shop", "k", None, Reply())
    assert (answer.outcome, answer.body["error"]["code"]) == ("rejected", "unknown_id")


async def _cancel(desk: Desk, key: str = "key-1") -> Any:
    return await desk.journal.commands.cancel(LINE, None, key, None, Reply())


async def test_a_cancel_stops_what_waits_and_names_what_it_cannot_stop(desk: Desk) -> None:
    """With a final receipt for each copy that was stopped, and none for the others."""
    await desk.send(ALICE, BOB, CAROL, size=1)
    in_flight = await desk.claim()
    answer = await _cancel(desk)
    assert answer.outcome == "canceled"
    assert [(one["status"], one["error"] and one["error"]["code"]) for one in answer.body["copies"]] == [
        ("sending", "too_late"),
        ("canceled", None),
        ("canceled", None),
    ]
    receipts = await desk.bodies("receipt")
    assert [(body["to"], body["status"], body["final"]) for body in receipts] == [
        (BOB.value, "canceled", True),
        (CAROL.value, "canceled", True),
    ]
    assert await desk.none_due()
    assert await desk.hand_over(in_flight)


async def test_a_cancel_of_what_is_handed_over_is_too_late(desk: Desk) -> None:
    """The result shows where the copies are."""
    await desk.sent()
    answer = await _cancel(desk)
    assert (answer.outcome, answer.body["error"]["code"]) == ("rejected", "too_late")
    assert [one["status"] for one in answer.body["copies"]] == ["submitted"]


MANY = [outbound(f"+1206{2_000_000 + number}") for number in range(1_200)]


async def test_while_many_copies_are_canceled_others_write(desk: Desk) -> None:
    """What is handed in meanwhile does not wait for the last copy; the answer tells of all, and each is told once."""
    await desk.send(*MANY, size=10)
    canceling = asyncio.ensure_future(_cancel(desk))
    before = desk.journal.commits
    await desk.journal.listen("events").wait()
    await desk.journal.memory("others").put("key", b"")
    assert not canceling.done()
    answer = await canceling
    assert desk.journal.commits - before > len(MANY) / COPIES_AT_ONCE
    assert (answer.outcome, {one["status"] for one in answer.body["copies"]}) == ("canceled", {"canceled"})
    assert [one["to"] for one in answer.body["copies"]] == [to.value for to in MANY]
    assert Counter(body["to"] for body in await desk.bodies("receipt")) == Counter(to.value for to in MANY)
    assert [event.kind for event in await desk.events()][-1] == "result"
    assert await desk.none_due()


async def test_a_cancel_that_is_cut_off_goes_on_where_it_was(desk: Desk) -> None:
    """The broker delivers it again: what was canceled stays so, what was sent meanwhile is too late, the rest ends."""
    await desk.send(*MANY, size=10)
    canceling = asyncio.ensure_future(_cancel(desk))
    await desk.journal.listen("events").wait()
    canceling.cancel()
    await asyncio.gather(canceling, return_exceptions=True)
    call = await desk.claim()
    desk = await desk.after_kill()
    try:
        assert {"queued", "canceled"} <= set(await desk.standing())
        answer = await _cancel(desk)
        sent = len(call.recipients)
        found = Counter(one["status"] for one in answer.body["copies"])
        assert (answer.outcome, found["canceled"]) == ("canceled", len(MANY) - sent)
        assert found.keys() - {"canceled"} <= {"sending", "uncertain"}
        ended = Counter(body["to"] for body in await desk.bodies("receipt") if body["status"] == "canceled")
        assert set(ended.values()) == {1}
        assert len(ended) == len(MANY) - sent
        assert await desk.none_due()
    finally:
        await desk.journal.aclose()


async def test_a_cancel_that_is_delivered_again_finds_its_work_done(desk: Desk) -> None:
    """It is answered alike, and no receipt is told twice."""
    await desk.send(ALICE, BOB)
    assert [(await _cancel(desk)).outcome, (await _cancel(desk)).outcome] == ["canceled", "canceled"]
    assert await desk.statuses() == ["canceled", "canceled"]


async def test_a_canceled_request_leaves_nothing_that_waits(desk: Desk) -> None:
    """Nobody is woken for it at the time for which it was scheduled."""
    await desk.send(ALICE, BOB, size=1, send_at=START + timedelta(hours=1))
    await _cancel(desk)
    assert await desk.journal.calls.next_due(LINE) is None
    assert (await desk.journal.queries.status())["lines"] == {}


async def test_a_copy_that_waits_to_be_tried_again_can_be_canceled(desk: Desk) -> None:
    """It is sending, and no call is under way."""
    await desk.send()
    await desk.journal.calls.retry((await desk.claim()).call_id, ME, PROBLEM, 60)
    assert await desk.standing() == ["sending"]
    assert (await _cancel(desk)).outcome == "canceled"
    desk.clock.pass_(minutes=2)
    assert await desk.none_due()


async def test_a_request_for_many_recipients_becomes_calls_of_the_provider_s_size(desk: Desk) -> None:
    """In their order, high priority first."""
    many = tuple(outbound(f"+1206555{number:04d}") for number in range(120))
    await desk.send(*many)
    await desk.send(BOB, priority=Priority.HIGH)
    calls = [await desk.claim() for _ in range(4)]
    assert [len(call.recipients) for call in calls] == [1, 50, 50, 20]
    assert [to.address for call in calls[1:] for to in call.recipients] == list(many)


async def test_a_command_that_was_done_elsewhere_is_answered(desk: Desk) -> None:
    """With what the provider showed; exactly one answer, at the asker's topics."""
    page = {"messages": [], "total": 0, "offset": 0}
    answer = await desk.journal.commands.told(LINE, "shop", "r", REPLY, "found", request_id="k", page=page)
    [event] = await desk.events("result")
    assert event.body == answer.body
    assert (event.client, event.reply) == ("shop", REPLY)
    assert (answer.outcome, answer.message_id, answer.replayed) == ("found", None, False)
    assert (answer.body["page"], answer.body["ref"], answer.body["request_id"]) == (page, "r", "k")
    done = await desk.journal.commands.told(LINE, None, None, REPLY, "done")
    assert (done.outcome, done.body["error"], "page" in done.body) == ("done", None, False)


async def test_how_it_will_be_sent_is_said(desk: Desk) -> None:
    """SMS or MMS, in the result of a request and of a check."""
    answer = await desk.send(plan=Plan("gsm-7", 1, 50, sent_as="mms"))
    assert answer.body["sent_as"] == "mms"
