"""A trace says why what waits does so, in words; also where copies of several requests travel in one call."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from relay.domain.messages import Priority
from relay.rules.hours import SendingHours
from relay.rules.line import LineRules, Rules
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, START, Desk

SEATTLE = ZoneInfo("America/Los_Angeles")


async def waits(desk: Desk, about: str) -> list[dict[str, Any]]:
    """The steps of a trace that say why something waits: its last ones."""
    steps = await desk.journal.queries.trace(about)
    found = [step for step in steps if step["what"] == "waits"]
    assert steps[len(steps) - len(found) :] == found
    return found


async def sentence(desk: Desk, about: str) -> str:
    """The only reason there is."""
    [found] = await waits(desk, about)
    return str(found["sentence"])


def rules(desk: Desk, **wanted: Any) -> None:
    """Let the line follow these rules."""
    desk.journal.follow(Rules({LINE: LineRules(LINE, zones=(SEATTLE,), **wanted)}))


async def test_the_time_that_was_wished(desk: Desk) -> None:
    """With everything that a program may ask for."""
    await desk.send(ALICE, BOB, key="k", send_at=START + timedelta(hours=1))
    [step] = await waits(desk, "k")
    assert step == {
        "at": START,
        "what": "waits",
        "call_id": step["call_id"],
        "line": LINE,
        "copies": 2,
        "why": "send_at",
        "until": START + timedelta(hours=1),
        "sentence": "waits for its time: it is to be sent at 2026-11-21T10:00Z",
    }


async def test_the_sending_hours(desk: Desk) -> None:
    """They open at eight o'clock in Seattle."""
    rules(desk, hours=SendingHours.parse("08:00-21:00"))
    await desk.send(key="k")
    assert await sentence(desk, "k") == "waits for its sending hours: they open 2026-11-21T16:00Z"


async def test_company(desk: Desk) -> None:
    """For as long as the line's setting says."""
    rules(desk, company=2.0)
    await desk.send(key="k")
    assert await sentence(desk, "k") == "waits up to 2s for others with the same words"


async def test_an_earlier_text_to_the_same_number(desk: Desk) -> None:
    """By the call that carries it; and a failed try of that one, with the reason."""
    await desk.send(text="one", key="first")
    await desk.send(text="two", key="second")
    call = await desk.claim()
    await desk.journal.calls.retry(call.call_id, ME, PROBLEM, 30)
    assert await desk.none_due()
    assert await sentence(desk, "second") == f"waits behind an earlier text to the same number (call {call.call_id})"
    tried = f"tried once, next try at 2026-11-21T09:00:30Z: {PROBLEM.detail}"
    assert await sentence(desk, "first") == await sentence(desk, call.call_id) == tried


async def test_an_operator(desk: Desk) -> None:
    """Since when, over whatever else; and the line besides."""
    copy_id = (await desk.send(key="k", send_at=START + timedelta(hours=1))).body["copies"][0]["copy_id"]
    desk.clock.pass_(minutes=5)
    await desk.journal.steering.hold(["k"])
    desk.clock.pass_(minutes=5)
    held = "held by an operator since 2026-11-21T09:05Z"
    assert await sentence(desk, copy_id) == held
    await desk.journal.steering.hold_line(LINE)
    line = "the line is held by an operator since 2026-11-21T09:10Z"
    assert await sentence(desk, copy_id) == f"{held}; besides, {line}"
    await desk.send(BOB, key="ready")
    assert await sentence(desk, "ready") == line
    [call] = [step for step in await desk.journal.queries.trace("k") if step["what"] == "call"]
    assert (call["due_at"], call["resume_at"], call["at"]) == (None, START + timedelta(hours=1), call["resume_at"])


async def test_the_limits_of_the_line(desk: Desk) -> None:
    """The pace, the day and the month."""
    rules(desk, calls_per_second=0.1)
    await desk.send(ALICE, text="one")
    await desk.send(BOB, text="two", key="k")
    await desk.claim()
    pace = "the line begins its next call at 2026-11-21T09:00:10Z, for its pace or as the provider asks"
    assert await sentence(desk, "k") == f"ready, waits for its turn: it is the next of its lane; {pace}"
    rules(desk, calls_per_day=1)
    assert await sentence(desk, "k") == "the line's calls of today are used up until 2026-11-22T00:00Z"
    rules(desk, calls_per_month=1)
    assert await sentence(desk, "k") == "the line's month of calls is used up until 2026-12-01T00:00Z"


async def test_its_turn(desk: Desk) -> None:
    """Only what is due, in the same lane, and before it counts."""
    for place, to in enumerate((ALICE, BOB, CAROL)):
        await desk.send(to, text=str(place), key=str(place))
    await desk.send(text="in the way", priority=Priority.HIGH)
    await desk.send(text="later", send_at=START + timedelta(hours=1))
    assert await sentence(desk, "0") == "ready, waits for its turn: it is the next of its lane"
    assert await sentence(desk, "2") == "ready, waits for its turn: 2 calls are before it in its lane"


async def test_what_does_not_wait_has_no_reason(desk: Desk) -> None:
    """Under way, uncertain or handed over."""
    await desk.send(key="k")
    call = await desk.claim()
    assert await waits(desk, "k") == []
    await desk.journal.calls.unanswered(call.call_id, ME, PROBLEM)
    assert await waits(desk, "k") == []
    await desk.journal.steering.retry(["k"])
    await desk.hand_over(await desk.claim())
    assert await waits(desk, "k") == []


async def test_a_call_that_two_requests_share_is_in_the_trace_of_both(desk: Desk) -> None:
    """Once in each; and the call's own trace has both messages."""
    await desk.send(ALICE, key="one")
    await desk.send(BOB, key="two")
    call = await desk.claim()
    for about, messages in (("one", 1), ("two", 1), (call.call_id, 2)):
        steps = await desk.journal.queries.trace(about)
        assert [step["call_id"] for step in steps if step["what"] == "call"] == [call.call_id]
        assert sum(step["what"] == "message" for step in steps) == messages


async def test_a_queue_that_is_shown_says_it_too(desk: Desk) -> None:
    """Each call with its sentence, each copy with its word."""
    await desk.send(ALICE, key="k", send_at=START + timedelta(hours=1))
    found = await desk.journal.queries.shown("k")
    [call], [copy] = found["calls"], found["copies"]
    assert call["sentence"] == await sentence(desk, "k")
    assert (copy["why"], copy["due_at"], copy["final"]) == ("send_at", START + timedelta(hours=1), False)
    desk.clock.pass_(hours=1)
    await desk.hand_over(await desk.claim())
    found = await desk.journal.queries.shown("k")
    [call], [copy] = found["calls"], found["copies"]
    assert (call["sentence"], call["stage"], copy["why"], copy["status"]) == (None, "followed", None, "submitted")
