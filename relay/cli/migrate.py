"""relay migrate: brings the journal to the tables of this relay, or moves it from its file to PostgreSQL."""

from pathlib import Path

import typer

from relay.cli.daemon import JsonOption
from relay.cli.run import ConfigOption

EXAMPLE = """\b
Example: relay migrate
Example: relay migrate --to postgresql://relay@db.example/relay --password-file pw

Stop relay first.

Alone it does what the next start of relay would do anyway: it changes the
journal's tables to those of this relay. A journal in a file is copied before,
and the copy is kept. PostgreSQL's administrator makes a backup before.

With --to it moves the journal. Nothing is lost meanwhile: AT&T repeats web hooks for 72 hours,
the broker keeps commands, and AT&T's inbox keeps a text for 30 minutes.
The database must be empty. It takes everything or nothing. Then the file is
marked, so that no relay opens it again; keep it until you trust the move.
The password comes from --password-file, or from journal.password_file, the
credential journal.password or RELAY_JOURNAL__PASSWORD; never from the address.
Exit codes: 0: moved; 1: it is not, and why; 78: the settings are bad.
"""


def migrate(
    to: str | None = typer.Option(
        None, "--to", metavar="URL", help="The database: postgresql://user@host/database.", show_default=False
    ),
    password_file: Path | None = typer.Option(
        None, "--password-file", help="A file that holds the user's password.", show_default=False
    ),
    config: Path | None = ConfigOption,
    as_json: bool = JsonOption,
) -> None:
    """Bring the journal up to date, or move it to PostgreSQL."""
    if to is None:
        from relay.cli.upgrading import bring_up_to_date  # noqa: PLC0415 - as below

        bring_up_to_date(config, as_json=as_json)
        return
    from relay.cli.transferring import move_the_journal  # noqa: PLC0415 - takes a second, and no other command needs it

    move_the_journal(to, password_file, config, as_json=as_json)
