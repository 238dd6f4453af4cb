"""relay optout: who gets no more texts, and what shows it. Numbers come from a file or standard input alone."""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import typer
from pydantic_core import to_json

from relay.cli.daemon import Daemon, JsonOption, SocketOption, fail, talk
from relay.cli.numbers import BadList, Row, numbers_of, rows_of
from relay.cli.words import counted, moment, table

EXAMPLE = """\b
Example: relay optout list

Numbers are read from a file or from standard input, one a line: `ps` shows the
arguments of every command.
"""

optout = typer.Typer(no_args_is_help=True, epilog=EXAMPLE, help="List, add, remove, import or export opt-outs.")

_FileArgument = typer.Argument(Path("-"), metavar="[FILE]", help="Numbers, one a line; - for standard input.")
_LineOption = typer.Option(None, "--line", help="This line only.", show_default=False)
_AT_ONCE = 500
_COLUMNS = ("address", "line", "at", "source", "word")


@optout.command(
    "list",
    epilog="""\b
Example: relay optout list --lifted --json
Example: relay optout list --of numbers.txt
""",
)
def list_(
    line: str | None = _LineOption,
    lifted: bool = typer.Option(False, "--lifted", help="Also those that hold no more."),
    of: Path | None = typer.Option(
        None, "--of", metavar="FILE", help="Everything of these numbers; - for standard input.", show_default=False
    ),
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Show opt-outs, and which message, line and time show them."""
    if of is not None:
        asked = _read(of, numbers_of)
        found, refused = talk(socket, lambda daemon: _of(daemon, asked))
        _told(asked, refused)
        found = [one for one in found if line in {None, one["line"]}]
    else:
        found, refused = talk(socket, lambda daemon: _all(daemon, line, lifted=lifted)), []
    if as_json:
        for one in found:
            typer.echo(to_json(one))
    elif found:
        for text in table(_HEAD, [_written(one) for one in found]):
            typer.echo(text)
    else:
        typer.echo("no opt-outs")
    raise typer.Exit(1 if refused else 0)


@optout.command(epilog="\b\nExample: relay optout add --line office < numbers.txt\n")
def add(
    file: Path = _FileArgument,
    line: str | None = _LineOption,
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Opt numbers out, on every line or on one."""
    _change("add", _read(file, numbers_of), {"line": line}, as_json=as_json, socket=socket)


@optout.command(
    epilog="""\b
Example: relay optout remove < numbers.txt

With --line, only what was asked for on that line is lifted.
"""
)
def remove(
    file: Path = _FileArgument,
    line: str | None = _LineOption,
    as_json: bool = JsonOption,
    socket: Path | None = SocketOption,
) -> None:
    """Lift the opt-outs of numbers: they get texts again."""
    _change("remove", _read(file, numbers_of), {"line": line}, as_json=as_json, socket=socket)


@optout.command(
    "import",
    epilog="""\b
Example: relay optout import optouts.csv

CSV as `relay optout export` writes it, with the header
address,line,at,source,word
of which address alone is needed; or one number a line. An empty line column
means every line. A row that cannot be read is named; the others are taken, and
the exit code is 1. The same list again changes nothing.
""",
)
def import_(file: Path = _FileArgument, as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Take in opt-outs from a list."""
    _change("import", _read(file, rows_of), {}, as_json=as_json, socket=socket)


@optout.command(epilog="\b\nExample: relay optout export > optouts.csv\n")
def export(line: str | None = _LineOption, as_json: bool = JsonOption, socket: Path | None = SocketOption) -> None:
    """Write the opt-outs that hold as CSV, for `relay optout import`."""
    found = [_exported(one) for one in talk(socket, lambda daemon: _all(daemon, line)) if one["address"]]
    if as_json:
        for one in found:
            typer.echo(to_json(one))
        return
    writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)


def _read(file: Path, reader: Callable[[Path], list[Row]]) -> list[Row]:
    try:
        return reader(file)
    except BadList as error:
        fail(str(error))


async def _all(daemon: Daemon, line: str | None, *, lifted: bool = False) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page: list[dict[str, Any]] | None = None
    while page is None or page:
        after = found[-1]["id"] if found else ""
        page = await daemon.get(f"/optout?{urlencode({'line': line or '', 'lifted': int(lifted), 'after': after})}")
        found += page or []
    return found


async def _of(daemon: Daemon, asked: Sequence[Row]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for start, some in _pieces(asked):
        done = await daemon.post("/optout/of", {"addresses": [row.entry["address"] for row in some]})
        found += done["found"]
        refused += [{**one, "place": one["place"] + start} for one in done["refused"]]
    return found, refused


def _change(verb: str, asked: list[Row], common: dict[str, Any], *, as_json: bool, socket: Path | None) -> None:
    """Have it done in pieces, and tell what came of it; ends the program."""

    async def conversation(daemon: Daemon) -> dict[str, Any]:
        total: dict[str, Any] = {_DONE[verb]: 0, "unchanged": 0, "refused": [], "unknown_lines": set()}
        for start, some in _pieces(asked):
            entries = [row.entry for row in some]
            listed = {"entries": entries} if verb == "import" else {"addresses": [one["address"] for one in entries]}
            done = await daemon.post(f"/optout/{verb}", {**common, **listed})
            for name in (_DONE[verb], "unchanged"):
                total[name] += done[name]
            total["refused"] += [{**one, "place": one["place"] + start} for one in done["refused"]]
            total["unknown_lines"] |= set(done.get("unknown_lines", ()))
        return total

    total = talk(socket, conversation)
    _told(asked, total["refused"])
    for line in sorted(total["unknown_lines"]):
        typer.echo(f"relay has no line {line}: what was asked for there holds as optout.scope says", err=True)
    counts = {_DONE[verb]: total[_DONE[verb]], "unchanged": total["unchanged"], "refused": len(total["refused"])}
    typer.echo(to_json(counts) if as_json else _SAID[verb].format(counted(counts[_DONE[verb]], "number"), **counts))
    raise typer.Exit(1 if total["refused"] else 0)


def _pieces(rows: Sequence[Row]) -> Iterator[tuple[int, Sequence[Row]]]:
    for start in range(0, len(rows), _AT_ONCE):
        yield start, rows[start : start + _AT_ONCE]


def _told(asked: Sequence[Row], refused: Sequence[dict[str, Any]]) -> None:
    """Name what could not be read by where it stands."""
    for one in refused:
        typer.echo(f"line {asked[one['place']].number}: {one['why']}", err=True)


def _exported(one: dict[str, Any]) -> dict[str, Any]:
    # A short code is no phone number, and is read again only with its scheme.
    address = f"short:{one['address']}" if one["address"].isdigit() else one["address"]
    return {**{name: one[name] for name in _COLUMNS}, "address": address}


def _written(one: dict[str, Any]) -> tuple[str, ...]:
    state = f"lifted {moment(one['lifted_at'])} ({one['lifted_by']})" if one["lifted_at"] else "holds"
    shown = (one["address"], one["line"] or "every line", moment(one["at"]), one["source"], one["word"])
    return (*(text or "-" for text in shown), one["message_id"] or "-", state)


_HEAD = ("number", "asked on", "at", "source", "word", "message", "state")
_DONE = {"add": "new", "remove": "lifted", "import": "new"}
_SAID = {
    "add": "{0} opted out, {unchanged} opted out before, {refused} not read",
    "remove": "the opt-outs of {0} lifted, {unchanged} had none there, {refused} not read",
    "import": "{0} opted out, {unchanged} known before, {refused} not read",
}
