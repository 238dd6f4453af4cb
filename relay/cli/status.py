"""relay status: how the daemon, its lines and its journal stand, on one screen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, talk
from relay.cli.words import table
from relay.telemetry.statuswords import counts, headline, tables

EXAMPLE = """\b
Example: relay status --json
"""


def status(as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Show how relay stands. Exit code 1 where it is not in order."""

    async def conversation(daemon: Daemon) -> dict[str, Any]:
        found: dict[str, Any] = await daemon.get("/status")
        return found

    found = talk(socket, conversation)
    if as_json:
        typer.echo(to_json(found))
    else:
        for text in screen(found):
            typer.echo(text)
    raise typer.Exit(0 if found["state"] == "online" and found["bus"]["connected"] else 1)


def screen(found: Mapping[str, Any]) -> list[str]:
    """One screen: how the node stands in a sentence, the tables that have rows, and what waits."""
    shown = [headline(found)]
    if found.get("needs_restart"):
        shown.append(f"changed, and taken at the next start: {', '.join(found['needs_restart'])}")
    for each in tables(found, found.get("now")):
        if each.rows:
            shown += ["", *table(each.head, each.rows)]
    return [*shown, "", *(f"{count.number:>6} {count.sentence}" for count in counts(found))]
