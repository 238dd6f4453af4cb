"""settings -> the journal's file backed up or restored, and what is told of it."""

import os
import time
from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.ending import ending_in_words
from relay.cli.words import counted
from relay.clock import SystemClock
from relay.journal.backup import back_up, media_of
from relay.journal.restore import restore
from relay.settings import kept_at


def back_the_journal_up(file: Path, config: Path | None, *, replace: bool, as_json: bool) -> None:
    """Make the backup, and tell its size and rows.

    Raises:
        typer.Exit: 1 where it could not be made, 78 where the settings are bad.
    """
    with ending_in_words():
        journal, media = kept_at(path=config, environment=os.environ)
        began = time.monotonic()
        made = back_up(journal, media, file.absolute(), replace=replace)
        seconds = round(time.monotonic() - began, 2)
    rows = sum(made.rows.values())
    if as_json:
        body = {"file": str(file), "bytes": made.bytes, "rows": dict(made.rows), "seconds": seconds}
        kept = {"attachments": made.attachments, "attachment_bytes": made.attachment_bytes}
        typer.echo(to_json({**body, **kept}))
        return
    typer.echo(f"backed up to {file}: {_size(made.bytes)}, {counted(rows, 'row')}, in {seconds} s")
    if made.attachments:
        attached = counted(made.attachments, "attachment")
        typer.echo(f"{attached}, {_size(made.attachment_bytes)}, are in {media_of(file)}: keep them together")


def restore_the_journal(file: Path, config: Path | None, *, as_json: bool) -> None:
    """Restore, and tell what is held.

    Raises:
        typer.Exit: 1 where it could not be restored, 78 where the settings are bad.
    """
    with ending_in_words():
        path, media = kept_at(path=config, environment=os.environ)
        done = restore(file.absolute(), path, media, clock=SystemClock())
    held, former = done.restored.held, done.former
    newest = done.restored.newest and done.restored.newest.isoformat(timespec="seconds").replace("+00:00", "Z")
    if as_json:
        body: dict[str, Any] = {"journal": str(path), "rows": done.rows, "attachments": done.attachments}
        typer.echo(to_json({**body, "held": held, "newest": newest, "former": former and str(former)}))
        return
    typer.echo(f"restored {path}: {counted(done.rows, 'row')}; it knows of nothing after {newest or 'its beginning'}")
    for line, copies in held.items():
        typer.echo(f"line {line}: {counted(copies, 'copy', 'copies')} held, for they may have been sent since")
    if held:
        typer.echo("relay queue release --line LINE sends them, relay queue cancel --line LINE --yes ends them")
    if former:
        typer.echo(f"the former journal is kept as {former}")


def _size(number: int) -> str:
    return f"{number / 1_000_000:.1f} MB" if number >= 100_000 else f"{number} bytes"  # noqa: PLR2004 - a matter of taste
