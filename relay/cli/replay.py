"""relay replay: publish again what was published before, for whoever has missed it."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, fail, talk
from relay.cli.words import counted

EXAMPLE = """\b
Example: relay replay --since 2h
Example: relay replay --since 2026-11-21T09:00:00-08:00 --line alerts --kind message

The same events, on the same topics, under the same ids and in the same order:
whoever has had them knows them by their ids. How long events are kept is the
setting retention.events.
"""

LOOK_EVERY = 0.2  # seconds


class Kind(StrEnum):
    """What is published."""

    RESULT = "result"
    RECEIPT = "receipt"
    MESSAGE = "message"
    EVENT = "event"
    DEAD = "dead"


def replay(  # noqa: PLR0917 - each is an option
    since: str = typer.Option(..., "--since", help="A time with its zone, or so long ago: 30m, 2h, 3d."),
    until: str | None = typer.Option(None, "--until", help="As --since; now, if left out.", show_default=False),
    line: str | None = typer.Option(None, "--line", help="This line only.", show_default=False),
    kind: list[Kind] | None = typer.Option(None, "--kind", help="These only; may be repeated.", show_default=False),
    wait: bool = typer.Option(True, "--wait/--no-wait", help="Wait until all of it is published."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Publish again what was published since a time. Nothing is sent to anybody's phone."""
    asked = {"since": since, "until": until, "line": line, "kinds": [each.value for each in kind or ()]}

    async def conversation(daemon: Daemon) -> dict[str, Any]:
        begun: dict[str, Any] = await daemon.post("/replay", asked)
        return await _ended(daemon, begun) if wait else begun

    done = talk(socket, conversation)
    if as_json:
        typer.echo(to_json(done))
    elif done["over"]:
        typer.echo(f"{counted(done['told'], 'event', 'events')} published again")
    else:
        typer.echo(f"{counted(done['events'], 'event', 'events')} to publish again")
    if done["refused"]:
        fail(f"the broker refused {counted(done['refused'], 'event', 'events')}: look at relay's rights in its ACL")


async def _ended(daemon: Daemon, begun: dict[str, Any]) -> dict[str, Any]:
    """The replay, once it is over; it goes on without us where we are stopped."""
    last = begun
    while not last["over"]:
        await asyncio.sleep(LOOK_EVERY)
        last = await daemon.get(f"/replay/{begun['id']}")
    return last
