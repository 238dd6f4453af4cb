"""`relay queue` and the last words of `relay trace`, as their user meets them, with a daemon's socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from tests.unit.counter import PATIENCE, Counter, opened
from tests.unit.stages.house import ALERTS, ALICE, BOB, ME


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket; a request of two copies waits."""
    async with AsyncExitStack() as stack:
        desk = await opened(tmp_path, stack)
        await desk.house.send(ALICE, BOB, text="a secret text")
        yield desk


async def relay(desk: Counter, *words: str) -> Result:
    """Run a command, as another program would."""
    async with asyncio.timeout(PATIENCE):
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, [*words, "--socket", str(desk.path)]))


def rows(told: Result) -> list[dict[str, Any]]:
    """What `--json` printed."""
    return [json.loads(line) for line in told.output.splitlines()]


async def test_what_waits_is_listed_as_a_table(desk: Counter) -> None:
    """One line a copy; no text, no number."""
    told = await relay(desk, "queue", "list")
    assert told.exit_code == 0
    head, first, _ = told.output.splitlines()
    assert head.split()[:4] == ["copy", "line", "lane", "status"]
    assert first.split()[1:5] == ["alerts", "normal", "queued", "-"]
    assert "+1206" not in told.output
    assert "secret" not in told.output


async def test_the_list_can_be_narrowed(desk: Counter) -> None:
    """By line, status, hold and number; one object a line for programs."""
    assert len(rows(await relay(desk, "queue", "list", "--line", ALERTS, "--limit", "1", "--json"))) == 1
    assert (await relay(desk, "queue", "list", "--status", "scheduled")).output == "nothing waits\n"
    assert (await relay(desk, "queue", "list", "--uncertain")).output == "no copy is uncertain\n"
    assert rows(await relay(desk, "queue", "list", "--held", "--json")) == []


async def test_a_request_is_held_shown_traced_and_released(desk: Counter) -> None:
    """Each command says how many copies; 1 where there were none."""
    told = await relay(desk, "queue", "hold", "key-1")
    assert (told.exit_code, told.output) == (0, "key-1: 2 copies held\n")
    told = await relay(desk, "queue", "hold", "key-1")
    assert (told.exit_code, told.output) == (1, "key-1: 0 copies held; 2 copies left, queued: an operator holds it\n")
    shown = await relay(desk, "queue", "show", "key-1")
    assert ": held by an operator since 20" in shown.output.splitlines()[-1]
    traced = await relay(desk, "trace", "key-1")
    last = traced.output.splitlines()[-1]
    assert ("  waits  " in last, "2 copies in call " in last, "held by an operator since" in last) == (True,) * 3
    [shown_to_programs] = rows(await relay(desk, "queue", "show", "key-1", "--line", ALERTS, "--json"))
    assert [copy["why"] for copy in shown_to_programs["copies"]] == ["held", "held"]
    [done] = rows(await relay(desk, "queue", "release", "key-1", "--json"))
    assert done == {"id": "key-1", "copies": 2, "left": []}
    shown = await relay(desk, "queue", "show", "key-1")
    assert "ready, waits for its turn" in shown.output


async def test_a_line_is_held_and_released(desk: Counter) -> None:
    """It says what that means."""
    told = await relay(desk, "queue", "hold", "--line", ALERTS)
    assert told.exit_code == 0
    assert told.output.startswith("alerts: held since 20")
    assert told.output.endswith("Z; it takes requests, and begins no call\n")
    assert (await relay(desk, "queue", "release", "--line", ALERTS)).output == "alerts: released\n"
    assert (await relay(desk, "queue", "release", "--line", ALERTS)).output == "alerts: it was not held\n"


async def test_copies_and_lines_are_canceled(desk: Counter) -> None:
    """What was stopped, and what was too late."""
    await desk.house.send(ALICE, text="another")
    [copy, *_] = rows(await relay(desk, "queue", "list", "--json"))
    told = await relay(desk, "queue", "cancel", copy["copy_id"])
    assert (told.exit_code, told.output) == (0, f"{copy['copy_id']}: 1 copy canceled\n")
    assert await desk.house.journal.calls.claim(ALERTS, ME) is not None
    told = await relay(desk, "queue", "cancel", "key-1")
    words = "key-1: 0 copies canceled; 1 copy left, {}; 1 copy left, {}\n"
    ended, under_way = "canceled: too late: it is at its end", "sending: too late: a call is under way with it"
    assert (told.exit_code, told.output) == (1, words.format(ended, under_way))
    told = await relay(desk, "queue", "cancel", "--line", ALERTS, "--yes")
    assert (told.exit_code, told.output) == (0, f"alerts: 1 copy canceled; 1 copy left, {under_way}\n")


async def test_what_is_uncertain_is_sent_again(desk: Counter) -> None:
    """The stage of its call is told in words."""
    assert await desk.house.journal.calls.claim(ALERTS, ME) is not None
    assert "it is under way" in (await relay(desk, "queue", "show", "key-1")).output
    await desk.house.journal.calls.recover()
    assert "nobody knows whether it was handed over" in (await relay(desk, "queue", "show", "key-1")).output
    told = await relay(desk, "queue", "retry", "key-1")
    assert (told.exit_code, told.output) == (0, "key-1: 2 copies tried again\n")


@pytest.mark.parametrize("verb", ["show", "hold", "release", "retry", "cancel"])
async def test_an_id_that_nothing_has_is_said_with_exit_code_1(desk: Counter, verb: str) -> None:
    """And nothing is done."""
    told = await relay(desk, "queue", verb, "some/thing", "--line", ALERTS)
    assert (told.exit_code, told.output[:45]) == (1, "nothing of this id is known on the line alert")
