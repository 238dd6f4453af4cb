"""The control socket forgets people: what it takes, what it refuses, and that its answer names nobody."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.unit.counter import OWN, Counter, opened
from tests.unit.stages.house import ALICE


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket."""
    async with AsyncExitStack() as stack:
        yield await opened(tmp_path, stack)


async def forget(desk: Counter, addresses: Any) -> tuple[int, dict[str, Any]]:
    """Ask for it: HTTP status, and what was said."""
    async with desk.http.post("http://relay/forget", json={"addresses": addresses}) as answer:
        return answer.status, json.loads(await answer.read())


async def test_people_are_forgotten_by_their_numbers(desk: Counter) -> None:
    """In any spelling, each once; what waited for them is canceled."""
    await desk.command()
    status, said = await forget(desk, [ALICE, f"tel:{ALICE}"])
    assert (status, said["people"], said["refused"]) == (200, 1, [])
    assert (said["done"]["copies"], said["left"], said["is_clean"]) == (1, {}, True)
    assert ALICE not in str(said)
    assert ALICE not in str([event.body for _, event in await desk.house.journal.events.follow(0, 100)])


async def test_what_is_nobody_is_refused_by_its_place(desk: Counter) -> None:
    """Short codes, relay's own numbers, and what cannot be read; the rest is done."""
    _, said = await forget(desk, ["short:12345", OWN, "nobody", 7, ALICE])
    assert said["people"] == 1
    assert [one["place"] for one in said["refused"]] == [0, 1, 2, 3]
    assert OWN not in str(said)


async def test_what_is_no_list_is_refused(desk: Counter) -> None:
    """Before anything is done."""
    status, said = await desk.post("/forget", addresses=ALICE)
    assert (status, "list" in said["error"]) == (400, True)
    assert (await desk.post("/forget", addresses=[ALICE] * 501))[0] == 400


async def test_a_journal_that_cannot_be_written_is_said(desk: Counter) -> None:
    """In a sentence."""
    await desk.house.journal.aclose()
    _, said = await forget(desk, [ALICE])
    assert said["error"] == "the journal is closed"
