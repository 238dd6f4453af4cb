"""A time -> `scheduledDate`, as Landline Texting wants it. Pure.

"Must be in milliseconds and converted to Pacific Time" (Landline documentation, Message/Send Scheduled). The sample
has 14 digits, which as milliseconds is the year 2428: a digit too many (wire facts, 4.2). relay writes 13.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

PACIFIC = "America/Los_Angeles"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def scheduled_date(time: datetime, shift: str) -> str:
    """The aware `time` in milliseconds since 1970; `pacific` moves it by the offset that Pacific Time has then."""
    offset = time.astimezone(ZoneInfo(PACIFIC)).utcoffset() if shift == "pacific" else None
    return str((time - _EPOCH + (offset or timedelta())) // timedelta(milliseconds=1))
