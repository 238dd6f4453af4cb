"""settings -> the journal moved, exported or imported, and what is told of it."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr
from pydantic_core import to_json

from relay.cli.ending import ending_in_words
from relay.cli.keeping import quiet_log, tell_held
from relay.cli.words import counted
from relay.clock import SystemClock
from relay.journal import JournalUnusable
from relay.journal.exporting import export_database, export_file
from relay.journal.importing import Imported, import_database, import_file
from relay.journal.moving import migrate
from relay.settings import BadSettings, JournalSection, SettingProblem, kept_at
from relay.settings.files import BadFile, read_secret
from relay.settings.journalurl import is_postgresql, journal_url

_OFTEN = 20_000  # rows


def move_the_journal(to: str, password_file: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Move the journal, and tell what was moved and what is to be done next.

    Raises:
        typer.Exit: 1 where it was not moved, 78 where the settings or the address are bad.
    """
    quiet_log()
    with ending_in_words():
        journal, _ = kept_at(path=config, environment=os.environ)
        _refuse_bad(to)
        if journal.path is None:
            raise JournalUnusable("the journal is in PostgreSQL already: there is no file to move")
        password = _from_file(password_file) if password_file else _plain(journal.password)
        began = time.monotonic()
        told = _Progress(quiet=as_json)
        done = migrate(journal.path, to, password, clock=SystemClock(), told=told)
        seconds = round(time.monotonic() - began, 2)
    if as_json:
        typer.echo(
            to_json({"journal": str(journal.path), "rows": dict(done.rows), "seconds": seconds, "new": done.is_new})
        )
        return
    _tell_rows(done.rows)
    total = counted(sum(done.rows.values()), "row")
    typer.echo(f"moved {total} in {seconds} s" if done.is_new else f"{total} had been moved before: it is whole")
    typer.echo(f"now set journal.url to {to} and start relay; `relay check` looks at both")
    typer.echo(
        f"no relay opens {journal.path} again; it still holds texts and numbers: delete it when you trust the move"
    )


def export_the_journal(file: Path, config: Path | None, *, replace: bool, as_json: bool) -> None:
    """Export, and tell the size and the rows.

    Raises:
        typer.Exit: 1 where it could not be done, 78 where the settings are bad.
    """
    quiet_log()
    with ending_in_words():
        journal, _ = kept_at(path=config, environment=os.environ)
        began, now, to = time.monotonic(), SystemClock().now(), file.absolute()
        if journal.path is not None:
            rows = export_file(journal.path, to, now, replace=replace)
        else:
            rows = export_database(journal.url, _plain(journal.password), to, now, replace=replace)
        seconds, size = round(time.monotonic() - began, 2), to.stat().st_size
    if as_json:
        typer.echo(to_json({"file": str(file), "bytes": size, "rows": dict(rows), "seconds": seconds}))
        return
    typer.echo(f"exported {counted(sum(rows.values()), 'row')} to {file}, {size} bytes, in {seconds} s")
    typer.echo("it holds texts, numbers and tokens: keep it safe")


def import_the_journal(file: Path, config: Path | None, *, as_json: bool) -> None:
    """Import, and tell what is held.

    Raises:
        typer.Exit: 1 where nothing was changed, 78 where the settings are bad.
    """
    quiet_log()
    with ending_in_words():
        journal, media = kept_at(path=config, environment=os.environ)
        done = _imported(file.absolute(), journal, media, quiet=as_json)
    if as_json:
        former = done.former and str(done.former)
        typer.echo(to_json({"rows": done.rows, "held": done.restored.held, "newest": _iso(done), "former": former}))
        return
    typer.echo(f"imported {counted(done.rows, 'row')}; it knows of nothing after {_iso(done) or 'its beginning'}")
    tell_held(done.restored.held)
    if done.former:
        typer.echo(f"the former journal is kept as {done.former}")


def _imported(file: Path, journal: JournalSection, media: Path, *, quiet: bool) -> Imported:
    clock = SystemClock()
    if journal.path is not None:
        return import_file(file, journal.path, media, clock=clock)
    told = _Progress(quiet=quiet)
    return import_database(file, journal.url, _plain(journal.password), clock=clock, told=told)


class _Progress:
    """Says now and then how many rows are copied."""

    def __init__(self, *, quiet: bool) -> None:
        self._next = float("inf") if quiet else _OFTEN

    def __call__(self, rows: int) -> None:
        if rows >= self._next:
            typer.echo(f"copied {rows} rows", err=True)
            self._next = rows + _OFTEN


def _tell_rows(rows: Mapping[str, int]) -> None:
    width = max(map(len, rows))
    for name, count in rows.items():
        if count:
            typer.echo(f"{name:<{width}}  {count}")


def _iso(done: Imported) -> Any:
    newest = done.restored.newest
    return newest and newest.isoformat(timespec="seconds").replace("+00:00", "Z")


def _plain(password: SecretStr | None) -> str | None:
    return password.get_secret_value() if password else None


def _refuse_bad(to: str) -> None:
    what = "" if is_postgresql(to) else 'must begin with "postgresql://"'
    try:
        journal_url(to)
    except ValueError as error:
        what = what or str(error)
    if what:
        raise BadSettings([SettingProblem("command line", "--to", what)])


def _from_file(file: Path) -> str:
    try:
        return read_secret(file)
    except BadFile as bad:
        raise BadSettings([SettingProblem("command line", "--password-file", bad.what, bad.cure)]) from None
