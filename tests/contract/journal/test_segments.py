"""Segments: a long text that comes in pieces is published once, whole; or as far as it is there, after an hour."""

import itertools
from dataclasses import replace

import pytest

from relay.domain.messages import InboundMessage, MailChange, Segment
from tests.contract.journal.desk import BOB, START, Desk, seen, text

PIECES = ("A long", " text in", " three pieces")


def piece(place: int, *, group: str = "7", total: int = 3, key: str | None = None, sender: str = "a") -> InboundMessage:
    """One of the pieces, from 1."""
    number = {"a": "+12065550101", "b": "+12065550102"}[sender]
    body = PIECES[place - 1] if 1 <= place <= len(PIECES) else "odd"
    plain = text(body, key=key or f"{sender}{group}{place}", sender=number)
    return replace(plain, segment=Segment(group, place, total), ref=f"m-{plain.dedupe_key}", provider={"n": place})


async def _texts(desk: Desk) -> list[str]:
    return [body["text"] for body in await desk.bodies("message")]


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
async def test_pieces_are_joined_in_order(desk: Desk, order: tuple[int, ...]) -> None:
    """Whatever the order in which they come, in the same bytes or in others."""
    await desk.receive(piece(order[0]))
    assert await desk.events("message") == []
    await desk.receive(*(piece(place) for place in order[1:]))
    [body] = await desk.bodies("message")
    assert (body["text"], body["provider"]) == ("A long text in three pieces", {"n": 1})
    assert (await desk.journal.queries.status())["segments"] == 0
    assert await desk.journal.upkeep.join_overdue_segments() == 0


async def test_every_piece_is_known_by_its_id(desk: Desk) -> None:
    """What happens to one of them happens to the message."""
    await desk.receive(piece(1), piece(2), piece(3))
    [event] = await desk.events("message")
    await desk.hear(*(MailChange("deleted", f"m-a7{place}") for place in (1, 2, 3)))
    assert {told.body["message_id"] for told in await desk.events("event.deleted")} == {event.subject}


async def test_a_repeated_piece_counts_once(desk: Desk) -> None:
    """It is recognised like any message."""
    await desk.receive(piece(1), piece(1), piece(2))
    assert (await desk.receive(piece(2))).duplicates == 1
    await desk.receive(piece(3))
    await desk.receive(piece(1))
    assert await _texts(desk) == ["A long text in three pieces"]


async def test_pieces_of_other_senders_and_groups_are_apart(desk: Desk) -> None:
    """And of another total."""
    await desk.receive(piece(1), piece(1, sender="b"), piece(1, group="8"), piece(1, total=2, key="t"))
    assert (await desk.journal.queries.status())["segments"] == 4
    await desk.receive(piece(2, total=2, key="u"))
    assert await _texts(desk) == ["A long text in"]


async def test_what_is_missing_after_an_hour_is_named(desk: Desk) -> None:
    """The rest is not held back for ever; what comes later is published, too."""
    await desk.receive(piece(1), piece(3))
    desk.clock.pass_(minutes=59)
    assert await desk.journal.upkeep.join_overdue_segments() == 0
    desk.clock.pass_(minutes=1)
    assert await desk.journal.upkeep.join_overdue_segments() == 1
    [event] = await desk.events("message")
    assert (event.body["text"], event.body["provider"]) == (
        "A long three pieces",
        {"n": 1, "segments_missing": [2]},
    )
    assert event.occurred_at == START
    await desk.receive(piece(2))
    desk.clock.pass_(hours=1)
    assert await desk.journal.upkeep.join_overdue_segments() == 1
    assert (await desk.bodies("message"))[1]["provider"]["segments_missing"] == [1, 3]


async def test_many_that_are_overdue_are_joined_in_small_steps(desk: Desk) -> None:
    """Each once."""
    await desk.receive(*(piece(place, group=str(group)) for group in range(7) for place in (1, 2)))
    desk.clock.pass_(hours=1)
    steps = [await desk.journal.upkeep.join_overdue_segments(limit=4) for _ in range(9)]
    assert sum(steps) == 7
    assert len(await desk.events("message")) == 7


async def test_a_groups_number_that_comes_around_again_begins_anew(desk: Desk) -> None:
    """What was there of the former message is published."""
    await desk.receive(piece(1), piece(2))
    await desk.receive(piece(1, key="later-1"))
    [body] = await desk.bodies("message")
    assert (body["text"], body["provider"]["segments_missing"]) == ("A long text in", [3])
    await desk.receive(piece(2, key="later-2"), piece(3, key="later-3"))
    assert (await _texts(desk))[1] == "A long text in three pieces"


@pytest.mark.parametrize(("nth", "total"), [(0, 3), (4, 3), (1, 1), (1, 0), (-1, -1), (1, 256), (2, 10**20)])
async def test_a_place_that_makes_no_sense_is_no_place(desk: Desk, nth: int, total: int) -> None:
    """The message is published as it is."""
    await desk.receive(piece(nth, total=total))
    assert len(await desk.events("message")) == 1


async def test_pieces_survive_a_kill(desk: Desk) -> None:
    """At any moment."""
    await desk.receive(piece(1), piece(2))
    left = await desk.after_kill()
    await left.receive(piece(3))
    again = await left.after_kill()
    assert await _texts(again) == ["A long text in three pieces"]
    assert (await again.journal.queries.status())["segments"] == 0
    await left.journal.aclose()
    await again.journal.aclose()


async def test_a_flipped_bit_in_a_piece_is_noticed(desk: Desk) -> None:
    """The others are published, and a person is told."""
    await desk.receive(piece(1), piece(2))
    desk.place.flip_a_bit("segment", "mail", "1", b"A long", key="place")
    desk.clock.pass_(hours=1)
    assert await desk.journal.upkeep.join_overdue_segments() == 1
    assert await _texts(desk) == [" text in"]
    assert [one["kind"] for one in await desk.journal.dead.list(10)] == ["damaged"]


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
async def test_pieces_that_went_out_are_one_message(desk: Desk, order: tuple[int, ...]) -> None:
    """Whoever else was written to under the same number."""
    await desk.see(seen("to Bob", BOB, ref="m-9", segment=Segment("7", 2, 3)))
    for place in (*order, *order):
        await desk.see(seen(PIECES[place - 1], ref=f"m-{place}", segment=Segment("7", place, 3)))
    desk.clock.pass_(minutes=3)
    await desk.journal.upkeep.settle_sightings()
    assert [body["text"] for body in await desk.bodies("event.sent-elsewhere")] == ["".join(PIECES)]
    desk.clock.pass_(hours=1)
    await desk.journal.upkeep.join_overdue_segments()
    desk.clock.pass_(minutes=3)
    await desk.journal.upkeep.settle_sightings()
    rest = (await desk.bodies("event.sent-elsewhere"))[1:]
    assert [(body["text"], body["provider"]["segments_missing"]) for body in rest] == [("to Bob", [1, 3])]
