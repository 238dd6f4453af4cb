"""The demo, from the command line: its end is an exit code."""

import asyncio
import shlex
import shutil
import sys
from pathlib import Path

import typer

from relay.cli.ending import ending_in_words
from relay.cli.signals import stop_on_signals
from relay.demo.broker import Kind
from relay.demo.show import Show, show


def perform(broker: Kind, *, stay: bool) -> None:
    """Show the demo; returns where all of it happened.

    Raises:
        typer.Exit: something did not happen; what it was has been said.
    """

    async def live() -> bool:
        return await show(Show(broker, stay, program()), stop_on_signals())

    with ending_in_words():
        if not asyncio.run(live()):
            raise typer.Exit(1)


def program() -> str:
    """How this very program is started in the user's shell."""
    own = Path(sys.argv[0])
    if own.name != "relay":
        return f"{shlex.quote(sys.executable)} -m relay"
    found = shutil.which("relay")
    return "relay" if found and Path(found).resolve() == own.resolve() else shlex.quote(str(own))
