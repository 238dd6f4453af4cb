"""The page about the interface, and the examples' own pages, are true."""

import json
import re

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from relay.cli.main import app
from relay.interface import schema, schema_names
from relay.interface.shapes import EVENTS
from tests.repo.sources import ROOT

PAGE = (ROOT / "docs/interface.md").read_text()
EXAMPLES = ROOT / "examples"
COMMANDS = re.findall(r"^relay (schema.*?)(?:  +#.*)?$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", [one for one in COMMANDS if "--out" not in one])
def test_every_command_on_the_page_works(command: str) -> None:
    """As it is written there."""
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 0, done.output
    assert done.output


def test_every_document_is_on_the_page() -> None:
    """By its name; the events of lines together."""
    spoken = set(re.findall(r"`([a-z-]+)`", PAGE))
    assert {name for name in schema_names() if name not in EVENTS or "." not in name} <= spoken


def test_the_request_on_the_page_fits() -> None:
    """What is shown to be valid is."""
    shown = re.search(r"^request = (\{.*\})$", PAGE, re.MULTILINE)
    assert shown is not None
    Draft202012Validator(schema("send")).validate(json.loads(shown[1]))


def test_everything_that_is_named_is_there() -> None:
    """Files and folders."""
    named = re.findall(r"`((?:tests|schemas|examples|relay|docs)/[\w./-]*)`", PAGE)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_example_is_run_and_explained() -> None:
    """Each program is named by the page beside it, and in the tests that run it."""
    tests = (ROOT / "tests/examples/test_examples.py").read_text()
    programs = [path for path in EXAMPLES.glob("*/*") if path.suffix in {".sh", ".json", ".py"}]
    assert len(programs) >= 6
    for path in programs:
        assert path.name in (path.parent / "README.md").read_text()
        assert f"{path.parent.name}/{path.name}" in tests or path.name == "bus.py"
