"""Arrivals: what is still to be fetched is announced once, whole, or with the reason why a part is missing."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.domain.errors import ErrorCode, Problem
from relay.domain.mailbox import MailChanges, MailEntry
from relay.domain.messages import InboundMessage, MailChange, Part, RawAnswer
from tests.contract.journal.desk import LINE, START, Desk, text

PICTURE = Part("image/png", "a.png", ref="part-1", size=3)
GONE = Problem(ErrorCode.PROVIDER_ERROR, "the provider has it no more")


def mms(key: str | None = "k", ref: str | None = "m-1", **more: Any) -> InboundMessage:
    """A picture that somebody sent, and that is still to be fetched."""
    return _replace(text("Look!", key=key), ref=ref, **{"parts": (PICTURE,), **more})


def _replace(message: InboundMessage, **more: Any) -> InboundMessage:
    known = {name: getattr(message, name) for name in message.__slots__}
    return InboundMessage(**{**known, **more})


async def _added(desk: Desk, *refs: str) -> None:
    """These are new in the mailbox."""
    await desk.journal.mailbox.changed(
        LINE, MailChanges("cursor", tuple(MailEntry(ref, is_unread=True) for ref in refs))
    )


async def test_a_message_with_parts_is_announced_when_they_are_there(desk: Desk) -> None:
    """Not before; inline, elsewhere, or with the reason why it is not."""
    done = await desk.receive(mms())
    assert (done.messages, done.arriving, done.duplicates) == (0, 1, 0)
    assert await desk.events("message") == []
    [arrival] = await desk.arriving()
    assert (arrival.line, arrival.ref, arrival.mail, arrival.since) == (LINE, "m-1", mms(), START)
    parts = (
        Part("image/png", "a.png", data=b"png"),
        Part("video/mp4", "b.mp4", size=9_000_000, token="t", href="https://example.com/media/t"),
        Part("audio/amr", None, size=7, problem=GONE),
        Part("audio/amr", None, ref="never fetched"),
    )
    await desk.journal.arrivals.whole(arrival, mms(parts=parts))
    [body] = await desk.bodies("message")
    assert body["media"][:3] == [
        {"content_type": "image/png", "filename": "a.png", "bytes": 3, "data": "cG5n"},
        {
            "content_type": "video/mp4",
            "filename": "b.mp4",
            "bytes": 9_000_000,
            "href": "https://example.com/media/t",
        },
        {"content_type": "audio/amr", "filename": None, "bytes": 7, "data": None, "error": GONE.as_body()},
    ]
    assert body["media"][3]["error"]["code"] == "provider_error"
    assert await desk.arriving() == []


async def test_an_arrival_is_announced_once(desk: Desk) -> None:
    """Whatever is said of it afterwards."""
    await desk.receive(mms())
    [arrival] = await desk.arriving()
    for _ in range(2):
        await desk.journal.arrivals.whole(arrival, mms(parts=()))
    await desk.journal.arrivals.later(arrival, 5)
    await desk.journal.arrivals.dropped(arrival)
    await desk.journal.arrivals.aside(arrival, RawAnswer(b"?"), "no JSON")
    assert len(await desk.events()) == 1
    assert await desk.journal.dead.list(10) == []
    assert (await desk.receive(mms())).duplicates == 1
    assert await desk.arriving() == []


@pytest.mark.parametrize("key", ["k", None])
async def test_a_repeated_hook_does_not_arrive_again(desk: Desk, key: str | None) -> None:
    """By its key, or else by its id; before it is whole and afterwards."""
    await desk.receive(mms(key))
    assert (await desk.receive(mms(key), mms(key))).duplicates == 2
    [arrival] = await desk.arriving()
    await desk.journal.arrivals.whole(arrival, mms(key, parts=()))
    assert (await desk.receive(mms(key))).duplicates == 1
    assert (await desk.receive(mms(key, parts=()))).duplicates == 1
    assert len(await desk.events("message")) == 1


async def test_a_message_that_cannot_be_asked_for_is_announced_as_it_is(desk: Desk) -> None:
    """Nothing more of it can ever be had."""
    assert (await desk.receive(mms(ref=None))).messages == 1
    [body] = await desk.bodies("message")
    assert (body["text"], body["media"][0]["error"]["code"]) == ("Look!", "provider_error")


async def test_an_arrival_survives_a_kill(desk: Desk) -> None:
    """Until it was announced, and then it stays announced."""
    await desk.receive(mms())
    left = await desk.after_kill()
    [arrival] = await left.arriving()
    assert arrival.mail == mms()
    await left.journal.arrivals.whole(arrival, mms(parts=()))
    again = await left.after_kill()
    assert (len(await again.events("message")), await again.arriving()) == (1, [])
    await left.journal.aclose()
    await again.journal.aclose()


async def test_arrivals_are_due_when_they_should_be(desk: Desk) -> None:
    """Those first that wait longest; a try counts, and the bell rings when one comes."""
    bell = desk.journal.bell(f"arrivals:{LINE}")
    assert await desk.journal.arrivals.next_due(LINE) is None
    await desk.receive(mms("a", "m-1"), mms("b", "m-2"))
    async with asyncio.timeout(5):
        await bell.wait()
    first, second = await desk.arriving()
    await desk.journal.arrivals.later(first, 30)
    assert await desk.arriving() == [second]
    assert await desk.journal.arrivals.due("other", 10) == []
    await desk.journal.arrivals.whole(second, mms(parts=()))
    assert await desk.journal.arrivals.next_due(LINE) == START + timedelta(seconds=30)
    desk.clock.pass_(seconds=30)
    [again] = await desk.arriving()
    assert (again.id, again.attempts, again.since) == (first.id, 1, START)
    assert await desk.journal.arrivals.due(LINE, 0) == []


async def test_a_message_of_a_mailbox_is_fetched_by_its_id(desk: Desk) -> None:
    """And known by it afterwards, also where the message itself does not say it."""
    await _added(desk, "m-1")
    [arrival] = await desk.arriving()
    assert (arrival.ref, arrival.mail) == ("m-1", None)
    await desk.journal.arrivals.whole(arrival, text("Hello"))
    [event] = await desk.events("message")
    await desk.hear(MailChange("deleted", "m-1"))
    [deleted] = await desk.events("event.deleted")
    assert (deleted.subject, deleted.body["message_id"], deleted.sequence) == (event.subject, event.subject, 2)


async def test_a_message_that_another_id_has_brought_is_not_announced_again(desk: Desk) -> None:
    """Its own key says so."""
    await desk.receive(text(key="k"))
    await _added(desk, "m-1")
    [arrival] = await desk.arriving()
    await desk.journal.arrivals.whole(arrival, text(key="k"))
    assert len(await desk.events("message")) == 1


async def test_equal_texts_in_a_mailbox_are_not_suspect(desk: Desk) -> None:
    """Each has an id of its own."""
    await _added(desk, "m-1", "m-2")
    for arrival in await desk.arriving():
        await desk.journal.arrivals.whole(arrival, text("Yes"))
    assert [body["duplicate_suspect"] for body in await desk.bodies("message")] == [False, False]


async def test_what_is_gone_is_dropped_and_new_if_it_comes_back(desk: Desk) -> None:
    """Nothing was announced of it."""
    await _added(desk, "m-1")
    [arrival] = await desk.arriving()
    await desk.journal.arrivals.dropped(arrival)
    assert await desk.arriving() == []
    await desk.journal.mailbox.changed(LINE, MailChanges("c2", deleted=("m-1",)))
    await _added(desk, "m-1")
    assert [one.ref for one in await desk.arriving()] == ["m-1"]


async def test_a_message_that_cannot_be_read_is_kept_for_a_person(desk: Desk) -> None:
    """Its bytes, with a notice; and it is published when they can be read after all."""
    await _added(desk, "m-1")
    [arrival] = await desk.arriving()
    await desk.journal.arrivals.aside(arrival, RawAnswer(b"bytes", "text/html"), "no JSON object")
    assert await desk.arriving() == []
    [listed] = await desk.journal.dead.list(10)
    assert (listed["kind"], listed["what"], listed["why"]) == ("raw", "mail", "no JSON object")
    [notice] = await desk.bodies("dead")
    assert (notice["id"], notice["why"]) == (listed["raw_id"], "no JSON object")
    kept = (await desk.journal.dead.again(listed["id"])).kept
    assert kept is not None
    assert (kept.source, kept.event, kept.raw) == ("mail", "m-1", RawAnswer(b"bytes", "text/html"))
    await desk.journal.raw.understood(kept, messages=[mms(None, parts=())])
    assert [body["text"] for body in await desk.bodies("message")] == ["Look!"]
    assert await desk.journal.dead.list(10) == []
    await _added(desk, "m-1")
    assert await desk.arriving() == []


async def test_a_flipped_bit_in_an_arrival_is_noticed(desk: Desk) -> None:
    """A person is told; the others go on."""
    await desk.receive(mms("a", "m-1"), mms("b", "m-2"))
    bad, good = await desk.arriving()
    desk.place.flip_a_bit("arrival", "mail", bad.id, b"Look!")
    assert await desk.arriving() == [good]
    [listed] = await desk.journal.dead.list(10)
    assert listed["kind"] == "damaged"
    assert await desk.arriving() == [good]


async def test_arrivals_are_counted_and_traced(desk: Desk) -> None:
    """By line, and without what they say."""
    await desk.receive(mms())
    status = await desk.journal.queries.status()
    assert status["lines"][LINE]["arrivals"] == 1
    [arrival] = await desk.arriving()
    [step] = await desk.journal.queries.trace(arrival.id)
    assert {**step, "at": None} == {
        "at": None,
        "what": "arrival",
        "arrival_id": arrival.id,
        "line": LINE,
        "ref": "m-1",
        "due_at": START,
        "attempts": 0,
    }


async def test_a_trace_of_a_message_names_the_providers_ids(desk: Desk) -> None:
    """For whoever asks the provider."""
    await desk.receive(_replace(text(key="k"), ref="m-1"))
    [event] = await desk.events("message")
    steps = await desk.journal.queries.trace(event.subject)
    assert [step["refs"] for step in steps if "refs" in step] == [["m-1"]]


async def test_a_message_of_any_shape_comes_back_as_it_was(desk: Desk) -> None:
    """Whatever the provider put into it."""
    odd = mms(
        provider_time=datetime(2026, 11, 21, 8, 0, 0, 1, tzinfo=UTC),
        provider={"nested": {"a": [1, None, "\ud800\0"]}},
        parts=(PICTURE, Part("a/b", data=bytes(range(256)), problem=GONE)),
        has_parts=True,
    )
    await desk.receive(odd)
    [arrival] = await desk.arriving()
    assert arrival.mail == odd


async def test_what_is_listed_and_not_handed_out_is_tried_again(desk: Desk) -> None:
    """Where its mailbox does not show it, it is gone; and once it is given up, the next listing brings it anew."""
    await _added(desk, "m-1", "m-2")
    await desk.journal.mailbox.changed(LINE, MailChanges("c2", deleted=("m-2",)))
    one, two = sorted(await desk.arriving(), key=lambda arrival: arrival.ref)
    assert not await desk.journal.arrivals.dropped(one, unless_listed=5)
    assert await desk.journal.arrivals.dropped(two, unless_listed=5)
    assert await desk.arriving() == []
    desk.clock.pass_(seconds=5)
    [again] = await desk.arriving()
    assert (again.id, again.attempts) == (one.id, 1)
    assert await desk.journal.arrivals.dropped(again)
    await _added(desk, "m-1")
    assert [arrival.ref for arrival in await desk.arriving()] == ["m-1"]


async def test_an_id_that_was_set_aside_without_bytes_is_fetched_again(desk: Desk) -> None:
    """Once, and then it waits for nobody."""
    await _added(desk, "m-1")
    [arrival] = await desk.arriving()
    await desk.journal.arrivals.aside(arrival, RawAnswer(b""), "refused")
    [listed] = await desk.journal.dead.list(10)
    kept = (await desk.journal.dead.again(listed["id"])).kept
    assert kept is not None
    for _ in range(2):
        await desk.journal.arrivals.again(kept)
    assert [one.ref for one in await desk.arriving()] == ["m-1"]
    assert await desk.journal.dead.list(10) == []


async def test_arrivals_are_found_by_line_and_before_they_are_due(desk: Desk) -> None:
    """For whoever looks after lines that are no more."""
    assert await desk.journal.arrivals.lines() == []
    await _added(desk, "m-1")
    [arrival] = await desk.arriving()
    await desk.journal.arrivals.later(arrival, 1e6)
    assert await desk.journal.arrivals.lines() == [LINE]
    assert await desk.arriving() == []
    assert [one.id for one in await desk.journal.arrivals.due(LINE, 10, whenever=True)] == [arrival.id]
