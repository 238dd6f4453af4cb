"""The control socket's queue: listed, shown, held, released, sent again, canceled; over a real socket."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from relay.telemetry.health import LineState
from tests.unit.counter import Counter, opened
from tests.unit.stages.house import ALERTS, ALICE, BOB, ME


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket; two texts wait."""
    async with AsyncExitStack() as stack:
        desk = await opened(tmp_path, stack)
        await desk.house.send(ALICE, text="one")
        await desk.house.send(BOB, text="two")
        yield desk


async def listed(desk: Counter, query: str = "") -> list[str]:
    """The requests whose copies are listed."""
    return [one["request_id"] for one in await desk.get(f"/queue{query}")]


async def test_what_waits_is_listed(desk: Counter) -> None:
    """By line and by status, held or not, and not more than was asked for."""
    assert await listed(desk) == await listed(desk, "?line=alerts&status=queued") == ["key-1", "key-2"]
    assert await listed(desk, "?limit=1") == ["key-1"]
    assert await listed(desk, "?status=uncertain") == await listed(desk, "?held=1") == []
    assert await listed(desk, "?line=office") == []


@pytest.mark.parametrize("limit", ["", "x", "-1", "9" * 40, "²"])
async def test_a_limit_that_is_none_is_the_usual_one(desk: Counter, limit: str) -> None:
    """Nobody is refused for it."""
    async with desk.http.get("http://relay/queue", params={"limit": limit}) as answer:
        assert len(await answer.json()) == 2


async def test_a_status_that_does_not_wait_is_refused(desk: Counter) -> None:
    """Those that do are named."""
    async with desk.http.get("http://relay/queue?status=sent") as answer:
        assert answer.status == 400
        assert (await answer.json())["error"].endswith("there are: sending, queued, scheduled, uncertain")


async def test_a_request_is_held_shown_and_released(desk: Counter) -> None:
    """Its call says why it waits."""
    done = {"id": "key-1", "copies": 1, "left": []}
    assert await desk.post("/queue/hold", ids=["key-1"]) == (200, [done])
    assert await listed(desk, "?held=1") == ["key-1"]
    shown = await desk.get("/queue/key-1?line=alerts")
    assert [call["sentence"][:26] for call in shown["calls"]] == ["held by an operator since "]
    assert await desk.post("/queue/release", ids=["key-1", "key-1"], line=ALERTS) == (200, [done])
    status, [again] = await desk.post("/queue/release", ids=["key-1"])
    assert (status, again["copies"], again["left"][0]["why"]) == (200, 0, "not_held")


async def test_a_line_is_held_and_released(desk: Counter) -> None:
    """Twice does no harm."""
    _, first = await desk.post("/queue/hold", line=ALERTS)
    assert (first["line"], bool(first["held_at"])) == (ALERTS, True)
    assert await desk.post("/queue/hold", line=ALERTS) == (200, first)
    assert await desk.house.journal.calls.claim(ALERTS, ME) is None
    for was_held in (True, False):
        told = {"line": ALERTS, "held_at": None, "was_held": was_held}
        assert await desk.post("/queue/release", line=ALERTS) == (200, told)


async def test_what_is_uncertain_is_sent_again(desk: Counter) -> None:
    """As an operator wishes who has asked the recipient."""
    call = await desk.house.journal.calls.claim(ALERTS, ME)
    assert call is not None
    await desk.house.journal.calls.recover()
    assert await listed(desk, "?status=uncertain") == ["key-1"]
    assert await desk.post("/queue/retry", ids=["key-1"]) == (200, [{"id": "key-1", "copies": 1, "left": []}])
    status, [left] = await desk.post("/queue/retry", ids=["key-2"])
    assert (status, left["left"][0]["why"]) == (200, "no_retry")


async def test_copies_and_lines_are_canceled(desk: Counter) -> None:
    """A line also where it is served no more."""
    assert await desk.post("/queue/cancel", ids=["key-1"]) == (200, [{"id": "key-1", "copies": 1, "left": []}])
    done = {"id": ALERTS, "copies": 1, "left": [], "more": False}
    assert await desk.post("/queue/cancel", line=ALERTS) == (200, done)
    await desk.house.send(line="office")
    status, body = await desk.post("/queue/cancel", line="office")
    assert (status, body["copies"]) == (200, 1)
    assert {body["status"] for body in await desk.house.bodies("receipt")} == {"canceled"}


@pytest.mark.parametrize("verb", ["hold", "release", "cancel"])
async def test_a_line_that_there_is_not_is_refused(desk: Counter, verb: str) -> None:
    """Those that there are are named."""
    status, body = await desk.post(f"/queue/{verb}", line="nosuch")
    assert (status, body["error"]) == (400, "no such line; the lines are: alerts")


WRONG: list[dict[str, Any]] = [{}, {"ids": []}, {"ids": "x"}, {"ids": [1]}, {"ids": ["x"] * 1_001}, {"line": 7}]


@pytest.mark.parametrize("verb", ["hold", "release", "retry", "cancel"])
@pytest.mark.parametrize("asked", WRONG)
async def test_what_names_nothing_is_refused(desk: Counter, verb: str, asked: dict[str, Any]) -> None:
    """Nothing was done."""
    status, body = await desk.post(f"/queue/{verb}", **asked)
    assert status == 400
    assert "must" in body["error"]
    assert await listed(desk) == ["key-1", "key-2"]


async def test_an_id_that_nothing_has_is_404_and_one_that_several_have_409(desk: Counter) -> None:
    """With what to do about it."""
    status, body = await desk.post("/queue/hold", ids=["key-1", "nothing"])
    assert (status, body["error"][:23]) == (404, "nothing of this id is k")
    assert await listed(desk, "?held=1") == []
    desk.house.keys = iter((1,))
    await desk.house.send(line="office")
    status, body = await desk.post("/queue/hold", ids=["key-1"])
    assert (status, "--line: alerts, office" in body["error"]) == (409, True)
    async with desk.http.get("http://relay/queue/key-1") as answer:
        assert answer.status == 409


async def test_what_the_line_suffers_from_is_said_besides(desk: Counter) -> None:
    """Whoever asks why a text waits need not know that `relay status` would say it."""

    async def sentences() -> set[str]:
        shown, traced = await desk.get("/queue/key-1"), await desk.get("/trace/key-1")
        return {one["sentence"] for one in (*shown["calls"], *traced) if "sentence" in one}

    ready = {"ready, waits for its turn: it is the next of its lane"}
    assert await sentences() == ready
    desk.house.board.report(ALERTS, "send", LineState.UNAUTHORIZED, "the key was refused")
    [said] = await sentences()
    assert said.startswith(f"{ready.pop()}; besides, the line is unauthorized since 20")
    assert said.endswith("Z: the key was refused")
    await desk.post("/queue/hold", line=ALERTS)
    assert {said[:35] for said in await sentences()} == {"the line is held by an operator sin"}
    await desk.house.send(BOB, line="orphan")
    [orphan] = await desk.get("/queue?line=orphan")
    [call] = (await desk.get(f"/queue/{orphan['copy_id']}"))["calls"]
    assert call["sentence"].endswith("; besides, the line is not in relay's settings")
