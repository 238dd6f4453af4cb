"""The control socket's side of the opt-out ledger: what it takes, and what it refuses and names by its place."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.unit.counter import Counter, opened
from tests.unit.stages.house import ALERTS, ALICE, BOB

WHEN = "2026-11-20T09:00:00.250001Z"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket."""
    async with AsyncExitStack() as stack:
        yield await opened(tmp_path, stack)


async def shown(desk: Counter, query: str = "") -> list[tuple[Any, ...]]:
    """What is listed."""
    return [(one["address"], one["line"], one["source"]) for one in await desk.get(f"/optout{query}")]


async def test_numbers_are_opted_out_and_their_opt_outs_lifted(desk: Counter) -> None:
    """In any spelling; what cannot be read is named by its place and not by what it says."""
    status, done = await desk.post("/optout/add", addresses=["(206) 555-0001", "555", ALICE, 7], line=None)
    assert (status, done["new"], done["unchanged"]) == (200, 1, 1)
    assert [one["place"] for one in done["refused"]] == [1, 3]
    assert "555" not in str(done["refused"])
    assert await desk.post("/optout/add", addresses=[BOB], line=ALERTS) == (200, _counts("new", 1, 0))
    assert await shown(desk) == [(ALICE, None, "operator"), (BOB, ALERTS, "operator")]
    assert await shown(desk, f"?line={ALERTS}") == [(BOB, ALERTS, "operator")]
    assert await desk.post("/optout/remove", addresses=[ALICE, BOB], line=ALERTS) == (200, _counts("lifted", 1, 1))
    assert await desk.post("/optout/remove", addresses=[ALICE, BOB]) == (200, _counts("lifted", 1, 1))
    assert await shown(desk) == []
    assert await shown(desk, "?lifted=1") == [(ALICE, None, "operator"), (BOB, ALERTS, "operator")]


def _counts(name: str, count: int, unchanged: int) -> dict[str, Any]:
    return {name: count, "unchanged": unchanged, "refused": []}


async def test_everything_of_a_number_is_shown(desk: Counter) -> None:
    """What was lifted included, and nothing of others."""
    await desk.post("/optout/add", addresses=[ALICE, BOB])
    await desk.post("/optout/remove", addresses=[ALICE])
    status, found = await desk.post("/optout/of", addresses=[ALICE, "nobody"])
    assert (status, [(one["address"], one["lifted_by"]) for one in found["found"]]) == (200, [(ALICE, "operator")])
    assert [one["place"] for one in found["refused"]] == [1]


async def test_a_list_is_taken_in_with_its_times_and_sources(desk: Counter) -> None:
    """Lines that there are not are named: what was asked for there may hold nevertheless."""
    entries = [
        {"address": ALICE, "line": ALERTS, "at": WHEN, "source": "keyword", "word": "quit"},
        {"address": BOB, "line": "former"},
        {"address": "short:12345", "line": "", "at": "", "source": "", "word": ""},
    ]
    status, done = await desk.post("/optout/import", entries=entries)
    assert (status, done) == (200, {**_counts("new", 3, 0), "unknown_lines": ["former"]})
    assert await shown(desk) == [(ALICE, ALERTS, "keyword"), (BOB, "former", "import"), ("12345", None, "import")]
    assert (await desk.get("/optout"))[0]["at"] == WHEN
    _, done = await desk.post("/optout/import", entries=entries)
    assert (done["new"], done["unchanged"]) == (0, 3)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("+12065550001", "object"),
        ({"address": None}, "must be a text"),
        ({}, "must be a text"),
        ({"address": "+1206"}, "North American"),
        ({"address": ALICE, "line": "No Line"}, "alias"),
        ({"address": ALICE, "line": ["alerts"]}, "alias"),
        ({"address": ALICE, "at": "yesterday"}, "2026-11-21T09:00:00Z"),
        ({"address": ALICE, "at": "2026-11-21T09:00:00"}, "zone"),
        ({"address": ALICE, "at": "0001-01-01T00:00:00+14:00"}, "zone"),
        ({"address": ALICE, "at": 5}, "zone"),
        ({"address": ALICE, "source": "hearsay"}, "keyword, provider, operator, import"),
        ({"address": ALICE, "source": ["keyword"]}, "one of"),
        ({"address": ALICE, "source": 1}, "one of"),
        ({"address": ALICE, "word": "x" * 101}, "100"),
    ],
)
async def test_a_row_that_cannot_be_read_is_refused_and_the_others_are_taken(
    desk: Counter, entry: Any, why: str
) -> None:
    """With a sentence that says what would be right."""
    status, done = await desk.post("/optout/import", entries=[entry, {"address": BOB}])
    [refused] = done["refused"]
    assert (status, refused["place"], done["new"]) == (200, 0, 1)
    assert why in refused["why"]
    assert ALICE not in refused["why"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("add", {"addresses": [ALICE], "line": "nosuch"}, "the lines are: alerts"),
        ("add", {"addresses": [ALICE], "line": {}}, "the lines are: alerts"),
        ("remove", {"addresses": ALICE}, "a list of at most 500"),
        ("of", {}, "a list of at most 500"),
        ("import", {"entries": [{}] * 501}, "a list of at most 500"),
    ],
)
async def test_what_is_asked_for_wrongly_is_refused_as_a_whole(
    desk: Counter, path: str, body: dict[str, Any], said: str
) -> None:
    """With a sentence."""
    status, told = await desk.post(f"/optout/{path}", **body)
    assert status == 400
    assert said in told["error"]
    assert await shown(desk) == []
