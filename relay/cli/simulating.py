"""The simulator alone, until a signal stops it, and what it says of itself at its start."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import typer

from relay.cli.ending import ending_in_words
from relay.cli.signals import stop_on_signals
from relay.clock import LabClock, SystemClock
from relay.ids import unguessable
from relay.settings import Endpoint
from relay.settings.types import endpoint_of
from relay.simulator.app import Simulator, SimulatorOptions
from relay.telemetry.logging import configure

GUIDE = """\
AT&T is simulated at {base_url}; Ctrl-C ends it.

Its accounts, as relay's settings name them{aside}:

{lab}[lines.alerts]
provider = "att-sms"
base_url = "{base_url}"
short_code = "12345"
app_key = "demo-key"
app_secret_file = "app_secret"       # a file that holds: demo-secret
[lines.office]
provider = "att-landline"
base_url = "{base_url}"
number = "+12065550100"
session_file = "session"             # a file that holds: 00000000-0000-0000-0000-000000000000:1
[lines.anna]                         # after `relay auth login anna`, whose page consents by itself
provider = "att-inapp"
base_url = "{base_url}"
number = "+12065550150"
app_key = "demo-inapp-key"
app_secret_file = "inapp_secret"     # a file that holds: demo-inapp-secret

Somebody texts the short code:
  curl {base_url}/_sim/handset -d '{{"from": "+12065550142", "to": "12345", "text": "Hello"}}'
The next send is answered with 503:
  curl {base_url}/_sim/faults -d '{{"match": {{"operation": "send"}}, "do": "status", "status": 503}}'
Everything that has happened, and what AT&T's documents forbid:
  curl {base_url}/_sim/ledger
  curl {base_url}/_sim/violations

A recipient's last two digits say what becomes of a text: 13 is never reached, 15 is refused, 16 answers YES,
17 answers STOP, 18 is reached after an hour; most others are reached at once."""

LAB = """\
[lab]
speed = {speed:g}
epoch = "{epoch}"
"""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was asked for on the command line."""

    listen: str
    speed: float
    seed: int | None
    ledger: Path | None
    shape: str

    def endpoint(self) -> Endpoint:
        """Where to listen. Raises a usage error."""
        try:
            return endpoint_of(self.listen)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--listen") from None


def simulate_until_stopped(asked: Simulated) -> None:
    """Run it; returns when a signal has stopped it.

    Raises:
        typer.Exit: it could not start; the reason stands on standard error.
    """
    host, port = asked.endpoint()
    epoch = SystemClock().now()
    options = SimulatorOptions(
        host=host,
        port=port,
        clock=LabClock(asked.speed, epoch, epoch) if asked.speed > 1 else SystemClock(),
        seed=asked.seed,
        ledger=asked.ledger,
        modes={name: {"shape": asked.shape} for name in ("att-sms", "att-inapp")},
    )

    async def live() -> None:
        stop = stop_on_signals()
        async with Simulator(options) as simulator:
            typer.echo(guide(simulator.base_url, asked.speed, epoch))
            await stop.wait()

    configure("auto", "warning", sys.stderr, unguessable().encode())
    with ending_in_words():
        asyncio.run(live())


def guide(base_url: str, speed: float, epoch: datetime) -> str:
    """How to use a simulator that has just started."""
    fast = speed > 1
    lab = LAB.format(speed=speed, epoch=epoch.isoformat(timespec="seconds")) if fast else ""
    aside = ", with its fast time" if fast else ""
    return GUIDE.format(base_url=base_url, lab=lab, aside=aside)
