"""The tracker against AT&T, simulated: a final status is told once, and for half an hour."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from relay.journal import JournalError
from relay.stages.janitor import Janitor
from relay.stages.tracker import IDLE, LONGEST_WAIT, RETRY_LOOK, UNAUTHORIZED_PAUSE, Tracker
from relay.telemetry.health import LineState
from tests.unit.stages.house import ALERTS, ALICE, BOB, CAROL, GRACE, House, happens, seconds, settled, until_rest

HOUR = 3600.0


async def follow(house: House, tracker: Tracker, hours: float) -> None:
    """Let the tracker and the janitor work for so long."""
    janitor = Janitor(journal=house.journal)
    until = house.clock.now() + timedelta(hours=hours)
    while house.clock.now() < until:
        await settled(tracker)
        due = await house.journal.looks.next_due(ALERTS)
        if due is None:
            await until_rest(janitor)
        wait = (min(due or until, house.clock.now() + timedelta(hours=1), until) - house.clock.now()).total_seconds()
        await house.clock.advance(max(wait, 0.001))


async def look(house: House, tracker: Tracker) -> None:
    """Let time pass until the next look, and have it done."""
    due = await house.journal.looks.next_due(ALERTS)
    assert due is not None
    await house.clock.advance(max((due - house.clock.now()).total_seconds(), 0.001))
    assert await tracker.step() is None
    await tracker.drain(GRACE)


async def test_a_text_is_followed_to_its_end(house: House) -> None:
    """Delivered, once, and not asked for again."""
    await house.sent(ALICE)
    await follow(house, house.tracker(), 1)
    assert await house.standing() == {ALICE: "delivered"}
    asked = len(house.ledger("status"))
    await follow(house, house.tracker(), 24)
    assert len(house.ledger("status")) == asked
    assert set((await house.finals()).values()) == {1}
    assert house.violations() == []


async def test_each_copy_of_a_call_has_its_own_end(house: House) -> None:
    """One is delivered, one cannot be."""
    impossible = "+12065550113"
    await house.sent(ALICE, impossible)
    await follow(house, house.tracker(), 1)
    assert await house.standing() == {ALICE: "delivered", impossible: "undelivered"}


async def test_an_idle_tracker_rests_until_its_bell_rings(house: House) -> None:
    """A text that is handed over ends the rest."""
    tracker = house.tracker()
    rest = await until_rest(tracker)
    assert seconds(rest) == IDLE
    await house.sent(ALICE)
    await asyncio.wait_for(rest.over(house.clock), GRACE)
    assert 10 < seconds(await until_rest(tracker)) < 20


async def test_looks_do_not_wait_for_the_slowest(house: House) -> None:
    """Nine answers are read while the first keeps its asker waiting."""
    for _ in range(10):
        await house.sent(ALICE)
    await house.clock.advance(20)
    house.fault("delay", operation="status", seconds=600)
    tracker = house.tracker(window=2)
    stepping = asyncio.create_task(until_rest(tracker))
    await happens(lambda: len(house.ledger("status")) >= 9)
    stepping.cancel()
    await asyncio.wait({stepping})
    await tracker.drain(0.01)


async def test_a_stop_lets_a_look_finish(house: House) -> None:
    """What it brings can be had only once."""
    await house.sent(ALICE)
    await house.clock.advance(20)
    house.fault("delay", operation="status", seconds=5)
    tracker = house.tracker()
    assert await tracker.step() is None
    draining = asyncio.create_task(tracker.drain(GRACE))
    await happens(lambda: bool(house.ledger("fault")))
    await house.clock.advance(5)
    await draining
    assert await house.standing() == {ALICE: "delivered"}


async def test_a_final_status_that_the_journal_cannot_keep_is_kept_later(house: House) -> None:
    """AT&T tells it once: it stays in hand until it is on disk, and nobody asks again."""
    await house.sent(ALICE)
    tracker = house.tracker()
    await until_rest(tracker)
    with house.broken("raw"):
        for _ in range(3):
            await fails(house, tracker)
    assert len(house.ledger("status")) == 1
    await settled(tracker)
    assert await house.standing() == {ALICE: "delivered"}
    assert len(house.ledger("status")) == 1


async def fails(house: House, tracker: Tracker) -> None:
    """A look that the journal fails at, as the supervisor sees it."""
    await house.clock.advance(20)
    await tracker.step()
    await tracker.drain(GRACE)
    with pytest.raises(JournalError):
        await tracker.step()


async def test_a_final_status_that_was_kept_and_not_read_is_read_later(house: House) -> None:
    """The next look asks for nothing, or AT&T would say that it has forgotten."""
    await house.sent(ALICE)
    tracker = house.tracker()
    await until_rest(tracker)
    with house.broken("copy", "update"):
        await fails(house, tracker)
    assert await house.unread() == 1
    await settled(tracker)
    assert await house.standing() == {ALICE: "delivered"}
    assert await house.unread() == 0
    assert len(house.ledger("status")) == 1


async def test_a_status_that_a_former_life_kept_is_read_at_the_start(house: House) -> None:
    """Before anything is asked."""
    await house.sent(ALICE)
    tracker = house.tracker()
    await until_rest(tracker)
    with house.broken("copy", "update"):
        await fails(house, tracker)
    await house.restart()
    await until_rest(house.tracker())
    assert await house.standing() == {ALICE: "delivered"}
    assert len(house.ledger("status")) == 1


@pytest.mark.parametrize("forgotten", ["404", "SVC0002"])
async def test_what_at_t_has_forgotten_is_unknown_for_good(house: House, forgotten: str) -> None:
    """Its final status was told to nobody, and deleted: the copy has an end all the same."""
    house.simulator.set_modes("att-sms", {"forgotten": forgotten})
    await house.sent(ALICE)
    await house.clock.advance(2 * HOUR)
    await follow(house, house.tracker(), 1)
    assert await house.standing() == {ALICE: "unknown"}
    [receipt] = [body for body in await house.bodies("receipt") if body["final"]]
    assert receipt["error"]["code"] == "unknown_id"


async def test_a_look_whose_answer_was_lost_is_made_again(house: House) -> None:
    """Where the status was not final, nothing is lost."""
    house.simulator.set_modes("att-sms", {"network_seconds": 60, "delivery_seconds": 120})
    await house.sent(ALICE)
    house.fault("cut-after", operation="status")
    tracker = house.tracker()
    await look(house, tracker)
    assert await house.standing() == {ALICE: "submitted"}
    await follow(house, tracker, 1)
    assert await house.standing() == {ALICE: "delivered"}


async def test_a_final_status_that_was_lost_on_its_way_is_unknown(house: House) -> None:
    """AT&T has told it, and nobody has heard."""
    await house.sent(ALICE)
    house.fault("cut-after", operation="status")
    tracker = house.tracker()
    await look(house, tracker)
    await follow(house, tracker, 1)
    assert await house.standing() == {ALICE: "unknown"}


async def test_an_answer_that_cannot_be_understood_is_set_aside_and_asked_for_again(house: House) -> None:
    """Its bytes wait for a person; the copy does not."""
    await house.sent(ALICE)
    house.fault("garbage", operation="status")
    await follow(house, house.tracker(), 1)
    assert await house.standing() == {ALICE: "delivered"}
    [dead] = await house.bodies("dead")
    assert dead["what"] == "status"


async def test_a_look_that_failed_is_made_again_within_a_minute(house: House) -> None:
    """503 is no answer."""
    await house.sent(ALICE)
    house.fault("status", operation="status", status=503)
    tracker = house.tracker()
    await look(house, tracker)
    assert house.board.of(ALERTS).state is LineState.UNREACHABLE
    # At first the whole line rests for a little.
    assert seconds(await until_rest(tracker)) < RETRY_LOOK / 10
    assert seconds(await until_rest(tracker)) == RETRY_LOOK
    await house.clock.advance(RETRY_LOOK)
    await settled(tracker)
    assert await house.standing() == {ALICE: "delivered"}
    assert house.board.of(ALERTS).state is LineState.READY


async def test_429_slows_the_whole_line_and_no_longer_than_a_status_lives(house: House) -> None:
    """An hour would be longer than AT&T keeps what became final."""
    await house.sent(ALICE)
    await house.sent(BOB)
    house.fault("retry-after", operation="status", status=429, after=3600)
    tracker = house.tracker(window=1)
    await look(house, tracker)
    assert house.board.of(ALERTS).state is LineState.THROTTLED
    rest = await tracker.step()
    assert rest is not None
    assert (rest.seconds, rest.bell) == (LONGEST_WAIT, None)
    await house.clock.advance(LONGEST_WAIT)
    await settled(tracker)
    assert await house.standing("key-1") == {ALICE: "delivered"}
    assert house.board.of(ALERTS).state is LineState.READY


async def test_refused_credentials_pause_the_line(house: House) -> None:
    """And nothing is given up for that."""
    await house.sent(ALICE)
    house.fault("status", operation="status", status=403)
    tracker = house.tracker()
    await look(house, tracker)
    assert house.board.of(ALERTS).state is LineState.UNAUTHORIZED
    rest = await tracker.step()
    assert rest is not None
    assert (rest.seconds, rest.bell) == (UNAUTHORIZED_PAUSE, None)
    await house.clock.advance(UNAUTHORIZED_PAUSE)
    await settled(tracker)
    assert await house.standing() == {ALICE: "delivered"}


async def test_no_gap_between_two_looks_is_as_long_as_a_status_lives(house: House) -> None:
    """Over 72 hours, so that whenever a status becomes final, somebody asks before it is deleted."""
    stuck, uncertain = "+12065550114", "+12065550122"
    await house.sent(stuck)
    await house.sent(uncertain)
    await follow(house, house.tracker(), 74)
    times: dict[str, list[datetime]] = {}
    for line in house.ledger("status"):
        times.setdefault(line["message_id"], []).append(datetime.fromisoformat(line["at"]))
    assert len(times) == 2
    for looks in times.values():
        gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(looks)]
        assert max(gaps) < 1800
        assert len(looks) < 300
    assert house.ledger("status-purged") == []
    finals = await house.finals()
    assert set(finals.values()) == {1}
    assert len(finals) == 2
    assert await house.standing("key-1") == {stuck: "undelivered"}


async def test_three_texts_of_one_call_are_asked_for_together(house: House) -> None:
    """One look a call, not one a copy."""
    await house.sent(ALICE, BOB, CAROL)
    await look(house, house.tracker())
    assert Counter(line["request"] for line in house.ledger("status")).total() == 3
    assert len({line["request"] for line in house.ledger("status")}) == 1
