"""relay queue: what waits and why; and to hold it, to let it go, to send it again, to cancel it."""

from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, talk
from relay.cli.steering import steer
from relay.cli.uncertain import said_of, uncertain_table
from relay.cli.words import moment, table

EXAMPLE = """\b
Example: relay queue list --uncertain

An ID is that of a request, a message, a copy or a call.
"""

queue = typer.Typer(no_args_is_help=True, epilog=EXAMPLE, help="Show and steer what waits to be sent.")


class Status(StrEnum):
    """The status of a copy that waits, or waits for a person."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    UNCERTAIN = "uncertain"


_LineOption = typer.Option(None, "--line", help="This line only.", show_default=False)
_IdsArgument = typer.Argument(None, metavar="[ID]...", help="Requests, messages, copies or calls.")
_WholeLineOption = typer.Option(
    None, "--line", help="Without an ID the whole line; with one, where to look for it.", show_default=False
)
_CODES = "Exit code 1: of one of them nothing was {}."


@queue.command("list", epilog="\b\nExample: relay queue list --line alerts --status queued --limit 20\n")
def list_(  # noqa: PLR0917 - each is an option
    line: str | None = _LineOption,
    status: Status | None = typer.Option(None, "--status", help="With this status only.", show_default=False),
    uncertain: bool = typer.Option(False, "--uncertain", help="Those that the provider may or may not have taken."),
    held: bool = typer.Option(False, "--held", help="Those that an operator holds."),
    limit: int = typer.Option(100, "--limit", min=1, max=10_000, help="How many, oldest first."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """List the copies that wait, or wait for a person. It shows no text and no number."""
    if uncertain and status not in {None, Status.UNCERTAIN}:
        raise typer.BadParameter("--uncertain is a status of its own: leave --status away")
    wanted = Status.UNCERTAIN if uncertain else status
    asked = {"line": line or "", "status": wanted.value if wanted else "", "held": int(held), "limit": limit}

    async def conversation(daemon: Daemon) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await daemon.get(f"/queue?{urlencode(asked)}")
        return found

    found = talk(socket, conversation)
    if as_json:
        for each in found:
            typer.echo(to_json(each))
    elif found:
        for text in (
            uncertain_table(found) if wanted is Status.UNCERTAIN else table(_HEAD, [_row(each) for each in found])
        ):
            typer.echo(text)
    else:
        typer.echo("no copy is uncertain" if uncertain else "nothing waits")


@queue.command(epilog="\b\nExample: relay queue show order-1234-shipped\n")
def show(
    wanted: str = typer.Argument(metavar="ID", help="A request, message, copy or call."),
    line: str | None = typer.Option(None, "--line", help="The line to look on.", show_default=False),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Show the copies, the calls that carry them, and why they wait."""

    async def conversation(daemon: Daemon) -> dict[str, Any]:
        found: dict[str, Any] = await daemon.get(f"/queue/{quote(wanted, safe='')}?{urlencode({'line': line or ''})}")
        return found

    found = talk(socket, conversation)
    if as_json:
        typer.echo(to_json(found))
        return
    for text in table(_HEAD, [_row(each) for each in found["copies"]]):
        typer.echo(text)
    for each in found["copies"]:
        if "advice" in each:
            typer.echo(f"copy {each['copy_id']}: {said_of(each)}")
    for call in found["calls"]:
        typer.echo(f"call {call['call_id']}: {call['sentence'] or _STAGES.get(call['stage'], call['stage'])}")


@queue.command(
    epilog="""\b
Example: relay queue hold order-1234-shipped
Example: relay queue hold --line alerts

Of copies that travel with others, only these are held. They still expire, and
can be canceled. A line that is held goes on taking requests, and begins no call.

"""
    + _CODES.format("held")
)
def hold(
    ids: list[str] | None = _IdsArgument,
    line: str | None = _WholeLineOption,
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Send nothing of these, or of a whole line, until they are released."""
    steer("hold", ids, line, as_json=as_json, socket=socket)


@queue.command(
    epilog="""\b
Example: relay queue release order-1234-shipped
Example: relay queue release --line alerts

"""
    + _CODES.format("released")
)
def release(
    ids: list[str] | None = _IdsArgument,
    line: str | None = _WholeLineOption,
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Let go what was held: it waits for what it waited for before, if that is not over."""
    steer("release", ids, line, as_json=as_json, socket=socket)


@queue.command(
    epilog="""\b
Example: relay queue retry order-1234-shipped

What waits to be tried again is tried now. What is uncertain is sent again: the
recipient may get it twice.

"""
    + _CODES.format("tried again")
)
def retry(
    ids: list[str] = typer.Argument(metavar="ID...", help="Requests, messages, copies or calls."),
    line: str | None = typer.Option(None, "--line", help="The line to look on.", show_default=False),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Try again now, or send again what is uncertain."""
    steer("retry", ids, line, as_json=as_json, socket=socket)


@queue.command(
    epilog="""\b
Example: relay queue cancel order-1234-shipped
Example: relay queue cancel --line alerts --yes

"""
    + _CODES.format("canceled")
)
def cancel(
    ids: list[str] | None = _IdsArgument,
    line: str | None = _WholeLineOption,
    yes: bool = typer.Option(False, "--yes", help="Needed for a whole line: all that waits on it."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """End what was not handed over to the provider."""
    if line is not None and not ids and not yes:
        raise typer.BadParameter("this cancels everything that waits on the line: say --yes")
    steer("cancel", ids, line, as_json=as_json, socket=socket)


@queue.command(
    epilog="""\b
Example: relay queue resolve 0199e3a0-51b2-7c3d-8a01-6f0f2c9d1e11-1 --sent
Example: relay queue resolve order-1234-shipped --not-sent

For copies that are uncertain, after the recipient was asked, or the provider's
console was looked at. With --sent they are submitted, with --not-sent failed,
for good; what a delivery report tells later is published as late.

"""
    + _CODES.format("resolved")
)
def resolve(
    ids: list[str] = typer.Argument(metavar="ID...", help="Requests, messages, copies or calls."),
    sent: bool | None = typer.Option(
        None, "--sent/--not-sent", help="Whether the provider took it.", show_default=False
    ),
    line: str | None = typer.Option(None, "--line", help="The line to look on.", show_default=False),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Say what became of what is uncertain: a person has found out."""
    if sent is None:
        raise typer.BadParameter("say what you found out: --sent or --not-sent")
    steer("resolve", ids, line, as_json=as_json, socket=socket, sent=sent)


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    words = (each["copy_id"], each["line"], each["lane"], each["status"], each["why"] or "-")
    times = (moment(each[name]) for name in ("due_at", "expires_at"))
    return (*words, *times, str(each["attempts"]), each["client"] or "-", each["request_id"])


_HEAD = ("copy", "line", "lane", "status", "waits for", "due", "expires", "attempts", "client", "request")
_STAGES = {
    "in_flight": "it is under way",
    "followed": "it was handed over, and its copies are followed",
    "held": "nobody knows whether it was handed over",
    "closed": "it has ended",
}
