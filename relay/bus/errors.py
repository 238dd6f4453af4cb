"""What can go wrong between relay and its broker.

RelayError
 ├─ TryLater
 │   ├─ BusLost           there is no connection, or it broke before the broker confirmed
 │   └─ NoConnection      a connection could not be made; `cause` names why in one word
 ├─ PublishRefused        the broker confirmed that it does not take this message; `poison` where it never will
 └─ SubscribeRefused      the broker does not let relay hear its commands
"""

from collections.abc import Sequence

from relay.domain.errors import ErrorCode, Problem, RelayError, TryLater

NORMAL = 0x00  # the reason of a disconnection
PACKET_TOO_LARGE = 0x95
TOPIC_NAME_INVALID = 0x90
QUOTA_EXCEEDED = 0x97
NOT_AUTHORIZED = 0x87
SESSION_TAKEN_OVER = 0x8E
UNSUPPORTED_PROTOCOL = 0x84

# Reason codes of MQTT 5, section 2.4. Only a changed message could pass these; the others may pass later, when the
# broker's rights or room have changed.
_NEVER = {
    TOPIC_NAME_INVALID: "topic name invalid",
    PACKET_TOO_LARGE: "packet too large",
    0x99: "payload format invalid",
}
_LATER = {
    0x80: "unspecified error",
    0x83: "implementation specific error",
    NOT_AUTHORIZED: "not authorized",
    0x91: "packet identifier in use",
    QUOTA_EXCEEDED: "quota exceeded",
}


class BusLost(TryLater):
    """There is no connection to the broker, or it broke before the broker confirmed: publish again when connected.

    `on_the_way`: the message had been given to the connection that broke, and may be what broke it. `closed`: it was
    on the way, and the broker closed the connection for no reason of its own.
    """

    def __init__(self, detail: str, *, on_the_way: bool = False, closed: bool = False) -> None:
        super().__init__(Problem(ErrorCode.UNREACHABLE, detail))
        self.on_the_way = on_the_way
        self.closed = closed


class NoConnection(TryLater):
    """No connection could be made. `cause` is one word, `code` the CONNACK's reason code where there was one."""

    def __init__(self, cause: str, detail: str, code: int | None = None) -> None:
        super().__init__(Problem(ErrorCode.UNREACHABLE, detail))
        self.cause = cause
        self.code = code


class PublishRefused(RelayError):  # noqa: N818 - the class says what happened
    """The broker answered a publish with a refusal. `poison`: the same message can never pass."""

    def __init__(self, reason: int) -> None:
        words = _NEVER.get(reason) or _LATER.get(reason, "refused")
        super().__init__(Problem(ErrorCode.INTERNAL, f"the broker refused a publish: 0x{reason:02x}, {words}"))
        self.reason = reason
        self.poison = reason in _NEVER


class SubscribeRefused(RelayError):  # noqa: N818 - as above
    """The broker refused subscriptions. `filters` are the refused ones."""

    def __init__(self, filters: Sequence[str]) -> None:
        detail = f"the broker refused {len(filters)} subscriptions, the first is {filters[0]}: check its ACL"
        super().__init__(Problem(ErrorCode.UNAUTHORIZED, detail))
        self.filters = tuple(filters)
