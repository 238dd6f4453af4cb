"""The dialects of AT&T's SMS service, as data: which paths, which body, and where the answer to a send has its id.

What comes in is read alike in all of them: they differ in case, in numbers or texts and in JSON or XML, and none of
that is looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from relay.domain.messages import RawAnswer
from relay.providerkit.operations import Operation
from relay.providers.att_sms import operations, wire
from relay.providers.att_sms.bodies import Sending, gsma_body, rest2_body, v3_body
from relay.providers.att_sms.settings import AttSmsSettings

Body = Callable[[Sending], bytes]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to speak with AT&T's SMS service.

    Attributes:
        api: what a send is called, in AT&T's words.
        send: the row of the operations table that a send is; `status` and `inbox` alike.
        body: writes the body of a send.
        sent_id: reads the id from the answer to a send; None where it has none; raises Malformed.
        repeats_call_id: a delivery notification names the call by relay's own id, and not by AT&T's.
    """

    api: str
    send: Operation
    status: Operation
    inbox: Operation
    body: Body
    sent_id: Callable[[RawAnswer], str | None]
    repeats_call_id: bool = False


def dialect_of(settings: AttSmsSettings) -> Dialect:
    """The dialect that a line's settings ask for."""
    return _DIALECTS[settings.dialect](settings)


_V3 = Dialect(
    "SMS API v3: Send SMS", operations.SEND_V3, operations.STATUS_V3, operations.INBOX_V3, v3_body, wire.sent_v3
)
_REST2 = Dialect(
    "SMS API REST v2: Send SMS",
    operations.SEND_REST2,
    operations.STATUS_REST2,
    operations.INBOX_REST2,
    rest2_body,
    wire.sent_rest2,
)
# Which root AT&T's OneAPI takes is not documented.
_ONEAPI_BODIES: Mapping[str, Body] = {"gsma": gsma_body, "att": v3_body}


def _oneapi(settings: AttSmsSettings) -> Dialect:
    version = settings.oneapi_version
    return Dialect(
        f"SMS API OneAPI v{version}: Send SMS",
        operations.SEND_ONEAPI[version],
        operations.STATUS_ONEAPI[version, settings.oneapi_status_path],
        operations.INBOX_ONEAPI[version],
        _ONEAPI_BODIES[settings.oneapi_body],
        wire.sent_oneapi,
        repeats_call_id=settings.oneapi_body == "gsma",
    )


_DIALECTS: Mapping[str, Callable[[AttSmsSettings], Dialect]] = {
    "v3": lambda _: _V3,
    "rest2": lambda _: _REST2,
    "oneapi": _oneapi,
}
