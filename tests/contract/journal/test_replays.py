"""Replays: which published events are given out again, in which order, and how far that has come."""

from datetime import timedelta

import pytest

from relay.journal import TooManyReplays, Wish
from relay.journal.announce import News, announce
from relay.journal.replays import MOST
from tests.contract.journal.desk import LINE, START, Desk

FAR = START + timedelta(days=1)


async def _announced(desk: Desk, *kinds: str, client: str | None = None, line: str = LINE) -> list[str]:
    """Announce these, publish them, and let a minute pass after each; their ids."""
    last = await desk.journal.events.last_position()
    for kind in kinds:
        news = News(kind, line, line, {"kind": kind}, client=client)
        await desk.journal._core.writer.run(lambda tx, news=news: announce(tx, news))
        desk.clock.pass_(minutes=1)
    ids = [event.id for _, event in await desk.journal.events.follow(last, 1000)]
    await desk.journal.events.published(ids)
    return ids


async def _given(desk: Desk, wish: Wish, limit: int = 2) -> list[str]:
    """The ids that a replay gives out, in its order."""
    one = await desk.journal.replays.begin(wish)
    ids: list[str] = []
    expected = one.events
    while not one.is_over:
        events, one = await desk.journal.replays.batch(one, limit)
        ids += [event.id for event in events]
        await desk.journal.replays.reached(one)
    assert expected == len(ids)
    assert await desk.journal.replays.waiting() == []
    return ids


async def test_what_was_published_since_is_given_out_again_in_order(desk: Desk) -> None:
    """From that time on, under the same ids, and marked as published still."""
    ids = await _announced(desk, "result", "receipt", "message", "event.read", "message")
    assert await _given(desk, Wish(START + timedelta(minutes=1), FAR)) == ids[1:]
    assert await _given(desk, Wish(START, START + timedelta(minutes=2))) == ids[:2]
    assert await _given(desk, Wish(FAR, FAR + timedelta(days=1))) == []
    assert (await desk.journal.events.pending(0, 10), desk.journal.events.backlog()) == ([], 0)


async def test_what_is_not_published_yet_is_left_to_the_publisher(desk: Desk) -> None:
    """Nor is what happened after it was asked for."""
    await desk.journal.events.announce(LINE, "read", {})
    one = await desk.journal.replays.begin(Wish(START, FAR))
    later = await _announced(desk, "message")
    events, after = await desk.journal.replays.batch(one, 10)
    assert (one.events, events, after.is_over, len(later)) == (0, [], True, 1)


async def test_a_wish_names_a_line_kinds_and_a_client(desk: Desk) -> None:
    """A client's own answers come beside what is nobody's."""
    mine = await _announced(desk, "result", "receipt", client="web")
    others = await _announced(desk, "result", client="crm")
    news = await _announced(desk, "message", "event.opt-out")
    elsewhere = await _announced(desk, "message", line="office")
    assert await _given(desk, Wish(START, FAR, LINE)) == mine + others + news
    assert await _given(desk, Wish(START, FAR, "office")) == elsewhere
    assert await _given(desk, Wish(START, FAR, LINE, client="web")) == mine + news
    assert await _given(desk, Wish(START, FAR, kinds=("event", "receipt"))) == [mine[1], news[1]]
    assert await _given(desk, Wish(START, FAR, kinds=("message",))) == [news[0], *elsewhere]


async def test_a_replay_goes_on_where_it_was(desk: Desk) -> None:
    """After a restart, and in the order in which replays were asked for."""
    ids = await _announced(desk, "message", "message", "message")
    first = await desk.journal.replays.begin(Wish(START, FAR))
    second = await desk.journal.replays.begin(Wish(START, FAR))
    events, reached = await desk.journal.replays.batch(first, 2)
    await desk.journal.replays.reached(reached)
    await desk.reopen()
    waiting = await desk.journal.replays.waiting()
    assert [one.id for one in waiting] == [first.id, second.id]
    rest, reached = await desk.journal.replays.batch(waiting[0], 2)
    assert [event.id for event in [*events, *rest]] == ids
    await desk.journal.replays.reached(reached)
    assert [one.id for one in await desk.journal.replays.waiting()] == [second.id]
    over = await desk.journal.replays.of(first.id)
    assert over is not None
    assert over.is_over
    assert await desk.journal.replays.of("no-such-id") is None


async def test_a_damaged_event_is_left_out(desk: Desk) -> None:
    """The others come."""
    ids = await _announced(desk, "message", "message", "message")
    desk.place.flip_a_bit("event", "body", ids[1], b"message")
    one = await desk.journal.replays.begin(Wish(START, FAR))
    events, after = await desk.journal.replays.batch(one, 10)
    assert ([event.id for event in events], after.is_over) == ([ids[0], ids[2]], True)


async def test_so_many_may_wait(desk: Desk) -> None:
    """One more is refused; a damaged one counts for nothing."""
    await _announced(desk, "message")
    for _ in range(MOST):
        await desk.journal.replays.begin(Wish(START, FAR))
    with pytest.raises(TooManyReplays):
        await desk.journal.replays.begin(Wish(START, FAR))
    [first, *_] = await desk.journal.replays.waiting()
    await desk.journal.memory("replay").put(first.id, b"[")
    assert len(await desk.journal.replays.waiting()) == MOST - 1
    await desk.journal.replays.begin(Wish(START, FAR))
