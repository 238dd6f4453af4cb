"""relay restore: puts a backup in the place of the journal, while relay is stopped."""

from pathlib import Path

import typer

from relay.cli.daemon import JsonOption
from relay.cli.run import ConfigOption

EXAMPLE = """\b
Example: relay restore /var/backups/relay-monday.db

Stop relay first. The former journal is kept beside the new one. Nobody knows
what was sent since the backup was made: what waited then is held until
`relay queue release --line LINE` sends it, or `relay queue cancel` ends it.
Exit codes: 0: restored; 1: nothing was changed; 78: the settings are bad.
"""


def restore(
    file: Path | None = typer.Argument(None, metavar="FILE", help="What `relay backup` has made.", show_default=False),
    database: bool = typer.Option(
        False, "--database", help="PostgreSQL's tools have restored the journal: hold what waits there."
    ),
    config: Path | None = ConfigOption,
    as_json: bool = JsonOption,
) -> None:
    """Put a backup in the place of the journal. Nothing of it is sent by itself."""
    if (file is None) != database:
        raise typer.BadParameter("name a FILE, or say --database where PostgreSQL keeps the journal")
    from relay.cli.keeping import (  # noqa: PLC0415 - takes a second, and no other command needs it
        hold_the_database,
        restore_the_journal,
    )

    if file is None:
        hold_the_database(config, as_json=as_json)
    else:
        restore_the_journal(file, config, as_json=as_json)
