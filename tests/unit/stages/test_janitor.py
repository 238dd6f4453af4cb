"""The janitor: what time alone does to the journal."""

from relay.domain.messages import DeliveryReport, RawAnswer
from relay.domain.states import Fact
from relay.stages.janitor import EVERY, Janitor
from tests.unit.stages.house import ALERTS, ALICE, BOB, House, seconds, until_rest

DAY = 86_400.0


async def test_an_idle_janitor_looks_again_after_some_seconds(house: House) -> None:
    """Nobody rings when time passes."""
    assert seconds(await until_rest(Janitor(journal=house.journal))) == EVERY


async def test_what_was_not_sent_in_time_expires(house: House) -> None:
    """Also on a line whose sender is not there to see it; and only that."""
    await house.send(ALICE, ttl=60.0)
    await house.send(BOB, ttl=600.0)
    await house.clock.advance(61)
    await until_rest(Janitor(journal=house.journal))
    assert await house.standing("key-1") == {ALICE: "expired"}
    assert await house.standing("key-2") == {BOB: "queued"}
    assert set((await house.finals()).values()) == {1}


async def test_what_nothing_was_heard_of_for_72_hours_is_unknown(house: House) -> None:
    """With its final receipt, whether or not anybody could look."""
    await house.sent(ALICE)
    janitor = Janitor(journal=house.journal)
    await house.clock.advance(71 * 3600)
    await until_rest(janitor)
    assert await house.standing() == {ALICE: "submitted"}
    await house.clock.advance(3 * 3600)
    await until_rest(janitor)
    assert await house.standing() == {ALICE: "unknown"}
    assert set((await house.finals()).values()) == {1}


async def test_reports_about_nobodys_texts_are_dropped_after_72_hours(house: House) -> None:
    """Somebody else sends from the same number."""
    kept = await house.journal.raw.keep(ALERTS, "hook", "progress", "", RawAnswer(b"{}"))
    await house.journal.raw.understood(kept, reports=[DeliveryReport("not-ours", Fact.DELIVERED)])
    janitor = Janitor(journal=house.journal)
    await house.clock.advance(71 * 3600)
    await until_rest(janitor)
    assert (await house.journal.queries.status())["parked"] == 1
    await house.clock.advance(2 * 3600)
    await until_rest(janitor)
    assert (await house.journal.queries.status())["parked"] == 0


async def test_what_is_done_with_is_forgotten_after_a_week(house: House) -> None:
    """In pieces, without a rest while there is more; what is not published is never forgotten."""
    for number in range(130):
        await house.journal.events.announce(ALERTS, "read", {"number": number})
    await house.journal.events.announce(ALERTS, "read", {"unpublished": True})
    pending = await house.journal.events.pending(0, 1000)
    await house.journal.events.published([event.id for _, event in pending[:-1]])
    janitor = Janitor(journal=house.journal)
    await house.clock.advance(6 * DAY)
    await until_rest(janitor)
    assert len(await house.events("event.read")) == 131
    await house.clock.advance(2 * DAY)
    assert await janitor.step() is None
    await until_rest(janitor)
    assert [event.body for event in await house.events("event.read")] == [{"unpublished": True}]
