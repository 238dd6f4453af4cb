"""relay status: how the daemon, its lines and its journal stand, on one screen."""

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
        _show(found)
    raise typer.Exit(0 if found["state"] == "online" and found["bus"]["connected"] else 1)


def _show(found: dict[str, Any]) -> None:
    typer.echo(headline(found))
    for each in tables(found):
        if each.rows:
            typer.echo()
            for text in table(each.head, each.rows):
                typer.echo(text)
    typer.echo()
    for count in counts(found):
        typer.echo(f"{count.number:>6} {count.sentence}")
