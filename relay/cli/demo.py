"""relay demo: texts flowing both ways, in a minute, without an account."""

from typing import Literal

import typer

EXAMPLE = """\b
Example: relay demo --stay

It asks nothing, needs no root, and calls nobody outside this machine.
"""


def demo(
    stay: bool = typer.Option(False, "--stay", help="Leave everything running afterwards, and say what to try."),
    broker: Literal["auto", "mosquitto", "amqtt"] = typer.Option(
        "auto", "--broker", help="The MQTT broker; auto is mosquitto where it is installed, and amqtt where not."
    ),
) -> None:
    """Watch texts flow both ways: a broker, AT&T simulated, and relay."""
    from relay.cli.performing import perform  # noqa: PLC0415 - no other command needs it

    perform(broker, stay=stay)
