"""relay webhooks: where providers are to call, and what is installed there."""

from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, talk
from relay.cli.words import counted, table

EXAMPLE = """\b
Example: relay webhooks list
"""

webhooks = typer.Typer(
    no_args_is_help=True, epilog=EXAMPLE, help="List, install, repair or remove the web hooks of lines."
)

_LineArgument = typer.Argument(metavar="LINE", help="The line.")


@webhooks.command(
    "list",
    epilog="""\b
Example: relay webhooks list office --json

The addresses hold a secret: whoever knows one can pretend to be the provider.
ok, missing, wrong: what relay installs. by-hand: register it on the provider's
pages. foreign: somebody else's; relay leaves it alone. unknown: the provider
could not be asked.
""",
)
def list_(
    line: str | None = typer.Argument(None, metavar="[LINE]", help="This line only.", show_default=False),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Print every address that a provider is to call. They hold secrets."""

    async def conversation(daemon: Daemon) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await daemon.get("/webhooks")
        return found

    rows = [row for row in talk(socket, conversation) if line in (None, row["line"])]
    if as_json:
        for row in rows:
            typer.echo(to_json(row))
    elif rows:
        for text in table(_HEAD, [_written(row) for row in rows]):
            typer.echo(text)
    else:
        typer.echo("no provider calls this line" if line else "no provider calls any of the lines")


@webhooks.command(epilog="\b\nExample: relay webhooks install office\n")
def install(line: str = _LineArgument, as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Install a line's web hooks, and keep them right from now on."""
    _do("install", line, as_json=as_json, socket=socket)


@webhooks.command(epilog="\b\nExample: relay webhooks repair office\n")
def repair(line: str = _LineArgument, as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Look at a line's web hooks now, and mend what is wrong."""
    _do("repair", line, as_json=as_json, socket=socket)


@webhooks.command(
    epilog="\b\nExample: relay webhooks remove office\n\nrelay puts them back only when it is told to install them.\n"
)
def remove(line: str = _LineArgument, as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Remove a line's web hooks. Other people's are left alone."""
    _do("remove", line, as_json=as_json, socket=socket)


def _do(act: str, line: str, *, as_json: bool, socket: Path | None) -> None:
    async def conversation(daemon: Daemon) -> dict[str, Any]:
        done: dict[str, Any] = await daemon.post(f"/webhooks/{act}", {"line": line})
        return done

    done = talk(socket, conversation)
    if as_json:
        typer.echo(to_json(done))
        return
    for change in done["changes"]:
        typer.echo(f"{change['repair']}: {change['hook']} at {change['host']}")
    typer.echo(
        f"{line}: {counted(len(done['changes']), 'change')}" if done["changes"] else f"{line}: nothing to change"
    )


_HEAD = ("line", "state", "event", "address")


def _written(row: dict[str, Any]) -> tuple[str, ...]:
    why = f" ({row['reason']})" if row["reason"] else ""
    return (row["line"], row["state"] + why, row["event"], row["url"])
