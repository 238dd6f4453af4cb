"""What is in flight without a task: how much there may be, how it ends, and what goes wrong at an end."""

import asyncio

import pytest

from relay.flight import Flight

GRACE = 5.0


def flight(size: int = 2, most: float = 100, failures: list[str] | None = None) -> Flight[str]:
    """Nothing is in flight yet."""
    told = failures if failures is not None else []
    return Flight(size, most, lambda: told.append("failed"))


async def test_there_are_so_many_at_once_and_no_more() -> None:
    """A free place can be taken at once."""
    pieces = flight(size=2)
    pieces.begin("a", 0)
    pieces.begin("b", 0)
    waiting = asyncio.create_task(pieces.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    pieces.end("a")
    await asyncio.wait_for(waiting, GRACE)
    assert pieces.busy == 1


async def test_they_weigh_no_more_together_and_a_heavier_one_flies_alone() -> None:
    """The event of a request with ten thousand recipients passes as well."""
    pieces = flight(most=100)
    assert pieces.has_room(1000)
    pieces.begin("light", 60)
    assert (pieces.has_room(40), pieces.has_room(41)) == (True, False)
    pieces.end("light")
    assert pieces.has_room(1000)


async def test_an_end_that_is_told_twice_frees_one_place() -> None:
    """What was given up may have ended in the same moment."""
    pieces = flight(size=2, most=10)
    pieces.begin("a", 5)
    pieces.begin("b", 5)
    pieces.end("a")
    pieces.end("a")
    assert (pieces.busy, pieces.has_room(5), pieces.has_room(6)) == (1, True, False)


async def test_what_goes_wrong_at_an_end_is_raised_where_the_next_one_begins() -> None:
    """Not at whoever told of the end; its place is free, and what failed together is raised once."""
    failures: list[str] = []
    pieces = flight(failures=failures)
    for piece in ("a", "b"):
        pieces.begin(piece, 1)
    for piece in ("a", "b"):
        with pieces.ending(piece):
            raise ValueError(piece)
    assert (pieces.busy, failures) == (0, ["failed", "failed"])
    with pytest.raises(ValueError, match="a"):
        await pieces.room()
    await pieces.room()


async def test_who_waits_for_room_hears_of_a_failure() -> None:
    """It does not wait for ever where no place becomes free."""
    pieces = flight(size=1)
    pieces.begin("a", 0)
    waiting = asyncio.create_task(pieces.room())
    await asyncio.sleep(0)
    pieces.failed(ValueError("b"))
    with pytest.raises(ValueError, match="b"):
        await asyncio.wait_for(waiting, GRACE)


async def test_an_end_of_the_process_is_nobodys_failure() -> None:
    """It goes its way."""
    pieces = flight()
    pieces.begin("a", 0)
    with pytest.raises(KeyboardInterrupt), pieces.ending("a"):
        raise KeyboardInterrupt
    await pieces.room()


async def test_waiting_for_the_last_ends_when_it_has_ended() -> None:
    """However long it might have taken."""
    pieces = flight()
    pieces.begin("a", 0)
    empty = asyncio.create_task(pieces.empty(3600))
    await asyncio.sleep(0)
    pieces.end("a")
    assert await asyncio.wait_for(empty, GRACE) == []


async def test_waiting_for_the_last_tells_what_has_not_ended() -> None:
    """Whoever waits decides what becomes of these."""
    pieces = flight()
    pieces.begin("a", 0)
    pieces.begin("b", 0)
    pieces.end("a")
    assert await pieces.empty(0) == ["b"]
