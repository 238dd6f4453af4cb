"""`relay optout` as its user meets it, with a daemon's socket: numbers come from files and standard input alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from relay.cli.main import app
from tests.unit.counter import PATIENCE, Counter, opened
from tests.unit.stages.house import ALERTS, ALICE, BOB, CAROL

HEADER = "address,line,at,source,word"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    """A daemon's socket."""
    async with AsyncExitStack() as stack:
        yield await opened(tmp_path, stack)


async def relay(desk: Counter, *words: str, given: str | bytes = "") -> Result:
    """Run `relay optout`, as another program would."""
    asked = ["optout", *words, "--socket", str(desk.path)]
    async with asyncio.timeout(PATIENCE):
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, asked, input=given))


async def test_numbers_are_opted_out_listed_and_lifted(desk: Counter, tmp_path: Path) -> None:
    """From standard input and from a file."""
    told = await relay(desk, "add", given=f"{ALICE}\n\n{BOB}\n")
    assert (told.exit_code, told.output) == (0, "2 numbers opted out, 0 opted out before, 0 not read\n")
    file = tmp_path / "numbers.txt"
    await asyncio.to_thread(file.write_text, f"{CAROL}\n")
    told = await relay(desk, "add", str(file), "--line", ALERTS, "--json")
    assert json.loads(told.output) == {"new": 1, "unchanged": 0, "refused": 0}
    told = await relay(desk, "list")
    head, *rows = told.output.splitlines()
    assert (told.exit_code, head.split()) == (0, ["number", "asked", "on", "at", "source", "word", "message", "state"])
    assert [(row.split()[0], row.split()[-1]) for row in rows] == [(one, "holds") for one in (ALICE, BOB, CAROL)]
    assert ("every line" in rows[0], ALERTS in rows[2]) == (True, True)
    told = await relay(desk, "remove", given=f"{ALICE}\n+12065550199\n")
    assert told.output == "the opt-outs of 1 number lifted, 1 had none there, 0 not read\n"
    found = [json.loads(row) for row in (await relay(desk, "list", "--lifted", "--json")).output.splitlines()]
    assert [one["lifted_by"] for one in found] == ["operator", None, None]


async def test_the_evidence_of_some_numbers_can_be_asked_for(desk: Counter) -> None:
    """All of it, also of what was lifted."""
    await relay(desk, "add", given=f"{ALICE}\n{BOB}\n")
    await relay(desk, "remove", given=ALICE)
    told = await relay(desk, "list", "--of", "-", "--json", given=ALICE)
    assert [json.loads(row)["lifted_by"] for row in told.output.splitlines()] == ["operator"]
    told = await relay(desk, "list", "--of", "-", given=f"{CAROL}\nnobody\n")
    assert (told.exit_code, told.stdout) == (1, "no opt-outs\n")
    assert told.stderr.startswith("line 2: ")


async def test_what_was_exported_can_be_imported(desk: Counter) -> None:
    """And then nothing has changed, also in another relay with the same list."""
    given = f"{HEADER}\n{ALICE},{ALERTS},2026-11-20T09:00:00Z,keyword,stop\n{BOB},,,,\nshort:12345,,,operator,\n"
    told = await relay(desk, "import", given=given)
    assert (told.exit_code, told.output) == (0, "3 numbers opted out, 0 known before, 0 not read\n")
    exported = (await relay(desk, "export")).output
    header, first, *rest = exported.splitlines()
    assert (header, first) == (HEADER, f"{ALICE},{ALERTS},2026-11-20T09:00:00Z,keyword,stop")
    assert [row.split(",")[0] for row in rest] == [BOB, "short:12345"]
    told = await relay(desk, "import", "--json", given=exported)
    assert json.loads(told.output) == {"new": 0, "unchanged": 3, "refused": 0}
    assert (await relay(desk, "export")).output == exported
    found = [json.loads(row) for row in (await relay(desk, "export", "--json", "--line", ALERTS)).output.splitlines()]
    assert [list(one) for one in found] == [HEADER.split(",")]


async def test_a_bad_row_is_named_by_its_line_and_the_others_are_taken(desk: Counter) -> None:
    """The exit code says that something was left out; what the row says is not repeated."""
    given = f'{HEADER}\n{ALICE},,,,\n\n"2065550\n002",,,,\n{BOB},,soon,,\n{CAROL},,,,,too much\n{CAROL},former,,,\n'
    told = await relay(desk, "import", given=given)
    assert (told.exit_code, told.stdout) == (1, "2 numbers opted out, 0 known before, 3 not read\n")
    *rows, strange = told.stderr.splitlines()
    assert [row.partition(": ")[0] for row in rows] == ["line 4", "line 6", "line 7"]
    assert "former" in strange
    assert "2065550" not in told.stderr


async def test_a_long_list_is_handed_over_in_pieces(desk: Counter) -> None:
    """Its bad rows are named by where they stand in the whole of it."""
    numbers = [f"+1206556{number:04}" for number in range(1_100)]
    numbers[1_050] = "oops"
    told = await relay(desk, "import", given="\n".join(numbers))
    assert (told.exit_code, told.stdout) == (1, "1099 numbers opted out, 0 known before, 1 not read\n")
    assert told.stderr.startswith("line 1051: ")
    assert len((await relay(desk, "export")).output.splitlines()) == 1_100


async def test_a_list_of_a_spreadsheet_can_be_read(desk: Counter) -> None:
    """With its mark, its quotes, its line ends and its own order of columns."""
    told = await relay(desk, "import", given=f'\ufeff"Word","Address"\r\n"stop","{ALICE}"\r\n'.encode())
    assert (told.exit_code, told.output) == (0, "1 number opted out, 0 known before, 0 not read\n")
    assert json.loads((await relay(desk, "list", "--json")).output)["word"] == "stop"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"\xff\xfe+12065550001", "UTF-8"),
        (f"address,number\n{ALICE},1\n".encode(), f"the columns {HEADER}"),
        (f"address,address\n{ALICE},1\n".encode(), "each once"),
        (f'{HEADER}\n"{ALICE}"x,,,,\n'.encode(), "from line 2 on"),
    ],
)
async def test_a_list_that_is_none_is_refused_as_a_whole(desk: Counter, given: bytes, said: str) -> None:
    """In a sentence, without what it holds."""
    told = await relay(desk, "import", given=given)
    assert (told.exit_code, told.stdout) == (1, "")
    assert said in told.stderr
    assert ALICE not in told.stderr


@pytest.mark.parametrize("act", ["add", "remove", "import"])
async def test_a_number_is_never_an_argument(desk: Counter, act: str) -> None:
    """`ps` shows those to everybody; the sentence does not repeat it."""
    told = await relay(desk, act, ALICE)
    assert (told.exit_code, told.stdout) == (1, "")
    assert "standard input" in told.stderr
    assert ALICE not in told.stderr


async def test_an_unknown_line_is_refused(desk: Counter) -> None:
    """With those that there are."""
    told = await relay(desk, "add", "--line", "nosuch", given=ALICE)
    assert (told.exit_code, told.stderr) == (1, "no such line; the lines are: alerts\n")


async def test_an_empty_list_does_nothing(desk: Counter) -> None:
    """And says so."""
    assert (await relay(desk, "import")).output == "0 numbers opted out, 0 known before, 0 not read\n"
    assert (await relay(desk, "list")).output == "no opt-outs\n"
    assert (await relay(desk, "export")).output == f"{HEADER}\n"
