"""What people and monitors ask: counted by line, traced by any id, and never a text or a number."""

from typing import Any

import pytest
from pydantic_core import to_json

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import Priority
from relay.domain.states import Fact
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, START, Desk, delivered, text

NO_ANSWER = Problem(ErrorCode.UNCERTAIN, "no answer came")
SECRETS = ("a secret text", "+1206", "206555")


async def _busy(desk: Desk) -> dict[str, Any]:
    """A journal with one of everything; gives the ids of a message and what belongs to it."""
    answer = await desk.send(ALICE, BOB, CAROL, size=1, text="a secret text", key="k")
    first = await desk.claim()
    await desk.hand_over(first)
    second = await desk.claim()
    await desk.journal.calls.unanswered(second.call_id, ME, NO_ANSWER)
    await desk.receive(text("a secret text"))
    await desk.keep()
    await desk.journal.raw.set_aside(await desk.keep("hook"), "unreadable")
    await desk.report(delivered("sent elsewhere"))
    return {
        "request": "k",
        "message": answer.message_id,
        "copy": answer.body["copies"][1]["copy_id"],
        "call": first.call_id,
        "aside": (await desk.journal.dead.list(1))[0]["id"],
    }


async def test_status_counts_what_waits(desk: Desk) -> None:
    """By line and in all; it can be written as JSON."""
    await _busy(desk)
    status = await desk.journal.queries.status()
    assert status["lines"] == {
        LINE: {
            "calls": {"waiting": 1, "in_flight": 0, "followed": 1},
            "oldest_due": START,
            "copies": {"queued": 1, "submitted": 1, "uncertain": 1},
            "arrivals": 0,
        }
    }
    assert (status["unread"], status["asides"], status["parked"]) == (1, 2, 1)
    assert status["unpublished"] == desk.journal.events.backlog() == len(await desk.events())
    assert b"oldest_due" in to_json(status)


async def test_an_empty_journal_has_an_empty_status(desk: Desk) -> None:
    """Nothing is open."""
    status = await desk.journal.queries.status()
    assert status["lines"] == {}
    assert [status[name] for name in ("unread", "unpublished", "asides", "parked")] == [0, 0, 0, 0]


@pytest.mark.parametrize("kind", ["request", "message", "copy", "call", "aside"])
async def test_a_trace_tells_the_whole_life_by_any_id(desk: Desk, kind: str) -> None:
    """In the order of time, without any text or number."""
    ids = await _busy(desk)
    steps = await desk.journal.queries.trace(ids[kind])
    assert {step["what"] for step in steps} >= {"message", "copy", "call", "result", "receipt", "aside"}
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    shown = to_json(steps).decode()
    assert not [secret for secret in SECRETS if secret in shown]


async def test_a_trace_of_kept_bytes_tells_why_they_are_aside(desk: Desk) -> None:
    """By the id that the notice names."""
    await desk.journal.raw.set_aside(await desk.keep("hook", event="receive"), "no JSON object")
    [notice] = await desk.bodies("dead")
    steps = await desk.journal.queries.trace(notice["id"])
    assert [(step["what"], step.get("why")) for step in steps] == [("raw", None), ("aside", "no JSON object")]


async def test_a_trace_of_an_unknown_id_is_empty(desk: Desk) -> None:
    """Also of a hostile one."""
    await _busy(desk)
    assert await desk.journal.queries.trace("' OR 1=1 --\0\ud800") == []


async def test_notices_and_lists_hold_no_content(desk: Desk) -> None:
    """Neither a text nor a number."""
    await _busy(desk)
    await desk.report(delivered(fact=Fact.DELIVERED))
    shown = to_json([await desk.journal.dead.list(10), await desk.bodies("dead")]).decode()
    shown += to_json(await desk.uncertain()).decode()
    assert not [secret for secret in SECRETS if secret in shown]


async def test_the_oldest_text_of_a_line_may_be_in_any_lane(desk: Desk) -> None:
    """It is looked for in each of them; what is held until further notice is not due at all."""
    await desk.send(key="held")
    await desk.journal.steering.hold(["held"])
    assert (await desk.journal.queries.gauges()).waits_since == {}
    desk.clock.pass_(minutes=1)
    oldest = desk.clock.now()
    for priority in (Priority.BULK, Priority.HIGH, Priority.NORMAL):
        await desk.send(priority=priority)
        desk.clock.pass_(minutes=1)
    assert (await desk.journal.queries.gauges()).waits_since == {LINE: oldest}
    assert (await desk.journal.queries.status())["lines"][LINE]["oldest_due"] == oldest


async def test_what_nobody_has_read_yet_is_counted(desk: Desk) -> None:
    """Neither what was read, nor what was set aside."""
    await desk.receive(text("a secret text"))
    await desk.journal.raw.set_aside(await desk.keep("hook"), "unreadable")
    assert await desk.journal.queries.unread() == 0
    await desk.keep()
    assert await desk.journal.queries.unread() == 1


async def test_a_monitor_learns_since_when_texts_and_events_wait(desk: Desk) -> None:
    """A text since it was due; one that was tried more than once since it was accepted; an empty journal has none."""
    gauges = await desk.journal.queries.gauges()
    assert (gauges.waits_since, gauges.unpublished_since) == ({}, None)
    await desk.send()
    desk.clock.pass_(minutes=5)
    await desk.send(line="office")
    later = desk.clock.now()
    for _ in range(2):
        await desk.journal.calls.retry((await desk.claim()).call_id, ME, NO_ANSWER, 60)
        desk.clock.pass_(minutes=1)
    await desk.claim()
    gauges = await desk.journal.queries.gauges()
    assert gauges.waits_since == {LINE: START, "office": later}
    assert gauges.unpublished_since == START
    await desk.journal.events.published([one.id for one in await desk.events()])
    assert (await desk.journal.queries.gauges()).unpublished_since is None


async def test_each_commit_is_timed(desk: Desk) -> None:
    """By whoever wants to know."""
    took: list[float] = []
    desk.journal.time_commits(took.append)
    before = desk.journal.commits
    await desk.send()
    await desk.claim()
    assert len(took) == desk.journal.commits - before >= 2
    assert all(seconds >= 0 for seconds in took)
