"""relay backup: copies the journal to a file, while relay runs or while it does not."""

from pathlib import Path

import typer

from relay.cli.daemon import JsonOption
from relay.cli.run import ConfigOption

EXAMPLE = """\b
Example: relay backup /var/backups/relay-monday.db

It reads the journal's file itself, and needs to run as relay's user or root.
Nothing waits for it. Every page of the copy is checked before it has its name.
Kept attachments go to FILE.media. Both hold texts and numbers: keep them safe.
Exit codes: 0: the backup is on disk; 1: it is not; 78: the settings are bad.
"""


def backup(
    file: Path = typer.Argument(metavar="FILE", help="The new file."),
    replace: bool = typer.Option(False, "--replace", help="Take the place of a backup of this name."),
    config: Path | None = ConfigOption,
    as_json: bool = JsonOption,
) -> None:
    """Back the journal up, whole and checked, also while relay runs."""
    from relay.cli.keeping import back_the_journal_up  # noqa: PLC0415 - takes a second, and no other command needs it

    back_the_journal_up(file, config, replace=replace, as_json=as_json)
