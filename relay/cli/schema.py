"""relay schema: the interface as documents, for programs that check what they send and for people who read on."""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import typer
from pydantic_core import to_json

from relay.cli.daemon import JsonOption, fail
from relay.cli.words import table

EXAMPLE = """\b
Example: relay schema receipt
         relay schema urn:relay:receipt:v1
         relay schema --out schemas
"""


def schema(
    name: str | None = typer.Argument(
        None, metavar="[NAME]", help="Which document, or the `dataschema` of an event.", show_default=False
    ),
    out: Path | None = typer.Option(
        None, "--out", help="Write it, or all of them, as files into this folder.", show_default=False
    ),
    as_json: bool = JsonOption,
) -> None:
    """Show a message's JSON Schema, or the AsyncAPI document."""
    from relay import interface  # noqa: PLC0415 - every other command starts without it

    names = interface.schema_names()
    if name is not None:
        name = interface.urn_name(name) or name
        if name not in names:
            fail(_unknown(name, names))
    if out is not None:
        _write(out, interface.files() if name is None else interface.file(name))
    elif name is not None:
        typer.echo(next(iter(interface.file(name).values())), nl=False)
    else:
        _list(names, as_json=as_json)


def _list(names: Mapping[str, str], *, as_json: bool) -> None:
    rows: list[tuple[str, ...]] = [(name, what) for name, what in names.items()]
    listed = (to_json({"name": name, "is": what}).decode() for name, what in names.items())
    for line in listed if as_json else table(("name", "$id, or what it is"), rows):
        typer.echo(line)


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"the files cannot be written into {folder}: {error.strerror}")
    typer.echo(f"{len(files)} {'file' if len(files) == 1 else 'files'} written into {folder}")


def _unknown(name: str, names: Mapping[str, str]) -> str:
    near = get_close_matches(name, [*names, *names.values()], n=3, cutoff=0.4)
    meant = f"did you mean {' or '.join(near)}?" if near else "`relay schema` lists them all"
    return f"no such document; {meant}"
