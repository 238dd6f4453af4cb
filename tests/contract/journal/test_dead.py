"""What was set aside: listed and shown, taken up again without loss or repetition, or given up."""

from typing import Any

import pytest
from pydantic_core import to_json

from relay.domain.messages import RawAnswer
from relay.domain.states import Fact
from relay.journal import KeptRaw, TakenUp, UnknownAside
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, PROBLEM, START, Desk, delivered, text

WHY = "no JSON object"


async def _set_aside(desk: Desk, why: str = WHY, source: str = "inbox") -> KeptRaw:
    kept = await desk.keep(source)
    await desk.journal.raw.set_aside(kept, why)
    return kept


async def _only(desk: Desk) -> str:
    """The id of the only thing that waits."""
    [listed] = await desk.journal.dead.list(10)
    return str(listed["id"])


async def _again(desk: Desk) -> KeptRaw:
    taken = await desk.journal.dead.again(await _only(desk))
    assert (taken.outcome, taken.kept is None) == ("read", False)
    assert taken.kept is not None
    return taken.kept


async def _refused_event(desk: Desk) -> Any:
    """An event that the broker can never take."""
    await desk.journal.events.announce(LINE, "read", {"number": 1})
    *_, (_, event) = await desk.journal.events.pending(0, 10)
    await desk.journal.events.set_aside(event.id, "too large")
    return event


async def _in_doubt(desk: Desk, *to: Any) -> None:
    await desk.send(*to, size=50)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)


async def test_everything_is_listed_in_order_and_by_pages(desk: Desk) -> None:
    """Oldest first, without any content."""
    raw = await _set_aside(desk)
    event = await _refused_event(desk)
    await _in_doubt(desk, ALICE)
    listed = await desk.journal.dead.list(10)
    assert [(one["kind"], one["what"], one["line"]) for one in listed] == [
        ("raw", "inbox", LINE),
        ("event", "event.read", LINE),
        ("uncertain", "uncertain", LINE),
    ]
    assert (listed[0]["raw_id"], listed[0]["why"], listed[0]["at"]) == (raw.id, WHY, START)
    assert listed[1]["event_id"] == event.id
    first = await desk.journal.dead.list(1)
    rest = await desk.journal.dead.list(10, after=first[0]["id"])
    assert [*first, *rest] == listed
    assert ALICE.value not in to_json(listed).decode()


async def test_each_is_shown_with_what_it_is_about(desk: Desk) -> None:
    """Here a person sees the content."""
    await _set_aside(desk)
    await _refused_event(desk)
    await _in_doubt(desk, ALICE)
    raw, event, copy = [await desk.journal.dead.show(one["id"]) for one in await desk.journal.dead.list(10)]
    assert raw is not None
    assert event is not None
    assert copy is not None
    assert raw["raw"] == {
        "source": "inbox",
        "event": "",
        "content_type": "application/json",
        "received_at": START,
        "body": "Ynl0ZXM=",
    }
    assert event["event"] == {"number": 1}
    assert (copy["copy"]["to"], copy["copy"]["status"]) == (ALICE.value, "uncertain")
    assert await desk.journal.dead.show("unheard of") is None


async def test_bytes_are_read_again_and_then_settled(desk: Desk) -> None:
    """They stay listed until they are understood; also over a kill in between."""
    await _set_aside(desk)
    kept = await _again(desk)
    assert kept.raw == RawAnswer(b"bytes", "application/json")
    left = await desk.after_kill()
    [unread] = await left.journal.raw.unread(LINE)
    assert unread == kept == await _again(left)
    assert (await left.journal.raw.understood(unread, messages=[text()])).messages == 1
    assert await left.journal.dead.list(10) == []
    assert (await left.journal.raw.understood(unread, messages=[text()])).messages == 0
    await left.journal.aclose()


async def test_bytes_that_cannot_be_read_again_are_listed_once(desk: Desk) -> None:
    """With the reason of now, and without another notice."""
    await _set_aside(desk)
    listed = await _only(desk)
    await desk.journal.raw.set_aside(await _again(desk), "another reason")
    [again] = await desk.journal.dead.list(10)
    assert (again["id"], again["why"]) == (listed, "another reason")
    assert len(await desk.events("dead")) == 1
    assert await desk.journal.raw.unread(LINE) == []


async def test_bytes_that_are_given_up_are_forgotten_in_time(desk: Desk) -> None:
    """And not read any more."""
    await _set_aside(desk)
    await desk.journal.dead.discard(await _only(desk))
    assert await desk.journal.dead.list(10) == []
    desk.clock.pass_(days=8)
    while await desk.journal.upkeep.purge():
        pass
    assert desk.place.rows("raw") == 0


async def test_an_event_is_published_again_under_its_id(desk: Desk) -> None:
    """Whoever publishes finds it behind what he has; it is the same event."""
    event = await _refused_event(desk)
    reached = await desk.journal.events.last_position()
    assert desk.journal.events.backlog() == 1
    assert await desk.journal.dead.again(await _only(desk)) == TakenUp("published")
    assert [one for _, one in await desk.journal.events.pending(reached, 10)] == [event]
    assert desk.journal.events.backlog() == 2
    assert await desk.journal.dead.list(10) == []
    await desk.reopen()
    assert desk.journal.events.backlog() == 2


async def test_an_event_that_is_refused_again_is_listed_again(desk: Desk) -> None:
    """As often as it is."""
    event = await _refused_event(desk)
    await desk.journal.dead.again(await _only(desk))
    await desk.journal.events.set_aside(event.id, "still too large")
    [listed] = await desk.journal.dead.list(10)
    assert listed["why"] == "still too large"


async def test_an_event_that_is_given_up_is_published_to_nobody(desk: Desk) -> None:
    """And forgotten in time."""
    event = await _refused_event(desk)
    await desk.journal.dead.discard(await _only(desk))
    assert event.id not in [one.id for _, one in await desk.journal.events.pending(0, 10)]
    await desk.journal.events.published([one.id for one in await desk.events()])
    desk.clock.pass_(days=8)
    while await desk.journal.upkeep.purge():
        pass
    assert desk.place.rows("event") == 0


async def test_an_uncertain_copy_is_sent_again_alone(desk: Desk) -> None:
    """What was handed over with it is not, nor what waits for its own decision."""
    await _in_doubt(desk, ALICE, BOB)
    first = (await desk.journal.dead.list(10))[0]["id"]
    assert await desk.journal.dead.again(first) == TakenUp("queued")
    call = await desk.claim()
    assert [to.address for to in call.recipients] == [ALICE]
    assert await desk.none_due()
    await desk.hand_over(call)
    assert await desk.standing() == ["submitted", "uncertain"]
    assert len(await desk.journal.dead.list(10)) == 1


async def test_an_uncertain_copy_beside_one_that_is_followed_is_sent_again(desk: Desk) -> None:
    """The reports of the other still find it."""
    await desk.send(ALICE, BOB)
    call = await desk.claim()
    await desk.journal.calls.unanswered(call.call_id, ME, PROBLEM)
    await desk.look(call.call_id, delivered("x", position=0, fact=Fact.SUBMITTED))
    assert await desk.standing() == ["submitted", "uncertain"]
    await desk.journal.dead.again(await _only(desk))
    await desk.hand_over(await desk.claim(), "SMS2")
    await desk.look(call.call_id, delivered("x", position=0))
    await desk.report(delivered("SMS2"))
    assert await desk.standing() == ["delivered", "delivered"]


async def test_an_uncertain_copy_that_is_given_up_has_failed(desk: Desk) -> None:
    """With its final receipt; nothing waits any more."""
    await _in_doubt(desk, ALICE)
    await desk.journal.dead.discard(await _only(desk))
    receipt = (await desk.bodies("receipt"))[-1]
    assert (receipt["status"], receipt["final"], receipt["error"]["code"]) == ("failed", True, "uncertain")
    assert await desk.journal.dead.list(10) == []
    assert (await desk.journal.queries.status())["lines"] == {}


async def test_what_evidence_has_settled_waits_for_nobody(desk: Desk) -> None:
    """It can be neither sent again nor given up."""
    await _in_doubt(desk, ALICE)
    aside_id = await _only(desk)
    call = (await desk.uncertain())[0]["call_id"]
    await desk.look(call, delivered("SMS1"))
    for verb in (desk.journal.dead.again, desk.journal.dead.discard):
        with pytest.raises(UnknownAside):
            await verb(aside_id)
    assert await desk.standing() == ["delivered"]
    assert await desk.none_due()


@pytest.mark.parametrize("kind", ["raw", "event", "uncertain"])
async def test_nothing_is_done_twice(desk: Desk, kind: str) -> None:
    """What is settled is not open; an id that never was is not, either."""
    match kind:
        case "raw":
            await _set_aside(desk)
        case "event":
            await _refused_event(desk)
        case _:
            await _in_doubt(desk, ALICE)
    aside_id = await _only(desk)
    await desk.journal.dead.discard(aside_id)
    told = len(await desk.events())
    for verb in (desk.journal.dead.again, desk.journal.dead.discard):
        for name in (aside_id, "unheard of"):
            with pytest.raises(UnknownAside):
                await verb(name)
    assert len(await desk.events()) == told
    shown = await desk.journal.dead.show(aside_id)
    assert shown is not None
    assert shown["state"] == "settled"


async def test_what_is_damaged_can_only_be_given_up(desk: Desk) -> None:
    """Bytes, events and messages that a disk has changed are not taken for whole."""
    kept = await _set_aside(desk)
    event = await _refused_event(desk)
    desk.place.flip_a_bit("raw", "body", kept.id, b"bytes")
    desk.place.flip_a_bit("event", "body", event.id, b"number")
    answer = await desk.send(text="damaged")
    desk.place.flip_a_bit("message", "content", str(answer.message_id), b"damaged")
    assert await desk.none_due()
    listed = await desk.journal.dead.list(10)
    assert [one["kind"] for one in listed] == ["raw", "event", "damaged"]
    for one in listed:
        with pytest.raises(UnknownAside, match="only be discarded"):
            await desk.journal.dead.again(one["id"])
        await desk.journal.dead.discard(one["id"])
    assert await desk.journal.dead.list(10) == []
