"""The texts of one conversation are handed over in the order in which they were accepted."""

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import OutboundCall, Priority
from relay.rules.line import LineRules, Rules
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, START, Desk
from tests.contract.journal.places import DATABASES, Place, ground


async def _texts(desk: Desk) -> list[str]:
    """What is claimed now, without being handed over."""
    found = []
    while (call := await desk.journal.calls.claim(LINE, ME)) is not None:
        found.append(call.text or "")
    return found


async def test_a_text_waits_until_the_one_before_it_is_handed_over(desk: Desk) -> None:
    """Then it goes at once; other conversations do not wait."""
    for words, to in (("a1", ALICE), ("a2", ALICE), ("b1", BOB), ("a3", ALICE)):
        await desk.send(to, text=words)
    first = await desk.claim()
    assert (first.text, await _texts(desk)) == ("a1", ["b1"])
    await desk.hand_over(first)
    second = await desk.claim()
    assert (second.text, await _texts(desk)) == ("a2", [])
    await desk.hand_over(second, "SMS2")
    assert await _texts(desk) == ["a3"]


async def test_only_the_conversation_waits_and_not_the_whole_call(desk: Desk) -> None:
    """The other recipients of the same text get it meanwhile."""
    await desk.send(ALICE, text="first")
    first = await desk.claim()
    await desk.send(ALICE, BOB, CAROL, text="to all")
    assert [to.address for to in (await desk.claim()).recipients] == [BOB, CAROL]
    await desk.hand_over(first)
    assert [to.address for to in (await desk.claim()).recipients] == [ALICE]


async def test_one_that_is_tried_again_goes_before_the_next(desk: Desk) -> None:
    """Also while it waits for its next try."""
    for words in ("a1", "a2"):
        await desk.send(text=words)
    await desk.journal.calls.retry((await desk.claim()).call_id, ME, PROBLEM, 30)
    assert await desk.none_due()
    desk.clock.pass_(seconds=30)
    first = await desk.claim()
    await desk.hand_over(first)
    assert (first.text, (await desk.claim()).text) == ("a1", "a2")


async def test_one_that_keeps_failing_lets_the_next_pass_after_five_tries(desk: Desk) -> None:
    """It blocks nobody for ever, not even its own conversation."""
    for words in ("a1", "a2"):
        await desk.send(text=words)
    for _ in range(5):
        call = await desk.claim()
        assert call.text == "a1"
        await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 30)
        desk.clock.pass_(seconds=30 if call.attempt < 5 else 0)
    assert await _texts(desk) == ["a2"]


async def test_a_text_whose_fate_is_unknown_holds_nobody_up(desk: Desk) -> None:
    """Nor does one that was refused, canceled or expired."""
    for words in ("a1", "a2", "a3"):
        await desk.send(text=words)
    await desk.journal.calls.unanswered((await desk.claim()).call_id, ME, PROBLEM)
    await desk.journal.calls.refused((await desk.claim()).call_id, ME, Problem(ErrorCode.PROVIDER_REFUSED, "no"))
    assert await _texts(desk) == ["a3"]


async def test_one_that_expires_while_it_is_tried_lets_the_next_pass_at_once(desk: Desk) -> None:
    """Whoever ends it wakes what waits behind it."""
    await desk.send(text="a1", ttl=20.0)
    await desk.send(text="a2")
    await desk.journal.calls.retry((await desk.claim()).call_id, ME, PROBLEM, 300)
    assert await desk.none_due()
    desk.clock.pass_(seconds=20)
    await desk.journal.upkeep.expire()
    assert await _texts(desk) == ["a2"]


async def test_one_for_later_does_not_hold_up_what_is_for_now(desk: Desk) -> None:
    """It has a time of its own."""
    await desk.send(text="tomorrow", send_at=START + timedelta(days=1))
    await desk.send(text="now")
    assert await _texts(desk) == ["now"]


async def test_a_one_time_password_overtakes_a_campaign_in_its_own_conversation(desk: Desk) -> None:
    """Lanes are orders of their own."""
    await desk.send(text="campaign", priority=Priority.BULK)
    await desk.claim()
    await desk.send(text="password", priority=Priority.HIGH)
    assert await _texts(desk) == ["password"]


async def test_a_text_that_waits_for_company_is_not_overtaken(desk: Desk) -> None:
    """It was accepted first, whatever it waits for."""
    desk.journal.follow(Rules({LINE: LineRules(LINE, company=20.0)}))
    await desk.send(text="first", size=2)
    await desk.send(text="second", size=1)
    assert await desk.none_due()
    desk.clock.pass_(seconds=20)
    first = await desk.claim()
    await desk.hand_over(first)
    assert (first.text, (await desk.claim()).text) == ("first", "second")


async def test_a_call_that_is_given_back_was_no_try(desk: Desk) -> None:
    """However long the line may not send: later texts do not pass because of it."""
    for words in ("a1", "a2"):
        await desk.send(text=words)
    for _ in range(7):
        call = await desk.claim()
        assert (call.text, call.attempt) == ("a1", 1)
        await desk.journal.calls.release(call.call_id, ME, 60)
        desk.clock.pass_(seconds=60)
    assert [one["attempt"] for one in await desk.copies("key-1")] == [0]


async def test_a_call_that_was_given_back_keeps_its_place(desk: Desk) -> None:
    """What came later does not overtake it because the line had to wait."""
    for words in ("a1", "a2"):
        await desk.send(text=words)
    await desk.journal.calls.release((await desk.claim()).call_id, ME, 60)
    assert await desk.journal.calls.next_due(LINE) == START + timedelta(seconds=60)
    desk.clock.pass_(seconds=60)
    assert (await desk.claim()).text == "a1"


async def test_the_order_survives_a_kill(desk: Desk) -> None:
    """What waits behind another is found again; the one before it is uncertain then, and holds nobody up."""
    for words in ("a1", "a2", "a3"):
        await desk.send(text=words)
    await desk.claim()
    assert await desk.none_due()
    left = await desk.after_kill()
    await left.journal.calls.recover()
    second = await left.claim()
    assert (second.text, await left.none_due()) == ("a2", True)
    await left.hand_over(second)
    assert (await left.claim()).text == "a3"
    await left.journal.aclose()


async def test_many_texts_to_one_number_are_sent_one_by_one(desk: Desk) -> None:
    """In their order, and none is looked at again before the one before it has gone."""
    await asyncio.gather(*(desk.send(text=str(place)) for place in range(80)))
    told = []
    for place in range(80):
        desk.clock.pass_(seconds=1)
        call = await desk.journal.calls.claim(LINE, ME)
        while call is None:
            call = await desk.journal.calls.claim(LINE, ME)
        told.append(call.text)
        await desk.hand_over(call, f"SMS{place}")
    assert told == [str(place) for place in range(80)]


ENDS = ("handed over", "retry", "release", "unanswered", "divide", "refused")
PEOPLE = (ALICE, BOB, CAROL)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3, unique=True)),
        st.tuples(st.just("claim"), st.just(None)),
        st.tuples(st.just("end"), st.sampled_from(ENDS)),
        st.tuples(st.just("pass"), st.sampled_from((0.5, 20.0, 61.0))),
    ),
    max_size=40,
)


@pytest.mark.parametrize("database", DATABASES)
@settings(deadline=None)
@given(steps=STEPS)
def test_in_whatever_order_things_happen_no_text_overtakes_another(database: str, steps: list[tuple[str, Any]]) -> None:
    """For every number the first tries come in the order of the requests."""
    with ground(database) as place:
        begun = asyncio.run(_begun(place, steps))
    for texts in begun.values():
        assert texts == sorted(texts)


async def _begun(place: Place, steps: list[tuple[str, Any]]) -> dict[str, list[str]]:
    """The texts to each number, in the order in which they were first tried."""
    desk = await Desk.at(place)
    flying: list[OutboundCall] = []
    begun: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for number, (what, how) in enumerate(steps):
        if what == "send":
            await desk.send(*how, text=f"{number:03d}")
        elif what == "claim" and (call := await desk.journal.calls.claim(LINE, ME)) is not None:
            flying.append(call)
            for to in call.recipients:
                begun[to.address.value].setdefault(to.copy_id, call.text or "")
        elif what == "end" and flying:
            await _end(desk, flying.pop(0), how)
        elif what == "pass":
            desk.clock.pass_(seconds=how)
    await desk.journal.aclose()
    return {number: list(texts.values()) for number, texts in begun.items()}


async def _end(desk: Desk, call: OutboundCall, how: str) -> None:
    if how == "handed over":
        await desk.hand_over(call)
        return
    more = {"retry": (PROBLEM, 5), "unanswered": (PROBLEM,), "refused": (PROBLEM,)}.get(how, ())
    await getattr(desk.journal.calls, how)(call.call_id, ME, *more)
