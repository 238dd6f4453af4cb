"""relay check: is everything in order? Each finding says ok, or what is wrong, why it matters, and the cure."""

from pathlib import Path

import typer

from relay.cli.daemon import JsonOption
from relay.cli.run import ConfigOption

EXAMPLE = """\b
Example: relay check --config /etc/relay/relay.toml

ok: in order; --: it could be better; !!: wrong. Each of these has the cure below it: a command, or a setting to type.
It changes nothing and sends no text; on the broker it tries its topics with an event that readers ignore by its type.
Exit code 0: nothing is wrong; 1: something is; 78: the settings are bad.
"""


def check(
    config: Path | None = ConfigOption,
    as_json: bool = JsonOption,
    offline: bool = typer.Option(False, "--offline", help="Only the settings and the journal: call nobody."),
) -> None:
    """Check settings, journal, broker, lines, web hooks and clock. It takes under ten seconds."""
    from relay.cli.checking import check_everything  # noqa: PLC0415 - takes a second, and no other command needs it

    check_everything(config, as_json=as_json, offline=offline)
