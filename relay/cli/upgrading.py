"""settings -> the journal with the tables of this relay, and what is told of it."""

import os
from pathlib import Path

import typer
from pydantic_core import to_json

from relay.cli.ending import ending_in_words
from relay.cli.keeping import quiet_log
from relay.journal import JournalUnusable
from relay.journal.migrating import revision_of
from relay.journal.opening import open_store
from relay.journal.store import JournalStore
from relay.journal.wayback import copy_of
from relay.settings import kept_at


def bring_up_to_date(config: Path | None, *, as_json: bool) -> None:
    """Change the journal's tables to those of this relay, as its next start would, and tell what was kept of before.

    Raises:
        typer.Exit: 1 where nothing was changed, 78 where the settings are bad.
    """
    quiet_log()
    with ending_in_words():
        journal, _ = kept_at(path=config, environment=os.environ)
        if journal.path is not None and not journal.path.exists():
            raise JournalUnusable(f"there is no journal at {journal.path}: is this the right settings file?")
        password = journal.password.get_secret_value() if journal.password else None
        store = open_store(journal.url, password, journal.ballast).store
        before, now = store.before, _revision(store)
        store.close()
    copy = copy_of(journal.path, before) if journal.path and before else None
    if as_json:
        typer.echo(to_json({"revision": now, "before": before, "copy": copy and str(copy)}))
        return
    if before is None:
        typer.echo(f"the journal has the tables of this relay (revision {now}): there was nothing to change")
        return
    typer.echo(f"the journal has the tables of this relay now (revision {before} to {now})")
    if copy is not None:
        typer.echo(f"as it was before it is kept in {copy}: delete that when you trust the upgrade; it holds texts")
        typer.echo(f"back to the relay before: stop relay, install that relay, `relay restore {copy}`")


def _revision(store: JournalStore) -> str | None:
    with store.reading() as connection:
        return revision_of(connection)
