"""Events: published in the order in which they were committed, under the same id each time."""

import asyncio

from relay.domain.messages import Reply
from tests.contract.journal.desk import LINE, PROBLEM, START, Desk, text


async def _three(desk: Desk) -> list[str]:
    for name in ("read", "updated", "deleted"):
        await desk.journal.events.announce(LINE, name, {"name": name})
    return [event.id for event in await desk.events()]


async def test_an_event_of_a_line_is_announced(desk: Desk) -> None:
    """As `event.<name>`."""
    await desk.journal.events.announce(LINE, "loss-suspected", {"reason": "x"})
    [event] = await desk.events()
    assert (event.kind, event.line, event.body, event.occurred_at) == (
        "event.loss-suspected",
        LINE,
        {"reason": "x"},
        START,
    )
    assert event.reply == Reply()


async def test_pending_events_come_in_order_until_they_are_published(desk: Desk) -> None:
    """Also after a restart, with the same ids."""
    ids = await _three(desk)
    pending = await desk.journal.events.pending(0, 2)
    assert [event.id for _, event in pending] == ids[:2]
    assert [event.id for _, event in await desk.journal.events.pending(pending[-1][0], 2)] == ids[2:]
    await desk.journal.events.published([ids[1]])
    await desk.reopen()
    assert [event.id for _, event in await desk.journal.events.pending(0, 10)] == [ids[0], ids[2]]


async def test_large_events_are_read_a_few_at_a_time(desk: Desk) -> None:
    """A megabyte of them fills a batch, and each says how large it is; the next batch goes on from there."""
    for place in range(5):
        await desk.journal.events.announce(LINE, "read", {"place": place, "filling": "x" * 400_000})
    first = await desk.journal.events.pending(0, 100)
    assert ([event.body["place"] for _, event in first], first[0][1].size > 400_000) == ([0, 1, 2], True)
    rest = await desk.journal.events.pending(first[-1][0], 100)
    assert [event.body["place"] for _, event in rest] == [3, 4]


async def test_positions_rise_and_are_never_used_again(desk: Desk) -> None:
    """Not even when everything was purged."""
    ids = await _three(desk)
    last = await desk.journal.events.last_position()
    await desk.journal.events.published(ids)
    desk.clock.pass_(days=8)
    while await desk.journal.upkeep.purge():
        pass
    assert await desk.events() == []
    await desk.reopen()
    await _three(desk)
    assert [position > last for position, _ in await desk.journal.events.follow(0, 10)] == [True] * 3


async def test_the_backlog_counts_what_waits(desk: Desk) -> None:
    """Without asking the database, and right after a restart; marking twice counts once."""
    ids = await _three(desk)
    await desk.journal.events.published(ids[:1])
    await desk.journal.events.published(ids[:1])
    assert desk.journal.events.backlog() == 2
    await desk.reopen()
    assert desk.journal.events.backlog() == 2
    await desk.journal.events.published(ids)
    assert desk.journal.events.backlog() == 0


async def test_following_shows_published_events_too(desk: Desk) -> None:
    """From a position on."""
    ids = await _three(desk)
    await desk.journal.events.published(ids)
    followed = await desk.journal.events.follow(0, 10)
    assert [event.id for _, event in followed] == ids
    assert [event.id for _, event in await desk.journal.events.follow(followed[1][0], 10)] == ids[2:]
    assert await desk.journal.events.last_position() == followed[-1][0]


async def test_events_of_some_kinds_can_be_followed(desk: Desk) -> None:
    """The others are passed over; the order and the positions are the same."""
    await desk.send()
    await desk.journal.events.announce(LINE, "sent-elsewhere", {})
    everything = await desk.journal.events.follow(0, 10)
    results = await desk.journal.events.follow(0, 10, kinds={"result"})
    assert [event.kind for _, event in everything] == ["result", "event.sent-elsewhere"]
    assert [position for position, _ in results] == [everything[0][0]]
    assert await desk.journal.events.follow(results[0][0], 10, kinds={"result"}) == []


async def test_an_event_that_cannot_be_published_is_set_aside(desk: Desk) -> None:
    """With one notice; a notice that cannot be published makes no other."""
    ids = await _three(desk)
    await desk.journal.events.set_aside(ids[0], "over the broker's size limit")
    await desk.journal.events.set_aside(ids[0], "over the broker's size limit")
    pending = [event for _, event in await desk.journal.events.pending(0, 10)]
    assert [event.kind for event in pending] == ["event.updated", "event.deleted", "dead"]
    assert (pending[-1].body["what"], pending[-1].body["id"]) == ("event.read", ids[0])
    await desk.journal.events.set_aside(pending[-1].id, "refused")
    assert len(await desk.journal.events.pending(0, 10)) == 2
    assert [aside["kind"] for aside in await desk.journal.dead.list(10)] == ["event", "event"]


async def test_a_damaged_event_is_not_published(desk: Desk) -> None:
    """It is set aside, and what comes after it goes on."""
    ids = await _three(desk)
    for damaged in ids[:2]:
        desk.place.flip_a_bit("event", "body", damaged, b"name")
    assert [event.id for _, event in await desk.journal.events.pending(0, 2)] == [
        ids[2],
        (await desk.events("dead"))[0].id,
    ]
    assert [aside["event_id"] for aside in await desk.journal.dead.list(10)] == ids[:2]


async def test_announcing_rings_the_bell_and_every_listener(desk: Desk) -> None:
    """After the commit: whoever then asks finds the event."""
    bell, listener = desk.journal.bell("events"), desk.journal.listen("events")
    await desk.receive(text())
    async with asyncio.timeout(5):
        await bell.wait()
        await listener.wait()
    assert len(await desk.journal.events.pending(0, 10)) == 1


async def test_a_message_s_sequence_rises_by_one(desk: Desk) -> None:
    """Over results, receipts and answers about it; a rejected command has a row of its own."""
    answer = await desk.sent()
    await desk.journal.commands.lookup(LINE, None, "key-1", None, Reply())
    await desk.journal.commands.reject(LINE, None, "key-1", None, PROBLEM, Reply())
    await desk.journal.commands.lookup(LINE, None, "key-1", None, Reply())
    about = [event.sequence for event in await desk.events() if event.subject == answer.message_id]
    assert about == [1, 2, 3, 4]
