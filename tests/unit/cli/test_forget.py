"""`relay forget` as its user meets it, with a daemon's socket: numbers come from files and standard input alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from relay.domain.messages import RawAnswer
from tests.unit.counter import PATIENCE, Counter, opened
from tests.unit.stages.house import ALERTS, ALICE, BOB


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket."""
    async with AsyncExitStack() as stack:
        yield await opened(tmp_path, stack)


async def forget(desk: Counter, *words: str, given: str = "") -> Result:
    """Run `relay forget`, as another program would."""
    asked = ["forget", *words, "--socket", str(desk.path)]
    async with asyncio.timeout(PATIENCE):
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, asked, input=given))


async def test_people_are_forgotten(desk: Counter) -> None:
    """And counted; nobody is named, and it is said what is not touched."""
    await desk.command()
    told = await forget(desk, given=f"{ALICE}\n\n{BOB}\n")
    assert (told.exit_code, told.stderr) == (0, "")
    assert told.stdout.startswith("2 people forgotten (1 copy, 1 message, ")
    assert told.stdout.endswith("0 not read; older backups are not touched\n")
    told = await forget(desk, given=ALICE)
    assert told.stdout.startswith("1 person forgotten (nothing was known of them), 0 not read")


async def test_it_is_told_to_programs(desk: Counter, tmp_path: Path) -> None:
    """One JSON object; the numbers may stand in a file."""
    file = tmp_path / "numbers.txt"
    await asyncio.to_thread(file.write_text, f"{ALICE}\n")
    await desk.command()
    said = json.loads((await forget(desk, str(file), "--json")).stdout)
    assert (said["people"], said["done"]["copies"], said["left"], said["clean"], said["refused"]) == (1, 1, {}, True, 0)


async def test_what_cannot_be_read_is_named_by_its_line(desk: Counter) -> None:
    """And the rest is done; exit code 1."""
    told = await forget(desk, given=f"{BOB}\nnobody\n")
    assert told.exit_code == 1
    assert told.stderr.startswith("line 2: ")
    assert told.stdout.startswith("1 person forgotten")


async def test_what_is_left_is_said(desk: Counter) -> None:
    """With what to do about it; exit code 1."""
    answer = RawAnswer(f'{{"from": "{ALICE}"}}'.encode(), "application/json")
    await desk.house.journal.raw.keep(ALERTS, "inbox", "", "", answer)
    told = await forget(desk, given=ALICE)
    assert told.exit_code == 1
    assert told.stderr == "1 page is from a provider not read yet: run it again in a minute\n"


async def test_a_journal_that_fails_is_said(desk: Counter) -> None:
    """What was done stays, and the same again finds the rest."""
    await desk.house.journal.aclose()
    told = await forget(desk, given=ALICE)
    assert told.exit_code == 1
    assert "Run it again" in told.stderr
