"""relay simulate: AT&T's services, simulated, for integrators' own tests."""

from pathlib import Path
from typing import Literal

import typer

EXAMPLE = """\b
Example: relay simulate --listen 127.0.0.1:8700 --speed 60 --seed 1

It speaks to nobody but who calls it, and ends with Ctrl-C.
"""


def simulate(
    listen: str = typer.Option("127.0.0.1:8700", "--listen", help="Where to listen; port 0 takes any free one."),
    speed: float = typer.Option(1.0, "--speed", min=1, max=100_000, help="AT&T's seconds in one real second."),
    seed: int | None = typer.Option(None, "--seed", help="Repeats a run's chance.", show_default=False),
    ledger: Path | None = typer.Option(
        None, "--ledger", help="Append everything that happens to this file, as JSON lines.", show_default=False
    ),
    shape: Literal["documented", "served"] = typer.Option(
        "documented", "--shape", help="Answer as AT&T's documents say, or as its servers do."
    ),
) -> None:
    """Run the AT&T simulator alone, and print how to use it."""
    from relay.cli.simulating import Simulated, simulate_until_stopped  # noqa: PLC0415 - no other command needs it

    simulate_until_stopped(Simulated(listen, speed, seed, ledger, shape))
