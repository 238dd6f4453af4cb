"""relay run: the daemon."""

from pathlib import Path

import typer

from relay.cli.lean import loading_without

EXAMPLE = """\b
Example: relay run --config /etc/relay/relay.toml

SIGTERM or Ctrl-C stops it: calls in flight finish first. A second one ends it at once.
"""

ConfigOption = typer.Option(
    None,
    "--config",
    help="The settings file; without it $RELAY_CONFIG, then /etc/relay/relay.toml.",
    show_default=False,
)


def run(config: Path | None = ConfigOption) -> None:
    """Run relay in the foreground, as systemd does."""
    with loading_without():
        from relay.cli.serving import run_until_stopped  # noqa: PLC0415 - takes a second; no other command needs it

    run_until_stopped(config)
