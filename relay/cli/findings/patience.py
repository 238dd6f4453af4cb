"""How long a check waits for whom. Everything is looked at at the same time, so the longest of these is its length."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds.

    Attributes:
        part: for all that is looked at of one part, such as the broker or a line; it cuts the others short.
        door: for a name, a connection, its certificate and a first word.
        broker: for each answer of the broker, and for each version of MQTT.
        loopback: that a broker may take to pass on what relay says, on MQTT 3.1.1.
        web: for an answer from the public address.
    """

    part: float = 7.5
    door: float = 3.0
    broker: float = 3.5
    loopback: float = 1.5
    web: float = 4.0


USUAL = Patience()
