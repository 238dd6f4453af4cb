"""What a link needs of one MQTT connection, whichever version it speaks, and how a connection ends."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mqtt5 import ConnAckPacket

from relay.bus.delivery import CommandProperties
from relay.bus.payloads import Publication

FIRST_FAILURE = 0x80  # reason codes from here on are failures; 0x10, nobody listens, is a success
NOTHING_BESIDE = CommandProperties()
CLOSED_BY_RELAY = "closed by relay"


@dataclass(frozen=True, slots=True)
class Loss:
    """How a connection ended.

    `code`: the broker's reason for closing it, where it gave one (MQTT 5). `ours`: relay has ended it itself.
    """

    detail: str
    code: int | None = None
    ours: bool = False


@dataclass(slots=True)
class Received:
    """One message from the broker. `topic`: empty where it is no text, and so nobody's."""

    mid: int
    qos: int
    topic: str
    payload: bytes = field(repr=False)
    retain: bool
    dup: bool
    properties: CommandProperties = field(default=NOTHING_BESIDE, repr=False)


class Listener(Protocol):
    """Who is told what comes on a channel. None of these raises."""

    def on_message(self, received: Received) -> None:
        """The broker has sent a message."""

    def on_published(self, mid: int, code: int) -> None:
        """The broker has confirmed or refused what was published as `mid`."""

    def on_subscribed(self, mid: int, codes: Sequence[int]) -> None:
        """The broker has answered the subscription `mid`, with one code for each filter."""

    def on_room(self) -> None:
        """The channel takes publications again."""

    def on_end(self, loss: Loss) -> None:
        """The channel has ended; it is told once, and nothing after it."""


class Channel(Protocol):
    """One connection, used once.

    Attributes:
        up: whether the connection has not ended.
        writable: whether it takes publications; where not, those before them still wait for the network.
        session_present: whether the broker still knew this client.
        granted: what the broker said of itself as it let relay in; None on MQTT 3.1.1.
    """

    session_present: bool
    granted: ConnAckPacket | None

    @property
    def up(self) -> bool: ...  # noqa: D102 - above

    @property
    def writable(self) -> bool: ...  # noqa: D102 - above

    async def open(self) -> None:
        """Connect.

        Raises:
            NoConnection: no connection could be made in time.
        """

    async def close(self, *, goodbye: bool) -> None:
        """End the connection. With a goodbye the broker forgets the will; without, it publishes it."""

    async def ended(self) -> Loss:
        """Wait for the end."""

    def abort(self, loss: Loss) -> None:
        """End the connection at once."""

    def leave(self, reason: int) -> None:
        """End the connection with a goodbye for this reason."""

    def pause(self) -> None:
        """Read nothing more: what comes waits in the network's buffers, and then at the broker."""

    def resume(self) -> None:
        """Read again."""

    def publish(self, what: Publication) -> int | None:
        """Publish at QoS 1; its packet id, by which the answer comes, or None where the connection is gone.

        Raises:
            PublishRefused: it can be no packet, or none that the broker takes.
        """

    def ack(self, mid: int, qos: int) -> None:
        """Acknowledge a message of this connection."""

    def subscribe(self, filters: Sequence[str], *, retained: bool) -> int | None:
        """Subscribe at QoS 1; the packet id, by which the answer comes, or None where the connection is gone."""

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Hear these no more."""
