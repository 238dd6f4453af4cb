"""Bytes before meaning: kept as they came, read once, never lost."""

import asyncio

import pytest

from relay.domain.messages import RawAnswer
from relay.journal import JournalFull
from tests.contract.journal.conftest import Open
from tests.contract.journal.desk import LINE, Desk, text


async def test_kept_bytes_are_there_after_a_kill(desk: Desk) -> None:
    """What `keep` returned for is on disk, as it came."""
    body = bytes(range(256))
    kept = await desk.journal.raw.keep(LINE, "hook", "receive", "", RawAnswer(body, "text/plain; \udcff"))
    left = await desk.after_kill()
    [again] = await left.journal.raw.unread(LINE)
    await left.journal.aclose()
    assert (again.id, again.source, again.event, again.received_at) == (kept.id, "hook", "receive", kept.received_at)
    assert again.raw.body == body


async def test_unread_bytes_come_oldest_first_and_by_source(desk: Desk) -> None:
    """Each line and source has its own."""
    first, hook, last = await desk.keep(), await desk.keep("hook"), await desk.keep()
    await desk.journal.raw.keep("other", "inbox", "", "", RawAnswer(b""))
    assert [kept.id for kept in await desk.journal.raw.unread(LINE, source="inbox")] == [first.id, last.id]
    assert [kept.id for kept in await desk.journal.raw.unread(LINE)] == [first.id, hook.id, last.id]
    assert [kept.id for kept in await desk.journal.raw.unread(LINE, after=first.id, limit=1)] == [hook.id]


async def test_bytes_are_understood_once(desk: Desk) -> None:
    """A second reading, as after a fall in between, announces nothing."""
    kept = await desk.keep()
    assert (await desk.journal.raw.understood(kept, messages=[text()])).messages == 1
    assert (await desk.journal.raw.understood(kept, messages=[text()])).messages == 0
    assert len(await desk.events("message")) == 1
    assert await desk.journal.raw.unread(LINE) == []


async def test_a_kill_before_reading_leaves_the_bytes_unread(desk: Desk) -> None:
    """And nothing was announced."""
    await desk.keep()
    left = await desk.after_kill()
    [kept] = await left.journal.raw.unread(LINE)
    assert await left.events() == []
    assert (await left.journal.raw.understood(kept, messages=[text()])).messages == 1
    await left.journal.aclose()


async def test_what_cannot_be_read_is_set_aside_and_noticed(desk: Desk) -> None:
    """Listed once, with a notice that holds no content; it is not offered again."""
    kept = await desk.keep("hook")
    await desk.journal.raw.set_aside(kept, "a hook without an id")
    await desk.journal.raw.set_aside(kept, "a hook without an id")
    [listed] = await desk.journal.dead.list(10)
    assert (listed["kind"], listed["raw_id"], listed["why"]) == ("raw", kept.id, "a hook without an id")
    [notice] = await desk.bodies("dead")
    assert notice == {
        "kind": "raw",
        "what": "hook",
        "why": "a hook without an id",
        "line": LINE,
        "id": kept.id,
        "aside_id": listed["id"],
        "more": 0,
        "how": f"relay dead show {listed['id']}; relay dead replay {listed['id']} reads it again",
    }
    assert await desk.journal.raw.unread(LINE) == []
    assert (await desk.journal.raw.understood(kept, messages=[text()])).messages == 0


async def test_a_status_that_cannot_be_read_is_asked_for_again(desk: Desk) -> None:
    """After a minute, because the final status may be told only once and soon."""
    await desk.send()
    call = await desk.claim()
    await desk.hand_over(call, first_look=0)
    await desk.journal.raw.set_aside(await desk.keep("status", about=call.call_id), "no JSON")
    assert await desk.journal.looks.due(LINE, 10) == []
    desk.clock.pass_(seconds=60)
    assert [look.call_id for look in await desk.journal.looks.due(LINE, 10)] == [call.call_id]


async def test_a_flipped_bit_in_kept_bytes_is_noticed(desk: Desk) -> None:
    """The row is set aside; the others are given out."""
    bad, good = await desk.keep(), await desk.keep()
    desk.place.flip_a_bit("raw", "body", bad.id, b"bytes")
    assert [kept.id for kept in await desk.journal.raw.unread(LINE)] == [good.id]
    [listed] = await desk.journal.dead.list(10)
    assert (listed["raw_id"], listed["why"]) == (bad.id, "the journal's row is damaged")


async def test_keeping_rings_the_line_s_bell(desk: Desk) -> None:
    """After the commit, and not the bell of another line."""
    bell, listener, other = (
        desk.journal.bell(f"raw:{LINE}"),
        desk.journal.listen(f"raw:{LINE}"),
        desk.journal.bell("raw:x"),
    )
    waiting = asyncio.create_task(other.wait())
    await desk.keep()
    async with asyncio.timeout(5):
        await bell.wait()
        await listener.wait()
    assert not waiting.done()
    waiting.cancel()


async def test_a_full_journal_keeps_nothing_and_says_so(open_journal: Open) -> None:
    """By number and by bytes; what was taken before is kept."""
    desk = await open_journal(queue=5, queue_bytes=1_000)
    results = await asyncio.gather(*(desk.keep("hook") for _ in range(8)), return_exceptions=True)
    assert [isinstance(result, JournalFull) for result in results] == [False] * 5 + [True] * 3
    with pytest.raises(JournalFull):
        await desk.journal.raw.keep(LINE, "hook", "", "", RawAnswer(bytes(1_001)))
    assert len(await desk.journal.raw.unread(LINE)) == 5
    await desk.keep()


async def test_of_bytes_that_lose_nothing_one_sample_waits_for_a_person(desk: Desk) -> None:
    """For each line; and the next one only after somebody has looked at it."""
    for body in (b"one", b"two"):
        await desk.journal.raw.sample(LINE, "changes", RawAnswer(body), "no JSON")
    await desk.journal.raw.sample("other", "changes", RawAnswer(b"three"), "no JSON")
    first, other = await desk.journal.dead.list(10)
    assert (first["line"], first["what"], first["why"], other["line"]) == (LINE, "changes", "no JSON", "other")
    assert desk.place.rows("raw") == 2
    assert await desk.journal.raw.unread(LINE) == []
    await desk.journal.dead.discard(first["id"])
    await desk.journal.raw.sample(LINE, "changes", RawAnswer(b"four"), "no JSON")
    assert len(await desk.journal.dead.list(10)) == 2
    assert len(await desk.bodies("dead")) == 3


async def test_a_sample_is_not_taken_where_too_much_waits(open_journal: Open) -> None:
    """It is bounded like everything from outside."""
    desk = await open_journal(queue_bytes=10)
    with pytest.raises(JournalFull):
        await desk.journal.raw.sample(LINE, "changes", RawAnswer(b"more than ten bytes"), "no JSON")
