"""relay auth: a subscriber's consent, for the lines that need it."""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, fail, talk
from relay.cli.words import moment, table
from relay.providerkit.duration import seconds_of

EXAMPLE = """\b
Example: relay auth login desk
"""

auth = typer.Typer(no_args_is_help=True, epilog=EXAMPLE, help="Ask for a subscriber's consent, show it, or revoke it.")

_LineArgument = typer.Argument(metavar="LINE", help="The line.")


def _seconds(value: str) -> float:
    try:
        seconds = seconds_of(value)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not 0 < seconds <= _LONGEST:
        raise typer.BadParameter("must be more than nothing and at most 24h")
    return seconds


_LONGEST = 86_400.0


@auth.command(
    epilog="""\b
Example: relay auth login desk --timeout 30m --no-browser

It prints the address to open, on whatever device the subscriber likes, and
ends when the consent has come in. Exit code 0: it was given.
"""
)
def login(
    line: str = _LineArgument,
    timeout: str = typer.Option("10m", "--timeout", help="How long to wait for the subscriber."),
    no_browser: bool = typer.Option(False, "--no-browser", help="Only print the address."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Ask the subscriber for consent, and wait for it."""
    asked = {"line": line, "timeout": _seconds(timeout)}
    shows = sys.stdout.isatty() and not no_browser and not as_json

    async def conversation(daemon: Daemon) -> bool:
        async with daemon.following("/auth/login", asked) as said:
            return await _follow(said, shows=shows, as_json=as_json)

    raise typer.Exit(0 if talk(socket, conversation) else 1)


@auth.command(epilog="\b\nExample: relay auth status --json\n")
def status(as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Show which lines have their subscriber's consent."""

    async def conversation(daemon: Daemon) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await daemon.get("/auth")
        return found

    found = talk(socket, conversation)
    if as_json:
        for standing in found:
            typer.echo(to_json(standing))
    elif found:
        for text in table(_HEAD, [_written(standing) for standing in found]):
            typer.echo(text)
    else:
        typer.echo("no line needs consent")


@auth.command(epilog="\b\nExample: relay auth revoke desk\n")
def revoke(line: str = _LineArgument, as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Give a line's consent back to the provider, and forget it."""

    async def conversation(daemon: Daemon) -> dict[str, Any]:
        done: dict[str, Any] = await daemon.post("/auth/revoke", {"line": line})
        return done

    done = talk(socket, conversation)
    typer.echo(
        to_json(done) if as_json else f"{line}: its consent was given back; begin again with: relay auth login {line}"
    )


async def _follow(said: AsyncIterator[dict[str, Any]], *, shows: bool, as_json: bool) -> bool:
    """Tell what the daemon says until the login has ended; whether consent was given."""
    outcome = None
    async with AsyncExitStack() as stack:
        async for word in said:
            outcome = word.get("outcome")
            typer.echo(to_json(word) if as_json else _told(word))
            if outcome:
                break
            if shows:
                await stack.enter_async_context(_browser(word["open"]))
    if outcome is None:
        fail("relay stopped before the consent came in: begin again once it runs")
    return bool(outcome == "given")


def _told(word: dict[str, Any]) -> str:
    if "open" in word:
        return f"Open this address, and agree there:\n\n  {word['open']}\n"
    return f"{_ENDS[word['outcome']]}: {word['detail']}"


def _browser(address: str) -> Any:
    from relay.cli.browser import showing  # noqa: PLC0415 - no other command needs it

    return showing(address)


_ENDS = {
    "given": "consent was given",
    "refused": "consent was not given",
    "failed": "it did not work",
    "timed_out": "it took too long",
}
_HEAD = ("line", "consent", "since", "can be renewed until")


def _written(standing: dict[str, Any]) -> tuple[str, ...]:
    reason = f" ({standing['reason']})" if standing["reason"] else ""
    given = "given" if standing["given"] else f"none{reason}: relay auth login {standing['line']}"
    return (standing["line"], given, moment(standing["since"]), moment(standing["renewable_until"]))
