"""The command `relay`: every command of it, and how each of them ends: an exit code and a sentence, never a traceback.

Exit codes: 0 done, 1 failed, 2 wrong usage, 78 bad settings.
"""

import sys

import typer
from typer.main import get_command

from relay import __version__
from relay.cli import (
    auth,
    backup,
    check,
    dead,
    demo,
    explain,
    export,
    forget,
    import_,
    init,
    migrate,
    optout,
    queue,
    reload,
    replay,
    restore,
    schema,
    send,
    simulate,
    status,
    tail,
    trace,
    webhooks,
)
from relay.cli import run as daemon
from relay.cli.lastword import last_word

app = typer.Typer(
    name="relay",
    help="Joins AT&T's text messaging services to an MQTT bus, without losing or doubling a text.",
    epilog="Begin with: relay demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for module, command in (
    (daemon, daemon.run),
    (init, init.init),
    (check, check.check),
    (reload, reload.reload),
    (status, status.status),
    (send, send.send),
    (tail, tail.tail),
    (trace, trace.trace),
    (explain, explain.explain),
    (schema, schema.schema),
    (replay, replay.replay),
    (backup, backup.backup),
    (restore, restore.restore),
    (export, export.export),
    (migrate, migrate.migrate),
    (forget, forget.forget),
    (demo, demo.demo),
    (simulate, simulate.simulate),
):
    app.command(epilog=module.EXAMPLE)(command)
app.command(name="import", epilog=import_.EXAMPLE)(import_.import_)
app.add_typer(queue.queue, name="queue")
app.add_typer(dead.dead, name="dead")
app.add_typer(optout.optout, name="optout")
app.add_typer(webhooks.webhooks, name="webhooks")
app.add_typer(auth.auth, name="auth")


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"relay {__version__}")
        raise typer.Exit


@app.callback()
def _relay(
    version: bool = typer.Option(
        False, "--version", callback=_tell_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    del version  # its callback has done everything


def run() -> None:
    """Run the command that the process' arguments name; ends the process."""
    sys.excepthook = last_word
    get_command(app)(prog_name="relay")
