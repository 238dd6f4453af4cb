"""What happened in each of the last minutes: a ring of counters and gauges that the charts are drawn from."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from relay.domain.states import Status

KEPT = 60  # minutes
MINUTE = timedelta(minutes=1)
COUNTED = ("sent", "received", "delivered", "failed", "other")
COUNTED_KINDS = frozenset({"message", "receipt"})  # of events
GAUGED = ("queue", "oldest")


class Minutes:
    """Counters and gauges by minute, of the last hour. What is older is forgotten; so much memory, and no more.

    Args:
        now: the time; of what was before, nothing is known.
    """

    def __init__(self, now: datetime) -> None:
        self.since = now
        self._rows: dict[datetime, dict[str, float]] = {}

    def count(self, at: datetime, name: str, number: int = 1) -> None:
        """Something happened: one of `COUNTED`."""
        row = self._row(at)
        row[name] = row.get(name, 0) + number

    def gauge(self, at: datetime, **values: float | None) -> None:
        """How much of something there is: some of `GAUGED`. The last that is said in a minute is the minute's."""
        row = self._row(at)
        row.update({name: value for name, value in values.items() if value is not None})

    def of_event(self, at: datetime, kind: str, body: Mapping[str, Any]) -> None:
        """Count an event that relay announces."""
        if kind == "message":
            self.count(at, "received")
        elif kind == "receipt":
            status = body.get("status")
            if was_sent(body):
                self.count(at, "sent")
            if body.get("final") and not body.get("late"):
                self.count(at, _ENDS.get(str(status), "other"))

    def rows(self, now: datetime) -> list[tuple[datetime, dict[str, float | None]]]:
        """The last minutes up to this one, oldest first; None is what is not known.

        Between two minutes in which a gauge was read, it is as it was at the first of them.
        """
        newest = _minute(now)
        times = [newest - MINUTE * ago for ago in reversed(range(KEPT))]
        gauged = {name: self._filled(name, times) for name in GAUGED}
        return [
            (at, {**self._counted(at), **{name: values[place] for name, values in gauged.items()}})
            for place, at in enumerate(times)
        ]

    def _counted(self, at: datetime) -> dict[str, float | None]:
        row, is_known = self._rows.get(at, {}), at + MINUTE > self.since
        return {name: row.get(name, 0) if is_known else None for name in COUNTED}

    def _filled(self, name: str, times: list[datetime]) -> list[float | None]:
        read = [self._rows.get(at, {}).get(name) for at in times]
        until = max((place for place, value in enumerate(read) if value is not None), default=-1)
        for place in range(1, until):
            read[place] = read[place - 1] if read[place] is None else read[place]
        return read

    def _row(self, at: datetime) -> dict[str, float]:
        minute = _minute(at)
        row = self._rows.setdefault(minute, {})
        while len(self._rows) > KEPT:
            del self._rows[min(self._rows)]
        return row


def was_sent(receipt: Mapping[str, Any]) -> bool:
    """Whether a receipt says that its copy was handed to the provider."""
    return receipt.get("status") in _HANDED_OVER and receipt.get("previous") in _NOT_YET


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


_NOT_YET = frozenset({Status.SCHEDULED, Status.QUEUED, Status.SENDING, Status.UNCERTAIN})
_HANDED_OVER = frozenset({Status.SUBMITTED, Status.SENT, Status.UNKNOWN, Status.DELIVERED, Status.UNDELIVERED})
_ENDS: Mapping[str, str] = {
    Status.DELIVERED: "delivered",
    Status.UNDELIVERED: "failed",
    Status.FAILED: "failed",
    Status.EXPIRED: "failed",
}
