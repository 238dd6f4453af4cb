"""settings -> the journal's file backed up or restored, and what is told of it."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from pydantic_core import to_json

from relay.cli.ending import ending_in_words
from relay.cli.words import counted
from relay.clock import SystemClock
from relay.ids import unguessable
from relay.journal import JournalUnusable
from relay.journal.backup import back_up, media_of
from relay.journal.moved import refuse_moved
from relay.journal.restore import hold_restored, restore
from relay.settings import kept_at
from relay.telemetry.logging import configure

_BY_POSTGRESQL = (
    "the journal is in PostgreSQL, which is backed up by its own tools: pg_dump for a copy, pg_basebackup with WAL"
    " archiving to lose nothing; after an older state was restored, and before relay starts: relay restore --database"
)
_RESTORED_BY_POSTGRESQL = (
    "the journal is in PostgreSQL: with relay stopped on all nodes, restore its database by pg_restore or point-in-time"
    " recovery, then run `relay restore --database`, which holds what may have been sent since"
)


def back_the_journal_up(file: Path, config: Path | None, *, replace: bool, as_json: bool) -> None:
    """Make the backup, and tell its size and rows.

    Raises:
        typer.Exit: 1 where it could not be made, 78 where the settings are bad.
    """
    with ending_in_words():
        journal, media = kept_at(path=config, environment=os.environ)
        if journal.path is None:
            raise JournalUnusable(_BY_POSTGRESQL)
        refuse_moved(journal.path)
        began = time.monotonic()
        made = back_up(journal.path, media, file.absolute(), replace=replace)
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
        journal, media = kept_at(path=config, environment=os.environ)
        if journal.path is None:
            raise JournalUnusable(_RESTORED_BY_POSTGRESQL)
        done = restore(file.absolute(), journal.path, media, clock=SystemClock())
    held, former = done.restored.held, done.former
    newest = done.restored.newest and done.restored.newest.isoformat(timespec="seconds").replace("+00:00", "Z")
    if as_json:
        body: dict[str, Any] = {"journal": str(journal.path), "rows": done.rows, "attachments": done.attachments}
        typer.echo(to_json({**body, "held": held, "newest": newest, "former": former and str(former)}))
        return
    typer.echo(
        f"restored {journal.path}: {counted(done.rows, 'row')}; it knows of nothing after {newest or 'its beginning'}"
    )
    tell_held(held)
    if former:
        typer.echo(f"the former journal is kept as {former}")


def hold_the_database(config: Path | None, *, as_json: bool) -> None:
    """Hold what waits in a database that was restored by PostgreSQL's own tools, and tell what is held.

    Raises:
        typer.Exit: 1 where it could not be done, 78 where the settings are bad.
    """
    quiet_log()
    with ending_in_words():
        journal, _ = kept_at(path=config, environment=os.environ)
        if journal.path is not None:
            raise JournalUnusable("the journal is a file: `relay restore FILE` puts a backup in its place")
        password = journal.password.get_secret_value() if journal.password else None
        restored = hold_restored(journal.url, password, clock=SystemClock())
    newest = restored.newest and restored.newest.isoformat(timespec="seconds").replace("+00:00", "Z")
    if as_json:
        typer.echo(to_json({"held": restored.held, "newest": newest}))
        return
    typer.echo(f"the journal in PostgreSQL knows of nothing after {newest or 'its beginning'}")
    tell_held(restored.held)


def quiet_log() -> None:
    """Have what the journal logs for a running relay out of the way of what a command tells."""
    configure("text", "critical", sys.stderr, unguessable().encode())


def tell_held(held: Mapping[str, int]) -> None:
    """Say what is held on each line, and what can be done with it."""
    for line, copies in held.items():
        typer.echo(f"line {line}: {counted(copies, 'copy', 'copies')} held, for they may have been sent since")
    if held:
        typer.echo("relay queue release --line LINE sends them, relay queue cancel --line LINE --yes ends them")


def _size(number: int) -> str:
    return f"{number / 1_000_000:.1f} MB" if number >= 100_000 else f"{number} bytes"  # noqa: PLR2004 - a matter of taste
