"""A call's expiry, looked at once more: its line may have waited for a token since the call was claimed."""

from datetime import datetime

from relay.domain.errors import ErrorCode, Problem, TooLate
from relay.domain.messages import OutboundCall


def check_in_time(call: OutboundCall, now: datetime) -> None:
    """Return where a call may still be made; to be asked just before its request is written, and before each repeat.

    Raises:
        TooLate: its expiry has come.
    """
    if call.expires_at is not None and now >= call.expires_at:
        raise TooLate(Problem(ErrorCode.EXPIRED, "the expiry came before the request was written"))
