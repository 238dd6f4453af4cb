"""What time alone does: it ends what has an end, and forgets what is done with."""

from datetime import timedelta

from relay.domain.states import Fact
from tests.contract.journal.desk import ALICE, BOB, LINE, ME, PROBLEM, START, Desk, delivered, text

TABLES = ("message", "copy", "call", "command", "event", "raw", "seen")


async def test_copies_expire_where_no_sender_asks(desk: Desk) -> None:
    """Once their expiry has come, in pieces; what is in flight or handed over does not."""
    await desk.send(ALICE, BOB, size=1, expires_at=START + timedelta(minutes=1))
    await desk.send(ttl=60, line="other")
    await desk.send(ttl=120)
    await desk.hand_over(await desk.claim())
    await desk.claim()
    assert await desk.journal.upkeep.expire() == 0
    desk.clock.pass_(minutes=1)
    assert await desk.journal.upkeep.expire(limit=1) + await desk.journal.upkeep.expire(limit=1) == 1
    assert await desk.standing() == ["submitted", "sending"]
    assert [(body["status"], body["final"]) for body in await desk.bodies("receipt")][1:] == [("expired", True)]
    assert await desk.standing("key-3") == ["queued"]


async def test_a_copy_that_waits_to_be_tried_again_expires(desk: Desk) -> None:
    """Before its next try is due."""
    await desk.send(ttl=60)
    await desk.journal.calls.retry((await desk.claim()).call_id, ME, PROBLEM, 3600)
    desk.clock.pass_(minutes=1)
    assert await desk.journal.upkeep.expire() == 1
    assert await desk.standing() == ["expired"]


async def test_what_is_finished_is_forgotten_after_seven_days(desk: Desk) -> None:
    """In small pieces, with everything that is its own."""
    await desk.sent(*[ALICE] * 30, size=50)
    await desk.report(*(delivered(position=place) for place in range(30)))
    await desk.receive(text(key="k"), text("no key"))
    await desk.journal.events.published([event.id for event in await desk.events()])
    desk.clock.pass_(days=6, hours=23)
    assert await _purged(desk) == 2
    desk.clock.pass_(hours=2)
    assert await desk.journal.upkeep.purge(limit=10) <= 40
    await _purged(desk)
    assert {table: desk.place.rows(table) for table in TABLES} == dict.fromkeys(TABLES, 0)
    assert (await desk.send(key="key-1")).replayed is False


async def test_what_is_not_finished_is_kept(desk: Desk) -> None:
    """Whatever its age: unpublished events, unread bytes, open copies with their keys, and what is set aside."""
    await desk.sent(ALICE, BOB)
    await desk.report(delivered(position=0))
    await desk.keep()
    await desk.journal.raw.set_aside(await desk.keep(), "unreadable")
    kept = {table: desk.place.rows(table) for table in (*TABLES, "aside")}
    desk.clock.pass_(days=60)
    await _purged(desk)
    assert desk.place.rows("raw") == kept["raw"] - 1
    assert {table: desk.place.rows(table) for table in kept if table not in ("raw", "seen")} == {
        table: count for table, count in kept.items() if table not in ("raw", "seen")
    }
    assert (await desk.send(ALICE, BOB, key="key-1")).replayed is True


async def test_a_key_is_kept_for_72_hours_after_the_last_copy_is_final(desk: Desk) -> None:
    """However long that took."""
    await desk.sent()
    desk.clock.pass_(days=30)
    await desk.report(delivered())
    desk.clock.pass_(hours=73)
    await _purged(desk)
    assert (await desk.send(key="key-1")).replayed is True


async def test_a_message_is_recognised_for_80_hours(desk: Desk) -> None:
    """AT&T repeats a web hook for 72."""
    await desk.receive(text(key="k"))
    desk.clock.pass_(hours=79)
    await _purged(desk)
    assert (await desk.receive(text(key="k"))).duplicates == 1
    desk.clock.pass_(hours=2)
    await _purged(desk)
    assert (await desk.receive(text(key="k"))).duplicates == 0


async def test_a_late_fact_of_a_forgotten_copy_is_harmless(desk: Desk) -> None:
    """It is parked, like anything that is not known."""
    await desk.sent()
    await desk.report(delivered(fact=Fact.UNDELIVERED))
    desk.clock.pass_(days=8)
    await _purged(desk)
    assert (await desk.report(delivered())).parked == 1
    assert await desk.none_due(LINE)


async def _purged(desk: Desk) -> int:
    total = 0
    while purged := await desk.journal.upkeep.purge(limit=20):
        total += purged
    return total
