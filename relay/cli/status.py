"""relay status: how the daemon, its lines and its journal stand, on one screen."""

from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, talk
from relay.cli.words import moment, table

EXAMPLE = """\b
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
    bus = f"connected (MQTT {found['bus']['protocol']})" if found["bus"]["connected"] else "not connected"
    typer.echo(f"node {found['node']}: {found['state']} since {moment(found['since'])}; bus {bus}; {found['version']}")
    typer.echo()
    for text in table(_LINES, [_line(line, health) for line, health in found["lines"].items()]):
        typer.echo(text)
    _show_table(
        _CIRCUIT, [_circuit(line, health["circuit"]) for line, health in found["lines"].items() if health["circuit"]]
    )
    _show_table(_LIMITS, [_limits(line, health) for line, health in found["lines"].items()])
    _show_table(_CONSENT, [_consent(line, standing) for line, standing in found["consent"].items()])
    _show_table(_MAILBOX, [_mailbox(line, standing) for line, standing in found["mailboxes"].items()])
    _show_table(_NODES, [_node(seen) for seen in found["nodes"]])
    _show_table(_WAITING, [_waits(line, counts) for line, counts in found["journal"]["lines"].items()])
    typer.echo()
    for name, meaning in _COUNTS.items():
        kinds = _kinds(found["journal"]["set_aside"]) if name == "asides" else ""
        number = found["journal"][name]
        typer.echo(f"{number:>6} {meaning[number != 1]}{kinds}")
    if (spool := found["spool"]) is not None:
        typer.echo(f"{spool['hooks']:>6} {_SPOOLED[spool['hooks'] != 1]}")


def _show_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if rows:
        typer.echo()
        for text in table(head, rows):
            typer.echo(text)


_LINES = ("line", "state", "since", "last success", "provider discards from")
_LIMITS = ("line", "calls today", "calls this month", "used up", "next call")
_CIRCUIT = ("line", "circuit open since", "next try", "why")
_CONSENT = ("line", "consent", "since", "can be renewed until")
_MAILBOX = ("line", "mailbox", "since")
_NODES = ("node", "lives since", "version", "turns")
_WAITING = ("line", "calls waiting", "in flight", "followed", "oldest is due", "copies")
_COUNTS = {
    "unpublished": ("event waits for the bus", "events wait for the bus"),
    "unread": ("inbound page or web hook waits to be read", "inbound pages and web hooks wait to be read"),
    "parked": ("receipt waits for its message", "receipts wait for their message"),
    "asides": ("thing waits for a person", "things wait for a person"),
}
_SPOOLED = ("web hook waits in the spool for the journal", "web hooks wait in the spool for the journal")


def _kinds(set_aside: dict[str, int]) -> str:
    some = ", ".join(f"{number} {kind}" for kind, number in set_aside.items() if number)
    return f": {some} (relay dead list)" if some else ""


def _line(line: str, health: dict[str, Any]) -> tuple[str, ...]:
    reason = f" ({health['reason']})" if health["reason"] else ""
    times = (moment(health[name]) for name in ("since", "last_success", "loss_at"))
    return (line, health["state"] + reason, *times)


def _circuit(line: str, circuit: dict[str, Any]) -> tuple[str, ...]:
    """Since when a line makes one call at a time to see whether its provider answers again, and why."""
    return (line, moment(circuit["since"]), moment(circuit["next_try_at"]), circuit["reason"])


def _limits(line: str, standing: dict[str, Any]) -> tuple[str, ...]:
    """How the line stands with its limits; a line of which nothing is limited shows what it has spent today."""
    limits, held_at = standing["limits"], standing["held_at"]
    month, release = limits["month"], f"relay queue release --line {line}"
    used_up = "-" if month is None else moment(month["ends_at"]) if month["ends_at"] else "not this month"
    return (
        line,
        _spent(limits["today"], limits["calls_per_day"]),
        _spent(month["spent"], month["limit"]) if month else "-",
        used_up,
        f"held since {moment(held_at)}: {release}" if held_at else moment(standing["next_call_at"]),
    )


def _spent(calls: int, limit: int | None) -> str:
    return str(calls) if limit is None else f"{calls} of {limit}"


def _consent(line: str, standing: dict[str, Any]) -> tuple[str, ...]:
    given = "given" if standing["given"] else f"run: relay auth login {line}"
    return (line, given, moment(standing["since"]), moment(standing["renewable_until"]))


def _mailbox(line: str, standing: dict[str, Any]) -> tuple[str, ...]:
    return (line, "followed" if standing["followed"] else "not compared yet", moment(standing["since"]))


def _node(seen: dict[str, Any]) -> tuple[str, ...]:
    return (seen["name"], moment(seen["since"]), seen["version"], " ".join(seen["turns"]) or "-")


def _waits(line: str, counts: dict[str, Any]) -> tuple[str, ...]:
    calls = (str(counts["calls"][stage]) for stage in ("waiting", "in_flight", "followed"))
    copies = ", ".join(f"{number} {status}" for status, number in counts["copies"].items())
    return (line, *calls, moment(counts["oldest_due"]), copies)
