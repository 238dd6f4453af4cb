"""relay explain: what a code or a log event means, and what is to be done."""

from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import JsonOption, fail
from relay.domain.errors import ErrorCode
from relay.domain.explanations import EXPLANATIONS
from relay.telemetry.catalogue import CATALOGUE

EXAMPLE = """\b
Example: relay explain uncertain
         relay explain journal.full
"""


def explain(
    wanted: str = typer.Argument(metavar="CODE", help="An error's `code`, or the `event` of a log line."),
    as_json: bool = JsonOption,
) -> None:
    """Say what an error code or a log event means."""
    found = _explained(wanted.strip().strip('"`'))
    if found is None:
        fail(_unknown(wanted))
    if as_json:
        typer.echo(to_json(found))
        return
    width = max(len(name) for name in found)
    for name, said in found.items():
        typer.echo(f"{name:{width}}  {_in_words(said)}")


def _explained(wanted: str) -> dict[str, Any] | None:
    """The facts about a code or an event, in the order in which they are told; None where it is neither."""
    if wanted in {code.value for code in ErrorCode}:
        code = ErrorCode(wanted)
        return {
            "code": code.value,
            "category": code.category,
            "retryable": code.retryable,
            **asdict(EXPLANATIONS[code]),
        }
    entry = CATALOGUE.get(wanted)
    if entry is None:
        return None
    return {
        "event": wanted,
        "levels": entry.levels.split(),
        "fields": entry.fields.split(),
        "meaning": entry.meaning,
    }


def _in_words(said: object) -> str:
    if isinstance(said, bool):
        return "yes" if said else "no"
    return ", ".join(said) if isinstance(said, list) else str(said)


def _unknown(wanted: str) -> str:
    known = [*(code.value for code in ErrorCode), *CATALOGUE]
    near = get_close_matches(wanted.lower(), known, n=3, cutoff=0.5)
    meant = f"did you mean {' or '.join(near)}?" if near else "docs/errors.md and docs/log-events.md list them all"
    return f"no such error code or log event; {meant}"
