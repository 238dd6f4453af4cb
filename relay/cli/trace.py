"""relay trace: everything the journal knows of one id, in the order it happened."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, fail, talk
from relay.telemetry.stepwords import step_sentence

EXAMPLE = """\b
Example: relay trace order-1234-shipped
"""


def trace(
    wanted: str = typer.Argument(metavar="ID", help="A request's, message's, copy's or event's id."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Show what happened to a message, and last why it waits. It shows no text and no number."""

    async def conversation(daemon: Daemon) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await daemon.get(f"/trace/{quote(wanted, safe='')}")
        return found

    steps = talk(socket, conversation)
    if not steps:
        fail("nothing is known of this id: it was never accepted here, or its time in the journal is over")
    for step in steps:
        typer.echo(to_json(step) if as_json else _told(step))


def _told(step: dict[str, Any]) -> str:
    return f"{step.get('at') or '':24}  {step.get('what', ''):12}  {step_sentence(step)}"
