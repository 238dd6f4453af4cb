"""relay dead: what was set aside for a person, and what to do about it."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, talk
from relay.cli.words import moment

EXAMPLE = """\b
Example: relay dead list
"""

dead = typer.Typer(
    no_args_is_help=True, epilog=EXAMPLE, help="Show, replay or discard what was set aside for a person."
)

_IdArgument = typer.Argument(metavar="ID", help="Its id, as `relay dead list` shows it.")
_PAGE = 500


@dead.command("list", epilog="\b\nExample: relay dead list --json\n")
def list_(
    limit: int = typer.Option(100, "--limit", min=1, max=1_000_000, help="How many, oldest first."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """List what waits for a person. It shows no text and no number."""

    async def conversation(daemon: Daemon) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while len(found) < limit:
            page = await daemon.get(f"/dead?limit={min(_PAGE, limit - len(found))}&after={quote(after, safe='')}")
            if not page:
                break
            found += page
            after = page[-1]["id"]
        return found

    found = talk(socket, conversation)
    for each in found:
        typer.echo(to_json(each) if as_json else _written(each))
    if not found and not as_json:
        typer.echo("nothing waits for a person")


@dead.command(epilog="\b\nExample: relay dead show 0199e3a0-51b2-7c3d-8a01-6f0f2c9d1e11\n\nIt may hold a text.\n")
def show(wanted: str = _IdArgument, as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Show one of them, with everything that was kept. It may hold a text."""

    async def conversation(daemon: Daemon) -> dict[str, Any]:
        found: dict[str, Any] = await daemon.get(_path(wanted))
        return found

    found = talk(socket, conversation)
    typer.echo(to_json(found) if as_json else to_json(found, indent=2))


@dead.command(
    epilog="\b\nExample: relay dead replay 0199e3a0-51b2-7c3d-8a01-6f0f2c9d1e11\n\nExit code 1: it cannot be read.\n"
)
def replay(wanted: str = _IdArgument, as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Read, publish or send it again, as its kind asks for."""

    async def conversation(daemon: Daemon) -> dict[str, Any]:
        done: dict[str, Any] = await daemon.post(f"{_path(wanted)}/replay")
        return done

    done = talk(socket, conversation)
    typer.echo(to_json(done) if as_json else _told(done))
    raise typer.Exit(1 if done["outcome"] == "unreadable" else 0)


@dead.command(epilog="\b\nExample: relay dead discard 0199e3a0-51b2-7c3d-8a01-6f0f2c9d1e11\n")
def discard(wanted: str = _IdArgument, as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Give it up for good: it is not listed any more."""

    async def conversation(daemon: Daemon) -> dict[str, Any]:
        done: dict[str, Any] = await daemon.post(f"{_path(wanted)}/discard")
        return done

    done = talk(socket, conversation)
    typer.echo(to_json(done) if as_json else f"{wanted}: discarded")


def _path(wanted: str) -> str:
    return f"/dead/{quote(wanted, safe='')}"


def _written(each: dict[str, Any]) -> str:
    return f"{each['id']}  {moment(each['at'])}  {each['kind']:9}  {each['line'] or '-'}  {each['what']}: {each['why']}"


def _told(done: dict[str, Any]) -> str:
    counts = "".join(f"  {name} {done[name]}" for name in _COUNTS if done[name])
    return f"{_OUTCOMES[done['outcome']]}{': ' + done['detail'] if done['detail'] else counts}"


_COUNTS = ("messages", "arriving", "duplicates", "applied", "parked", "own", "changes")
_OUTCOMES = {
    "read": "read",
    "unreadable": "still not readable",
    "published": "on its way to the bus again",
    "queued": "will be sent, or fetched, again",
}
