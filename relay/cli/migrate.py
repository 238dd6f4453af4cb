"""relay migrate: moves the journal from its file to PostgreSQL, while relay is stopped."""

from pathlib import Path

import typer

from relay.cli.daemon import JsonOption
from relay.cli.run import ConfigOption

EXAMPLE = """\b
Example: relay migrate --to postgresql://relay@db.example/relay --password-file pw

Stop relay first. Nothing is lost meanwhile: AT&T repeats web hooks for 72 hours,
the broker keeps commands, and AT&T's inbox keeps a text for 30 minutes.
The database must be empty. It takes everything or nothing. Then the file is
marked, so that no relay opens it again; keep it until you trust the move.
The password comes from --password-file, or from journal.password_file, the
credential journal.password or RELAY_JOURNAL__PASSWORD; never from the address.
Exit codes: 0: moved; 1: it is not, and why; 78: the settings are bad.
"""


def migrate(
    to: str = typer.Option(metavar="URL", help="The database: postgresql://user@host/database."),
    password_file: Path | None = typer.Option(
        None, "--password-file", help="A file that holds the user's password.", show_default=False
    ),
    config: Path | None = ConfigOption,
    as_json: bool = JsonOption,
) -> None:
    """Move the journal to PostgreSQL, where nodes can share it."""
    from relay.cli.transferring import move_the_journal  # noqa: PLC0415 - takes a second, and no other command needs it

    move_the_journal(to, password_file, config, as_json=as_json)
