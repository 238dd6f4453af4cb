"""relay send: hand a send request to the running daemon, and follow it if wished.

The numbers and the text are read from standard input, never from arguments: `ps` shows those to everybody.
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import typer
from pydantic_core import from_json, to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, fail, talk
from relay.cli.words import counted

EXAMPLE = """\b
Example: echo '{"to": ["+12065550123"], "text": "Hello"}' | relay send alerts --watch

Without a pipe it asks for the numbers and the text. Exit code 0: accepted (with --watch: and no copy failed).
"""


def send(
    line: str = typer.Argument(metavar="LINE", help="The line to send from."),
    request_id: str | None = typer.Option(None, "--id", help="The idempotency key: the same id is never sent twice."),
    watch: bool = typer.Option(False, "--watch", help="Follow every copy to its end."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Send a text. The request is read from standard input, as JSON."""
    request = _ask() if sys.stdin.isatty() else _read(sys.stdin.buffer.read())
    if request_id is not None:
        request["id"] = request_id

    async def conversation(daemon: Daemon) -> bool:
        if not watch:
            return _tell_result(await daemon.command(line, "send", request), as_json=as_json)
        async with daemon.events() as events:
            result = await daemon.command(line, "send", request)
            if not _tell_result(result, as_json=as_json):
                return False
            asked = {"id": result["request_id"]}
            # What a former try of this id has already heard will not be said again.
            stands = await daemon.command(line, "lookup", asked) if result["replayed"] else result
            return await _follow(events, result["message_id"], stands["copies"], as_json=as_json)

    raise typer.Exit(0 if talk(socket, conversation) else 1)


def _ask() -> dict[str, Any]:
    to = typer.prompt("To (several with commas)")
    return {"to": [number.strip() for number in to.split(",")], "text": typer.prompt("Text")}


def _read(raw: bytes) -> dict[str, Any]:
    try:
        request = from_json(raw)
    except ValueError:
        request = None
    if not isinstance(request, dict):
        fail('standard input must be one JSON object, such as {"to": ["+12065550123"], "text": "Hello"}')
    return dict(request)


def _tell_result(result: dict[str, Any], *, as_json: bool) -> bool:
    accepted: bool = result["outcome"] == "accepted"
    if as_json:
        typer.echo(to_json(result))
    elif accepted:
        again = " (this id was accepted before: nothing is sent again)" if result["replayed"] else ""
        copies, calls = counted(len(result["copies"]), "copy", "copies"), counted(result["calls"], "call")
        typer.echo(f"accepted {result['request_id']}: {copies}, {calls}{again}")
        for copy in result["copies"]:
            if copy.get("error"):
                typer.echo(f"  {copy['to']}  {copy['status']}: {copy['error']['detail']}")
    else:
        typer.echo(f"{result['outcome']}: {result['error']['code']}: {result['error']['detail']}", err=True)
    return accepted


async def _follow(
    events: AsyncIterator[dict[str, Any]], message_id: str, copies: list[dict[str, Any]], *, as_json: bool
) -> bool:
    """Print each receipt until every copy has ended; whether none ended badly."""
    waited_for = {copy["copy_id"] for copy in copies if not _ended(copy)}
    for copy in copies:
        if copy.get("final"):
            _tell_receipt(copy, as_json=as_json)
    well = not any(copy["status"] in _BAD_ENDS for copy in copies)
    while waited_for:
        event = await anext(events, None)
        if event is None:
            fail("relay stopped before every copy had ended: `relay trace` tells the rest")
        receipt = event["data"]
        if event["type"].startswith("relay.receipt.") and receipt["message_id"] == message_id:
            _tell_receipt(receipt, as_json=as_json)
            if receipt["final"]:
                waited_for.discard(receipt["copy_id"])
                well = well and receipt["status"] not in _BAD_ENDS
    return well


def _ended(copy: dict[str, Any]) -> bool:
    return bool(copy.get("final", copy["status"] in _BAD_ENDS))


def _tell_receipt(receipt: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(receipt))
        return
    unconfirmed = ", not confirmed" if receipt["confirmed"] is False else ""
    error = f": {receipt['error']['detail']}" if receipt["error"] else ""
    end = "  (final)" if receipt["final"] else ""
    typer.echo(f"  {receipt['to']}  {receipt['status']}{unconfirmed}{error}{end}")


_BAD_ENDS = frozenset({"failed", "undelivered", "expired", "canceled"})
