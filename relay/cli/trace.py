"""relay trace: everything the journal knows of one id, in the order it happened."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, fail, talk

EXAMPLE = """\b
Example: relay trace order-1234-shipped
"""


def trace(
    wanted: str = typer.Argument(metavar="ID", help="A request's, message's, copy's or event's id."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Show what happened to a message. It shows no text and no number."""

    async def conversation(daemon: Daemon) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await daemon.get(f"/trace/{quote(wanted, safe='')}")
        return found

    steps = talk(socket, conversation)
    if not steps:
        fail("nothing is known of this id: it was never accepted here, or its time in the journal is over")
    for step in steps:
        if as_json:
            typer.echo(to_json(step))
        else:
            rest = "  ".join(f"{key}={value}" for key, value in step.items() if key not in _FIRST and value is not None)
            typer.echo(f"{step.get('at') or '':24}  {step.get('what', ''):12}  {rest}")


_FIRST = ("at", "what")
