"""relay status: how the daemon, its lines and its journal stand, on one screen."""

from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.table import Table

from relay.cli.daemon import Daemon, JsonOption, SocketOption, talk

EXAMPLE = """
Example: relay status --json
"""


def status(as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Show how relay stands. Exit code 1 where it is not in order."""

    async def conversation(daemon: Daemon) -> dict[str, Any]:
        found: dict[str, Any] = await daemon.get("/status")
        return found

    found = talk(socket, conversation)
    if as_json:
        typer.echo(to_json(found))
    else:
        _show(found)
    raise typer.Exit(0 if found["state"] == "online" and found["bus"]["connected"] else 1)


def _show(found: dict[str, Any]) -> None:
    console = Console()
    bus = f"connected (MQTT {found['bus']['protocol']})" if found["bus"]["connected"] else "not connected"
    console.print(f"node {found['node']}  {found['state']} since {found['since']}  bus {bus}  relay {found['version']}")
    table = Table("line", "state", "since", "last success", "provider discards from", box=None)
    for line, health in found["lines"].items():
        reason = f" ({health['reason']})" if health["reason"] else ""
        table.add_row(
            line, health["state"] + reason, health["since"], health["last_success"] or "-", health["loss_at"] or "-"
        )
    console.print(table)
    for name, value in found["journal"].items():
        if not isinstance(value, dict):
            console.print(f"{name.replace('_', ' ')}: {value if value is not None else '-'}")
