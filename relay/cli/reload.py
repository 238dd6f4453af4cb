"""relay reload: have the running daemon read its settings again."""

from pathlib import Path
from typing import Any

import typer

from relay.cli.daemon import Daemon, JsonOption, SocketOption, talk
from relay.cli.ending import BAD_SETTINGS

EXAMPLE = """\b
Example: relay reload

Lines come, go and change while all others work on. Where anything in the settings is wrong, nothing is changed.
Exit code 0: they are taken; 78: they are bad, and those from before stay.
"""

_DONE = {"added": "added", "removed": "removed", "changed": "changed"}


def reload(as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Have the settings read again, and wait until they are taken."""

    async def conversation(daemon: Daemon) -> Any:
        return await daemon.post("/reload", patient=True)

    found = talk(socket, conversation)
    if as_json:
        from pydantic_core import to_json  # noqa: PLC0415 - who reads words needs none

        typer.echo(to_json(found))
    elif found["outcome"] == "refused":
        _tell_problems(found["problems"])
    else:
        _tell(found)
    raise typer.Exit(BAD_SETTINGS if found["outcome"] == "refused" else 0)


def _tell_problems(problems: list[dict[str, str]]) -> None:
    """As `relay check` tells them."""
    for each in problems:
        where = f"{each['where']}: {each['key']}" if each["key"] else each["where"]
        typer.echo(f"!!  settings  {where}: {each['what']}")
        if each["cure"]:
            typer.echo(f"{'':14}{each['cure']}")
    typer.echo("nothing was changed: relay goes on with the settings from before")


def _tell(found: dict[str, Any]) -> None:
    for what, done in _DONE.items():
        for line in found[what]:
            typer.echo(f"{line}: {done}")
    if found["outcome"] == "unchanged":
        typer.echo("no line has changed")
    if found["needs_restart"]:
        typer.echo(f"not taken before relay is restarted: {', '.join(found['needs_restart'])}")
