"""The pace: calls a second, evenly spaced."""

import math
from datetime import datetime, timedelta


def next_call_at(now: datetime, per_second: float) -> datetime:
    """When the call after the one that begins `now` may begin, at `per_second` calls a second (more than 0).

    Rounded up to the microsecond, so that the pace is never passed.
    """
    return now + timedelta(microseconds=math.ceil(1_000_000 / per_second))
