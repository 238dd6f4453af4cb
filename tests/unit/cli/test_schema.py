"""`relay schema` shows and writes the documents, without a daemon and without settings."""

import json
from pathlib import Path

from typer.testing import CliRunner

from relay.cli.main import app
from relay.interface import files, schema_names


def run(*words: str) -> tuple[int, str]:
    """The exit code, and what was printed."""
    done = CliRunner().invoke(app, ["schema", *words])
    return done.exit_code, done.output


def test_it_lists_every_document() -> None:
    """With the `$id` of each, as text and as JSON."""
    code, said = run()
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()[1:]] == list(schema_names())
    assert "urn:relay:command:send:v1" in said
    code, said = run("--json")
    assert code == 0
    assert [json.loads(line)["name"] for line in said.splitlines()] == list(schema_names())


def test_it_shows_one_by_its_name_or_by_an_events_dataschema() -> None:
    """The same document."""
    code, said = run("event.opt-out")
    assert (code, json.loads(said)["$id"]) == (0, "urn:relay:event:opt-out:v1")
    assert run("urn:relay:event:opt-out:v1") == (0, said)
    assert json.loads(run("asyncapi")[1])["asyncapi"] == "3.0.0"


def test_it_names_the_nearest_where_there_is_none() -> None:
    """And ends with 1."""
    code, said = run("recipt")
    assert code == 1
    assert "did you mean receipt" in said
    assert run("qqqqqq") == (1, "no such document; `relay schema` lists them all\n")


def test_it_writes_files(tmp_path: Path) -> None:
    """All of them into a folder that it makes, or one."""
    assert run("--out", str(tmp_path / "all")) == (0, f"{len(files())} files written into {tmp_path / 'all'}\n")
    assert {path.name: path.read_text() for path in (tmp_path / "all").iterdir()} == files()
    assert run("send", "--out", str(tmp_path / "one"))[0] == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["send.schema.json"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """In one sentence."""
    (tmp_path / "file").touch()
    code, said = run("--out", str(tmp_path / "file"))
    assert code == 1
    assert said == f"the files cannot be written into {tmp_path / 'file'}: File exists\n"
