"""relay tail: everything relay announces, as it happens."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, talk
from relay.cli.words import counted
from relay.telemetry.redaction import HIDDEN, Redactor

EXAMPLE = """\b
Example: relay tail --line alerts --kind receipt
         relay tail --request order-1234-shipped --json
         relay tail --no-text
"""


class Kind(StrEnum):
    """The kinds of events."""

    RESULT = "result"
    RECEIPT = "receipt"
    MESSAGE = "message"
    EVENT = "event"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are shown; what is not given does not matter."""

    line: str | None = None
    kinds: tuple[Kind, ...] = ()
    message: str | None = None
    request: str | None = None

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Whether this one is."""
        data = event["data"]
        return (
            (self.line is None or event["source"] == f"/relay/line/{self.line}")
            and (not self.kinds or kind_of(event).partition(".")[0] in self.kinds)
            and (self.message is None or data.get("message_id") == self.message)
            and (self.request is None or data.get("request_id") == self.request)
        )


def tail(  # noqa: PLR0917 - each is an option
    line: str | None = typer.Option(None, "--line", help="This line only."),
    kind: list[Kind] | None = typer.Option(None, "--kind", help="This kind only; may be given several times."),
    message: str | None = typer.Option(None, "--message", help="What happens to the message with this id of relay's."),
    request: str | None = typer.Option(None, "--request", help="What happens to the request with this id."),
    no_text: bool = typer.Option(False, "--no-text", help="Show no texts and no numbers."),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Show every event from now on: results, receipts, messages. It ends with Ctrl-C."""
    wanted = Wanted(line, tuple(kind or ()), message, request)
    # A script's background jobs ignore it; who starts this there ends it so all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    async def conversation(daemon: Daemon) -> None:
        async with daemon.events() as events:
            typer.echo("following what happens from now on; Ctrl-C ends it", err=True)
            async for event in events:
                if wanted.takes(event):
                    shown = masked(event) if no_text else event
                    typer.echo(to_json(shown) if as_json else sentence(shown))

    talk(socket, conversation)


def kind_of(event: Mapping[str, Any]) -> str:
    """`result`, `event.read`: the type without what is the same for all."""
    return str(event["type"]).removeprefix("relay.").removesuffix(".v1")


def masked(event: Mapping[str, Any]) -> dict[str, Any]:
    """The same event without texts and numbers; in an id that was made of a number, that is hidden."""
    data = {name: _hidden(value) if name in _CLIENTS_OWN else value for name, value in event["data"].items()}
    return {**event, "subject": _redactor.value("id", event["subject"]), "data": _redactor.fields(data)}


def _hidden(value: Any) -> str | None:
    return None if value is None else HIDDEN


def sentence(event: Mapping[str, Any]) -> str:
    """One event as one line for a person."""
    kind = kind_of(event)
    where = event["source"].removeprefix("/relay/")
    return f"{event['time']}  {where:16}  {kind:8}  {_about(kind, event['data'])}"


def _about(kind: str, data: Mapping[str, Any]) -> str:
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


_CLIENTS_OWN = frozenset({"metadata", "ref"})  # whatever they hold
_redactor = Redactor(lambda _: "hidden")
