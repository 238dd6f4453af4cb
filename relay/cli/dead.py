"""relay dead: what was set aside for a person, and what to do about it."""

from collections.abc import AsyncIterator
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

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


class Kind(StrEnum):
    """What was set aside."""

    RAW = "raw"  # bytes that cannot be read
    EVENT = "event"  # an event that the broker can never take
    UNCERTAIN = "uncertain"  # a copy of which nobody knows whether it was sent
    ORPHAN = "orphan"  # a delivery report of nothing that is known
    DAMAGED = "damaged"  # a row that the disk has changed


_IdArgument = typer.Argument(None, metavar="ID", help="Its id, as `relay dead list` shows it.", show_default=False)
_KindOption = typer.Option(None, "--kind", help="This kind only.", show_default=False)
_LineOption = typer.Option(None, "--line", help="This line only.", show_default=False)
_YesOption = typer.Option(False, "--yes", help="Needed for all of a kind, where it cannot be undone.")
_PAGE = 500
_ALL = 1_000_000
_IN_VAIN = frozenset({"unreadable", "unmatched"})


@dead.command("list", epilog="\b\nExample: relay dead list --json\n")
def list_(
    kind: Kind | None = _KindOption,
    line: str | None = _LineOption,
    limit: int = typer.Option(100, "--limit", min=1, max=1_000_000, help="How many, oldest first."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """List what waits for a person. It shows no text and no number."""

    async def conversation(daemon: Daemon) -> list[dict[str, Any]]:
        return [each async for each in _listed(daemon, kind, line, limit)]

    found = talk(socket, conversation)
    for each in found:
        typer.echo(to_json(each) if as_json else _written(each))
    if not found and not as_json:
        typer.echo("nothing of this kind waits for a person" if kind or line else "nothing waits for a person")


@dead.command(epilog="\b\nExample: relay dead show 0199e3a0-51b2-7c3d-8a01-6f0f2c9d1e11\n\nIt may hold a text.\n")
def show(
    wanted: str = typer.Argument(metavar="ID", help="Its id, as `relay dead list` shows it."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Show one of them, with everything that was kept. It may hold a text."""

    async def conversation(daemon: Daemon) -> dict[str, Any]:
        found: dict[str, Any] = await daemon.get(_path(wanted))
        return found

    found = talk(socket, conversation)
    typer.echo(to_json(found) if as_json else to_json(found, indent=2))


@dead.command(
    epilog="""\b
Example: relay dead replay 0199e3a0-51b2-7c3d-8a01-6f0f2c9d1e11
Example: relay dead replay --kind raw --line alerts

What is uncertain is sent again: the recipient may get it twice. Exit code 1:
something cannot be read, or its text is still not known.
"""
)
def replay(
    wanted: str | None = _IdArgument,
    kind: Kind | None = _KindOption,
    line: str | None = _LineOption,
    yes: bool = _YesOption,
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Read, publish, send or look for it again, as its kind asks for; or all of a kind."""
    _check(wanted, kind, line, needs_yes=kind is Kind.UNCERTAIN, yes=yes)
    done = talk(socket, lambda daemon: _each(daemon, "replay", wanted, kind, line))
    for about, each in done:
        said = _told(each) if wanted else f"{about}: {_told(each)}"
        typer.echo(to_json({"id": about, **each}) if as_json else said)
    raise typer.Exit(1 if any(each["outcome"] in _IN_VAIN for _, each in done) else 0)


@dead.command(
    epilog="""\b
Example: relay dead discard 0199e3a0-51b2-7c3d-8a01-6f0f2c9d1e11
Example: relay dead discard --kind orphan --line alerts --yes
"""
)
def discard(
    wanted: str | None = _IdArgument,
    kind: Kind | None = _KindOption,
    line: str | None = _LineOption,
    yes: bool = _YesOption,
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Give it up for good: it is not listed any more. An uncertain copy has failed then."""
    _check(wanted, kind, line, needs_yes=True, yes=yes)
    for about, each in talk(socket, lambda daemon: _each(daemon, "discard", wanted, kind, line)):
        typer.echo(to_json(each) if as_json else f"{about}: discarded")


def _check(wanted: str | None, kind: Kind | None, line: str | None, *, needs_yes: bool, yes: bool) -> None:
    """End the program where it is not said, or not for certain, what is meant."""
    if wanted is not None and (kind or line):
        raise typer.BadParameter("name one ID, or all of a --kind: not both")
    if wanted is None and kind is None:
        raise typer.BadParameter("name an ID, or all of a kind with --kind")
    if wanted is None and needs_yes and not yes:
        raise typer.BadParameter("this is done with all of them: say --yes")


async def _each(
    daemon: Daemon, verb: str, wanted: str | None, kind: Kind | None, line: str | None
) -> list[tuple[str, dict[str, Any]]]:
    """Have it done with one, or with all that are listed now."""
    if wanted is not None:
        return [(wanted, await daemon.post(f"{_path(wanted)}/{verb}"))]
    ids = [each["id"] async for each in _listed(daemon, kind, line, _ALL)]
    return [(each, await daemon.post(f"{_path(each)}/{verb}")) for each in ids]


async def _listed(daemon: Daemon, kind: Kind | None, line: str | None, limit: int) -> AsyncIterator[dict[str, Any]]:
    """What waits, oldest first, page by page."""
    after, left = "", limit
    while left > 0:
        asked = {"limit": min(_PAGE, left), "after": after, "kind": kind.value if kind else "", "line": line or ""}
        page = await daemon.get(f"/dead?{urlencode(asked)}")
        if not page:
            return
        for each in page:
            yield each
        after, left = page[-1]["id"], left - len(page)


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
    "matched": "its text is known now: the report was applied",
    "unmatched": "still of no text that is known",
}
