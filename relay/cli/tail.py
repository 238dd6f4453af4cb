"""relay tail: everything relay announces, as it happens."""

from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, talk
from relay.cli.words import counted

EXAMPLE = """\b
Example: relay tail --line alerts
"""


def tail(
    line: str | None = typer.Option(None, "--line", help="This line only."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Show every event from now on: results, receipts, messages. It ends with Ctrl-C."""
    source = f"/relay/line/{line}" if line else None

    async def conversation(daemon: Daemon) -> None:
        async with daemon.events() as events:
            typer.echo("following what happens from now on; Ctrl-C ends it", err=True)
            async for event in events:
                if source is None or event["source"] == source:
                    typer.echo(to_json(event) if as_json else sentence(event))

    talk(socket, conversation)


def sentence(event: dict[str, Any]) -> str:
    """One event as one line for a person."""
    data, kind = event["data"], event["type"].removeprefix("relay.").removesuffix(".v1")
    where = event["source"].removeprefix("/relay/")
    return f"{event['time']}  {where:16}  {kind:8}  {_about(kind, data)}"


def _about(kind: str, data: dict[str, Any]) -> str:
    match kind:
        case "result":
            error = f": {data['error']['code']}" if data.get("error") else ""
            copies = counted(len(data.get("copies") or ()), "copy", "copies")
            return f"{data['outcome']}{error}  {copies}  request {data['request_id'] or '-'}"
        case "receipt":
            final = "  (final)" if data["final"] else ""
            return f"{data['to']}  {data['status']}{final}  copy {data['copy_id']}"
        case "message":
            return f"from {data['from']}: {data['text']!r}"
        case _:
            return "  ".join(f"{key}={value}" for key, value in data.items() if value is not None)
