"""A line's stages that hand their work over while relay runs leave nothing behind that only they know."""

import asyncio

import pytest

from relay.journal import JournalUnusable
from tests.unit.stages.house import BOB, House, happens, until_rest


async def test_a_page_that_could_not_be_kept_is_kept_before_the_poller_goes(house: House) -> None:
    """AT&T has deleted it: until it is on disk, the poller says that there is something left."""
    poller = house.poller()
    house.text("Hello")
    with house.broken("raw"):
        with pytest.raises(JournalUnusable):
            await until_rest(poller)
        with pytest.raises(JournalUnusable):
            await poller.hand_over()
    await poller.hand_over()
    assert [body["text"] for body in await house.bodies("message")] == ["Hello"]
    await until_rest(house.poller())
    assert await house.bodies("event.loss-suspected") == []


async def test_a_status_that_could_not_be_kept_is_kept_before_the_tracker_goes(house: House) -> None:
    """AT&T tells a final one once."""
    await house.sent(BOB)
    await house.clock.advance(60)
    tracker = house.tracker()
    with house.broken("raw"):
        await until_rest(tracker)
        await happens(lambda: bool(house.ledger("status")))
        with pytest.raises(JournalUnusable):
            await tracker.hand_over()
    await tracker.hand_over()
    assert "delivered" in (await house.standing()).values()
    assert len(house.ledger("status")) == 1


async def test_a_call_in_flight_ends_as_itself_before_the_sender_goes(house: House) -> None:
    """And the next sender begins with what waits behind it: nothing is uncertain, nothing is sent twice."""
    await house.send(*[f"+120655501{place:02}" for place in range(4)], size=1)
    house.fault("delay", operation="send", seconds=0.2, real=True)
    sender = house.sender(window=1)
    stepping = asyncio.create_task(until_rest(sender))
    await happens(lambda: bool(house.ledger("fault")))
    stepping.cancel()
    await asyncio.gather(stepping, return_exceptions=True)
    await sender.hand_over()
    assert await house.in_flight() == 0
    assert set((await house.standing()).values()) == {"submitted", "queued"}
    again = house.sender(window=1)
    await until_rest(again)
    await again.hand_over()
    assert set(house.accepted().values()) == {1}
    assert set((await house.standing()).values()) == {"submitted"}


async def test_nothing_stays_claimed_when_a_sender_goes(house: House) -> None:
    """A claim whose commit was said to have failed, and had not, is given back: nobody would ever make it."""
    await house.send(BOB)
    claimed = await house.journal.calls.claim("alerts", house.journal.owner)
    assert claimed is not None
    # A failing disk brings it about, and seldom.
    house.journal.calls._doubtful["alerts"] = [claimed.call_id]
    sender = house.sender()
    await sender.hand_over()
    assert await house.in_flight() == 0
    await until_rest(sender)
    await sender.drain(5)
    assert len(house.ledger("accepted")) == 1
