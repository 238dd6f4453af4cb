"""A person says what became of an uncertain copy: it ends by that, once, and what evidence tells later is late."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.domain.states import Fact
from relay.journal import UnknownAside, UnknownId
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, PROBLEM, Desk, delivered, seen


async def _in_doubt(desk: Desk, *to: Any, **wishes: Any) -> str:
    """A request whose call was not answered; the call's id."""
    await desk.send(*to, **wishes)
    call = await desk.claim()
    await desk.journal.calls.unanswered(call.call_id, ME, PROBLEM)
    return call.call_id


async def _last(desk: Desk) -> dict[str, Any]:
    return (await desk.bodies("receipt"))[-1]


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [(True, "submitted", "it was sent"), (False, "failed", "it was not sent")],
)
async def test_what_a_person_found_out_is_final(desk: Desk, sent: bool, status: str, detail: str) -> None:
    """With its one final receipt, which says by whom; nothing waits any more."""
    await _in_doubt(desk)
    [done] = await desk.journal.steering.resolve(["key-1"], sent=sent)
    assert done.as_body() == {"id": "key-1", "copies": 1, "left": []}
    receipt = await _last(desk)
    assert (receipt["status"], receipt["previous"], receipt["final"], receipt["late"]) == (
        status,
        "uncertain",
        True,
        False,
    )
    assert receipt["error"]["code"] == "uncertain"
    assert receipt["error"]["detail"] == f"resolved by an operator: {detail}"
    assert await desk.journal.dead.list(10) == []
    assert await desk.none_due()
    assert (await desk.journal.queries.status())["lines"] == {}


@pytest.mark.parametrize("sent", [True, False])
async def test_it_is_final_also_for_who_wants_no_other_receipts(desk: Desk, sent: bool) -> None:
    """`receipts: false` asks for the final one only."""
    await _in_doubt(desk, receipts=False)
    await desk.journal.steering.resolve(["key-1"], sent=sent)
    assert [body["final"] for body in await desk.bodies("receipt")] == [True]


@pytest.mark.parametrize("sent", [True, False])
async def test_a_receipt_that_comes_afterwards_is_late(desk: Desk, sent: bool) -> None:
    """The person was wrong, or not sure: who asked for the text is told what is true."""
    call_id = await _in_doubt(desk)
    await desk.journal.steering.resolve(["key-1"], sent=sent)
    await desk.report(delivered(call_id))
    receipt = await _last(desk)
    assert (receipt["status"], receipt["final"], receipt["late"]) == ("delivered", False, True)
    await desk.report(delivered(call_id, fact=Fact.UNDELIVERED))
    assert (await _last(desk)) == receipt


async def test_a_text_that_was_given_up_and_is_seen_is_told_late(desk: Desk) -> None:
    """The subscriber's mailbox shows it: it was sent after all."""
    await _in_doubt(desk)
    await desk.journal.steering.resolve(["key-1"], sent=False)
    await desk.see(seen())
    receipt = await _last(desk)
    assert (receipt["status"], receipt["previous"], receipt["late"]) == ("submitted", "failed", True)


async def test_a_text_that_was_given_up_and_was_refused_tells_nothing_new(desk: Desk) -> None:
    """It had failed already."""
    call_id = await _in_doubt(desk)
    await desk.journal.steering.resolve(["key-1"], sent=False)
    told = len(await desk.events())
    await desk.report(delivered(call_id, fact=Fact.REFUSED, problem=PROBLEM))
    assert len(await desk.events()) == told


async def test_only_what_is_uncertain_is_resolved(desk: Desk) -> None:
    """Everything else is left, with the reason; twice does no harm."""
    await _in_doubt(desk, ALICE)
    await desk.send(BOB)
    await desk.sent(text="another")
    done = await desk.journal.steering.resolve(["key-1", "key-2", "key-3"], sent=True)
    assert [one.copies for one in done] == [1, 0, 0]
    left = [[why.value for why, _ in one.left] for one in done]
    assert left == [[], ["handed_over"], ["not_uncertain"]]
    [again] = await desk.journal.steering.resolve(["key-1"], sent=False)
    assert (again.copies, [why.value for why, _ in again.left]) == (0, ["ended"])
    assert await desk.standing() == ["submitted"]


async def test_one_copy_of_a_call_is_resolved_alone(desk: Desk) -> None:
    """The others wait for their own decision."""
    await _in_doubt(desk, ALICE, BOB)
    first, second = sorted(one["copy_id"] for one in await desk.uncertain())
    await desk.journal.steering.resolve([first], sent=True)
    assert await desk.standing() == ["submitted", "uncertain"]
    assert [one["copy_id"] for one in await desk.journal.dead.list(10)] == [second]
    await desk.journal.steering.resolve([second], sent=False)
    assert await desk.standing() == ["submitted", "failed"]


async def test_a_group_is_resolved_as_a_whole(desk: Desk) -> None:
    """It is one text: it was sent or it was not."""
    await _in_doubt(desk, ALICE, BOB, group=True)
    first = (await desk.uncertain())[0]["copy_id"]
    [done] = await desk.journal.steering.resolve([first], sent=True)
    assert [why.value for why, _ in done.left] == ["group"]
    [done] = await desk.journal.steering.resolve(["key-1"], sent=True)
    assert (done.copies, await desk.standing()) == (2, ["submitted", "submitted"])


async def test_an_id_that_is_not_known_changes_nothing(desk: Desk) -> None:
    """All of the ids are looked for before anything is done; on another line it is not known."""
    await _in_doubt(desk)
    for ids, line in ((["key-1", "nothing"], None), (["key-1"], "office")):
        with pytest.raises(UnknownId):
            await desk.journal.steering.resolve(ids, line, sent=True)
    assert await desk.standing() == ["uncertain"]


async def test_it_is_on_disk_and_in_the_log(desk: Desk) -> None:
    """Who asks later what happened finds an operator's word, and no number."""
    await _in_doubt(desk)
    aside_id = (await desk.journal.dead.list(1))[0]["id"]
    with capture_logs() as logged:
        await desk.journal.steering.resolve(["key-1"], LINE, sent=True)
    [line] = [one for one in logged if one["event"] == "copy.resolved"]
    assert (line["line"], line["sent"]) == (LINE, True)
    assert ALICE.value not in str(logged)
    left = await desk.after_kill()
    assert await left.standing() == ["submitted"]
    for verb in (left.journal.dead.again, left.journal.dead.discard):
        with pytest.raises(UnknownAside):
            await verb(aside_id)
    await left.journal.aclose()
