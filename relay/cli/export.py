"""relay export: writes the journal into a file of JSON lines, while relay runs or while it does not."""

from pathlib import Path

import typer

from relay.cli.daemon import JsonOption
from relay.cli.run import ConfigOption

EXAMPLE = """\b
Example: relay export /var/backups/relay.jsonl.gz

A header, one row a line, and a checksum; gzip where the name ends in .gz.
It holds texts, numbers and tokens: only its owner may read it, keep it safe.
Attachments are not in it. It needs as much room again for a while.
Exit codes: 0: the file is on disk; 1: it is not; 78: the settings are bad.
"""


def export(
    file: Path = typer.Argument(metavar="FILE", help="The new file."),
    replace: bool = typer.Option(False, "--replace", help="Take the place of a file of this name."),
    config: Path | None = ConfigOption,
    as_json: bool = JsonOption,
) -> None:
    """Write the whole journal to a file, wherever it is kept."""
    from relay.cli.transferring import export_the_journal  # noqa: PLC0415 - takes a second, and no other command needs it

    export_the_journal(file, config, replace=replace, as_json=as_json)
