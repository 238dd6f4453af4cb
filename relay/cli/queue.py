"""relay queue: what waits, and what waits for a person."""

from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, talk

EXAMPLE = """\b
Example: relay queue list --uncertain
"""

queue = typer.Typer(no_args_is_help=True, epilog=EXAMPLE, help="Show what waits for a person.")


@queue.command("list", epilog=EXAMPLE)
def list_(
    uncertain: bool = typer.Option(True, "--uncertain", help="Copies that the provider may or may not have taken."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """List the uncertain copies. Their call was made and never answered."""
    del uncertain  # the only list there is

    async def conversation(daemon: Daemon) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await daemon.get("/uncertain")
        return found

    copies = talk(socket, conversation)
    for copy in copies:
        typer.echo(to_json(copy) if as_json else "  ".join(f"{key}={value}" for key, value in copy.items()))
    if not copies and not as_json:
        typer.echo("no copy is uncertain")
