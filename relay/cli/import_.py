"""relay import: puts an export into an empty journal, while relay is stopped."""

from pathlib import Path

import typer

from relay.cli.daemon import JsonOption
from relay.cli.run import ConfigOption

EXAMPLE = """\b
Example: relay import /var/backups/relay.jsonl.gz

Stop relay on all nodes first. The journal that the settings name must be empty,
or not there. Nobody knows what was sent since the export was made: what waited
then is held until `relay queue release --line LINE` sends it, or
`relay queue cancel` ends it. Exit codes: 0: imported; 1: nothing was changed;
78: the settings are bad.
"""


def import_(
    file: Path = typer.Argument(metavar="FILE", help="What `relay export` has made."),
    config: Path | None = ConfigOption,
    as_json: bool = JsonOption,
) -> None:
    """Put an export into an empty journal, a file or PostgreSQL. Nothing of it is sent by itself."""
    from relay.cli.transferring import import_the_journal  # noqa: PLC0415 - takes a second, and no other command needs it

    import_the_journal(file, config, as_json=as_json)
