"""An operator's word -> the daemon: have copies, or a line, held, released, sent again, canceled or resolved."""

from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, talk
from relay.cli.words import counted, moment


def steer(
    verb: str, ids: list[str] | None, line: str | None, *, as_json: bool, socket: Path | None, **more: Any
) -> None:
    """Have it done, and tell what came of it; ends the program. `more` is what else the daemon is told."""
    if not ids and line is None:
        raise typer.BadParameter("name at least one ID, or a line with --line")

    async def conversation(daemon: Daemon) -> list[dict[str, Any]]:
        asked = {"ids": ids or [], "line": line, **more}
        done = await daemon.post(f"/queue/{verb}", asked)
        if isinstance(done, list):
            return done
        while done.pop("more", False):
            some = await daemon.post(f"/queue/{verb}", asked)
            done = {**some, "copies": done["copies"] + some["copies"]}
        return [done]

    done = talk(socket, conversation)
    for each in done:
        typer.echo(to_json(each) if as_json else _told(verb, each))
    raise typer.Exit(1 if any(each["left"] and not each["copies"] for each in done if "left" in each) else 0)


def _told(verb: str, each: dict[str, Any]) -> str:
    if "held_at" in each:
        if each["held_at"]:
            return f"{each['line']}: held since {moment(each['held_at'])}; it takes requests, and begins no call"
        return f"{each['line']}: {'released' if each['was_held'] else 'it was not held'}"
    left = "".join(
        f"; {counted(one['copies'], *_COPIES)} left, {one['status']}: {one['detail']}" for one in each["left"]
    )
    return f"{each['id']}: {counted(each['copies'], *_COPIES)} {_DONE[verb]}{left}"


_COPIES = ("copy", "copies")
_DONE = {
    "hold": "held",
    "release": "released",
    "retry": "tried again",
    "cancel": "canceled",
    "resolve": "resolved",
}
