"""bus -> consumer: a command as it came, and the way to acknowledge it."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CommandProperties:
    """What MQTT 5 says beside the payload. `expiry` is in seconds, as the broker counted it down."""

    response_topic: str | None = None
    correlation: bytes | None = field(default=None, repr=False)
    expiry: int | None = None
    traceparent: str | None = None


OnArrival = Callable[[], None]


def _nothing(_: OnArrival | None = None) -> None:
    """For a command that came from no broker: there is nobody to tell."""


@dataclass(slots=True)
class Delivery:
    """One command from the bus.

    `oversize`: the payload was over the limit and was not kept. `misnamed`: the topic's level for the client holds
    what can be no client's name. Call exactly one of `ack`, `again` and `leave` in the end.
    """

    line: str
    verb: str
    client: str | None
    payload: bytes = field(repr=False)
    retained: bool = False
    redelivered: bool = False
    oversize: bool = False
    misnamed: bool = False
    properties: CommandProperties = field(default_factory=CommandProperties)
    on_ack: Callable[[OnArrival | None], None] = field(default=_nothing, repr=False)
    on_again: Callable[[], None] = field(default=_nothing, repr=False)
    on_leave: Callable[[], None] = field(default=_nothing, repr=False)
    _settled: bool = field(default=False, repr=False)

    def ack(self, on_arrival: OnArrival | None = None) -> None:
        """It is on disk: the broker may forget it. Does nothing if the connection that brought it is lost.

        Args:
            on_arrival: called once it is proven that the broker has the acknowledgement, and so will not deliver the
                command again; never, where the connection did not live long enough for the proof.
        """
        if not self._settled:
            self._settled = True
            self.on_ack(on_arrival)

    def again(self) -> None:
        """It could not be kept: drop the connection, because only then the broker delivers it again."""
        if not self._settled:
            self._settled = True
            self.on_again()

    def leave(self) -> None:
        """It stays with the broker, for whoever hears commands next."""
        if not self._settled:
            self._settled = True
            self.on_leave()
