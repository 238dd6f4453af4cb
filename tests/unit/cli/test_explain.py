"""relay explain: every code and every event is explained; a slip of the pen finds what was meant."""

import json

import pytest
from typer.testing import CliRunner

from relay.cli.main import app
from relay.domain.errors import ErrorCode
from relay.domain.explanations import EXPLANATIONS
from relay.telemetry.catalogue import CATALOGUE


def explained(*words: str) -> tuple[int, str]:
    """What the command says, and its exit code."""
    ended = CliRunner().invoke(app, ["explain", *words])
    return ended.exit_code, ended.output


@pytest.mark.parametrize("code", ErrorCode)
def test_every_error_code_is_explained_with_its_cure(code: ErrorCode) -> None:
    """A line each: whose turn it is, why, and what is to be done."""
    ended, said = explained(code.value)
    assert ended == 0
    assert said.splitlines()[:2] == [f"code       {code.value}", f"category   {code.category}"]
    assert f"cure       {EXPLANATIONS[code].cure}" in said.splitlines()


def test_a_log_event_is_explained() -> None:
    """With its levels and its fields."""
    ended, said = explained("journal.full")
    assert ended == 0
    assert said.splitlines()[0] == "event    journal.full"
    assert CATALOGUE["journal.full"].meaning in said


def test_as_json_it_is_one_object() -> None:
    """For programs."""
    ended, said = explained("queue_full", "--json")
    assert ended == 0
    assert json.loads(said) | {"cause": "", "cure": ""} == {
        "code": "queue_full",
        "category": "temporary",
        "retryable": True,
        "cause": "",
        "cure": "",
    }


@pytest.mark.parametrize(("typed", "meant"), [("unceratin", "uncertain"), ("Journal.Ful", "journal.full")])
def test_a_slip_finds_what_was_meant(typed: str, meant: str) -> None:
    """And it is an error, said in one line."""
    ended, said = explained(typed)
    assert ended == 1
    assert said.startswith("no such error code or log event; did you mean ")
    assert meant in said


def test_what_is_nothing_like_a_code_is_sent_to_the_lists() -> None:
    """There is a page for each kind."""
    assert explained("§§§") == (
        1,
        "no such error code or log event; docs/errors.md and docs/log-events.md list them all\n",
    )
